/** Makes failing cases small: fewer instructions, and nothing in the state that does not matter. */
import { FIELDS, STATE, viewOf } from './case';
import { compareWithMachine, type Failure } from './compare';
import { instructionOffsets } from './describe';
import type { GeneratedCase } from './generate';
import { runOnHost } from './host';
import { DEFINE_FLAGS } from './programs';

/** The first candidate that fails as well. */
function firstFailing(candidates: readonly GeneratedCase[], { path }: Failure): Failure | undefined {
  if (candidates.length === 0) return undefined;
  const outcomes = runOnHost(candidates.map(({ input }) => input));
  for (const [i, generated] of candidates.entries()) {
    const differences = compareWithMachine(outcomes[i], generated, path);
    if (differences.length > 0) return { generated, differences, path };
  }
  return undefined;
}

const NOP = 0x90;
/** CF, PF, AF, ZF, SF and OF. */
const ARITHMETIC_FLAGS = 0x8d5;

/** The case with one of its instructions less. */
function without(generated: GeneratedCase, offsets: readonly number[], index: number): GeneratedCase {
  // NOPs in their place keep everything RIP-relative where it is.
  const code = generated.input.code.slice().fill(NOP, offsets[index], offsets[index + 1]);
  return { ...generated, input: { ...generated.input, code } };
}

/** Whether an instruction is there to define the flags that the one before it leaves undefined. */
const definesFlags = (code: Uint8Array, starts: readonly number[], index: number): boolean =>
  index > 0 &&
  !isNops(code, starts[index - 1], starts[index]) &&
  starts[index + 1] - starts[index] === DEFINE_FLAGS.length &&
  DEFINE_FLAGS.every((byte, i) => code[starts[index] + i] === byte);

const isNops = (code: Uint8Array, from: number, to: number): boolean =>
  code.subarray(from, to).every((byte) => byte === NOP);

/** Cuts what comes behind the first difference, then takes instructions out while the case still fails. */
function fewerInstructions(failure: Failure): Failure {
  const { input, rows } = failure.generated;
  if (rows.length < 2) return failure;
  const offsets = instructionOffsets(input.code);
  const prefixes = offsets.slice(1, -1).map((end) => ({
    ...failure.generated,
    // What follows may be there to define them.
    undefinedFlags: ARITHMETIC_FLAGS,
    input: { ...input, code: input.code.slice(0, end) },
  }));
  let smallest = firstFailing(prefixes, failure) ?? failure;
  for (let again = true; again;) {
    const { generated } = smallest;
    const starts = instructionOffsets(generated.input.code);
    const candidates = starts
      .slice(0, -1)
      .flatMap((start, i) =>
        isNops(generated.input.code, start, starts[i + 1]) || definesFlags(generated.input.code, starts, i)
          ? []
          : [without(generated, starts, i)],
      );
    const smaller = firstFailing(candidates, smallest);
    again = smaller !== undefined;
    smallest = smaller ?? smallest;
  }
  return smallest;
}

/** What a field holds that nobody has touched. */
function setPlain(state: Uint8Array, name: string, offset: number, size: number): void {
  state.fill(0, offset, offset + size);
  if (name === 'mxcsr') viewOf(state).setUint32(STATE.mxcsr, 0x1f80, true);
  if (name === 'fcw') viewOf(state).setUint16(STATE.fcw, 0x37f, true);
}

/** The case with some fields of its state plain. */
function plain(generated: GeneratedCase, names: readonly string[]): GeneratedCase {
  const state = generated.input.state.slice();
  for (const { name, offset, size } of FIELDS) if (names.includes(name)) setPlain(state, name, offset, size);
  return { ...generated, input: { ...generated.input, state } };
}

/** Makes plain what can be without the failure going away, in halves: the whole, then ever smaller parts. */
function plainState(failure: Failure, names: readonly string[]): Failure {
  if (names.length === 0) return failure;
  const simpler = firstFailing([plain(failure.generated, names)], failure);
  if (simpler !== undefined) return simpler;
  if (names.length === 1) return failure;
  const half = names.length >> 1;
  return plainState(plainState(failure, names.slice(0, half)), names.slice(half));
}

/** The smallest failing case found. */
export const shrink = (failure: Failure): Failure =>
  plainState(
    fewerInstructions(failure),
    FIELDS.map(({ name }) => name),
  );
