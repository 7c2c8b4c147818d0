import { type Expr, and, i64, shrU, signExtend16, signExtend32, signExtend8 } from '../codegen/expr';
import type { Size } from './shape';

/** Sign-extends the low `size` bytes of an i64. */
export function signExtend(size: Size, value: Expr): Expr {
  switch (size) {
    case 1:
      return signExtend8(value);
    case 2:
      return signExtend16(value);
    case 4:
      return signExtend32(value);
    case 8:
      return value;
  }
}

const MASK: Readonly<Record<1 | 2 | 4, bigint>> = { 1: 0xffn, 2: 0xffffn, 4: 0xffff_ffffn };

/** Zero-extends the low `size` bytes of an i64. */
export const zeroExtend = (size: Size, value: Expr): Expr => (size === 8 ? value : and(value, i64(MASK[size])));

/** The most significant bit of a sign-extended value, as 0 or 1 (i64). */
export const signBit = (value: Expr): Expr => shrU(value, i64(63));

/** 0, 1, 2, 3 for 1, 2, 4, 8 bytes. */
export const sizeIndex = (size: Size): number => [1, 2, 4, 8].indexOf(size);
