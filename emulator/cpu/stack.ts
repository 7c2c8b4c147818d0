import { dataAddress } from '../mmu/canonical';
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

/** The stack in force. */
export function currentStack(cpu: Processor): StackSegment {
  return { base: cpu.base(SEG.SS), limit: cpu.limit(SEG.SS), access: cpu.access(SEG.SS), flat: cpu.is64Bit };
}

/** Width in bits of the stack pointer. */
export const pointerBits = (stack: StackSegment): number =>
  stack.flat ? 64 : stack.access & ACCESS_RIGHTS.BIG ? 32 : 16;

/** Whether `length` bytes at an offset lie in the stack segment. */
function inStack(cpu: Processor, stack: StackSegment, offset: bigint, length: number): boolean {
  if (stack.flat) return dataAddress(cpu, offset, length) !== undefined;
  if (stack.access & ACCESS_RIGHTS.UNUSABLE) return false;
  const first = Number(offset);
  const last = first + length - 1;
  if (stack.access & ACCESS_RIGHTS.EXPAND_DOWN && (stack.access & ACCESS_RIGHTS.CODE) === 0) {
    return first > stack.limit && last <= (stack.access & ACCESS_RIGHTS.BIG ? 0xffff_ffff : 0xffff);
  }
  return last <= stack.limit;
}

const linearOf = (stack: StackSegment, offset: bigint): bigint =>
  stack.flat ? offset : (stack.base + offset) & 0xffff_ffffn;

/**
 * A stack being pushed to. Nothing is written until `commit`, which first makes sure that all of it can be; the stack pointer
 * is the caller's to write back from `pointer`.
 */
export class StackWriter {
  private readonly values: bigint[] = [];
  private readonly bits: number;
  private readonly top: bigint;

  constructor(
    private readonly cpu: Processor,
    private readonly stack: StackSegment,
    top: bigint,
    private readonly size: Size,
  ) {
    this.bits = pointerBits(stack);
    this.top = BigInt.asUintN(this.bits, top);
  }

  push(value: bigint | number): void {
    this.values.push(BigInt(value));
  }

  get pointer(): bigint {
    return BigInt.asUintN(this.bits, this.top - BigInt(this.size * this.values.length));
  }

  private offset(i: number): bigint {
    return BigInt.asUintN(this.bits, this.top - BigInt(this.size * (i + 1)));
  }

  /** Faults now if a push would: `refused` for the segment's limits or a non-canonical address, #PF from the MMU. */
  check(user: boolean, refused: () => never): void {
    for (let i = 0; i < this.values.length; i++) {
      if (!inStack(this.cpu, this.stack, this.offset(i), this.size)) refused();
    }
    for (let i = 0; i < this.values.length; i++) {
      this.cpu.mmu.probeWriteAs(linearOf(this.stack, this.offset(i)), this.size, user);
    }
  }

  /** Writes the low bytes of what was pushed, at the current privilege level. */
  commit(size: Size = this.size): void {
    for (let i = 0; i < this.values.length; i++) {
      this.cpu.mmu.write(linearOf(this.stack, this.offset(i)), size, this.values[i]);
    }
  }
}

/** A stack being popped from; RSP is written back by the caller from `pointer` once nothing can fault any more. */
export class StackReader {
  private readonly stack: StackSegment;
  private readonly bits: number;
  private at: bigint;

  constructor(
    private readonly cpu: Processor,
    private readonly size: Size,
    /** Error code of the #SS of a read beyond the limit. */
    private readonly errorCode = 0,
  ) {
    this.stack = currentStack(cpu);
    this.bits = pointerBits(this.stack);
    this.at = BigInt.asUintN(this.bits, cpu.gpr(RSP));
  }

  pop(): bigint {
    if (!inStack(this.cpu, this.stack, this.at, this.size)) raise(VECTOR.SS, this.errorCode);
    const value = this.cpu.mmu.read(linearOf(this.stack, this.at), this.size);
    this.skip(this.size);
    return value;
  }

  skip(bytes: number): void {
    this.at = BigInt.asUintN(this.bits, this.at + BigInt(bytes));
  }

  get pointer(): bigint {
    return this.at;
  }
}

/** Writes the stack pointer in the width the current stack segment has. */
export function setStackPointer(cpu: Processor, value: bigint): void {
  const bits = pointerBits(currentStack(cpu));
  if (bits === 16) cpu.setGpr(RSP, (cpu.gpr(RSP) & ~0xffffn) | (value & 0xffffn));
  else cpu.setGpr(RSP, BigInt.asUintN(bits, value));
}
