/** Values that vector and floating-point arithmetic goes wrong on. */
import type { Random } from './random';

/** What the elements of a vector are. */
export type Flavour = 'bytes' | 'integers' | 'f16' | 'f32' | 'f64' | 'mixed';

/** A binary floating-point format with an implicit leading bit. */
interface Format {
  readonly bytes: 2 | 4 | 8;
  readonly exponentBits: number;
  readonly fractionBits: number;
}

const FORMATS: Readonly<Record<'f16' | 'f32' | 'f64', Format>> = {
  f16: { bytes: 2, exponentBits: 5, fractionBits: 10 },
  f32: { bytes: 4, exponentBits: 8, fractionBits: 23 },
  f64: { bytes: 8, exponentBits: 11, fractionBits: 52 },
};

const maskOf = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

/** A fraction: edges, few bits, or any. */
function fraction(random: Random, bits: number): bigint {
  switch (random.below(6)) {
    case 0:
      return 0n;
    case 1:
      return maskOf(bits) - BigInt(random.below(3));
    case 2:
      return BigInt(random.below(4));
    case 3:
      return (1n << BigInt(random.below(bits))) | (1n << BigInt(random.below(bits)));
    case 4:
      // One bit less or more than a shorter format's: what rounds on conversion.
      return (random.u64() << BigInt(random.below(bits))) & maskOf(bits);
    default:
      return random.u64() & maskOf(bits);
  }
}

/** Biased exponent: zero and denormals, near under- and overflow, near one, near the integers' limits, infinity and NaN, any. */
function exponent(random: Random, bits: number): bigint {
  const top = maskOf(bits);
  const bias = top >> 1n;
  const near = (value: bigint, spread: number): bigint => value + BigInt(random.below(2 * spread + 1) - spread);
  const clamp = (value: bigint): bigint => (value < 0n ? 0n : value > top ? top : value);
  switch (random.below(10)) {
    case 0:
      return 0n;
    case 1:
      return top;
    case 2:
      return BigInt(random.below(4));
    case 3:
      return top - 1n - BigInt(random.below(3));
    case 4:
      return clamp(near(bias / 2n, 3));
    case 5:
      return clamp(near(bias + BigInt(random.pick([7, 15, 31, 63])), 2));
    case 6:
    case 7:
    case 8:
      return clamp(near(bias, 4));
    default:
      return random.u64() & top;
  }
}

function floatBits(random: Random, { exponentBits, fractionBits }: Format): bigint {
  const sign = random.oneIn(2) ? 1n : 0n;
  return (
    (((sign << BigInt(exponentBits)) | exponent(random, exponentBits)) << BigInt(fractionBits)) |
    fraction(random, fractionBits)
  );
}

function writeLittle(to: Uint8Array, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size; i++) to[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
}

/** Fills with floats; now and then all lie within a few units in the last place of one value. */
function fillFloats(random: Random, to: Uint8Array, format: Format, common: bigint | undefined): void {
  for (let at = 0; at + format.bytes <= to.length; at += format.bytes) {
    const value = common === undefined ? floatBits(random, format) : common + BigInt(random.below(5) - 2);
    const sign = common !== undefined && random.oneIn(3) ? 1n << BigInt(format.bytes * 8 - 1) : 0n;
    writeLittle(to, at, format.bytes, BigInt.asUintN(format.bytes * 8, value ^ sign));
  }
}

const INTEGER_SIZES = [1, 2, 4, 8] as const;

function fillIntegers(random: Random, to: Uint8Array): void {
  const size = random.pick(INTEGER_SIZES);
  for (let at = 0; at + size <= to.length; at += size) {
    const edge = random.pick([0x7f, 0x80, 0xff, 0x00, 0x01]);
    const value =
      size === 1 || random.oneIn(3)
        ? (BigInt(edge) << BigInt(8 * (size - 1))) | (edge & 1 ? maskOf(8 * (size - 1)) : 0n)
        : random.interesting();
    writeLittle(to, at, size, value);
  }
}

/** Fills vectors of one case, all of one kind. */
export class VectorValues {
  private readonly common: bigint | undefined;

  constructor(
    private readonly random: Random,
    private readonly flavour: Flavour,
  ) {
    const isNear = random.oneIn(5);
    this.common =
      isNear && (flavour === 'f32' || flavour === 'f64' || flavour === 'f16')
        ? floatBits(random, FORMATS[flavour])
        : undefined;
  }

  fill(to: Uint8Array): void {
    const { random } = this;
    const flavour =
      this.flavour === 'mixed' ? random.pick<Flavour>(['bytes', 'integers', 'f16', 'f32', 'f64']) : this.flavour;
    switch (flavour) {
      case 'bytes':
        to.set(random.bytes(to.length));
        break;
      case 'integers':
        fillIntegers(random, to);
        break;
      case 'f16':
      case 'f32':
      case 'f64':
        fillFloats(random, to, FORMATS[flavour], random.oneIn(6) ? undefined : this.common);
        break;
    }
  }
}

/** Which kind of elements suits an instruction, by its mnemonic: mostly that, sometimes any. */
export function flavourFor(random: Random, mnemonic: string): Flavour {
  if (random.oneIn(8)) return 'mixed';
  if (/PH2PS/.test(mnemonic)) return 'f16';
  if (/CVT(T?)P?[SD]D2|^V?CVT.*PD2/.test(mnemonic)) return 'f64';
  if (/^V?F?(N?M)(ADD|SUB).*(PS|SS)$|(PS|SS)$|CVT.*PS2|CVT.*SS2/.test(mnemonic)) return 'f32';
  if (/(PD|SD)$/.test(mnemonic)) return 'f64';
  return random.pick<Flavour>(['bytes', 'integers', 'integers']);
}

/** MXCSR: mostly as an operating system leaves it, else with any rounding, masks, flags, DAZ and FTZ. */
export function randomMxcsr(random: Random): number {
  let mxcsr = 0x1f80;
  if (random.oneIn(2)) return mxcsr | (random.oneIn(2) ? random.below(64) : 0);
  mxcsr |= random.below(4) << 13;
  if (random.oneIn(3)) mxcsr |= random.pick([0x40, 0x8000, 0x8040]);
  if (random.oneIn(3)) mxcsr &= ~(random.below(64) << 7);
  return random.oneIn(2) ? mxcsr | random.below(64) : mxcsr;
}

/** Control and status word of the x87 FPU, and its abridged tag word. */
export interface X87Words {
  readonly control: number;
  readonly status: number;
  readonly tag: number;
}

export function randomX87Words(random: Random): X87Words {
  let control = 0x37f;
  if (random.oneIn(2)) control = (control & ~0xf00) | (random.below(4) << 10) | (random.pick([0, 2, 3]) << 8);
  if (random.oneIn(4)) control &= ~random.below(64);
  let status = (random.below(8) << 11) | (random.u32() & 0x4700);
  // An exception that is pending already is rare, and ES and B say so.
  if (random.oneIn(3)) status |= random.below(random.oneIn(4) ? 128 : 1) | (random.oneIn(4) ? 0 : control & 0x3f);
  if (!random.oneIn(20)) status &= ~(~control & 0x3f);
  if ((status & ~control & 0x3f) !== 0) status |= 0x8080;
  const tag = random.oneIn(2) ? 0xff : random.oneIn(6) ? 0 : random.below(256);
  return { control, status, tag };
}

/** An 80-bit extended value, with the encodings that no instruction makes: unnormals, pseudo-denormals, pseudo-infinities. */
function writeExtended(random: Random, to: Uint8Array): void {
  let biased = exponent(random, 15);
  if (random.oneIn(4)) biased = 16383n + BigInt(random.below(130) - 65);
  let significand = (1n << 63n) | fraction(random, 63);
  if (biased === 0n ? !random.oneIn(6) : random.oneIn(24)) significand &= maskOf(63);
  writeLittle(to, 0, 8, significand);
  writeLittle(to, 8, 2, biased | (random.oneIn(2) ? 0x8000n : 0n));
}

/** Fills the eight stack registers, 16 bytes each: extended values, or what MMX instructions leave. */
export function fillStack(random: Random, to: Uint8Array, values: VectorValues, isMmx: boolean): void {
  const common = random.oneIn(5) ? random.below(8) : -1;
  for (let i = 0; i < 8; i++) {
    const register = to.subarray(i * 16, i * 16 + 10);
    if (isMmx && !random.oneIn(8)) {
      values.fill(register.subarray(0, 8));
      register[8] = 0xff;
      register[9] = 0xff;
      continue;
    }
    writeExtended(random, register);
    // Values near each other: what cancels.
    if (common >= 0 && i > 0 && random.oneIn(2)) {
      register.set(to.subarray(0, 10));
      register[0] ^= random.below(4);
      if (random.oneIn(2)) register[9] ^= 0x80;
    }
  }
}
