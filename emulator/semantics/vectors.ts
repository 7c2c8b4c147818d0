import type { Expr } from '../codegen/expr';
import { simd, simdLane, V128_ZERO } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import type { Shape } from './shape';

/** Numbers of the 128-bit halves an instruction works on. */
export const halvesOf = (shape: Shape): readonly (0 | 1)[] => (shape.vector === 32 ? [0, 1] : [0]);

/** The first source: VEX.vvvv, or the destination in the two-operand forms. */
export const firstSource = (shape: Shape): 'v' | 'd' => (shape.vex ? 'v' : 'd');

const isMemory = (shape: Shape): boolean => shape.form.includes('M') && !shape.form.startsWith('M');

/** Bytes of a whole vector operand. */
const bytesOf = (shape: Shape): 16 | 32 => (shape.vector === 32 ? 32 : 16);

/**
 * The whole source operand, a v128 per half, held; an MMX operand is in the low quadword. Legacy SSE demands alignment in memory, VEX does not (SDM
 * "Exceptions Type 4"); MOVUPS and its kin say otherwise.
 */
export function sourceVector(context: OperandContext, shape: Shape, aligned = !shape.vex): readonly Expr[] {
  if (shape.vector === 8) {
    context.checkMmx();
    const value = isMemory(shape) ? context.load(8, false, context.ea()) : context.reg('s', 8, false);
    return [context.holdAs('v128', simd('i64x2.splat', value))];
  }
  if (isMemory(shape)) return context.loadVector(bytesOf(shape), context.ea(), aligned);
  return halvesOf(shape).map((half) => context.holdAs('v128', context.vector('s', half)));
}

/** The low 4 or 8 bytes of the source operand as an i64: of a scalar instruction, which asks for no alignment. */
export const sourceScalar = (context: OperandContext, shape: Shape, size: 1 | 2 | 4 | 8): Expr =>
  isMemory(shape) ? context.load(size, false, context.ea()) : context.hold(context.lane('s', size, 0));

/** The first source, a v128 per half (an MMX register in the low quadword). */
export function firstVector(context: OperandContext, shape: Shape): readonly Expr[] {
  if (shape.vector === 8) return [simd('i64x2.splat', context.reg('d', 8, false))];
  return halvesOf(shape).map((half) => context.vector(firstSource(shape), half));
}

/** Writes the destination; a VEX-encoded instruction clears the bits above. Values must not read what an earlier half has written. */
export function writeVector(context: OperandContext, shape: Shape, values: readonly Expr[]): void {
  if (shape.vector === 8) {
    const value = context.hold(simdLane('i64x2.extract_lane', 0, values[0]));
    context.enterMmx();
    context.setMmx('d', value);
    return;
  }
  values.forEach((value, half) => {
    context.setVector('d', half === 0 ? 0 : 1, value);
  });
  if (shape.vex && shape.vector === 16) context.setVector('d', 1, V128_ZERO);
}

/** An instruction that computes each half of its destination from the same halves of its two sources. */
export const lanewise =
  (operation: (a: Expr, b: Expr) => Expr): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const first = firstVector(context, shape);
    writeVector(
      context,
      shape,
      source.map((half, i) => operation(first[i], half)),
    );
  };

/** An instruction of one source: the destination is not read. */
export const lanewiseUnary =
  (operation: (a: Expr) => Expr): WarmSemantic =>
  (context, shape) => {
    writeVector(
      context,
      shape,
      sourceVector(context, shape).map((half) => operation(half)),
    );
  };

/** An instruction that loads its source and leaves the rest to its assist. */
export const assisted =
  (aligned?: boolean): WarmSemantic =>
  (context, shape) => {
    context.noteSource(sourceVector(context, shape, aligned));
    context.cold();
  };
