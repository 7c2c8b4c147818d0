/** Random programs of several instructions without branches, so that what one leaves another takes up. */
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { isApproximate } from './approximations';
import { Assembly } from './assembly';
import { Draft } from './draft';
import { isShift, usesVectors, usesX87, type GeneratedCase } from './generate';
import type { Random } from './random';
import { UNDEFINED_FLAGS } from './undefined-flags';

/** Instructions that need a state of their own making, go elsewhere, or whose result may be undefined. */
const UNFIT =
  /^(movs|stos|lods|cmps|scas|j.*|call.*|ret.*|loop.*|xlat|enter|leave|cmpxchg.*|bsf|bsr|shld|shrd|bt[src]?|i?div|.*xsave.*|.*xrstor.*|v?p?gather.*|v?mask(mov|load|store).*)$/;

/** Rows a program may hold. */
export const isFitForPrograms = ({ semantic, mode }: InstructionRow): boolean =>
  mode !== 'legacy' && !UNFIT.test(semantic.key) && !isApproximate(semantic.key);

/** CMP of a register with itself: defines all flags. */
export const DEFINE_FLAGS: readonly number[] = [0x48, 0x39, 0xc0];

export const MAX_PROGRAM = 20;

/** A program of two to twenty instructions of `rows`. */
export function generateProgram(random: Random, rows: readonly InstructionRow[]): GeneratedCase {
  const chosen = Array.from({ length: 2 + random.below(MAX_PROGRAM - 1) }, () => random.pick(rows));
  const vectors = chosen.some(usesVectors);
  const draft = new Draft(random, random.pick(chosen).mnemonic, vectors, chosen.some(usesX87));
  const code: number[] = [];
  for (const row of chosen) {
    const { key } = row.semantic;
    code.push(...new Assembly(random, row, draft, code.length, false).assemble());
    if (isShift(key) || (UNDEFINED_FLAGS[key] ?? 0) !== 0) code.push(...DEFINE_FLAGS);
  }
  return { input: { code: Uint8Array.from(code), state: draft.state }, rows: chosen, undefinedFlags: 0 };
}
