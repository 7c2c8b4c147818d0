import { type Expr, extendU, wrap } from '../codegen/expr';
import { simd, v128 } from '../codegen/simd';
import type { Size } from './shape';

/** The numbers of the bytes of a vector. */
export const IOTA = v128(0x0706_0504_0302_0100n, 0x0f0e_0d0c_0b0a_0908n);

interface LaneKind {
  /** Each lane's number. */
  readonly numbers: Expr;
  equal(a: Expr, b: Expr): Expr;
  /** An i32 in every lane. */
  splat(value: Expr): Expr;
  /** The low bits of an i64 in every lane. */
  splatValue(value: Expr): Expr;
}

/** Lanes by their size in bytes. */
export const LANES: Readonly<Record<Size, LaneKind>> = {
  1: {
    numbers: IOTA,
    equal: (a, b) => simd('i8x16.eq', a, b),
    splat: (value) => simd('i8x16.splat', value),
    splatValue: (value) => simd('i8x16.splat', wrap(value)),
  },
  2: {
    numbers: v128(0x0003_0002_0001_0000n, 0x0007_0006_0005_0004n),
    equal: (a, b) => simd('i16x8.eq', a, b),
    splat: (value) => simd('i16x8.splat', value),
    splatValue: (value) => simd('i16x8.splat', wrap(value)),
  },
  4: {
    numbers: v128(0x0000_0001_0000_0000n, 0x0000_0003_0000_0002n),
    equal: (a, b) => simd('i32x4.eq', a, b),
    splat: (value) => simd('i32x4.splat', value),
    splatValue: (value) => simd('i32x4.splat', wrap(value)),
  },
  8: {
    numbers: v128(0n, 1n),
    equal: (a, b) => simd('i64x2.eq', a, b),
    splat: (value) => simd('i64x2.splat', extendU(value)),
    splatValue: (value) => simd('i64x2.splat', value),
  },
};
