/** A binary floating-point format, SDM "Floating-Point Data Types". An encoding of any format is a non-negative BigInt. */
export interface Format {
  readonly name: 'binary16' | 'binary32' | 'binary64' | 'extended';
  /** Bits of the significand, the integer bit included. */
  readonly precision: number;
  readonly exponentBits: number;
  readonly bias: number;
  /** Exponents (unbiased) of normal numbers. */
  readonly minExponent: number;
  readonly maxExponent: number;
  /** Bits stored of the significand: one less than `precision` where the integer bit is implied. */
  readonly stored: number;
  /** Position of the sign bit. */
  readonly signBit: bigint;
  readonly width: number;
}

const format = (name: Format['name'], precision: number, exponentBits: number, explicit: boolean): Format => {
  const bias = 2 ** (exponentBits - 1) - 1;
  const stored = explicit ? precision : precision - 1;
  return {
    name,
    precision,
    exponentBits,
    bias,
    minExponent: 1 - bias,
    maxExponent: bias,
    stored,
    signBit: BigInt(stored + exponentBits),
    width: stored + exponentBits + 1,
  };
};

export const BINARY16 = format('binary16', 11, 5, false);
export const BINARY32 = format('binary32', 24, 8, false);
export const BINARY64 = format('binary64', 53, 11, false);
/** The x87's own: the integer bit is stored. */
export const EXTENDED = format('extended', 64, 15, true);

const ones = (count: number): bigint => (1n << BigInt(count)) - 1n;

/** An encoding from its parts; `fraction` as stored. */
export const encode = (target: Format, negative: boolean, biased: number, fraction: bigint): bigint =>
  (negative ? 1n << target.signBit : 0n) | (BigInt(biased) << BigInt(target.stored)) | fraction;

const maxBiased = (target: Format): number => 2 ** target.exponentBits - 1;

const integerBit = (target: Format): bigint => (target.stored === target.precision ? 1n << 63n : 0n);

export const zero = (target: Format, negative: boolean): bigint => encode(target, negative, 0, 0n);

export const infinity = (target: Format, negative: boolean): bigint =>
  encode(target, negative, maxBiased(target), integerBit(target));

/** The QNaN floating-point indefinite: what a masked invalid operation gives. */
export const defaultNaN = (target: Format): bigint =>
  encode(target, true, maxBiased(target), integerBit(target) | (1n << BigInt(target.precision - 2)));

/** The largest finite number of `precision` significant bits. */
export const largest = (target: Format, negative: boolean, precision: number): bigint => {
  const significand = ones(precision) << BigInt(target.precision - precision);
  return encode(target, negative, maxBiased(target) - 1, significand & ones(target.stored));
};

/** A NaN of the target format from a significand left-aligned at bit 63. */
export const encodeNaN = (target: Format, negative: boolean, significand: bigint): bigint =>
  encode(
    target,
    negative,
    maxBiased(target),
    ((significand >> BigInt(64 - target.precision)) & ones(target.stored)) | integerBit(target),
  );
