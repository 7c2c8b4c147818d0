/** Random instructions, with all their operands, from the rows of the instruction table. */
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { Assembly } from './assembly';
import type { Case } from './case';
import { Draft } from './draft';
import type { Random } from './random';
import { isResultUndefined, undefinedByCount, UNDEFINED_FLAGS } from './undefined-flags';

/** A case, and what of its outcome is not to be compared. */
export interface GeneratedCase {
  readonly input: Case;
  /** The rows of its instructions, in order; what reads flags behind the first is not listed. */
  readonly rows: readonly InstructionRow[];
  /** Arithmetic flags the SDM leaves undefined. */
  readonly undefinedFlags: number;
}

/** Flags that a snippet reads from what the instruction before it left. */
const readers = (random: Random): readonly number[] =>
  random.pick<() => number[]>([
    () => [0x0f, 0x90 + random.below(16), 0xc0 + random.below(8)],
    () => [0x48, 0x0f, 0x40 + random.below(16), 0xc0 + random.below(64)],
    () => [0x48, 0x11, 0xc0 + random.below(64)],
    () => [0x19, 0xc0 + random.below(64)],
    () => [0xd1, 0xd0 + random.below(16)],
    () => [0x48, 0xd1, random.pick([0xc0, 0xc8]) + random.below(8)],
    () => [0x48, 0xff, 0xc0 + random.below(16)],
    () => [0xf5],
    () => [0xf8],
    () => [0xf9],
    () => [0x9f],
    () => [0x9c],
    () => [0xd3, 0xc0 + random.below(16)],
  ])();

/** Instructions that define all six flags, so that what follows may read any. */
const DEFINES_ALL = new Set([
  'add',
  'sub',
  'cmp',
  'inc',
  'dec',
  'neg',
  'adc',
  'sbb',
  'xadd',
  'cmpxchg',
  'sahf',
  'cmc',
  'stc',
  'clc',
  'popcnt',
  'ptest',
  'vptest',
  'comiss',
  'comisd',
  'ucomiss',
  'ucomisd',
  'adcx',
  'adox',
]);

export const isShift = (key: string): boolean => /^(sh[lr]d?|sar|ro[lr]|rc[lr])$/.test(key);

/** Whether a row works on vector registers, and whether on the x87 registers. */
export const usesVectors = ({ unit }: InstructionRow): boolean => unit === 'sse' || unit === 'avx' || unit === 'mmx';
export const usesX87 = ({ unit, semantic }: InstructionRow): boolean =>
  unit === 'x87' || unit === 'wait' || unit === 'mmx' || /^(fx|x)(save|rstor)/.test(semantic.key);

/** One instruction of `row`, now and then with readers of its flags behind it. */
export function generateCase(random: Random, row: InstructionRow): GeneratedCase {
  const { key } = row.semantic;
  const images = /^(fx|x)(save|rstor)/.test(key);
  const isConversion = /^cvtt?p?[sdi]+2p?[sdi]+$/.test(key);
  const draft = new Draft(random, row.mnemonic, usesVectors(row) || images, usesX87(row) || isConversion);
  const assembly = new Assembly(random, row, draft);
  const code = [...assembly.assemble()];
  if (isResultUndefined(key, assembly.count, assembly.bits)) return generateCase(random, row);
  let undefinedFlags = UNDEFINED_FLAGS[key] ?? 0;
  if (isShift(key)) undefinedFlags |= undefinedByCount(key, assembly.count, assembly.bits);
  if (DEFINES_ALL.has(key) && random.oneIn(2)) {
    const first = readers(random);
    code.push(...first);
    // ROL and ROR by CL define OF for a count of 1 only.
    if (first[0] === 0xd3) undefinedFlags |= undefinedByCount('rol', 2, 32);
  }
  return { input: { code: Uint8Array.from(code), state: draft.state }, rows: [row], undefinedFlags };
}
