/** 64-bit values as two 32-bit words and back: BigInt arithmetic would allocate at every step. */
const wide = new BigUint64Array(1);
const words = new Uint32Array(wide.buffer);

/** Bits 31:0 of a value taken modulo 2^64. */
export function lowWord(value: bigint): number {
  wide[0] = value;
  return words[0];
}

/** Bits 63:32 of a value taken modulo 2^64. */
export function highWord(value: bigint): number {
  wide[0] = value;
  return words[1];
}

/** The words are taken modulo 2^32. */
export function fromWords(low: number, high: number): bigint {
  words[0] = low;
  words[1] = high;
  return wide[0];
}
