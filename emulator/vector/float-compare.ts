import { COLD, type ColdInstruction } from '../cpu/cold';
import { compare, RELATION, type Relation } from '../float/compare';
import { unpack } from '../float/unpack';
import { ARITHMETIC_FLAGS, RFLAGS } from '../tables/control-registers';
import { computeElements, countOf, FORMATS, SOURCE, writeElements, writeLowest } from './float-elements';
import { element, encodingOf, firstSourceOf } from './registers';

/** Predicates of bits 2:0 that report quiet NaNs too; bit 4 reverses it. */
const SIGNALLING: readonly number[] = [1, 2, 5, 6];
/** Predicates of bits 3:0 that hold of NaNs. */
const UNORDERED: readonly number[] = [3, 4, 5, 6, 8, 9, 10, 15];

const isSignalling = (predicate: number): boolean => SIGNALLING.includes(predicate & 7) !== predicate >= 16;

/** SDM "Comparison Predicate for VCMPPD and VCMPPS Instructions". */
function holds(predicate: number, relation: Relation): boolean {
  if (relation === RELATION.UNORDERED) return UNORDERED.includes(predicate & 15);
  const equal = (predicate & 1) === 0 && relation === RELATION.EQUAL;
  const less = ((predicate + 1) & 2) !== 0 && relation === RELATION.LESS;
  return (equal || less) !== ((predicate & 4) !== 0);
}

const comparison =
  (size: 4 | 8, packs: boolean): ColdInstruction =>
  (cpu, insn) => {
    const first = firstSourceOf(insn);
    const predicate = insn.imm8 & (encodingOf(insn).vex ? 31 : 7);
    const format = FORMATS[size];
    const ones = (1n << BigInt(format.width)) - 1n;
    const results = computeElements(cpu, packs ? countOf(insn, size) : 1, (env, i) => {
      const a = unpack(format, element(cpu, first, size, i), env);
      const b = unpack(format, element(cpu, SOURCE, size, i), env);
      return holds(predicate, compare(env, a, b, isSignalling(predicate))) ? ones : 0n;
    });
    if (packs) writeElements(cpu, insn, size, results);
    else writeLowest(cpu, insn, size, results[0]);
    return COLD.NEXT;
  };

const flagsOf = (relation: Relation): number => {
  if (relation === RELATION.UNORDERED) return RFLAGS.ZF | RFLAGS.PF | RFLAGS.CF;
  if (relation === RELATION.EQUAL) return RFLAGS.ZF;
  return relation === RELATION.LESS ? RFLAGS.CF : 0;
};

const ordered =
  (size: 4 | 8, signalling: boolean): ColdInstruction =>
  (cpu, insn) => {
    const format = FORMATS[size];
    const [relation] = computeElements(cpu, 1, (env) => {
      const a = unpack(format, element(cpu, insn.d, size, 0), env);
      const b = unpack(format, element(cpu, SOURCE, size, 0), env);
      return compare(env, a, b, signalling);
    });
    cpu.rflags = (cpu.rflags & ~ARITHMETIC_FLAGS) | flagsOf(relation);
    return COLD.NEXT;
  };

/** Comparisons by soft floats. */
export const FLOAT_COMPARE_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  cmpps: comparison(4, true),
  cmppd: comparison(8, true),
  cmpss: comparison(4, false),
  cmpsd: comparison(8, false),
  comiss: ordered(4, true),
  comisd: ordered(8, true),
  ucomiss: ordered(4, false),
  ucomisd: ordered(8, false),
};
