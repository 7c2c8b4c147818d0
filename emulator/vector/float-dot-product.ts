import { COLD, type ColdInstruction } from '../cpu/cold';
import { add, multiply } from '../float/arithmetic';
import { zero } from '../float/format';
import { unpack } from '../float/unpack';
import { environment, FORMATS, report, SOURCE, writeElements } from './float-elements';
import { element, encodingOf, firstSourceOf } from './registers';

/**
 * DPPS and DPPD. Products, then sums of neighbours, then (of singles) sums of those, in every element: each step reports its own exceptions, and none follows one
 * that raises. SDM "DPPS", "DP_primitive".
 */
const dotProduct =
  (size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const format = FORMATS[size];
    const perHalf = 16 / size;
    const first = firstSourceOf(insn);
    const { imm8 } = insn;
    const { bytes } = encodingOf(insn);
    /** One step over all halves; `compute` gives the values of a half from those of the step before. */
    const step = (compute: (half: number, index: number) => bigint): readonly (readonly bigint[])[] => {
      let flags = 0;
      const values = Array.from({ length: bytes / 16 }, (_, half) =>
        Array.from({ length: perHalf }, (_, index) => {
          const value = compute(half, index);
          flags |= env.flags;
          env.flags = 0;
          return value;
        }),
      );
      report(cpu, env, flags);
      return values;
    };
    const env = environment(cpu);
    const unpackAt = (at: number, index: number) => unpack(format, element(cpu, at, size, index), env);
    let values = step((half, index) => {
      const at = half * perHalf + index;
      return ((imm8 >> (4 + index)) & 1) === 0
        ? zero(format, false)
        : multiply(format, env, unpackAt(first, at), unpackAt(SOURCE, at));
    });
    for (let distance = 1; distance < perHalf; distance *= 2) {
      const terms = values;
      const term = (half: number, index: number) => unpack(format, terms[half][index], env);
      // Of two NaNs the first counts: in the last step an element's own, before that its neighbour's.
      const own = distance * 2 === perHalf ? 0 : distance;
      values = step((half, index) => add(format, env, term(half, index ^ own), term(half, index ^ own ^ distance)));
    }
    const results = values.flatMap((sums) => sums.map((sum, index) => (((imm8 >> index) & 1) === 0 ? 0n : sum)));
    writeElements(cpu, insn, size, results);
    return COLD.NEXT;
  };

export const DOT_PRODUCT_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  dpps: dotProduct(4),
  dppd: dotProduct(8),
};
