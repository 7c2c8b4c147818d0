import { type Expr, i32 } from '../codegen/expr';
import { shuffle, simd, v128, V128_ZERO } from '../codegen/simd';
import type { OperandContext } from './context';
import { FLOAT_LANES, type FloatSize } from './float-lanes';

/*
 * Error-free transformations: the rounding error of a sum or product, itself a number of the format (Dekker; Knuth, TAOCP 4.2.2).
 */

const DOUBLE = FLOAT_LANES[8];
const HIGH_SINGLES = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15] as const;

/** Elements that are not zero. */
export const nonZero = (size: FloatSize, x: Expr): Expr => FLOAT_LANES[size].op('ne', x, V128_ZERO);

/** The low and the high pair of singles as doubles, held. */
export const promoted = (context: OperandContext, x: Expr): readonly [Expr, Expr] => [
  context.holdAs('v128', simd('f64x2.promote_low_f32x4', x)),
  context.holdAs('v128', simd('f64x2.promote_low_f32x4', shuffle(x, x, HIGH_SINGLES))),
];

/** a + b - s, exact, where s is a + b rounded and nothing comes near overflow. Held. */
export function sumError(context: OperandContext, size: FloatSize, a: Expr, b: Expr, s: Expr): Expr {
  const { op } = FLOAT_LANES[size];
  const other = context.holdAs('v128', op('sub', s, a));
  return context.holdAs('v128', op('add', op('sub', a, op('sub', s, other)), op('sub', b, other)));
}

/** A double as the sum of two with at most 26 significant bits each. */
function split(context: OperandContext, x: Expr): readonly [Expr, Expr] {
  const scaled = context.holdAs('v128', DOUBLE.op('mul', x, DOUBLE.constant(2 ** 27 + 1)));
  const high = context.holdAs('v128', DOUBLE.op('sub', scaled, DOUBLE.op('sub', scaled, x)));
  return [high, context.holdAs('v128', DOUBLE.op('sub', x, high))];
}

/** a x b - p, exact, where p is a x b rounded and nothing comes near over- or underflow. Doubles, held. */
export function productError(context: OperandContext, a: Expr, b: Expr, p: Expr): Expr {
  const { op } = DOUBLE;
  const [aHigh, aLow] = split(context, a);
  const [bHigh, bLow] = split(context, b);
  const first = op('sub', op('mul', aHigh, bHigh), p);
  const middle = op('add', op('add', first, op('mul', aHigh, bLow)), op('mul', aLow, bHigh));
  return context.holdAs('v128', op('add', middle, op('mul', aLow, bLow)));
}

/** Elements outside of 2^-exponent to 2^exponent in magnitude, other than zeros; NaNs are outside. */
export function outside(size: FloatSize, x: Expr, exponent: number): Expr {
  const { op, unary, constant, isZero } = FLOAT_LANES[size];
  const magnitude = unary('abs', x);
  const above = op('ge', magnitude, constant(2 ** -exponent));
  const below = op('le', magnitude, constant(2 ** exponent));
  return simd('v128.not', simd('v128.or', simd('v128.and', above, below), isZero(x)));
}

/** A sum of doubles and its error as the sum rounded to odd: what is rounded from that again is rounded but once (Boldo, Melquiond). Held. */
export function roundedToOdd(context: OperandContext, s: Expr, error: Expr): Expr {
  const one = v128(1n, 1n);
  const even = simd('i64x2.eq', simd('v128.and', s, one), V128_ZERO);
  // One unit in the last place towards the error: up in magnitude where it has the sum's sign.
  const step = simd('v128.or', simd('i64x2.shr_s', simd('v128.xor', s, error), i32(63)), one);
  const moves = simd('v128.and', even, nonZero(8, error));
  return context.holdAs('v128', simd('i64x2.add', s, simd('v128.and', step, moves)));
}
