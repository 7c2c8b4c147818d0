/** AESENC and its kin: the rounds of FIPS 197, on a state of 16 bytes with column n in bytes 4n to 4n + 3. */
import type { ColdInstruction } from '../cpu/cold';
import { eachHalf } from './halves';

/** Product of two bytes in the field of FIPS 197, polynomial 11BH. */
function fieldProduct(a: number, b: number): number {
  let product = 0;
  for (let x = a, y = b; y !== 0; y >>= 1) {
    if (y & 1) product ^= x;
    x = (x << 1) ^ (x & 0x80 ? 0x11b : 0);
  }
  return product;
}

const table = (of: (byte: number) => number): Uint8Array => Uint8Array.from({ length: 256 }, (_, byte) => of(byte));

/** The inverse of a byte is its power of 254; 0 stays 0. */
const inverse = (byte: number): number => {
  let power = 1;
  for (let i = 0; i < 254; i++) power = fieldProduct(power, byte);
  return power;
};

const rotate = (byte: number, count: number): number => ((byte << count) | (byte >> (8 - count))) & 0xff;

const SUBSTITUTION = table((byte) => {
  const x = inverse(byte);
  return x ^ rotate(x, 1) ^ rotate(x, 2) ^ rotate(x, 3) ^ rotate(x, 4) ^ 0x63;
});
const INVERSE_SUBSTITUTION = table((byte) => SUBSTITUTION.indexOf(byte));

/** Products with the factors of MixColumns and of its inverse. */
const TIMES: Readonly<Record<1 | 2 | 3 | 9 | 11 | 13 | 14, Uint8Array>> = {
  1: table((byte) => byte),
  2: table((byte) => fieldProduct(byte, 2)),
  3: table((byte) => fieldProduct(byte, 3)),
  9: table((byte) => fieldProduct(byte, 9)),
  11: table((byte) => fieldProduct(byte, 11)),
  13: table((byte) => fieldProduct(byte, 13)),
  14: table((byte) => fieldProduct(byte, 14)),
};
const MIX = [TIMES[2], TIMES[3], TIMES[1], TIMES[1]] as const;
const INVERSE_MIX = [TIMES[14], TIMES[11], TIMES[13], TIMES[9]] as const;

/** Row r of the state turns left by r columns, or right in the inverse cipher; then every byte is substituted. */
function shiftAndSubstitute(state: Uint8Array, box: Uint8Array, direction: 1 | -1): Uint8Array {
  return Uint8Array.from({ length: 16 }, (_, at) => {
    const row = at & 3;
    const column = ((at >> 2) + direction * row) & 3;
    return box[state[column * 4 + row]];
  });
}

/** Every column times the polynomial whose factors are given. */
function mixColumns(state: Uint8Array, factors: readonly Uint8Array[]): Uint8Array {
  return state.map((_, at) => {
    let sum = 0;
    for (let i = 0; i < 4; i++) sum ^= factors[(i - at) & 3][state[(at & ~3) + i]];
    return sum;
  });
}

const round = (box: Uint8Array, direction: 1 | -1, factors: readonly Uint8Array[] | undefined): ColdInstruction =>
  eachHalf((state, roundKey) => {
    const shifted = shiftAndSubstitute(state, box, direction);
    const mixed = factors === undefined ? shifted : mixColumns(shifted, factors);
    return mixed.map((byte, i) => byte ^ roundKey[i]);
  });

const keyAssist = (source: Uint8Array, constant: number): Uint8Array => {
  const word = (at: number): readonly number[] => [0, 1, 2, 3].map((i) => SUBSTITUTION[source[at + i]]);
  const turned = ([a, b, c, d]: readonly number[]): readonly number[] => [b ^ constant, c, d, a];
  return Uint8Array.from([word(4), turned(word(4)), word(12), turned(word(12))].flat());
};

export const AES_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  aesenc: round(SUBSTITUTION, 1, MIX),
  aesenclast: round(SUBSTITUTION, 1, undefined),
  aesdec: round(INVERSE_SUBSTITUTION, -1, INVERSE_MIX),
  aesdeclast: round(INVERSE_SUBSTITUTION, -1, undefined),
  aesimc: eachHalf((_, source) => mixColumns(source, INVERSE_MIX)),
  aeskeygenassist: eachHalf((_, source, control) => keyAssist(source, control)),
};
