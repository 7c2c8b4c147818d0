import { KIND, unpack, type Unpacked } from '../emulator/float/unpack';
import { EXTENDED, type Format } from '../emulator/float/format';

/** Decimal digits that tell any two numbers of the format apart. */
const DIGITS: Readonly<Record<Format['name'], number>> = { binary16: 5, binary32: 9, binary64: 17, extended: 21 };

/** A floating-point encoding as a decimal number with as many digits as it takes, or what else it is. */
export function floatText(format: Format, bits: bigint): string {
  const value = unpack(format, bits);
  const sign = value.negative ? '-' : '';
  switch (value.kind) {
    case KIND.ZERO:
      return `${sign}0`;
    case KIND.INFINITY:
      return `${sign}infinity`;
    case KIND.QNAN:
      return `${sign}QNaN`;
    case KIND.SNAN:
      return `${sign}SNaN`;
    case KIND.UNSUPPORTED:
      return `${sign}unsupported`;
    case KIND.FINITE:
      return `${sign}${decimal(value, DIGITS[format.name])}`;
  }
}

/** Magnitude of a finite number, rounded to `digits` significant digits, without the zeros at its end. */
function decimal({ significand, exponent }: Unpacked, digits: number): string {
  let scale = Math.floor((exponent * Math.log10(2) * 1e12) / 1e12);
  let rounded = scaled(significand, exponent - 63, digits - 1 - scale);
  if (rounded >= 10n ** BigInt(digits)) rounded = scaled(significand, exponent - 63, digits - 1 - ++scale);
  const text = rounded.toString();
  const power = scale + text.length - digits;
  const plain = text.replace(/0+$/, '');
  if (power >= 0 && power < digits) {
    const whole = text.slice(0, power + 1);
    const fraction = plain.slice(power + 1);
    return fraction === '' ? whole : `${whole}.${fraction}`;
  }
  if (power < 0 && power > -6) return `0.${'0'.repeat(-power - 1)}${plain}`;
  return `${plain[0]}${plain.length > 1 ? `.${plain.slice(1)}` : ''}e${power < 0 ? '' : '+'}${power}`;
}

/** m x 2^e x 10^power, rounded to an integer. */
function scaled(m: bigint, e: number, power: number): bigint {
  let numerator = m;
  let denominator = 1n;
  if (e >= 0) numerator <<= BigInt(e);
  else denominator <<= BigInt(-e);
  if (power >= 0) numerator *= 10n ** BigInt(power);
  else denominator *= 10n ** BigInt(-power);
  return (2n * numerator + denominator) / (2n * denominator);
}

export const extendedText = (bits: bigint): string => floatText(EXTENDED, bits);
