import { integerSquareRoot } from './bits';
import { FLOAT_FLAG, ROUNDING, type FloatEnvironment } from './environment';
import { infinity, zero, type Format } from './format';
import { denormalTraps, invalid, propagate, propagateOne } from './nan';
import { roundAndPack } from './round';
import { isNaN, KIND, negated, type Unpacked } from './unpack';

/*
 * The arithmetic operations. Operands come unpacked, of whatever format; the result is an encoding of `target`, rounded as the
 * environment says. Where an exception found before the operation is unmasked the result means nothing.
 */

/** a + b. */
export function add(target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked): bigint {
  if (isNaN(a) || isNaN(b)) return propagate(target, env, a, b);
  return sum(target, env, a, b);
}

/** a - b. */
export function subtract(target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked): bigint {
  if (isNaN(a) || isNaN(b)) return propagate(target, env, a, b);
  return sum(target, env, a, negated(b));
}

function sum(target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked): bigint {
  if (a.kind === KIND.INFINITY && b.kind === KIND.INFINITY && a.negative !== b.negative) return invalid(target, env);
  if (denormalTraps(env, a, b)) return 0n;
  if (a.kind === KIND.INFINITY) return infinity(target, a.negative);
  if (b.kind === KIND.INFINITY) return infinity(target, b.negative);
  if (a.kind === KIND.ZERO && b.kind === KIND.ZERO) return zero(target, sumOfZeros(env, a.negative, b.negative));
  return addExact(target, env, a.negative, a.significand, a.exponent - 63, b.negative, b.significand, b.exponent - 63);
}

const sumOfZeros = (env: FloatEnvironment, a: boolean, b: boolean): boolean =>
  a === b ? a : env.rounding === ROUNDING.DOWN;

/** Rounds the sum of two exact values, of which one may be 0; significands have 64 to 128 bits. */
function addExact(
  target: Format,
  env: FloatEnvironment,
  aNegative: boolean,
  a: bigint,
  aLowest: number,
  bNegative: boolean,
  b: bigint,
  bLowest: number,
): bigint {
  if (b === 0n) return roundAndPack(target, env, aNegative, a, aLowest);
  if (a === 0n) return roundAndPack(target, env, bNegative, b, bLowest);
  if (aLowest < bLowest) return addExact(target, env, bNegative, b, bLowest, aNegative, a, aLowest);
  let distance = aLowest - bLowest;
  let small = b;
  let lowest = bLowest;
  if (distance > 200) {
    // All of b lies far below a's last bit: a trace of it rounds the same.
    distance = 70;
    lowest = aLowest - distance;
    small = 1n;
  }
  const large = a << BigInt(distance);
  const total = aNegative === bNegative ? large + small : large - small;
  if (total === 0n) return zero(target, sumOfZeros(env, aNegative, bNegative));
  return roundAndPack(target, env, total < 0n ? bNegative : aNegative, total < 0n ? -total : total, lowest);
}

/** a x b. */
export function multiply(target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked): bigint {
  if (isNaN(a) || isNaN(b)) return propagate(target, env, a, b);
  const negative = a.negative !== b.negative;
  if (isInfinityTimesZero(a, b)) return invalid(target, env);
  if (denormalTraps(env, a, b)) return 0n;
  if (a.kind === KIND.INFINITY || b.kind === KIND.INFINITY) return infinity(target, negative);
  if (a.kind === KIND.ZERO || b.kind === KIND.ZERO) return zero(target, negative);
  return roundAndPack(target, env, negative, a.significand * b.significand, a.exponent + b.exponent - 126);
}

const isInfinityTimesZero = (a: Unpacked, b: Unpacked): boolean =>
  (a.kind === KIND.INFINITY && b.kind === KIND.ZERO) || (a.kind === KIND.ZERO && b.kind === KIND.INFINITY);

/** a / b. */
export function divide(target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked): bigint {
  if (isNaN(a) || isNaN(b)) return propagate(target, env, a, b);
  const negative = a.negative !== b.negative;
  if (a.kind === b.kind && a.kind !== KIND.FINITE) return invalid(target, env);
  if (b.kind === KIND.ZERO && a.kind === KIND.FINITE) {
    env.raise(FLOAT_FLAG.ZE);
    return infinity(target, negative);
  }
  if (denormalTraps(env, a, b)) return 0n;
  if (a.kind === KIND.INFINITY) return infinity(target, negative);
  if (b.kind === KIND.INFINITY || a.kind === KIND.ZERO) return zero(target, negative);
  const dividend = a.significand << 67n;
  const quotient = dividend / b.significand;
  const trace = quotient * b.significand === dividend ? 0n : 1n;
  return roundAndPack(target, env, negative, (quotient << 1n) | trace, a.exponent - b.exponent - 68);
}

/** Square root of a. */
export function squareRoot(target: Format, env: FloatEnvironment, a: Unpacked): bigint {
  if (isNaN(a)) return propagateOne(target, env, a);
  if (a.kind === KIND.ZERO) return zero(target, a.negative);
  if (a.negative) return invalid(target, env);
  if (denormalTraps(env, a)) return 0n;
  if (a.kind === KIND.INFINITY) return infinity(target, false);
  // An even exponent below a radicand of 132 or 133 bits: a root of 66 or 67.
  const odd = ((a.exponent - 63) & 1) !== 0;
  const radicand = a.significand << (odd ? 69n : 68n);
  const root = integerSquareRoot(radicand);
  const trace = root * root === radicand ? 0n : 1n;
  const lowest = (a.exponent - 63 - (odd ? 69 : 68)) / 2;
  return roundAndPack(target, env, false, (root << 1n) | trace, lowest - 1);
}

/** Which parts of a fused multiply-add are negated; NaNs keep their signs. */
export interface FusedSigns {
  readonly negateProduct: boolean;
  readonly negateAddend: boolean;
}

/** a x b + c, rounded once. Of several NaNs the first of a, b, c is the result. */
export function fusedMultiplyAdd(
  target: Format,
  env: FloatEnvironment,
  a: Unpacked,
  b: Unpacked,
  c: Unpacked,
  { negateProduct, negateAddend }: FusedSigns,
): bigint {
  const first = isNaN(a) ? a : isNaN(b) ? b : c;
  if (isNaN(first)) {
    if (a.kind === KIND.SNAN || b.kind === KIND.SNAN || c.kind === KIND.SNAN) env.raise(FLOAT_FLAG.IE);
    return propagateOne(target, env, first);
  }
  const negative = (a.negative !== b.negative) !== negateProduct;
  const addendNegative = c.negative !== negateAddend;
  if (isInfinityTimesZero(a, b)) return invalid(target, env);
  const infinite = a.kind === KIND.INFINITY || b.kind === KIND.INFINITY;
  if (infinite && c.kind === KIND.INFINITY && negative !== addendNegative) return invalid(target, env);
  if (denormalTraps(env, a, b) || denormalTraps(env, c)) return 0n;
  if (infinite) return infinity(target, negative);
  if (c.kind === KIND.INFINITY) return infinity(target, addendNegative);
  const product = a.significand * b.significand;
  if (product === 0n && c.kind === KIND.ZERO) return zero(target, sumOfZeros(env, negative, addendNegative));
  const lowest = a.exponent + b.exponent - 126;
  return addExact(target, env, negative, product, lowest, addendNegative, c.significand, c.exponent - 63);
}
