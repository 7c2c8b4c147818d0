import { type Decoded, type DecodeMode, type DecodeResult, Decoder } from '../decode/decoder';
import { writeEaRecord, writeRecord } from '../decode/encode-record';
import { RECORD, RECORD_SIZE } from '../decode/record';
import { endsBlock } from '../decode/shapes';
import type { CpuFeature } from '../tables/cpuid-features';
import { INSTRUCTIONS } from '../tables/instructions';
import {
  CODE_CACHE,
  EMPTY_TAG,
  INLINE,
  INLINE_BANK_SIZE,
  inlineOffset,
  PSEUDO,
  RAM_BASE,
  SCRATCH,
} from '../state/layout';
import { type MachineMemory, PAGE, type WriteObserver } from '../state/memory';
import { HANDLER } from './handlers';

const PAGE_SIZE = 4096;
/** Instructions in a block at most: small enough that the budget's tail is short. */
const MAX_BLOCK = 48;
/** A block's records at most: each instruction may have an `ea` record, and marks stand before and behind. */
const MAX_BLOCK_BYTES = (MAX_BLOCK * 3 + 3) * RECORD_SIZE;
/** Host layout of a code page: its physical page number, then the record of the block at each of 4096 offsets. */
const CODE_PAGE_HEADER = 16;
const CODE_PAGE_SIZE = CODE_PAGE_HEADER + PAGE_SIZE * 4;
const MAX_INSTRUCTION = 15;

/** How code is decoded and addressed: what a code page's identity has besides its physical page. */
export interface CodeMode extends DecodeMode {
  /** Linear address of CS offset 0 (0 in 64-bit mode). */
  readonly csBase: bigint;
  /** Highest offset code may be fetched from; undefined where nothing limits it. */
  readonly csLimit: number | undefined;
  /** Number of this mode, below 2^31, distinct for distinct modes. */
  readonly index: number;
}

/** What the code cache asks of address translation. */
export interface CodeSource {
  /**
   * Physical address of code at a linear address, -1 where no memory answers; faults as a fetch does. The page's entry in
   * the active bank of the inline code map may be filled afterwards.
   */
  fetchPhysical(linear: bigint): number;
  /** The physical page is to leave the inline store maps: it holds code now. */
  evictStores(page: number): void;
}

interface CodePage {
  readonly page: number;
  /** Host address of the table of blocks. */
  readonly table: number;
  readonly mode: CodeMode;
  /** First record and number of records of each block. */
  readonly blocks: { readonly first: number; readonly count: number }[];
  /** In-page offsets before which breakpoints are marked. */
  marks: ReadonlySet<number>;
}

/** Bits RIP has in 64-bit mode, and elsewhere. */
const LONG_RIP = 0xffff_ffff_ffff_ffffn;
const LEGACY_RIP = 0xffff_ffffn;

/**
 * Decoded blocks, keyed by physical page and mode, in linear memory from CODE_CACHE upwards. When it is full everything is
 * dropped. A write to decoded bytes turns all records of the page into STALE marks, so that even the block that is
 * executing leaves at its next instruction.
 */
export class CodeCache implements WriteObserver {
  private next = CODE_CACHE;
  private readonly pages = new Map<number, CodePage[]>();
  /** Bit per 64 bytes of each physical page: code was decoded from there. */
  private readonly granulesLow: Uint32Array;
  private readonly granulesHigh: Uint32Array;
  /** Counts the times code of a page was invalidated, for instructions that reach into it from the page before. */
  private readonly generations: Uint32Array;
  /** Mode each bank of the inline code map was filled in. */
  private readonly bankModes = new Int32Array(INLINE.banks).fill(-1);
  private readonly decoder: Decoder;
  private readonly crossingBytes = new Uint8Array(2 * MAX_INSTRUCTION);
  /** Breakpoints by linear page: the in-page offsets. */
  private breakpoints: ReadonlyMap<bigint, ReadonlySet<number>> = new Map();

  constructor(
    private readonly memory: MachineMemory,
    private readonly source: CodeSource,
    /** Whether the processor has a CPUID feature. */
    has?: (feature: CpuFeature) => boolean,
    private readonly limit: number = RAM_BASE,
  ) {
    this.decoder = new Decoder(has);
    const pages = memory.pages.length;
    this.granulesLow = new Uint32Array(pages);
    this.granulesHigh = new Uint32Array(pages);
    this.generations = new Uint32Array(pages);
  }

  /** Marks breakpoints from now on, and forgets everything decoded before. */
  setBreakpoints(linears: Iterable<bigint>): void {
    const pages = new Map<bigint, Set<number>>();
    for (const linear of linears) {
      const page = linear >> 12n;
      const offsets = pages.get(page) ?? new Set<number>();
      offsets.add(Number(linear & 0xfffn));
      pages.set(page, offsets);
    }
    this.breakpoints = pages;
    this.clear();
  }

  /** Drops every block. Not to be called while the interpreter runs. */
  clear(): void {
    for (const page of this.pages.keys()) this.forgetPage(page);
    this.pages.clear();
    this.next = CODE_CACHE;
    this.memory.u64.fill(EMPTY_TAG, INLINE.code >> 3, (INLINE.code + INLINE.banks * INLINE_BANK_SIZE) >> 3);
    this.bankModes.fill(-1);
  }

  /** Makes the active bank of the inline code map one of `mode`. To be called whenever bank or mode may have changed. */
  enterMode(mode: CodeMode): void {
    this.memory.u64[SCRATCH.ripMask >> 3] = mode.codeSize === 64 ? LONG_RIP : LEGACY_RIP;
    this.memory.u64[SCRATCH.codeBase >> 3] = mode.csBase;
    const offset = this.memory.u32[SCRATCH.bank >> 2];
    const bank = offset / INLINE_BANK_SIZE;
    if (this.bankModes[bank] === mode.index) return;
    this.bankModes[bank] = mode.index;
    const start = (INLINE.code + offset) >> 3;
    this.memory.u64.fill(EMPTY_TAG, start, start + (INLINE_BANK_SIZE >> 3));
  }

  /**
   * The block at `rip`, decoded if it is not yet; sets RIP_PAGE and enters the page into the inline code map. Faults as the
   * fetch of the first instruction does. Undefined where no memory answers.
   */
  lookup(rip: bigint, mode: CodeMode): number | undefined {
    const linear = linearOf(rip, mode);
    const physical = this.source.fetchPhysical(linear);
    if (physical < 0) return undefined;
    if (this.next + CODE_PAGE_SIZE + MAX_BLOCK_BYTES > this.limit) this.clear();
    const codePage = this.pageAt(physical >>> 12, mode);
    this.applyBreakpoints(codePage, linear >> 12n);
    const offset = physical & 0xfff;
    const slot = (codePage.table >> 2) + offset;
    if (this.memory.u32[slot] === 0) this.memory.u32[slot] = this.decodeBlock(codePage, offset, rip);
    this.setRipPage(rip, offset);
    this.mapPage(linear, codePage);
    return this.memory.u32[slot];
  }

  /** Decodes the one instruction at `rip` into SCRATCH.single, without marks; returns its record. */
  single(rip: bigint, mode: CodeMode): number | undefined {
    const linear = linearOf(rip, mode);
    const physical = this.source.fetchPhysical(linear);
    if (physical < 0) return undefined;
    const offset = physical & 0xfff;
    const inPage = this.decodeAt(physical, offset, rip, mode);
    const decoded = inPage === 'crossing' ? this.decodeCrossing(physical, rip, mode).decoded : inPage;
    const last = this.write(SCRATCH.single, decoded, offset, 0, 1);
    this.writeMark(last, HANDLER.STOP, offset + lengthOf(decoded), 1, 1);
    this.setRipPage(rip, offset);
    return SCRATCH.single;
  }

  /** False if the page the instruction behind a CROSSING record reaches into is not what it was decoded from. */
  crossingHolds(record: number, mode: CodeMode): boolean {
    const { view, u64 } = this.memory;
    const next = linearOf(u64[PSEUDO.RIP_PAGE >> 3] + BigInt(PAGE_SIZE), mode);
    const physical = this.source.fetchPhysical(next);
    const page = view.getUint32(record + RECORD.disp, true);
    if (pageOf(physical) === page && this.generation(page) === view.getUint32(record + RECORD.imm, true)) return true;
    view.setUint16(record + RECORD.handler, HANDLER.STALE, true);
    const table = view.getUint32(record + RECORD.disp + 4, true);
    this.memory.u32[(table >> 2) + view.getUint16(record + RECORD.offset, true)] = 0;
    return false;
  }

  codeWritten(physical: number, length: number): void {
    const page = physical >>> 12;
    const first = (physical & 0xfff) >>> 6;
    const last = ((physical & 0xfff) + length - 1) >>> 6;
    for (let granule = first; granule <= last; granule++) {
      const bits = granule < 32 ? this.granulesLow[page] : this.granulesHigh[page];
      if (bits & (1 << (granule & 31))) {
        this.invalidatePage(page);
        return;
      }
    }
  }

  private invalidatePage(page: number): void {
    for (const { table, blocks } of this.pages.get(page) ?? []) {
      for (const { first, count } of blocks) {
        for (let i = 0; i < count; i++) {
          this.memory.view.setUint16(first + i * RECORD_SIZE + RECORD.handler, HANDLER.STALE, true);
        }
      }
      blocks.length = 0;
      this.memory.u32.fill(0, table >> 2, (table >> 2) + PAGE_SIZE);
    }
    this.forgetPage(page);
  }

  private forgetPage(page: number): void {
    this.granulesLow[page] = 0;
    this.granulesHigh[page] = 0;
    this.generations[page]++;
    this.memory.pages[page] &= ~PAGE.CODE;
  }

  private generation(page: number): number {
    return page === NO_PAGE ? 0 : this.generations[page];
  }

  private pageAt(page: number, mode: CodeMode): CodePage {
    let list = this.pages.get(page);
    if (list === undefined) this.pages.set(page, (list = []));
    for (const codePage of list) if (codePage.mode.index === mode.index) return codePage;
    const table = this.next + CODE_PAGE_HEADER;
    this.next += CODE_PAGE_SIZE;
    this.memory.u32.fill(0, table >> 2, (table >> 2) + PAGE_SIZE);
    const made: CodePage = { page, table, mode, blocks: [], marks: NO_MARKS };
    list.push(made);
    return made;
  }

  private applyBreakpoints(codePage: CodePage, linearPage: bigint): void {
    const offsets = this.breakpoints.get(linearPage);
    if (offsets === undefined) return;
    if ([...offsets].every((offset) => codePage.marks.has(offset))) return;
    this.invalidatePage(codePage.page);
    codePage.marks = new Set([...codePage.marks, ...offsets]);
  }

  private setRipPage(rip: bigint, offset: number): void {
    this.memory.u64[PSEUDO.RIP_PAGE >> 3] = rip - BigInt(offset);
  }

  private mapPage(linear: bigint, codePage: CodePage): void {
    const entry = INLINE.code + this.memory.u32[SCRATCH.bank >> 2] + inlineOffset(Number(linear & 0xffff_ffffn));
    this.memory.u64[entry >> 3] = linear & ~0xfffn;
    this.memory.u32[(entry + 8) >> 2] = codePage.table;
  }

  private markCode(physical: number, length: number): void {
    const page = physical >>> 12;
    for (let at = (physical & 0xfff) >>> 6; at <= ((physical & 0xfff) + length - 1) >>> 6; at++) {
      if (at < 32) this.granulesLow[page] |= 1 << at;
      else this.granulesHigh[page] |= 1 << (at - 32);
    }
    if (this.memory.pages[page] & PAGE.CODE) return;
    this.memory.pages[page] |= PAGE.CODE;
    this.source.evictStores(page);
  }

  /** Decodes what lies in one page. */
  private decodeAt(physical: number, offset: number, rip: bigint, mode: CodeMode): Fetched | 'crossing' {
    const room = this.room(rip, mode);
    const inPage = PAGE_SIZE - offset;
    const result = this.decoder.decode(this.memory.u8, RAM_BASE + physical, Math.min(inPage, room), mode);
    if (result.kind === 'truncated' && inPage < room) return 'crossing';
    return this.fetched(result.kind);
  }

  private fetched(kind: DecodeResult['kind']): Fetched {
    if (kind === 'unavailable') return kind;
    return kind === 'truncated' || kind === 'too-long' ? 'limit' : this.decoder.decoded;
  }

  /** Bytes an instruction at `rip` can have: to the code segment's limit, and never more than 15. */
  private room(rip: bigint, mode: CodeMode): number {
    if (mode.csLimit === undefined) return MAX_INSTRUCTION;
    return Math.min(MAX_INSTRUCTION, Math.max(0, mode.csLimit + 1 - Number(rip)));
  }

  private decodeCrossing(physical: number, rip: bigint, mode: CodeMode): { decoded: Fetched; second: number } {
    const inFirst = PAGE_SIZE - (physical & 0xfff);
    const second = this.source.fetchPhysical(linearOf(rip + BigInt(inFirst), mode));
    const bytes = this.crossingBytes.fill(0xff);
    bytes.set(this.memory.u8.subarray(RAM_BASE + physical, RAM_BASE + physical + inFirst));
    if (second >= 0) {
      bytes.set(this.memory.u8.subarray(RAM_BASE + second, RAM_BASE + second + MAX_INSTRUCTION), inFirst);
    }
    const result = this.decoder.decode(bytes, 0, this.room(rip, mode), mode);
    return { decoded: this.fetched(result.kind), second };
  }

  private decodeBlock(codePage: CodePage, start: number, startRip: bigint): number {
    const { page, mode, marks } = codePage;
    const first = this.next;
    let at = first;
    let offset = start;
    let count = 0;
    while (count < MAX_BLOCK && offset < PAGE_SIZE) {
      const physical = page * PAGE_SIZE + offset;
      const rip = startRip + BigInt(offset - start);
      const decoded = this.decodeAt(physical, offset, rip, mode);
      if (decoded === 'crossing' && count > 0) break;
      if (marks.has(offset)) at = this.writeMark(at, HANDLER.BREAK, offset, count, 0);
      if (decoded === 'crossing') {
        return this.finishBlock(codePage, first, this.writeCrossing(at, codePage, physical, rip), 1);
      }
      at = this.write(at, decoded, offset, count, 0);
      this.markCode(physical, Math.min(bytesRead(decoded), PAGE_SIZE - offset));
      offset += lengthOf(decoded);
      count++;
      if (typeof decoded === 'string' || endsBlock(INSTRUCTIONS[decoded.row])) break;
    }
    at = this.writeMark(at, HANDLER.END, offset, count, 0);
    return this.finishBlock(codePage, first, at, count);
  }

  private writeCrossing(at: number, { table, mode }: CodePage, physical: number, rip: bigint): number {
    const { view } = this.memory;
    const offset = physical & 0xfff;
    const { decoded, second } = this.decodeCrossing(physical, rip, mode);
    const inFirst = PAGE_SIZE - offset;
    this.markCode(physical, inFirst);
    const secondPage = pageOf(second);
    if (second >= 0 && bytesRead(decoded) > inFirst) this.markCode(second, bytesRead(decoded) - inFirst);
    let to = this.writeMark(at, HANDLER.CROSSING, offset, 0, 1);
    view.setUint32(at + RECORD.disp, secondPage, true);
    view.setUint32(at + RECORD.disp + 4, table, true);
    view.setUint32(at + RECORD.imm, this.generation(secondPage), true);
    to = this.write(to, decoded, offset, 0, 1);
    return this.writeMark(to, HANDLER.END, offset + lengthOf(decoded), 1, 1);
  }

  private write(at: number, decoded: Fetched, offset: number, before: number, count: number): number {
    if (typeof decoded === 'string') return this.writeMark(at, FAULT_MARKS[decoded], offset, before, count);
    const { view } = this.memory;
    const fields = { offset, before, count };
    let to = at;
    if (decoded.ea !== undefined) {
      writeEaRecord(view, to, decoded, HANDLER.FIRST + decoded.eaIndex, fields);
      to += RECORD_SIZE;
    }
    writeRecord(view, to, decoded, HANDLER.FIRST + decoded.shapeIndex, fields);
    return to + RECORD_SIZE;
  }

  private writeMark(at: number, handler: number, offset: number, before: number, count: number): number {
    const { view, u8 } = this.memory;
    u8.fill(0, at, at + RECORD_SIZE);
    view.setUint16(at + RECORD.handler, handler, true);
    view.setUint16(at + RECORD.offset, offset, true);
    view.setUint16(at + RECORD.next, offset, true);
    view.setUint16(at + RECORD.before, before, true);
    view.setUint16(at + RECORD.count, count, true);
    return at + RECORD_SIZE;
  }

  /** Every record of the block gets the block's count: entry checks the budget by it, the last instruction subtracts it. */
  private finishBlock(codePage: CodePage, first: number, end: number, count: number): number {
    for (let at = first; at < end; at += RECORD_SIZE) this.memory.view.setUint16(at + RECORD.count, count, true);
    codePage.blocks.push({ first, count: (end - first) / RECORD_SIZE });
    this.next = end;
    return first;
  }
}

/** Marks of what cannot be executed. */
const FAULT_MARKS = { limit: HANDLER.LIMIT, unavailable: HANDLER.UNAVAILABLE } as const;

/** An instruction, or that the fetch runs into the segment limit or past 15 bytes, or that its unit is not available. */
type Fetched = Decoded | keyof typeof FAULT_MARKS;

const lengthOf = (fetched: Fetched): number => (typeof fetched === 'string' ? 0 : fetched.length);

/** Bytes the decision rests on: what is too long would be an instruction again if any of its first 15 bytes differed. */
const bytesRead = (fetched: Fetched): number => (typeof fetched === 'string' ? MAX_INSTRUCTION : fetched.length);

/** Stands for a page where no memory answers. */
const NO_PAGE = 0xffff_ffff;
const pageOf = (physical: number): number => (physical < 0 ? NO_PAGE : physical >>> 12);

const NO_MARKS: ReadonlySet<number> = new Set();

/** Linear address of a code offset. */
export function linearOf(rip: bigint, mode: CodeMode): bigint {
  if (mode.codeSize === 64) return BigInt.asUintN(64, rip);
  return (rip + mode.csBase) & 0xffff_ffffn;
}
