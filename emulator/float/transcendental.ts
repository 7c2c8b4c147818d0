import { arctangent, cosine, expMinusOne, FRACTION, LN2, log2OfRatio, ONE, PI, sine } from './elementary';
import { FLOAT_FLAG, type FloatEnvironment } from './environment';
import { pack } from './convert';
import { EXTENDED } from './format';
import { roundAndPack } from './round';
import { bitLength } from './bits';
import { KIND, unpack, type Unpacked } from './unpack';

/*
 * The x87's transcendental functions of finite, nonzero operands, correctly rounded to the extended format. Special operands are the
 * instructions' affair.
 */

/** Below this exponent the second term of a power series is no more than a trace behind the first. */
const TINY = -70;
/** Below this the processor takes the argument for its sine and tangent and 1 for its cosine, whatever the rounding. */
const TINY_ANGLE = -68;
/** Bits behind an approximate result's significand that make room for the trace. */
const ROOM = 64n;

const fixed = ({ significand, exponent, negative }: Unpacked): bigint => {
  const shift = FRACTION - 63 + exponent;
  const magnitude = shift >= 0 ? significand << BigInt(shift) : significand >> BigInt(-shift);
  return negative ? -magnitude : magnitude;
};

/** Rounds value / 2^FRACTION x 2^exponent, which is not exact. */
function packFixed(env: FloatEnvironment, value: bigint, exponent = 0): bigint {
  const negative = value < 0n;
  const magnitude = negative ? -value : value;
  return roundAndPack(EXTENDED, env, negative, (magnitude << 1n) | 1n, exponent - FRACTION - 1, 64);
}

/** Rounds a number and a trace more, or less, in magnitude. */
function packNear(env: FloatEnvironment, negative: boolean, m: bigint, e: number, more: boolean): bigint {
  return roundAndPack(EXTENDED, env, negative, (m << ROOM) + (more ? 1n : -1n), e - Number(ROOM), 64);
}

/** 2^x - 1 for |x| at most 1. */
export function power2MinusOne(env: FloatEnvironment, x: Unpacked): bigint {
  if (x.exponent < TINY)
    return packNear(env, x.negative, x.significand * (LN2 >> 128n), x.exponent - 63 - FRACTION + 128, !x.negative);
  return packFixed(env, expMinusOne((fixed(x) * LN2) >> BigInt(FRACTION)));
}

/** Rounds y times a fixed-point logarithm. */
function scaledLogarithm(env: FloatEnvironment, y: Unpacked, logarithm: bigint, exact: boolean): bigint {
  const negative = logarithm < 0n;
  const magnitude = (negative ? -logarithm : logarithm) * y.significand;
  const e = y.exponent - 63 - FRACTION;
  const m = exact ? magnitude : (magnitude << 1n) | 1n;
  return roundAndPack(EXTENDED, env, negative !== y.negative, m, exact ? e : e - 1, 64);
}

/** y log2(x) for positive x other than 1. */
export function logarithm2(env: FloatEnvironment, y: Unpacked, x: Unpacked): bigint {
  let whole = x.exponent;
  let mantissa = x.significand << BigInt(FRACTION - 63);
  if (x.significand === 1n << 63n) {
    // The processor calls every result inexact.
    env.raise(FLOAT_FLAG.PE);
    const bits = scaledLogarithm(env, y, BigInt(whole) * ONE, true);
    if (unpack(EXTENDED, bits).denormal) env.raise(FLOAT_FLAG.UE);
    return bits;
  }
  // About the square root of 2: closer to 1 from above or below.
  if (x.significand > 0xb504_f333_f9de_6484n) {
    mantissa >>= 1n;
    whole++;
  }
  const z = ((mantissa - ONE) * ONE) / (mantissa + ONE);
  return scaledLogarithm(env, y, BigInt(whole) * ONE + log2OfRatio(z), false);
}

/** y log2(1 + x) for x above -1. From 1/2 on, where the processor's own result is undefined, 1 + x is rounded. */
export function logarithm2PlusOne(env: FloatEnvironment, y: Unpacked, x: Unpacked): bigint {
  if (x.exponent < TINY) {
    const inverse = ((ONE * ONE) / LN2) >> 128n;
    const m = x.significand * y.significand * inverse;
    const e = x.exponent + y.exponent - 126 - FRACTION + 128;
    return packNear(env, x.negative !== y.negative, m, e, x.negative);
  }
  if (x.exponent >= -1) return logarithm2(env, y, plusOne(x));
  const value = fixed(x);
  return scaledLogarithm(env, y, log2OfRatio((value * ONE) / (2n * ONE + value)), false);
}

/** 1 + x, positive, for x of exponent -1 or more. */
function plusOne(x: Unpacked): Unpacked {
  if (x.exponent > 64) return x;
  const value = (x.negative ? -x.significand : x.significand) * (1n << BigInt(x.exponent + 2)) + (1n << 65n);
  const length = bitLength(value);
  const significand = length > 64 ? value >> BigInt(length - 64) : value << BigInt(64 - length);
  return { kind: KIND.FINITE, negative: false, exponent: length - 66, significand, denormal: false };
}

/** The angle of the point (x, y). */
export function angle(env: FloatEnvironment, y: Unpacked, x: Unpacked): bigint {
  const steep = y.exponent > x.exponent || (y.exponent === x.exponent && y.significand > x.significand);
  const [small, large] = steep ? [x, y] : [y, x];
  const distance = large.exponent - small.exponent;
  if (!steep && !x.negative && distance > -TINY) {
    const quotient = (small.significand << 128n) / large.significand;
    const exact = quotient * large.significand === small.significand << 128n;
    // Just below the ratio, which may itself lie just above its quotient.
    return packNear(env, y.negative, quotient, -distance - 128, !exact);
  }
  const ratio = distance > FRACTION ? 1n : (small.significand << BigInt(FRACTION - distance)) / large.significand;
  const acute = arctangent(ratio);
  const inFirst = steep ? PI / 2n - acute : acute;
  const whole = x.negative ? PI - inFirst : inFirst;
  return packFixed(env, y.negative ? -whole : whole);
}

/** Pi to 66 bits, as the processor has it, in units of 2^-64. */
const PI_66 = 0x3_243f_6a88_85a3_08d3n;
const PI_UNITS = 64;

/** An argument reduced to within 1/4 pi, and the multiple of 1/2 pi it lost, modulo 4. */
interface Reduced {
  readonly value: bigint;
  readonly quadrant: number;
}

/** Reduction of an argument below 2^63, SDM "Approximation of Pi". */
function reduce(x: Unpacked): Reduced {
  if (x.exponent < -1) return { value: fixed(x), quadrant: 0 };
  // In units of 2^-65, half pi is PI_66, and the argument of exponent -1 or more a whole number with its last bit at 2^-64.
  const units = x.significand << BigInt(x.exponent - 63 + PI_UNITS + 1);
  let quotient = units / PI_66;
  let rest = units - quotient * PI_66;
  if (2n * rest > PI_66) {
    rest -= PI_66;
    quotient++;
  }
  const value = (x.negative ? -rest : rest) << BigInt(FRACTION - PI_UNITS - 1);
  const quadrant = Number(quotient & 3n);
  return { value, quadrant: x.negative ? (4 - quadrant) & 3 : quadrant };
}

const COSINE_OF_NONE: Unpacked = {
  kind: KIND.FINITE,
  negative: false,
  exponent: 0,
  significand: 1n << 63n,
  denormal: false,
};

/** The number itself, called inexact. */
function inexact(env: FloatEnvironment, x: Unpacked): bigint {
  env.raise(x.exponent < EXTENDED.minExponent ? FLOAT_FLAG.PE | FLOAT_FLAG.UE : FLOAT_FLAG.PE);
  return pack(EXTENDED, env, x);
}

/** Sine of the argument shifted by `turn` quarters: 0 sine, 1 cosine. */
function circular(env: FloatEnvironment, x: Unpacked, turn: 0 | 1): bigint {
  const { value, quadrant } = reduce(x);
  const quarter = (quadrant + turn) & 3;
  if (x.exponent < TINY_ANGLE) return inexact(env, turn === 1 ? COSINE_OF_NONE : x);
  const magnitude = quarter & 1 ? cosine(value) : sine(value);
  return packFixed(env, quarter & 2 ? -magnitude : magnitude);
}

/** Sine of an argument below 2^63. */
export const sineOf = (env: FloatEnvironment, x: Unpacked): bigint => circular(env, x, 0);

/** Cosine of an argument below 2^63. */
export const cosineOf = (env: FloatEnvironment, x: Unpacked): bigint => circular(env, x, 1);

/** Tangent of an argument below 2^63. */
export function tangentOf(env: FloatEnvironment, x: Unpacked): bigint {
  if (x.exponent < TINY_ANGLE) return inexact(env, x);
  const { value, quadrant } = reduce(x);
  const [s, c] = [sine(value), cosine(value)];
  return packFixed(env, quadrant & 1 ? (-c * ONE) / s : (s * ONE) / c);
}
