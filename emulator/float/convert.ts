import { ones } from './bits';
import { FLOAT_FLAG, ROUNDING, type FloatEnvironment } from './environment';
import { infinity, zero, type Format } from './format';
import { denormalTraps, propagateOne } from './nan';
import { roundAndPack } from './round';
import { isNaN, KIND, type Unpacked } from './unpack';

/** A number in another format, rounded to it; denormals are reported. Precision control has no part in it. */
export function convert(target: Format, env: FloatEnvironment, a: Unpacked): bigint {
  if (isNaN(a)) return propagateOne(target, env, a);
  if (denormalTraps(env, a)) return 0n;
  return pack(target, env, a);
}

/** As `convert`, without a report of denormals: stores of the x87. */
export function pack(target: Format, env: FloatEnvironment, a: Unpacked): bigint {
  if (isNaN(a)) return propagateOne(target, env, a);
  if (a.kind === KIND.INFINITY) return infinity(target, a.negative);
  if (a.kind === KIND.ZERO) return zero(target, a.negative);
  return roundAndPack(target, env, a.negative, a.significand, a.exponent - 63, target.precision);
}

/** An integer as a floating-point number. */
export function fromInteger(target: Format, env: FloatEnvironment, value: bigint): bigint {
  if (value === 0n) return zero(target, false);
  return roundAndPack(target, env, value < 0n, value < 0n ? -value : value, 0, target.precision);
}

/** The kinds of integers there are to convert to. */
export interface IntegerType {
  readonly bits: 16 | 32 | 64;
  readonly signed: boolean;
}

/** The integer indefinite: what a masked invalid conversion gives. */
export const integerIndefinite = ({ bits, signed }: IntegerType): bigint =>
  signed ? 1n << BigInt(bits - 1) : ones(bits);

/**
 * A number rounded to an integer, as the low bits of the result; `rounding` is a value of ROUNDING. What does not fit is an invalid operation and gives the integer
 * indefinite. Denormals are not reported.
 */
export function toInteger(type: IntegerType, env: FloatEnvironment, a: Unpacked, rounding: number): bigint {
  const magnitude = isNaN(a) || a.kind === KIND.INFINITY || a.exponent > 64 ? undefined : integral(a, rounding);
  const fits =
    magnitude !== undefined &&
    (a.negative
      ? magnitude.value <= (type.signed ? 1n << BigInt(type.bits - 1) : 0n)
      : magnitude.value <= ones(type.signed ? type.bits - 1 : type.bits));
  if (!fits) {
    env.raise(FLOAT_FLAG.IE);
    return integerIndefinite(type);
  }
  if (magnitude.inexact) {
    env.raise(FLOAT_FLAG.PE);
    env.roundedUp = magnitude.up;
  }
  return BigInt.asUintN(type.bits, a.negative ? -magnitude.value : magnitude.value);
}

/** Magnitude of a finite number below 2^65, rounded to an integer. */
export function integral(
  { negative, significand, exponent }: Unpacked,
  rounding: number,
): { readonly value: bigint; readonly inexact: boolean; readonly up: boolean } {
  const shift = 63 - exponent;
  if (significand === 0n) return { value: 0n, inexact: false, up: false };
  if (shift <= 0) return { value: significand << BigInt(-shift), inexact: false, up: false };
  // Below one half all rounds alike.
  const places = Math.min(shift, 66);
  const kept = significand >> BigInt(places);
  const rest = significand & ones(places);
  const half = 1n << BigInt(places - 1);
  const up =
    rounding === ROUNDING.NEAREST
      ? rest > half || (rest === half && (kept & 1n) === 1n)
      : rest !== 0n && rounding === (negative ? ROUNDING.DOWN : ROUNDING.UP);
  return { value: kept + (up ? 1n : 0n), inexact: rest !== 0n, up };
}

/** ROUNDPS and kin, FRNDINT: a number rounded to an integral one. `reportInexact` false suppresses the precision exception; denormals are not reported. */
export function roundToIntegral(
  target: Format,
  env: FloatEnvironment,
  a: Unpacked,
  rounding: number,
  reportInexact: boolean,
): bigint {
  if (isNaN(a)) return propagateOne(target, env, a);
  if (a.kind !== KIND.FINITE || a.exponent >= target.precision - 1) return pack(target, env, a);
  const { value, inexact, up } = integral(a, rounding);
  if (inexact && reportInexact) {
    env.raise(FLOAT_FLAG.PE);
    env.roundedUp = up;
  }
  if (value === 0n) return zero(target, a.negative);
  return roundAndPack(target, env, a.negative, value, 0, target.precision);
}
