import { type Expr, i32 } from '../codegen/expr';
import { shuffle, simd, v128, v128Of32 } from '../codegen/simd';
import type { WarmSemantic } from './context';
import { lanewise, lanewiseUnary } from './vectors';

const LOW_BYTES = v128(0x00ff_00ff_00ff_00ffn, 0x00ff_00ff_00ff_00ffn);
const LOW_DOUBLEWORD = v128(0xffff_ffffn, 0xffff_ffffn);
/** High words of the doublewords of two vectors, and low words. */
const HIGH_WORDS = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
const LOW_WORDS = [0, 1, 4, 5, 8, 9, 12, 13, 16, 17, 20, 21, 24, 25, 28, 29];
/** Even doublewords, moved together in the low quadword. */
const EVEN_DOUBLEWORDS = [0, 1, 2, 3, 8, 9, 10, 11, 0, 1, 2, 3, 8, 9, 10, 11];

const evens = (value: Expr): Expr => shuffle(value, value, EVEN_DOUBLEWORDS);

/** The full products of words, as two vectors of doublewords. */
const wordProducts = (a: Expr, b: Expr, sign: 's' | 'u'): readonly [Expr, Expr] => [
  simd(`i32x4.extmul_low_i16x8_${sign}`, a, b),
  simd(`i32x4.extmul_high_i16x8_${sign}`, a, b),
];

/** Products of words scaled by 2^-15 and rounded; the one that does not fit wraps, unlike in WebAssembly's own. */
const roundedProduct = (a: Expr, b: Expr): Expr => {
  const [low, high] = wordProducts(a, b, 's').map((products) =>
    simd('i32x4.shr_s', simd('i32x4.add', products, v128Of32(0x4000)), i32(15)),
  );
  return shuffle(low, high, LOW_WORDS);
};

/** Unsigned bytes of a times signed bytes of b; neighbours added with saturation. */
const bytePairs = (a: Expr, b: Expr): Expr => {
  const even = simd(
    'i16x8.mul',
    simd('v128.and', a, LOW_BYTES),
    simd('i16x8.shr_s', simd('i16x8.shl', b, i32(8)), i32(8)),
  );
  const odd = simd('i16x8.mul', simd('i16x8.shr_u', a, i32(8)), simd('i16x8.shr_s', b, i32(8)));
  return simd('i16x8.add_sat_s', even, odd);
};

/** Sums of the absolute differences of eight bytes. */
const sumOfDifferences = (a: Expr, b: Expr): Expr => {
  const differences = simd('v128.or', simd('i8x16.sub_sat_u', a, b), simd('i8x16.sub_sat_u', b, a));
  const sums = simd('i32x4.extadd_pairwise_i16x8_u', simd('i16x8.extadd_pairwise_i8x16_u', differences));
  return simd('i64x2.add', simd('v128.and', sums, LOW_DOUBLEWORD), simd('i64x2.shr_u', sums, i32(32)));
};

/** The first operand, negated, kept or zeroed by the sign of the second. */
const sign =
  (lane: 'i8x16' | 'i16x8' | 'i32x4') =>
  (a: Expr, b: Expr): Expr => {
    const signed = simd('v128.bitselect', simd(`${lane}.neg`, a), a, simd(`${lane}.lt_s`, b, ZERO));
    return simd('v128.andnot', signed, simd(`${lane}.eq`, b, ZERO));
  };
const ZERO = v128(0n, 0n);

/** Products, averages, extremes, absolute values and comparisons of packed integers. */
export const PACKED_PRODUCT_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  pmullw: lanewise((a, b) => simd('i16x8.mul', a, b)),
  pmulhw: lanewise((a, b) => shuffle(...wordProducts(a, b, 's'), HIGH_WORDS)),
  pmulhuw: lanewise((a, b) => shuffle(...wordProducts(a, b, 'u'), HIGH_WORDS)),
  pmulhrsw: lanewise(roundedProduct),
  pmaddwd: lanewise((a, b) => simd('i32x4.dot_i16x8_s', a, b)),
  pmaddubsw: lanewise(bytePairs),
  pmuludq: lanewise((a, b) => simd('i64x2.extmul_low_i32x4_u', evens(a), evens(b))),
  pmuldq: lanewise((a, b) => simd('i64x2.extmul_low_i32x4_s', evens(a), evens(b))),
  pmulld: lanewise((a, b) => simd('i32x4.mul', a, b)),
  psadbw: lanewise(sumOfDifferences),
  pavgb: lanewise((a, b) => simd('i8x16.avgr_u', a, b)),
  pavgw: lanewise((a, b) => simd('i16x8.avgr_u', a, b)),
  pminub: lanewise((a, b) => simd('i8x16.min_u', a, b)),
  pmaxub: lanewise((a, b) => simd('i8x16.max_u', a, b)),
  pminsw: lanewise((a, b) => simd('i16x8.min_s', a, b)),
  pmaxsw: lanewise((a, b) => simd('i16x8.max_s', a, b)),
  pminsb: lanewise((a, b) => simd('i8x16.min_s', a, b)),
  pmaxsb: lanewise((a, b) => simd('i8x16.max_s', a, b)),
  pminuw: lanewise((a, b) => simd('i16x8.min_u', a, b)),
  pmaxuw: lanewise((a, b) => simd('i16x8.max_u', a, b)),
  pminsd: lanewise((a, b) => simd('i32x4.min_s', a, b)),
  pmaxsd: lanewise((a, b) => simd('i32x4.max_s', a, b)),
  pminud: lanewise((a, b) => simd('i32x4.min_u', a, b)),
  pmaxud: lanewise((a, b) => simd('i32x4.max_u', a, b)),
  pcmpeqq: lanewise((a, b) => simd('i64x2.eq', a, b)),
  pcmpgtq: lanewise((a, b) => simd('i64x2.gt_s', a, b)),
  pabsb: lanewiseUnary((a) => simd('i8x16.abs', a)),
  pabsw: lanewiseUnary((a) => simd('i16x8.abs', a)),
  pabsd: lanewiseUnary((a) => simd('i32x4.abs', a)),
  psignb: lanewise(sign('i8x16')),
  psignw: lanewise(sign('i16x8')),
  psignd: lanewise(sign('i32x4')),
};
