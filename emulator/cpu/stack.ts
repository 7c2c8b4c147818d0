import { dataAddressHigh } from '../mmu/canonical';
import { GPR } from '../state/layout';
import { fromWords, highWord, lowWord } from '../state/words';
import { RSP } from './registers';
import { ACCESS_RIGHTS } from './descriptors';
import { raise, VECTOR } from './faults';
import { type Processor, SEG } from './processor';

type Size = 2 | 4 | 8;

/** What addressing a stack needs to know of it. */
export interface StackSegment {
  readonly base: bigint;
  readonly limit: number;
  readonly access: number;
  /** 64-bit mode: flat, canonical checks only. */
  readonly flat: boolean;
}

/** The stack of 64-bit mode. */
export const FLAT_STACK: StackSegment = { base: 0n, limit: 0xffff_ffff, access: 0, flat: true };

/** The stack in force. */
export function currentStack(cpu: Processor): StackSegment {
  if (cpu.is64Bit) return FLAT_STACK;
  return { base: cpu.base(SEG.SS), limit: cpu.limit(SEG.SS), access: cpu.access(SEG.SS), flat: false };
}

/** Width in bits of the stack pointer. */
export const pointerBits = (stack: StackSegment): number =>
  stack.flat ? 64 : stack.access & ACCESS_RIGHTS.BIG ? 32 : 16;

/** Whether `length` bytes at an offset, in two words, lie in the stack segment. */
function inStack(cpu: Processor, stack: StackSegment, low: number, high: number, length: number): boolean {
  if (stack.flat) return dataAddressHigh(cpu, low, high, length) !== undefined;
  if (stack.access & ACCESS_RIGHTS.UNUSABLE) return false;
  const last = low + length - 1;
  if (stack.access & ACCESS_RIGHTS.EXPAND_DOWN && (stack.access & ACCESS_RIGHTS.CODE) === 0) {
    return low > stack.limit && last <= (stack.access & ACCESS_RIGHTS.BIG ? 0xffff_ffff : 0xffff);
  }
  return last <= stack.limit;
}

/** A position in a stack, which moves in the width of its pointer. */
class StackPosition {
  /** Offset in the segment. */
  low = 0;
  high = 0;
  private readonly bits: number;
  /** Segment base, 0 for flat stacks. */
  private readonly base: number;

  constructor(stack: StackSegment, low: number, high: number) {
    this.bits = pointerBits(stack);
    this.base = stack.flat ? 0 : lowWord(stack.base);
    this.set(low, high);
  }

  private set(low: number, high: number): void {
    this.low = this.bits === 16 ? low & 0xffff : low >>> 0;
    this.high = this.bits === 64 ? high >>> 0 : 0;
  }

  /** @param bytes less than 2^31, either way */
  move(bytes: number): void {
    const low = this.low + bytes;
    this.set(low, this.high + (low < 0 ? -1 : low > 0xffff_ffff ? 1 : 0));
  }

  /** Whether `length` bytes from here up are one range of linear addresses. */
  isContiguous(length: number): boolean {
    return this.bits !== 16 || this.low + length <= 0x1_0000;
  }

  /** Low word of the linear address; the high one is `high`. */
  get linearLow(): number {
    return (this.base + this.low) >>> 0;
  }
  get linear(): bigint {
    return fromWords(this.linearLow, this.high);
  }
  get pointer(): bigint {
    return fromWords(this.low, this.high);
  }
}

/** Values pushed at most: those of a call gate with 31 parameters and a new stack. */
const MOST = 40;
/** What is being pushed, a low and a high word each: one stack is written at a time. */
const pushed = new Uint32Array(2 * MOST);

/**
 * A stack being pushed to. Nothing is written until `commit`, which first makes sure that all of it can be; the stack pointer
 * is the caller's to write back from `pointer`.
 */
export class StackWriter {
  private readonly at: StackPosition;
  private count = 0;
  /** Where `commit` writes, if `probe` has found that it can be done together. */
  private host = 0;

  constructor(
    private readonly cpu: Processor,
    private readonly stack: StackSegment,
    top: bigint,
    private readonly size: Size,
  ) {
    this.at = new StackPosition(stack, lowWord(top), highWord(top));
  }

  push(value: bigint | number): void {
    if (typeof value === 'number') this.pushWords(value, 0);
    else this.pushWords(lowWord(value), highWord(value));
  }

  pushWords(low: number, high: number): void {
    pushed[2 * this.count] = low;
    pushed[2 * this.count++ + 1] = high;
    this.at.move(-this.size);
  }

  /** Where the last value goes. */
  get pointer(): bigint {
    return this.at.pointer;
  }

  /** Whether all of it lies in the stack segment, or at canonical addresses. */
  get fits(): boolean {
    const { cpu, stack, size, at, count } = this;
    let fits = true;
    this.rewind();
    for (let i = 0; i < count; i++) {
      at.move(-size);
      fits &&= inStack(cpu, stack, at.low, at.high, size);
    }
    return fits;
  }

  private rewind(): void {
    this.at.move(this.size * this.count);
  }

  /** Faults now if a push would by paging. */
  probe(user: boolean): void {
    const { cpu, size, at, count } = this;
    let page = -1;
    const length = size * count;
    if ((at.linearLow & 0xfff) + length <= 4096 && at.isContiguous(length)) {
      this.host = cpu.mmu.storePage(at.linearLow, at.high, length, length - size, user);
      if (this.host !== 0) return;
    }
    this.rewind();
    for (let i = 0; i < count; i++) {
      at.move(-size);
      const low = at.linearLow;
      // What begins in a page that could be written to ends there or where the value before it begins.
      if (low >>> 12 === page) continue;
      page = low >>> 12;
      cpu.mmu.probeWriteAs(low, at.high, size, user);
    }
  }

  /** Faults now if a push would: `refused` for the segment's limits or a non-canonical address, #PF from the MMU. */
  check(user: boolean, refused: () => never): void {
    if (!this.fits) refused();
    this.probe(user);
  }

  /** Writes the low bytes of what was pushed, at the current privilege level. */
  commit(size: Size = this.size): void {
    const { cpu, at, count, host } = this;
    if (host !== 0) {
      for (let i = 0; i < count; i++) this.write(host + (count - 1 - i) * this.size, i, size);
      return;
    }
    this.rewind();
    for (let i = 0; i < count; i++) {
      at.move(-this.size);
      cpu.mmu.write(at.linear, size, fromWords(pushed[2 * i], pushed[2 * i + 1]));
    }
  }

  private write(host: number, i: number, size: Size): void {
    const { view } = this.cpu.memory;
    if (size === 2) view.setUint16(host, pushed[2 * i], true);
    else view.setUint32(host, pushed[2 * i], true);
    if (size === 8) view.setUint32(host + 4, pushed[2 * i + 1], true);
  }
}

/** A stack being popped from; RSP is written back by the caller from `pointer` once nothing can fault any more. */
export class StackReader {
  /** What `popWords` popped. */
  low = 0;
  high = 0;
  private readonly stack: StackSegment;
  private readonly at: StackPosition;
  /** Page of linear addresses that may be read without asking again, and where it begins in the host's memory. */
  private page = -1;
  private host = 0;

  constructor(
    private readonly cpu: Processor,
    private readonly size: Size,
    /** Error code of the #SS of a read beyond the limit. */
    private readonly errorCode = 0,
  ) {
    const { u32 } = cpu.memory;
    const rsp = (GPR >> 2) + RSP * 2;
    this.stack = currentStack(cpu);
    this.at = new StackPosition(this.stack, u32[rsp], u32[rsp + 1]);
  }

  popWords(): void {
    const { cpu, at, size } = this;
    if (!inStack(cpu, this.stack, at.low, at.high, size)) raise(VECTOR.SS, this.errorCode);
    const low = at.linearLow;
    if (low >>> 12 !== this.page || (low & 0xfff) + size > 4096) this.enterPage(low);
    if (this.host === 0) {
      const value = cpu.mmu.read(at.linear, size);
      this.low = lowWord(value);
      this.high = highWord(value);
    } else {
      const { view } = cpu.memory;
      const host = this.host + (low & 0xfff);
      this.low = size === 2 ? view.getUint16(host, true) : view.getUint32(host, true);
      this.high = size === 8 ? view.getUint32(host + 4, true) : 0;
    }
    at.move(size);
  }

  /** Faults now if popping the value behind `count` others would: processors read a return's frame from there down, which CR2 shows. */
  meet(count: number): void {
    const { at, size } = this;
    at.move(count * size);
    this.popWords();
    at.move(-(count + 1) * size);
  }

  private enterPage(low: number): void {
    const host = this.cpu.mmu.loadPage(low, this.at.high, this.size);
    this.page = host === 0 ? -1 : low >>> 12;
    this.host = host === 0 ? 0 : host - (low & 0xfff);
  }

  pop(): bigint {
    this.popWords();
    return fromWords(this.low, this.high);
  }

  /** Pops a selector: of a wider value the low 16 bits. */
  popSelector(): number {
    this.popWords();
    return this.low & 0xffff;
  }

  skip(bytes: number): void {
    this.at.move(bytes);
  }

  get pointer(): bigint {
    return this.at.pointer;
  }
}

/** Writes the stack pointer in the width the current stack segment has. */
export function setStackPointer(cpu: Processor, value: bigint): void {
  const bits = pointerBits(currentStack(cpu));
  if (bits === 16) cpu.setGpr(RSP, (cpu.gpr(RSP) & ~0xffffn) | (value & 0xffffn));
  else cpu.setGpr(RSP, BigInt.asUintN(bits, value));
}
