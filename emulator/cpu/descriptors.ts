import { DESCRIPTOR_TABLES, SEGMENT, SEGMENT_SIZE, SEGMENTS } from '../state/layout';
import { fromWords } from '../state/words';
import { type Processor, SEG } from './processor';

/** Access-rights bits of a segment register and of a descriptor, VMCS format. */
export const ACCESS_RIGHTS = {
  ACCESSED: 1,
  /** Data: writable. Code: readable. */
  WRITABLE: 2,
  READABLE: 2,
  /** Data: expand-down. Code: conforming. */
  EXPAND_DOWN: 4,
  CONFORMING: 4,
  CODE: 8,
  TYPE: 0xf,
  /** Code or data rather than system. */
  SEGMENT: 0x10,
  PRESENT: 0x80,
  LONG: 0x2000,
  BIG: 0x4000,
  GRANULAR: 0x8000,
  UNUSABLE: 0x1_0000,
} as const;

/** System-segment types. */
export const SYSTEM_TYPE = {
  TSS16: 1,
  LDT: 2,
  TSS16_BUSY: 3,
  CALL16: 4,
  TASK_GATE: 5,
  INTERRUPT16: 6,
  TRAP16: 7,
  TSS32: 9,
  TSS32_BUSY: 0xb,
  CALL32: 0xc,
  INTERRUPT32: 0xe,
  TRAP32: 0xf,
} as const;

/** A descriptor as read from its table. */
export interface Descriptor {
  readonly low: number;
  readonly high: number;
  /** Linear address of the descriptor. */
  readonly at: bigint;
  readonly base: bigint;
  /** In bytes. */
  readonly limit: number;
  readonly access: number;
  readonly dpl: number;
  readonly present: boolean;
}

export const isNull = (selector: number): boolean => (selector & 0xfffc) === 0;
const dplOf = (access: number): number => (access >> 5) & 3;
export const isCode = (access: number): boolean =>
  (access & (ACCESS_RIGHTS.SEGMENT | ACCESS_RIGHTS.CODE)) === (ACCESS_RIGHTS.SEGMENT | ACCESS_RIGHTS.CODE);
export const isConforming = (access: number): boolean => isCode(access) && (access & ACCESS_RIGHTS.CONFORMING) !== 0;
const isData = (access: number): boolean =>
  (access & (ACCESS_RIGHTS.SEGMENT | ACCESS_RIGHTS.CODE)) === ACCESS_RIGHTS.SEGMENT;
export const isWritableData = (access: number): boolean => isData(access) && (access & ACCESS_RIGHTS.WRITABLE) !== 0;

export const isReadable = (access: number): boolean =>
  (access & ACCESS_RIGHTS.SEGMENT) !== 0 && (!isCode(access) || (access & ACCESS_RIGHTS.READABLE) !== 0);

/** Type of a system descriptor; -1 for code and data. */
export const systemType = (access: number): number =>
  access & ACCESS_RIGHTS.SEGMENT ? -1 : access & ACCESS_RIGHTS.TYPE;

/** Descriptor of a selector that is not null, or undefined where it lies beyond its table. */
export function readDescriptor(cpu: Processor, selector: number): Descriptor | undefined {
  const offset = selector & 0xfff8;
  let table: number = DESCRIPTOR_TABLES.gdtrBase;
  if (selector & 4) {
    if (cpu.access(SEG.LDTR) & ACCESS_RIGHTS.UNUSABLE || offset + 7 > cpu.limit(SEG.LDTR)) return undefined;
    table = SEGMENTS + SEG.LDTR * SEGMENT_SIZE + SEGMENT.base;
  } else if (offset + 7 > cpu.field32(DESCRIPTOR_TABLES.gdtrLimit)) return undefined;
  const { view, u32 } = cpu.memory;
  const atLow = u32[table >> 2] + offset;
  const atHigh = u32[(table >> 2) + 1] + (atLow > 0xffff_ffff ? 1 : 0);
  const host = cpu.mmu.loadSystem(atLow >>> 0, atHigh >>> 0, 8);
  return parseDescriptor(view.getUint32(host, true), view.getUint32(host + 4, true), fromWords(atLow, atHigh));
}

function parseDescriptor(low: number, high: number, at: bigint): Descriptor {
  const access = (high >>> 8) & 0xf0ff;
  const rawLimit = (low & 0xffff) | (high & 0xf_0000);
  return {
    low,
    high,
    at,
    base: BigInt(((low >>> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000)) >>> 0),
    limit: access & ACCESS_RIGHTS.GRANULAR ? ((rawLimit << 12) | 0xfff) >>> 0 : rawLimit,
    access,
    dpl: dplOf(access),
    present: (access & ACCESS_RIGHTS.PRESENT) !== 0,
  };
}

/**
 * Bits 63:32 of the base or offset in a 16-byte system descriptor; undefined where its second half lies beyond the table or has a type
 * field that is not 0.
 */
export function readUpperHalf(cpu: Processor, selector: number, descriptor: Descriptor): bigint | undefined {
  const limit = selector & 4 ? cpu.limit(SEG.LDTR) : cpu.field32(DESCRIPTOR_TABLES.gdtrLimit);
  if ((selector & 0xfff8) + 15 > limit) return undefined;
  const upper = cpu.mmu.readSystem(descriptor.at + 8n, 8);
  return (upper >> 40n) & 0x1fn ? undefined : upper & 0xffff_ffffn;
}

/** Sets the accessed bit in the table if it is clear; returns access rights with it set. */
export function markAccessed(cpu: Processor, descriptor: Descriptor): number {
  if ((descriptor.access & ACCESS_RIGHTS.ACCESSED) === 0) {
    cpu.mmu.writeSystem(descriptor.at + 5n, 1, BigInt((descriptor.access | ACCESS_RIGHTS.ACCESSED) & 0xff));
  }
  return descriptor.access | ACCESS_RIGHTS.ACCESSED;
}

/** A descriptor with its accessed bit set, in its table too: that may fault, so it comes before anything else changes. */
export function accessed(cpu: Processor, descriptor: Descriptor): Descriptor {
  return descriptor.access & ACCESS_RIGHTS.ACCESSED
    ? descriptor
    : { ...descriptor, access: markAccessed(cpu, descriptor) };
}

/** Loads a segment register from a descriptor. */
export function loadSegment(cpu: Processor, index: number, selector: number, descriptor: Descriptor): void {
  cpu.setSegment(index, selector, descriptor.base, descriptor.limit, descriptor.access);
}

/** Marks a segment register unusable with a null selector; DPL is kept, as VMX needs it of SS. */
export function loadNull(cpu: Processor, index: number, selector: number, dpl: number): void {
  cpu.setSegment(index, selector, 0n, 0, ACCESS_RIGHTS.UNUSABLE | (dpl << 5));
}
