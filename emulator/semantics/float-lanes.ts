import { type Expr, wrap } from '../codegen/expr';
import { shuffle, simd, type SimdName, v128Of32, v128Of64, V128_ZERO } from '../codegen/simd';
import type { OperandContext } from './context';
import type { Shape } from './shape';
import { halvesOf, sourceScalar, sourceVector, firstSource, writeVector } from './vectors';

/** Bytes of a floating-point element. */
export type FloatSize = 4 | 8;

/** Tests of the elements of held vectors; each gives a mask of ones in the elements it holds for. */
export interface FloatLanes {
  readonly size: FloatSize;
  op(name: 'add' | 'sub' | 'mul' | 'div' | 'eq' | 'ne' | 'lt' | 'le' | 'gt' | 'ge', a: Expr, b: Expr): Expr;
  unary(name: 'abs' | 'sqrt' | 'nearest' | 'floor' | 'ceil' | 'trunc', a: Expr): Expr;
  /** A constant in every element, by the encoding of its double. */
  constant(value: number): Expr;
  denormal(x: Expr): Expr;
  /** Infinity or NaN. */
  notFinite(x: Expr): Expr;
  notANumber(x: Expr): Expr;
  isZero(x: Expr): Expr;
  /** Finite, and above the smallest normal number in magnitude: no result like this underflowed or overflowed. */
  safelyNormal(x: Expr): Expr;
}

const bitsOf32 = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0];
const bitsOf64 = (value: number): bigint => new BigUint64Array(Float64Array.of(value).buffer)[0];

const lanes = (
  size: FloatSize,
  prefix: 'f32x4' | 'f64x2',
  integer: 'i32x4' | 'i64x2',
  smallest: number,
  largest: number,
): FloatLanes => {
  const named = (name: string): SimdName => `${prefix}.${name}` as SimdName;
  const constant = (value: number): Expr => (size === 4 ? v128Of32(bitsOf32(value)) : v128Of64(bitsOf64(value)));
  const least = constant(smallest);
  const greatest = constant(largest);
  const magnitude = (x: Expr): Expr => simd(named('abs'), x);
  const isZero = (x: Expr): Expr => simd(named('eq'), x, V128_ZERO);
  return {
    size,
    op: (name, a, b) => simd(named(name), a, b),
    unary: (name, a) => simd(named(name), a),
    constant,
    denormal: (x) => simd('v128.andnot', simd(named('lt'), magnitude(x), least), isZero(x)),
    notFinite: (x) => simd(`${integer}.gt_s`, magnitude(x), greatest),
    notANumber: (x) => simd(named('ne'), x, x),
    isZero,
    safelyNormal: (x) =>
      simd('v128.and', simd(named('gt'), magnitude(x), least), simd(named('le'), magnitude(x), greatest)),
  };
};

const SMALLEST_SINGLE = 2 ** -126;
const LARGEST_SINGLE = (2 - 2 ** -23) * 2 ** 127;

/** Elements by their size in bytes. */
export const FLOAT_LANES: Readonly<Record<FloatSize, FloatLanes>> = {
  4: lanes(4, 'f32x4', 'i32x4', SMALLEST_SINGLE, LARGEST_SINGLE),
  8: lanes(8, 'f64x2', 'i64x2', 2 ** -1022, Number.MAX_VALUE),
};

const LEAST_SINGLE = FLOAT_LANES[8].constant(SMALLEST_SINGLE);
const GREATEST_SINGLE = FLOAT_LANES[8].constant(LARGEST_SINGLE);

/** Doubles that are zero, or of the size of normal singles so that they neither over- nor underflow when rounded to one. */
export const fitsSingle = (value: Expr): Expr => {
  const { op, unary, isZero } = FLOAT_LANES[8];
  const magnitude = unary('abs', value);
  const inRange = simd('v128.and', op('gt', magnitude, LEAST_SINGLE), op('le', magnitude, GREATEST_SINGLE));
  return simd('v128.or', inRange, isZero(value));
};

export const anyOf = (masks: readonly Expr[]): Expr =>
  masks.length === 0 ? V128_ZERO : masks.reduce((a, b) => simd('v128.or', a, b));

const LOWEST: Readonly<Record<FloatSize, readonly number[]>> = {
  4: [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3],
  8: [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7],
};
/** The lowest element of the second vector, the others of the first. */
const MERGED: Readonly<Record<FloatSize, readonly number[]>> = {
  4: [16, 17, 18, 19, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  8: [16, 17, 18, 19, 20, 21, 22, 23, 8, 9, 10, 11, 12, 13, 14, 15],
};

/** The lowest element in all elements. */
export const splatLowest = (size: FloatSize, value: Expr): Expr => shuffle(value, value, LOWEST[size]);

/** The source's element in all elements of one vector, held. */
export function sourceSplat(context: OperandContext, shape: Shape, size: FloatSize): Expr {
  if (!shape.form.startsWith('RM')) return context.holdAs('v128', splatLowest(size, context.vector('s')));
  const value = sourceScalar(context, shape, size);
  const splat = size === 4 ? simd('i32x4.splat', wrap(value)) : simd('i64x2.splat', value);
  return context.holdAs('v128', splat);
}

/** A vector with its lowest element replaced. */
export const mergeLowest = (size: FloatSize, into: Expr, value: Expr): Expr => shuffle(into, value, MERGED[size]);

/** Writes an element into the first source's lowest, to the destination. */
export function writeScalar(context: OperandContext, shape: Shape, size: FloatSize, value: Expr): void {
  writeVector(context, shape, [mergeLowest(size, context.vector(firstSource(shape)), value)]);
}

/**
 * Operands of an instruction, held, and the way its result goes. Those of a scalar one are in every element of one vector, so that it is
 * computed as a packed one is.
 */
export interface FloatOperands {
  readonly first: readonly Expr[];
  readonly source: readonly Expr[];
  write(results: readonly Expr[]): void;
}

/** The operands of a packed instruction; `first` is only emitted where the instruction has two. */
export function packedOperands(context: OperandContext, shape: Shape, binary: boolean): FloatOperands {
  const source = sourceVector(context, shape);
  const first = binary
    ? halvesOf(shape).map((half) => context.holdAs('v128', context.vector(firstSource(shape), half)))
    : [];
  return {
    first,
    source,
    write: (results) => {
      writeVector(context, shape, results);
    },
  };
}

export function scalarOperands(context: OperandContext, shape: Shape, size: FloatSize, binary: boolean): FloatOperands {
  const source = [sourceSplat(context, shape, size)];
  const first = binary ? [context.holdAs('v128', splatLowest(size, context.vector(firstSource(shape))))] : [];
  return {
    first,
    source,
    write: ([result]) => {
      writeScalar(context, shape, size, result);
    },
  };
}
