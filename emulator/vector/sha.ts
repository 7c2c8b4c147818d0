/** SHA1RNDS4, SHA256RNDS2 and their kin: FIPS 180-4. Words are numbered as the SDM numbers doublewords, 0 the lowest. */
import type { ColdInstruction } from '../cpu/cold';
import { YMM } from '../state/layout';
import { eachHalf } from './halves';

type Words = readonly [number, number, number, number];

const wordsOf = (bytes: Uint8Array): Words => {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const word = (index: number): number => view.getUint32(index * 4, true);
  return [word(0), word(1), word(2), word(3)];
};

const bytesOf = (words: Words): Uint8Array => new Uint8Array(Uint32Array.from(words).buffer);

const onWords = (operation: (first: Words, second: Words, control: number) => Words): ColdInstruction =>
  eachHalf((first, second, control) => bytesOf(operation(wordsOf(first), wordsOf(second), control)));

const rotateLeft = (x: number, count: number): number => (x << count) | (x >>> (32 - count));
const rotateRight = (x: number, count: number): number => (x >>> count) | (x << (32 - count));

const choose = (b: number, c: number, d: number): number => (b & c) ^ (~b & d);
const parity = (b: number, c: number, d: number): number => b ^ c ^ d;
const majority = (b: number, c: number, d: number): number => (b & c) ^ (b & d) ^ (c & d);

/** Function and constant of SHA-1 by the immediate. */
const SHA1_STAGES = [
  { mix: choose, constant: 0x5a82_7999 },
  { mix: parity, constant: 0x6ed9_eba1 },
  { mix: majority, constant: 0x8f1b_bcdc },
  { mix: parity, constant: 0xca62_c1d6 },
] as const;

/** Four rounds; E of the first is in the message's top word already. */
function sha1Rounds([d0, c0, b0, a0]: Words, message: Words, control: number): Words {
  const { mix, constant } = SHA1_STAGES[control & 3];
  let [a, b, c, d, e] = [a0, b0, c0, d0, 0];
  for (let i = 3; i >= 0; i--) {
    const next = (mix(b, c, d) + rotateLeft(a, 5) + message[i] + e + constant) | 0;
    [a, b, c, d, e] = [next, a, rotateLeft(b, 30), c, d];
  }
  return [d, c, b, a];
}

const sha1Message1 = ([w3, w2, w1, w0]: Words, [, , w5, w4]: Words): Words => [w5 ^ w3, w4 ^ w2, w3 ^ w1, w2 ^ w0];

function sha1Message2([x3, x2, x1, x0]: Words, [w15, w14, w13]: Words): Words {
  const w16 = rotateLeft(x0 ^ w13, 1);
  return [rotateLeft(x3 ^ w16, 1), rotateLeft(x2 ^ w15, 1), rotateLeft(x1 ^ w14, 1), w16];
}

const bigSigma0 = (x: number): number => rotateRight(x, 2) ^ rotateRight(x, 13) ^ rotateRight(x, 22);
const bigSigma1 = (x: number): number => rotateRight(x, 6) ^ rotateRight(x, 11) ^ rotateRight(x, 25);
const smallSigma0 = (x: number): number => rotateRight(x, 7) ^ rotateRight(x, 18) ^ (x >>> 3);
const smallSigma1 = (x: number): number => rotateRight(x, 17) ^ rotateRight(x, 19) ^ (x >>> 10);

/** Two rounds; message words and constants are added up already, in the low words of XMM0. */
function sha256Rounds([h0, g0, d0, c0]: Words, [f0, e0, b0, a0]: Words, sums: readonly number[]): Words {
  let [a, b, c, d, e, f, g, h] = [a0, b0, c0, d0, e0, f0, g0, h0];
  for (const sum of sums) {
    const common = choose(e, f, g) + bigSigma1(e) + sum + h;
    const next = (common + majority(a, b, c) + bigSigma0(a)) | 0;
    [a, b, c, d, e, f, g, h] = [next, a, b, c, (common + d) | 0, e, f, g];
  }
  return [f, e, b, a];
}

function sha256Message2([w0, w1, w2, w3]: Words, [, , w14, w15]: Words): Words {
  const w16 = (w0 + smallSigma1(w14)) | 0;
  const w17 = (w1 + smallSigma1(w15)) | 0;
  return [w16, w17, (w2 + smallSigma1(w16)) | 0, (w3 + smallSigma1(w17)) | 0];
}

export const SHA_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  sha1rnds4: onWords(sha1Rounds),
  sha1nexte: onWords(([, , , w3], [x0, x1, x2, x3]) => [x0, x1, x2, (x3 + rotateLeft(w3, 30)) | 0]),
  sha1msg1: onWords(sha1Message1),
  sha1msg2: onWords(sha1Message2),
  sha256rnds2: (cpu, insn) => {
    const { view } = cpu.memory;
    const sums = [view.getUint32(YMM, true), view.getUint32(YMM + 4, true)];
    return onWords((first, second) => sha256Rounds(first, second, sums))(cpu, insn);
  },
  sha256msg1: onWords(([w0, w1, w2, w3], [w4]) => [
    w0 + smallSigma0(w1),
    w1 + smallSigma0(w2),
    w2 + smallSigma0(w3),
    w3 + smallSigma0(w4),
  ]),
  sha256msg2: onWords(sha256Message2),
};
