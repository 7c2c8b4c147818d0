const scratch = new Float64Array(1);
const words = new Uint32Array(scratch.buffer);

/** Number of bits of a positive BigInt below 2^1000. */
export function bitLength(value: bigint): number {
  scratch[0] = Number(value);
  const bits = (words[1] >>> 20) - 1022;
  // The conversion may have rounded up to a power of two.
  return value >> BigInt(bits - 1) === 0n ? bits - 1 : bits;
}

const MASKS: readonly bigint[] = Array.from({ length: 1024 }, (_, count) => (1n << BigInt(count)) - 1n);

/** `count` ones, up to 1023. */
export const ones = (count: number): bigint => MASKS[count];

/** Shifts right, and left for negative counts; bits shifted out leave a trace in the lowest one. */
export function shiftRightSticky(value: bigint, count: number): bigint {
  if (count <= 0) return value << BigInt(-count);
  if (count > 1000) return value === 0n ? 0n : 1n;
  return (value >> BigInt(count)) | ((value & MASKS[count]) === 0n ? 0n : 1n);
}

/** Largest integer whose square is not above `value`, which is below 2^200. */
export function integerSquareRoot(value: bigint): bigint {
  if (value === 0n) return 0n;
  let root = BigInt(Math.floor(Math.sqrt(Number(value))));
  if (root === 0n) root = 1n;
  // From 53 good bits, one step of Newton's method gives more than 100.
  root = (root + value / root) >> 1n;
  while (root * root > value) root--;
  while ((root + 1n) * (root + 1n) <= value) root++;
  return root;
}
