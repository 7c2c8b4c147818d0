import type { Expr } from '../codegen/expr';
import { shuffle, simd, v128, v128Of32, v128Of64 } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import { nonZero, outside, productError, promoted, roundedToOdd, sumError } from './float-errors';
import { guarded, type Guard } from './float-guard';
import { fitsSingle, FLOAT_LANES, type FloatSize, mergeLowest, sourceSplat, splatLowest } from './float-lanes';
import { halvesOf, sourceVector, writeVector } from './vectors';

/*
 * Fused multiply-add without an instruction for it. Singles: the product is exact as a double, and the sum, rounded to odd, is rounded once
 * more. Doubles: product and sums with their errors (Boldo and Melquiond, "Emulation of FMA and Correctly Rounded Sums").
 */

/** A vector's worth of a x b + c, held, and what the guard needs to know of it. */
interface Fused {
  readonly result: Expr;
  readonly unusual: readonly Expr[];
  inexact(): readonly Expr[];
}

const DOUBLE = FLOAT_LANES[8];
const LOW_QUADWORDS = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23] as const;

/** Two singles, as doubles. */
function fusePair(context: OperandContext, a: Expr, b: Expr, c: Expr): Fused {
  const { op } = DOUBLE;
  const p = context.holdAs('v128', op('mul', a, b));
  const s = context.holdAs('v128', op('add', p, c));
  const exact = roundedToOdd(context, s, sumError(context, 8, p, c, s));
  const result = context.holdAs('v128', simd('f32x4.demote_f64x2_zero', exact));
  return {
    result,
    unusual: [simd('v128.not', fitsSingle(exact))],
    inexact: () => [op('ne', simd('f64x2.promote_low_f32x4', result), exact)],
  };
}

/** Singles; of a scalar, the low ones count. */
function fuseSingles(context: OperandContext, operands: readonly [Expr, Expr, Expr], packs: boolean): Fused {
  const { denormal } = FLOAT_LANES[4];
  const [a, b, c] = operands.map((operand) => promoted(context, operand));
  const pairs = (packs ? [0, 1] : [0]).map((i) => fusePair(context, a[i], b[i], c[i]));
  const [low, high] = pairs.map(({ result }) => result);
  return {
    result: packs ? context.holdAs('v128', shuffle(low, high, LOW_QUADWORDS)) : low,
    unusual: [...operands.map(denormal), ...pairs.flatMap(({ unusual }) => unusual)],
    inexact: () => pairs.flatMap((pair) => pair.inexact()),
  };
}

/** Magnitudes of factors and addend that keep all errors from over- and underflow. */
const FACTOR_RANGE = 450;
const ADDEND_RANGE = 900;

function fuseDoubles(context: OperandContext, [a, b, c]: readonly [Expr, Expr, Expr]): Fused {
  const hold = (value: Expr): Expr => context.holdAs('v128', value);
  const plus = (x: Expr, y: Expr): Expr => hold(DOUBLE.op('add', x, y));
  const p = hold(DOUBLE.op('mul', a, b));
  const pError = productError(context, a, b, p);
  const t = plus(c, pError);
  const tError = sumError(context, 8, c, pError, t);
  const v = plus(p, t);
  const vError = sumError(context, 8, p, t, v);
  const rest = plus(tError, vError);
  const restError = sumError(context, 8, tError, vError, rest);
  const odd = roundedToOdd(context, rest, restError);
  const sum = plus(v, odd);
  // Zeros have signs, which the errors lose.
  const result = hold(simd('v128.bitselect', DOUBLE.op('add', p, c), sum, DOUBLE.isZero(p)));
  return {
    result,
    unusual: [outside(8, a, FACTOR_RANGE), outside(8, b, FACTOR_RANGE), outside(8, c, ADDEND_RANGE)],
    inexact: () => [nonZero(8, restError), nonZero(8, sumError(context, 8, v, odd, sum))],
  };
}

/** Which elements' product or addend changes its sign. */
interface Signs {
  readonly product: boolean;
  readonly addend: 'none' | 'all' | 'even' | 'odd';
}

function negate(context: OperandContext, size: FloatSize, value: Expr, which: Signs['addend']): Expr {
  if (which === 'none') return value;
  const sign = size === 4 ? 0x8000_0000n : 1n << 63n;
  const pair = which === 'even' ? sign : sign << 32n;
  const alternating = size === 4 ? v128(pair, pair) : which === 'even' ? v128(sign, 0n) : v128(0n, sign);
  const all = size === 4 ? v128Of32(Number(sign)) : v128Of64(sign);
  return context.holdAs('v128', simd('v128.xor', value, which === 'all' ? all : alternating));
}

type Order = '132' | '213' | '231';

/** Operand 1 is the destination, 2 VEX.vvvv, 3 the source; `order` names the factors, then the addend. */
const fused =
  (order: Order, signs: Signs, size: FloatSize, packs: boolean): WarmSemantic =>
  (context, shape) => {
    const source = packs ? sourceVector(context, shape) : [sourceSplat(context, shape, size)];
    const register = (operand: 'd' | 'v'): readonly Expr[] =>
      packs
        ? halvesOf(shape).map((half) => context.holdAs('v128', context.vector(operand, half)))
        : [context.holdAs('v128', splatLowest(size, context.vector(operand)))];
    const operands = { '1': register('d'), '2': register('v'), '3': source };
    const [a, b, c] = [...order].map((digit) => operands[digit as '1' | '2' | '3']);
    const results = source.map((_, i) => {
      const factor = negate(context, size, a[i], signs.product ? 'all' : 'none');
      const values = [factor, b[i], negate(context, size, c[i], signs.addend)] as const;
      return size === 4 ? fuseSingles(context, values, packs) : fuseDoubles(context, values);
    });
    const guard: Guard = {
      unusual: results.flatMap(({ unusual }) => unusual),
      rounds: true,
      inexact: () => ({ inexact: results.flatMap((each) => each.inexact()), unsure: [] }),
    };
    guarded(context, guard, source, () => {
      const values = results.map(({ result }) => result);
      writeVector(context, shape, packs ? values : [mergeLowest(size, context.vector('d'), values[0])]);
    });
  };

const ORDERS: readonly Order[] = ['132', '213', '231'];

const PACKED_AND_SCALAR: Readonly<Record<string, Signs>> = {
  fmadd: { product: false, addend: 'none' },
  fmsub: { product: false, addend: 'all' },
  fnmadd: { product: true, addend: 'none' },
  fnmsub: { product: true, addend: 'all' },
};

const ALTERNATING: Readonly<Record<string, Signs>> = {
  fmaddsub: { product: false, addend: 'even' },
  fmsubadd: { product: false, addend: 'odd' },
};

const family = (signsOf: Readonly<Record<string, Signs>>, packs: boolean): Readonly<Record<string, WarmSemantic>> =>
  Object.fromEntries(
    Object.entries(signsOf).flatMap(([name, signs]) =>
      ORDERS.flatMap((order) =>
        ([4, 8] as const).map((size) => [
          `${name}${order}${packs ? 'p' : 's'}${size === 4 ? 's' : 'd'}`,
          fused(order, signs, size, packs),
        ]),
      ),
    ),
  );

/** Fused multiply-add. */
export const FUSED_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  ...family(PACKED_AND_SCALAR, true),
  ...family(PACKED_AND_SCALAR, false),
  ...family(ALTERNATING, true),
};
