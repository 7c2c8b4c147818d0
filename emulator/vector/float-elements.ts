import { raise, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import type { DecodedRecord } from '../decode/decoded-record';
import { BEFORE_FLAGS, FloatEnvironment } from '../float/environment';
import { BINARY32, BINARY64, type Format } from '../float/format';
import { CONTROL, MXCSR, SCRATCH } from '../state/layout';
import { CR4 } from '../tables/control-registers';
import { clearAbove, encodingOf, firstSourceOf, setElement } from './registers';

export const FORMATS: Readonly<Record<4 | 8, Format>> = { 4: BINARY32, 8: BINARY64 };

/** #XM, or #UD where the operating system does not know it. */
function raiseUnmasked(cpu: Processor): never {
  const known = (cpu.field32(CONTROL.cr4) & CR4.OSXMMEXCPT) !== 0;
  return raise(known ? VECTOR.XM : VECTOR.UD);
}

/**
 * Reports exceptions in MXCSR, and raises the unmasked ones. Those found before the computation, of whatever element, come first: where
 * one of them is unmasked nothing has been computed. SDM "SIMD Floating-Point Exception Conditions".
 */
export function report(cpu: Processor, env: FloatEnvironment, flags: number): void {
  const mxcsr = cpu.field32(MXCSR);
  const before = flags & BEFORE_FLAGS;
  const stops = (before & ~env.masks) !== 0;
  cpu.setField32(MXCSR, mxcsr | (stops ? before : flags));
  if ((flags & ~env.masks) !== 0) raiseUnmasked(cpu);
}

const shared = new FloatEnvironment();

/** The environment of MXCSR; the same object each time. */
export const environment = (cpu: Processor): FloatEnvironment => shared.loadMxcsr(cpu.field32(MXCSR));

/** Computes elements 0 to count - 1 and reports what all of them met. */
export function computeElements<T>(
  cpu: Processor,
  count: number,
  compute: (env: FloatEnvironment, index: number) => T,
): readonly T[] {
  const env = environment(cpu);
  let flags = 0;
  const results = Array.from({ length: count }, (_, index) => {
    env.flags = 0;
    const result = compute(env, index);
    flags |= env.flags;
    return result;
  });
  report(cpu, env, flags);
  return results;
}

/** Where the source operand is. */
export const SOURCE = SCRATCH.source;

/** Elements of a whole vector. */
export const countOf = (insn: DecodedRecord, size: number): number => encodingOf(insn).bytes / size;

/** Writes a whole vector of results, which may be shorter than a register. */
export function writeElements(cpu: Processor, insn: DecodedRecord, size: 2 | 4 | 8, results: readonly bigint[]): void {
  results.forEach((value, index) => {
    setElement(cpu, insn.d, size, index, value);
  });
  const { bytes, vex } = encodingOf(insn);
  const end = results.length * size;
  if (vex) clearAbove(cpu, insn.d, end);
  else if (end < bytes) cpu.memory.u8.fill(0, insn.d + end, insn.d + 16);
}

/** Writes one result into the lowest element of the first source's copy. */
export function writeLowest(cpu: Processor, insn: DecodedRecord, size: 4 | 8, result: bigint): void {
  const first = firstSourceOf(insn);
  if (first !== insn.d) cpu.memory.u8.copyWithin(insn.d, first, first + 16);
  setElement(cpu, insn.d, size, 0, result);
  if (encodingOf(insn).vex) clearAbove(cpu, insn.d, 16);
}
