import { ones } from '../../emulator/float/bits';
import { encode, type Format } from '../../emulator/float/format';

/** A repeatable source of numbers (xorshift128+ would do; this is splitmix64). */
export class Random {
  private state: bigint;

  constructor(seed: number) {
    this.state = BigInt(seed);
  }

  next(): bigint {
    this.state = BigInt.asUintN(64, this.state + 0x9e37_79b9_7f4a_7c15n);
    let z = this.state;
    z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n);
    z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn);
    return z ^ (z >> 31n);
  }

  below(limit: number): number {
    return Number(this.next() % BigInt(limit));
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)];
  }
}

/** Significands with long runs of ones and zeros, or with any bits. */
function fraction(random: Random, bits: number): bigint {
  const any = random.next() & ones(bits);
  switch (random.below(8)) {
    case 0:
      return 0n;
    case 1:
      return ones(bits);
    case 2:
      return 1n << BigInt(random.below(bits));
    case 3:
      return ones(random.below(bits) + 1);
    case 4:
      return ones(bits) ^ ones(random.below(bits));
    case 5:
      return any & ~ones(random.below(bits));
    default:
      return any;
  }
}

/**
 * An encoding of the format: special ones, denormals, unsupported ones and numbers near `around` (a biased exponent), in about equal parts.
 */
export function operand(random: Random, format: Format, around: number): bigint {
  const top = 2 ** format.exponentBits - 1;
  const explicit = format.stored === format.precision;
  const negative = random.below(2) === 1;
  const integer = explicit && random.below(40) !== 0 ? 1n << 63n : 0n;
  const stored = fraction(random, format.precision - 1);
  const clamp = (biased: number): number => Math.min(Math.max(biased, 1), top - 1);
  switch (random.below(20)) {
    case 0:
      return encode(format, negative, 0, 0n);
    case 1:
      return encode(format, negative, 0, stored);
    case 2:
      return encode(format, negative, 0, stored | (explicit ? BigInt(random.below(2)) << 63n : 0n));
    case 3:
      return encode(format, negative, top, integer);
    case 4:
      return encode(format, negative, top, integer | stored);
    case 5:
      return encode(format, negative, clamp(random.below(format.precision + 3)), integer | stored);
    case 6:
      return encode(format, negative, clamp(top - random.below(4)), integer | stored);
    case 7:
      return encode(format, negative, clamp(random.below(top)), integer | stored);
    default:
      return encode(format, negative, clamp(around + random.below(140) - 70), integer | stored);
  }
}
