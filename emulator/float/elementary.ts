import { bitLength } from './bits';

/*
 * Elementary functions in fixed point: a BigInt x stands for x / 2^FRACTION. Their errors are a few units of the last place, far below
 * anything that could show in a result of 64 bits.
 */

/** Fraction bits. */
export const FRACTION = 320;
const SHIFT = BigInt(FRACTION);
export const ONE = 1n << SHIFT;

const product = (a: bigint, b: bigint): bigint => (a * b) >> SHIFT;

/** Sum of first x (1 + sum of ratios), each term from the one before by `next`, until a term vanishes. */
function series(first: bigint, next: (term: bigint, n: bigint) => bigint): bigint {
  let sum = first;
  let term = first;
  for (let n = 1n; ; n++) {
    term = next(term, n);
    // Towards zero, so that negative terms vanish too.
    if (term === 0n || term === -1n) return sum;
    sum += term;
  }
}

/** Sum of the odd powers of z over their exponents, alternating for `sign` -1: artanh and arctan. */
function oddPowers(z: bigint, sign: 1n | -1n): bigint {
  const square = product(z, z) * sign;
  let power = z;
  let sum = z;
  for (let n = 3n; ; n += 2n) {
    power = product(power, square);
    const term = power / n;
    if (term === 0n) return sum;
    sum += term;
  }
}

const arctanOfInverse = (n: bigint): bigint => oddPowers(ONE / n, -1n);
/** Machin's formula. */
export const PI = 4n * (4n * arctanOfInverse(5n) - arctanOfInverse(239n));
export const LN2 = 2n * oddPowers(ONE / 3n, 1n);

/** e^x - 1 for |x| below 1. */
export const expMinusOne = (x: bigint): bigint => series(x, (term, n) => product(term, x) / (n + 1n));

/** Base-2 logarithm of (1 + z) / (1 - z) for |z| up to 1/3. */
export const log2OfRatio = (z: bigint): bigint => (2n * oddPowers(z, 1n) * ONE) / LN2;

/** For |x| below 1. */
export function sine(x: bigint): bigint {
  const square = -product(x, x);
  return series(x, (term, n) => product(term, square) / (2n * n * (2n * n + 1n)));
}

/** For |x| below 1. */
export function cosine(x: bigint): bigint {
  const square = -product(x, x);
  return series(ONE, (term, n) => product(term, square) / (2n * n * (2n * n - 1n)));
}

function squareRoot(value: bigint): bigint {
  let root = 1n << BigInt((bitLengthOfAny(value) >> 1) + 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

const bitLengthOfAny = (value: bigint): number =>
  value < 1n << 900n ? bitLength(value) : value.toString(16).length * 4;

/** For 0 <= z <= 1. */
export function arctangent(z: bigint): bigint {
  // Half the angle three times brings z below 1/8.
  let half = z;
  for (let i = 0; i < 3; i++) half = (half << SHIFT) / (ONE + squareRoot((ONE + product(half, half)) << SHIFT));
  return oddPowers(half, -1n) << 3n;
}
