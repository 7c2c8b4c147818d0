import { bitLength, ones } from './bits';
import type { FloatEnvironment } from './environment';
import { encodeNaN, type Format } from './format';

export const KIND = {
  ZERO: 0,
  FINITE: 1,
  INFINITY: 2,
  QNAN: 3,
  SNAN: 4,
  /** Unnormals, pseudo-infinities and pseudo-NaNs of the extended format, SDM "Unsupported Double Extended-Precision ...". */
  UNSUPPORTED: 5,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

/** An encoding taken apart, the same for all formats. */
export interface Unpacked {
  readonly kind: Kind;
  readonly negative: boolean;
  /** FINITE: value = significand x 2^(exponent - 63). */
  readonly exponent: number;
  /** FINITE: normalized, bit 63 set. NaNs: left-aligned at bit 63, where the integer bit is. */
  readonly significand: bigint;
  /** A denormal or pseudo-denormal: an operation on it reports a denormal operand. */
  readonly denormal: boolean;
}

const INTEGER_BIT = 1n << 63n;
const QUIET_BIT = 1n << 62n;

/** Takes an encoding apart. With denormals-are-zeros a denormal becomes a zero of its sign. */
export function unpack(source: Format, bits: bigint, env?: FloatEnvironment): Unpacked {
  const negative = bits >> source.signBit !== 0n;
  const biased = Number(bits >> BigInt(source.stored)) & (2 ** source.exponentBits - 1);
  const explicit = source.stored === source.precision;
  let significand = (bits & ones(source.stored)) << BigInt(64 - source.precision);
  if (biased === 2 ** source.exponentBits - 1) {
    if (!explicit) significand |= INTEGER_BIT;
    const kind =
      significand < INTEGER_BIT
        ? KIND.UNSUPPORTED
        : significand === INTEGER_BIT
          ? KIND.INFINITY
          : (significand & QUIET_BIT) !== 0n
            ? KIND.QNAN
            : KIND.SNAN;
    return { kind, negative, exponent: 0, significand, denormal: false };
  }
  if (biased !== 0) {
    if (!explicit) significand |= INTEGER_BIT;
    const kind = significand < INTEGER_BIT ? KIND.UNSUPPORTED : KIND.FINITE;
    return { kind, negative, exponent: biased - source.bias, significand, denormal: false };
  }
  if (significand === 0n || env?.denormalsAreZeros === true)
    return { kind: KIND.ZERO, negative, exponent: 0, significand: 0n, denormal: false };
  const leading = 64 - bitLength(significand);
  return {
    kind: KIND.FINITE,
    negative,
    exponent: source.minExponent - leading,
    significand: significand << BigInt(leading),
    denormal: true,
  };
}

export const isNaN = ({ kind }: Unpacked): boolean => kind >= KIND.QNAN;

/** The same value with the other sign, as FSUB and the negating multiply-adds need it; NaNs keep theirs. */
export const negated = (value: Unpacked): Unpacked => (isNaN(value) ? value : { ...value, negative: !value.negative });

/** A NaN made quiet, in the target format. */
export const quiet = (target: Format, { negative, significand }: Unpacked): bigint =>
  encodeNaN(target, negative, significand | QUIET_BIT);
