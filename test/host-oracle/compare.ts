/**
 * Runs cases on the host and on the machine, and finds the differences. The host is taken to be an Intel processor, as the
 * machine is: makers differ in what the SDM leaves to them.
 */
import { acceptApproximations, hasManyAccesses } from './approximations';
import { COMPARED_FLAGS, endingOf, FIELDS, RAN, STATE, viewOf, type Field, type Outcome } from './case';
import { EmulatedProcessor, type AccessPath } from './emulated';
import type { GeneratedCase } from './generate';
import { runOnHost } from './host';

/** One thing that differs. */
export interface Difference {
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

export interface Failure {
  readonly generated: GeneratedCase;
  readonly differences: readonly Difference[];
  readonly path: AccessPath;
}

const VECTOR_GP = 13;
const VECTOR_PF = 14;
const VECTOR_SS = 12;

const POINTERS: readonly string[] = ['fip', 'fdp', 'fop'];

/** A field as one hexadecimal number, its most significant digit first. */
export function fieldText(state: Uint8Array, { offset, size }: Field): string {
  return Buffer.from(state.subarray(offset, offset + size))
    .reverse()
    .toString('hex');
}

/** Error code of #PF: Linux says of its own half of the address space that all of it is present. */
const pageFaultCode = ({ errorCode, cr2 }: Outcome): number => (cr2 >= 1n << 47n ? errorCode | 1 : errorCode);

/** The state less what is not compared: unused bytes, and what the SDM leaves undefined. */
function comparable(outcome: Outcome, host: Outcome, { undefinedFlags, rows }: GeneratedCase): Uint8Array {
  const state = outcome.state.slice();
  // XRSTOR may have loaded some components when another turns out to be invalid.
  if (host.vector === VECTOR_GP && rows.at(-1)?.semantic.key.includes('rstor') === true)
    state.fill(0, STATE.mxcsr, STATE.crossing);
  // An 80-bit store may have written one of its two parts when the other faults.
  if (host.vector === VECTOR_PF && rows.at(-1)?.operands[0] === 'Mt') state.fill(0, STATE.crossing);
  // Processors may have pushed the return address when a CALL's target turns out not to be canonical.
  if (host.vector === VECTOR_GP && rows.at(-1)?.mnemonic === 'CALL') state.fill(0, STATE.crossing);
  const view = viewOf(state);
  // An instruction that does not complete changes no flag.
  const undefinedNow = host.vector === RAN ? undefinedFlags : 0;
  view.setUint32(STATE.flags, view.getUint32(STATE.flags, true) & COMPARED_FLAGS & ~undefinedNow, true);
  for (const { name, offset, size } of FIELDS) if (POINTERS.includes(name)) state.fill(0, offset, offset + size);
  return state;
}

/**
 * An indirect CALL reads its target, finds it not canonical and pushes its return address in an order of the processor's own: which
 * of the faults comes first is not architectural.
 */
const isOrderFree = (host: Outcome, machine: Outcome, { rows }: GeneratedCase): boolean =>
  rows.at(-1)?.mnemonic === 'CALL' && [VECTOR_PF, VECTOR_SS].includes(host.vector) && machine.vector === VECTOR_GP;

/** Which byte of a masked store's operand CR2 names, and whether MASKMOVQ has left x87 mode by then, is the processor's own. */
const storesByMask = ({ rows }: GeneratedCase): boolean =>
  /^v?maskmov|^vmaskstore|^vmaskmov/.test(rows.at(-1)?.semantic.key ?? '');

/** What differs between a host's outcome and the machine's. */
function findDifferences(host: Outcome, machine: Outcome, generated: GeneratedCase): readonly Difference[] {
  if (isOrderFree(host, machine, generated)) return [];
  const found: Difference[] = [];
  const say = (what: string, expected: string, actual: string): void => {
    if (expected !== actual) found.push({ what, expected, actual });
  };
  say('ending', endingOf(host), endingOf(machine));
  say('rip', host.rip.toString(16), machine.rip.toString(16));
  if (host.vector === machine.vector) {
    say('error code', pageFaultCode(host).toString(16), pageFaultCode(machine).toString(16));
    const isCoarse = generated.rows.some(({ semantic }) => hasManyAccesses(semantic.key));
    const address = (cr2: bigint): string => (isCoarse ? cr2 & ~0xfffn : cr2).toString(16);
    if (!storesByMask(generated)) say('cr2', address(host.cr2), address(machine.cr2));
  }
  const expected = comparable(host, host, generated);
  const actual = comparable(machine, host, generated);
  for (const { semantic } of generated.rows) acceptApproximations(actual, expected, semantic.key);
  if (Buffer.compare(expected, actual) === 0) return found;
  const fields =
    host.vector !== RAN && storesByMask(generated)
      ? FIELDS.filter(({ name }) => !/^(st\d|ftw|fsw|top)$/.test(name))
      : FIELDS;
  for (const field of fields) say(field.name, fieldText(expected, field), fieldText(actual, field));
  return found;
}

let sharedProcessor: EmulatedProcessor | undefined;

/** What differs between a host's outcome of a case and the machine's own; an internal error of the machine is a difference. */
export function compareWithMachine(host: Outcome, generated: GeneratedCase, path: AccessPath): readonly Difference[] {
  sharedProcessor ??= new EmulatedProcessor();
  try {
    return findDifferences(host, sharedProcessor.execute(generated.input, path), generated);
  } catch (error) {
    const actual = error instanceof Error ? error.message : String(error);
    return [{ what: 'internal error', expected: endingOf(host), actual }];
  }
}

/** Cases of one process of the harness. */
export const BATCH = 1024;

/** Compares cases, half with inline accesses and half without; calls `ended` with how each ended on the host. */
export function compareCases(
  cases: readonly GeneratedCase[],
  ended: (ending: string) => void = () => undefined,
): readonly Failure[] {
  const failures: Failure[] = [];
  for (let start = 0; start < cases.length; start += BATCH) {
    const batch = cases.slice(start, start + BATCH);
    runOnHost(batch.map(({ input }) => input)).forEach((host, i) => {
      const path: AccessPath = i % 2 === 0 ? 'inline' : 'slow';
      const differences = compareWithMachine(host, batch[i], path);
      ended(endingOf(host));
      if (differences.length > 0) failures.push({ generated: batch[i], differences, path });
    });
  }
  return failures;
}
