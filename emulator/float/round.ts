import { bitLength, ones } from './bits';
import { FLOAT_FLAG, ROUNDING, type FloatEnvironment } from './environment';
import { encode, infinity, largest, zero, type Format } from './format';

/** What unmasked overflow and underflow of the x87 subtract from and add to the exponent. */
export const EXPONENT_ADJUSTMENT = 24576;

/** An exact value cut to `precision` bits. */
interface Rounded {
  /** Below 2^precision and at least half of that, unless fewer bits were asked for by `lowest`. */
  significand: bigint;
  /** Exponent of the lowest bit. */
  lowest: number;
  inexact: boolean;
  up: boolean;
}

const rounded: Rounded = { significand: 0n, lowest: 0, inexact: false, up: false };

/** Rounds m x 2^e so that the lowest bit is worth 2^lowest; the result may be one bit longer than wanted. */
function roundAt(negative: boolean, m: bigint, e: number, lowest: number, rounding: number): Rounded {
  const shift = lowest - e;
  rounded.lowest = lowest;
  rounded.inexact = false;
  rounded.up = false;
  if (shift <= 0) {
    rounded.significand = m << BigInt(-shift);
    return rounded;
  }
  if (shift > 1000) {
    rounded.significand = 0n;
    rounded.inexact = true;
    rounded.up = rounding === (negative ? ROUNDING.DOWN : ROUNDING.UP);
  } else {
    const kept = m >> BigInt(shift);
    const rest = m & ones(shift);
    rounded.significand = kept;
    rounded.inexact = rest !== 0n;
    if (rounding === ROUNDING.NEAREST) {
      const half = 1n << BigInt(shift - 1);
      rounded.up = rest > half || (rest === half && (kept & 1n) === 1n);
    } else {
      rounded.up = rounded.inexact && rounding === (negative ? ROUNDING.DOWN : ROUNDING.UP);
    }
  }
  if (rounded.up) rounded.significand++;
  return rounded;
}

/**
 * The encoding of m x 2^e, m > 0, in the target format: rounded, with overflow, underflow and inexactness reported. A result that was cut
 * off before must have its lowest bit set and be at least two bits longer than the precision. `precision` 0 is what the environment
 * and the format say.
 */
export function roundAndPack(
  target: Format,
  env: FloatEnvironment,
  negative: boolean,
  m: bigint,
  e: number,
  precision = env.precision,
): bigint {
  const bits = precision === 0 || precision > target.precision ? target.precision : precision;
  let result = roundAt(negative, m, e, e + bitLength(m) - bits, env.rounding);
  let exponent = result.lowest + bits - 1;
  if (result.significand >> BigInt(bits) !== 0n) exponent++;
  if (exponent < target.minExponent) {
    const masked = (env.masks & FLOAT_FLAG.UE) !== 0;
    if (!masked) {
      // SSE has no result then; whether it would have been inexact is reported all the same.
      env.raise(FLOAT_FLAG.UE);
      const adjusted = exponent + EXPONENT_ADJUSTMENT;
      if (adjusted >= target.minExponent) return finish(target, env, negative, result, adjusted, bits);
      env.raise(FLOAT_FLAG.PE);
      return zero(target, negative);
    }
    if (env.flushToZero) {
      env.raise(FLOAT_FLAG.UE | FLOAT_FLAG.PE);
      return zero(target, negative);
    }
    result = roundAt(negative, m, e, target.minExponent - bits + 1, env.rounding);
    if (result.inexact) env.raise(FLOAT_FLAG.UE);
    // Rounding may have carried it into the normal range.
    exponent = target.minExponent - (result.significand >> BigInt(bits - 1) !== 0n ? 0 : 1);
  } else if (exponent > target.maxExponent) {
    return overflow(target, env, negative, result, exponent, bits);
  }
  return finish(target, env, negative, result, exponent, bits);
}

/** Encodes a rounded value; an exponent below the format's is a denormal's. */
function finish(
  target: Format,
  env: FloatEnvironment,
  negative: boolean,
  { significand, inexact, up }: Rounded,
  exponent: number,
  bits: number,
): bigint {
  if (inexact) {
    env.raise(FLOAT_FLAG.PE);
    env.roundedUp = up;
  }
  const carried = significand >> BigInt(bits) !== 0n;
  const fraction = (carried ? significand >> 1n : significand) << BigInt(target.precision - bits);
  const biased = exponent < target.minExponent ? 0 : exponent + target.bias;
  return encode(target, negative, biased, fraction & ones(target.stored));
}

function overflow(
  target: Format,
  env: FloatEnvironment,
  negative: boolean,
  result: Rounded,
  exponent: number,
  bits: number,
): bigint {
  env.raise(FLOAT_FLAG.OE);
  if ((env.masks & FLOAT_FLAG.OE) === 0) {
    if (!env.x87) {
      if (result.inexact) env.raise(FLOAT_FLAG.PE);
      return infinity(target, negative);
    }
    const adjusted = exponent - EXPONENT_ADJUSTMENT;
    if (adjusted <= target.maxExponent) return finish(target, env, negative, result, adjusted, bits);
    // FSCALE goes so far that there is no telling how far it went.
    env.raise(FLOAT_FLAG.PE);
    env.roundedUp = true;
    return infinity(target, negative);
  }
  env.raise(FLOAT_FLAG.PE);
  const away = env.rounding === ROUNDING.NEAREST || env.rounding === (negative ? ROUNDING.DOWN : ROUNDING.UP);
  env.roundedUp = away;
  return away ? infinity(target, negative) : largest(target, negative, bits);
}
