import type { ColdInstruction } from '../cpu/cold';
import { eachHalf } from './halves';

/** Product of two quadwords without carries, 128 bits. */
function carrylessProduct(a: bigint, b: bigint): bigint {
  let product = 0n;
  for (let x = a, y = b; y !== 0n; x <<= 1n, y >>= 1n) if (y & 1n) product ^= x;
  return product;
}

const quadword = (bytes: Uint8Array, index: number): bigint =>
  new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(index * 8, true);

/** PCLMULQDQ: bits 0 and 4 of the immediate choose the quadword of the first and of the second source. */
export const CARRYLESS_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  pclmulqdq: eachHalf((first, second, control) => {
    const product = carrylessProduct(quadword(first, control & 1), quadword(second, (control >> 4) & 1));
    const result = new Uint8Array(16);
    const view = new DataView(result.buffer);
    view.setBigUint64(0, BigInt.asUintN(64, product), true);
    view.setBigUint64(8, product >> 64n, true);
    return result;
  }),
};
