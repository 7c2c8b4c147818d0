import { FLOAT_FLAG, type FloatEnvironment } from './environment';
import type { Format } from './format';
import { denormalTraps } from './nan';
import { isNaN, KIND, unpack, type Unpacked } from './unpack';

export const RELATION = { LESS: -1, EQUAL: 0, GREATER: 1, UNORDERED: 2 } as const;
export type Relation = (typeof RELATION)[keyof typeof RELATION];

/** Relation of a to b. A signalling comparison (COMISS, FCOM, CMPLTPS) finds every NaN invalid, a quiet one only signalling NaNs. */
export function compare(env: FloatEnvironment, a: Unpacked, b: Unpacked, signalling: boolean): Relation {
  if (isNaN(a) || isNaN(b)) {
    if (signalling || a.kind > KIND.QNAN || b.kind > KIND.QNAN) env.raise(FLOAT_FLAG.IE);
    return RELATION.UNORDERED;
  }
  denormalTraps(env, a, b);
  return order(a, b);
}

function order(a: Unpacked, b: Unpacked): Relation {
  if (a.kind === KIND.ZERO && b.kind === KIND.ZERO) return RELATION.EQUAL;
  if (a.kind === KIND.ZERO) return b.negative ? RELATION.GREATER : RELATION.LESS;
  if (b.kind === KIND.ZERO || a.negative !== b.negative) return a.negative ? RELATION.LESS : RELATION.GREATER;
  const larger = magnitudeOrder(a, b);
  return (a.negative ? 0 - larger : larger) as Relation;
}

function magnitudeOrder(a: Unpacked, b: Unpacked): Relation {
  if (a.kind === KIND.INFINITY || b.kind === KIND.INFINITY) {
    if (a.kind === b.kind) return RELATION.EQUAL;
    return a.kind === KIND.INFINITY ? RELATION.GREATER : RELATION.LESS;
  }
  if (a.exponent !== b.exponent) return a.exponent > b.exponent ? RELATION.GREATER : RELATION.LESS;
  if (a.significand === b.significand) return RELATION.EQUAL;
  return a.significand > b.significand ? RELATION.GREATER : RELATION.LESS;
}

/** MINSS and kin: the second operand unless the first is really less; any NaN is invalid and gives the second operand as it is. */
export function minimum(source: Format, env: FloatEnvironment, a: bigint, b: bigint): bigint {
  return select(source, env, a, b, RELATION.LESS);
}

/** MAXSS and kin. */
export function maximum(source: Format, env: FloatEnvironment, a: bigint, b: bigint): bigint {
  return select(source, env, a, b, RELATION.GREATER);
}

function select(source: Format, env: FloatEnvironment, a: bigint, b: bigint, wanted: Relation): bigint {
  const first = unpack(source, a, env);
  const second = unpack(source, b, env);
  const taken = compare(env, first, second, true) === wanted ? a : b;
  const { kind, negative } = taken === a ? first : second;
  // A denormal that counts as zero comes out as one.
  return kind === KIND.ZERO ? (negative ? 1n << source.signBit : 0n) : taken;
}
