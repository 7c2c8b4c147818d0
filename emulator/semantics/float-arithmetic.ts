import type { Expr } from '../codegen/expr';
import { shuffle, simd, v128, v128Of32 } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import { nonZero, outside, productError, promoted, sumError } from './float-errors';
import { guarded, type Inexactness } from './float-guard';
import { FLOAT_LANES, type FloatLanes, type FloatSize, packedOperands, scalarOperands } from './float-lanes';
import type { Shape } from './shape';

/** An operation on elements: WebAssembly's own, and where that will not do. All expressions given are held. */
interface ElementOperation {
  readonly binary: boolean;
  readonly rounds: boolean;
  result(lanes: FloatLanes, a: Expr, b: Expr): Expr;
  unusual(lanes: FloatLanes, a: Expr, b: Expr, r: Expr): readonly Expr[];
  /** Whether r is inexact. */
  inexact?(context: OperandContext, size: FloatSize, a: Expr, b: Expr, r: Expr): Inexactness;
}

/** Magnitudes whose products' errors are safe from over- and underflow. */
const PRODUCT_RANGE = 450;
const SUM_RANGE: Readonly<Record<FloatSize, number>> = { 4: 120, 8: 1000 };

/** Whether x times y, of singles, is z: products of singles are exact doubles. */
const singleProductDiffers = (context: OperandContext, x: Expr, y: Expr, z: Expr): readonly Expr[] => {
  const [xs, ys, zs] = [x, y, z].map((each) => promoted(context, each));
  return [0, 1].map((i) => FLOAT_LANES[8].op('ne', FLOAT_LANES[8].op('mul', xs[i], ys[i]), zs[i]));
};

/** Whether x times y is z. */
function productDiffers(context: OperandContext, size: FloatSize, x: Expr, y: Expr, z: Expr): Inexactness {
  if (size === 4) {
    // A quotient by infinity is an exact zero, but no product gives it back.
    return { inexact: singleProductDiffers(context, x, y, z), unsure: [FLOAT_LANES[4].notFinite(y)] };
  }
  const { op } = FLOAT_LANES[8];
  const p = context.holdAs('v128', op('mul', x, y));
  const error = productError(context, x, y, p);
  return {
    inexact: [op('ne', p, z), nonZero(8, error)],
    unsure: [outside(8, x, PRODUCT_RANGE), outside(8, y, PRODUCT_RANGE)],
  };
}

const sum = (name: 'add' | 'sub'): ElementOperation => ({
  binary: true,
  rounds: true,
  result: ({ op }, a, b) => op(name, a, b),
  unusual: ({ denormal, notFinite }, a, b, r) => [denormal(a), denormal(b), denormal(r), notFinite(r)],
  inexact: (context, size, a, b, r) => {
    const addend = name === 'add' ? b : context.holdAs('v128', simd(size === 4 ? 'f32x4.neg' : 'f64x2.neg', b));
    return {
      inexact: [nonZero(size, sumError(context, size, a, addend, r))],
      unsure: [a, b].map((x) => {
        const { op, unary, constant } = FLOAT_LANES[size];
        return op('gt', unary('abs', x), constant(2 ** SUM_RANGE[size]));
      }),
    };
  },
});

const product: ElementOperation = {
  binary: true,
  rounds: true,
  result: ({ op }, a, b) => op('mul', a, b),
  unusual: ({ denormal, safelyNormal, isZero }, a, b, r) => {
    const zero = simd('v128.and', isZero(r), simd('v128.or', isZero(a), isZero(b)));
    return [denormal(a), denormal(b), simd('v128.not', simd('v128.or', safelyNormal(r), zero))];
  },
  inexact: (context, size, a, b, r) => productDiffers(context, size, a, b, r),
};

const quotient: ElementOperation = {
  binary: true,
  rounds: true,
  result: ({ op }, a, b) => op('div', a, b),
  unusual: ({ denormal, safelyNormal, isZero }, a, b, r) => {
    const zero = simd('v128.and', isZero(r), isZero(a));
    return [denormal(a), denormal(b), simd('v128.not', simd('v128.or', safelyNormal(r), zero))];
  },
  inexact: (context, size, a, b, r) => productDiffers(context, size, r, b, a),
};

const squareRoot: ElementOperation = {
  binary: false,
  rounds: true,
  result: ({ unary }, _a, b) => unary('sqrt', b),
  unusual: ({ denormal, notFinite }, _a, b, r) => [denormal(b), notFinite(r)],
  inexact: (context, size, _a, b, r) => productDiffers(context, size, r, r, b),
};

/** MIN and MAX: the second operand unless the first is really less, or greater. */
const extreme = (name: 'lt' | 'gt'): ElementOperation => ({
  binary: true,
  rounds: false,
  result: ({ op }, a, b) => simd('v128.bitselect', a, b, op(name, a, b)),
  unusual: ({ denormal, notANumber }, a, b) => [denormal(a), denormal(b), notANumber(a), notANumber(b)],
});

/** Results of whole vectors, guarded, written. */
function computeGuarded(
  context: OperandContext,
  operation: ElementOperation,
  lanes: FloatLanes,
  first: readonly Expr[],
  second: readonly Expr[],
  noted: readonly Expr[],
  write: (results: readonly Expr[]) => void,
): void {
  // A unary operation has no first operand: its own stands in.
  const a = operation.binary ? first : second;
  const results = second.map((half, i) => context.holdAs('v128', operation.result(lanes, a[i], half)));
  const { inexact } = operation;
  guarded(
    context,
    {
      unusual: second.flatMap((half, i) => operation.unusual(lanes, a[i], half, results[i])),
      rounds: operation.rounds,
      ...(inexact === undefined
        ? {}
        : {
            inexact: () => {
              const found = second.map((half, i) => inexact(context, lanes.size, a[i], half, results[i]));
              return {
                inexact: found.flatMap((each) => each.inexact),
                unsure: found.flatMap((each) => each.unsure),
              };
            },
          }),
    },
    noted,
    () => {
      write(results);
    },
  );
}

const packed =
  (operation: ElementOperation, size: FloatSize): WarmSemantic =>
  (context, shape) => {
    const { first, source, write } = packedOperands(context, shape, operation.binary);
    computeGuarded(context, operation, FLOAT_LANES[size], first, source, source, write);
  };

const scalar =
  (operation: ElementOperation, size: FloatSize): WarmSemantic =>
  (context, shape) => {
    const { first, source, write } = scalarOperands(context, shape, size, operation.binary);
    computeGuarded(context, operation, FLOAT_LANES[size], first, source, source, write);
  };

/** One operation's four instructions. */
const inKinds = (name: string, operation: ElementOperation): Readonly<Record<string, WarmSemantic>> => ({
  [`${name}ps`]: packed(operation, 4),
  [`${name}pd`]: packed(operation, 8),
  [`${name}ss`]: scalar(operation, 4),
  [`${name}sd`]: scalar(operation, 8),
});

const bytes = (size: FloatSize, lanes: readonly number[]): readonly number[] =>
  lanes.flatMap((lane) => Array.from({ length: size }, (_, i) => lane * size + i));

/** HADD and HSUB: even elements of both operands against odd ones. */
const horizontal =
  (name: 'add' | 'sub', size: FloatSize): WarmSemantic =>
  (context, shape) => {
    const { first, source, write } = packedOperands(context, shape, true);
    const pick = (lanes: readonly number[]): readonly Expr[] =>
      source.map((half, i) => context.holdAs('v128', shuffle(first[i], half, bytes(size, lanes))));
    const even = pick(size === 4 ? [0, 2, 4, 6] : [0, 2]);
    const odd = pick(size === 4 ? [1, 3, 5, 7] : [1, 3]);
    computeGuarded(context, sum(name), FLOAT_LANES[size], even, odd, source, write);
  };

/** ADDSUB: even elements are subtracted. Addition of a number with the other sign is the same, but for NaNs. */
const alternating =
  (size: FloatSize): WarmSemantic =>
  (context, shape) => {
    const { first, source, write } = packedOperands(context, shape, true);
    const signs = size === 4 ? v128(0x8000_0000n, 0x8000_0000n) : v128(1n << 63n, 0n);
    const addends = source.map((half) => context.holdAs('v128', simd('v128.xor', half, signs)));
    computeGuarded(context, sum('add'), FLOAT_LANES[size], first, addends, source, write);
  };

// Approximations: no exceptions, and the same result on every Intel processor since the Pentium III.

const INFINITY = v128Of32(0x7f80_0000);
const SIGN = v128Of32(0x8000_0000);
const QUIET = v128Of32(0x0040_0000);
const INDEFINITE = v128Of32(0xffc0_0000);
const ONE = v128Of32(0x3f80_0000);

/** `chosen` where the mask is ones, else `otherwise`; held. */
const choose = (context: OperandContext, mask: Expr, chosen: Expr, otherwise: Expr): Expr =>
  context.holdAs('v128', simd('v128.bitselect', chosen, otherwise, mask));

/** Rounds singles to 12 bits behind the leading one. */
const shorten = (bits: Expr): Expr => simd('v128.and', simd('i32x4.add', bits, v128Of32(0x400)), v128Of32(0xffff_f800));

/** The reciprocal of the middle of the 2^-11th of a binade that the operand lies in. */
function reciprocal(context: OperandContext, x: Expr): Expr {
  const { op, denormal, isZero, notANumber, unary } = FLOAT_LANES[4];
  const middle = simd('v128.or', simd('v128.and', x, v128Of32(0xffff_f000)), v128Of32(0x800));
  const raw = context.holdAs('v128', op('div', ONE, middle));
  // One quotient has been rounded to a tie from below.
  const tie = simd('i32x4.eq', simd('v128.and', raw, v128Of32(0x7f_ffff)), v128Of32(0x2_0400));
  const rounded = context.holdAs('v128', shorten(simd('i32x4.add', raw, tie)));
  const sign = context.holdAs('v128', simd('v128.and', x, SIGN));
  const tiny = simd('i32x4.lt_u', simd('v128.andnot', rounded, SIGN), v128Of32(0x80_0000));
  const flushed = choose(context, tiny, sign, rounded);
  const finite = choose(context, op('eq', unary('abs', x), INFINITY), sign, flushed);
  const small = simd('v128.or', denormal(x), isZero(x));
  const infinite = choose(context, small, simd('v128.or', sign, INFINITY), finite);
  return choose(context, notANumber(x), simd('v128.or', x, QUIET), infinite);
}

/** The same of the square root, whose steps are 2^-10th. */
function reciprocalRoot(context: OperandContext, x: Expr): Expr {
  const { op, denormal, isZero, notANumber, unary } = FLOAT_LANES[4];
  const middle = simd('v128.or', simd('v128.and', x, v128Of32(0xffff_e000)), v128Of32(0x1000));
  const rounded = context.holdAs('v128', shorten(op('div', ONE, unary('sqrt', middle))));
  const sign = context.holdAs('v128', simd('v128.and', x, SIGN));
  const zeroed = choose(context, op('eq', x, INFINITY), sign, rounded);
  const negative = choose(context, simd('i32x4.lt_s', x, v128Of32(0)), INDEFINITE, zeroed);
  const small = simd('v128.or', denormal(x), isZero(x));
  const infinite = choose(context, small, simd('v128.or', sign, INFINITY), negative);
  return choose(context, notANumber(x), simd('v128.or', x, QUIET), infinite);
}

const approximate = (
  name: string,
  compute: (context: OperandContext, x: Expr) => Expr,
): Readonly<Record<string, WarmSemantic>> => {
  const withOperands =
    (operands: (context: OperandContext, shape: Shape) => ReturnType<typeof packedOperands>): WarmSemantic =>
    (context, shape) => {
      const { source, write } = operands(context, shape);
      write(source.map((half) => compute(context, half)));
    };
  return {
    [`${name}ps`]: withOperands((context, shape) => packedOperands(context, shape, false)),
    [`${name}ss`]: withOperands((context, shape) => scalarOperands(context, shape, 4, false)),
  };
};

/** Floating-point arithmetic. */
export const FLOAT_ARITHMETIC_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  ...inKinds('add', sum('add')),
  ...inKinds('sub', sum('sub')),
  ...inKinds('mul', product),
  ...inKinds('div', quotient),
  ...inKinds('sqrt', squareRoot),
  ...inKinds('min', extreme('lt')),
  ...inKinds('max', extreme('gt')),
  haddps: horizontal('add', 4),
  haddpd: horizontal('add', 8),
  hsubps: horizontal('sub', 4),
  hsubpd: horizontal('sub', 8),
  addsubps: alternating(4),
  addsubpd: alternating(8),
  ...approximate('rcp', reciprocal),
  ...approximate('rsqrt', reciprocalRoot),
};
