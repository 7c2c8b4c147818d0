import { integral } from '../float/convert';
import { FLOAT_FLAG, type FloatEnvironment } from '../float/environment';
import { EXTENDED } from '../float/format';
import { encode } from '../float/format';
import { isNaN, KIND, type Unpacked } from '../float/unpack';
import { unpackInteger } from './arithmetic';

/** What FBSTP stores for what has no decimal: packed BCD integer indefinite. */
export const packedIndefinite = 0xffff_c000_0000_0000_0000n;

const DIGITS = 18;
const LIMIT = 10n ** BigInt(DIGITS);
const SIGN = 1n << 79n;

/** Packed BCD, 18 digits and a sign, as an extended number. Digits above 9 count as they stand. */
export function fromDecimal(packed: bigint): bigint {
  let magnitude = 0n;
  for (let digit = DIGITS - 1; digit >= 0; digit--) magnitude = magnitude * 10n + ((packed >> BigInt(digit * 4)) & 15n);
  const negative = (packed & SIGN) !== 0n;
  if (magnitude === 0n) return encode(EXTENDED, negative, 0, 0n);
  const { exponent, significand } = unpackInteger(magnitude);
  return encode(EXTENDED, negative, exponent + EXTENDED.bias, significand);
}

/** A number rounded to an integer of 18 decimal digits, packed. */
export function toDecimal(env: FloatEnvironment, a: Unpacked): bigint {
  const result = isNaN(a) || a.kind === KIND.INFINITY || a.exponent > 62 ? undefined : integral(a, env.rounding);
  if (result === undefined || result.value >= LIMIT) {
    env.raise(FLOAT_FLAG.IE);
    return packedIndefinite;
  }
  if (result.inexact) {
    env.raise(FLOAT_FLAG.PE);
    env.roundedUp = result.up;
  }
  return BigInt(`0x${result.value.toString()}`) | (a.negative ? SIGN : 0n);
}
