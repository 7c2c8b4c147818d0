/** Binary arithmetic: ADD, ADC, SUB, SBB, CMP, INC, DEC, NEG. */
import { type Expr, add, and, i64, or, or32, sub, xor } from '../codegen/expr';
import type { EmitContext, Semantic } from './context';
import {
  adjustBit,
  carry64,
  overflowBit,
  setAddFlags,
  setExplicitFlags,
  setStepFlags,
  setSubFlags,
} from './flag-emitters';
import { source, toMemory, update } from './operands';
import type { Shape } from './shape';
import { signBit, signExtend } from './widths';

export const addition: Semantic = (c, shape) => {
  const b = c.hold(source(c, shape, shape.size));
  update(
    c,
    shape,
    (a) => add(a, b),
    (a, r) => setAddFlags(c, shape.size, a, r),
  );
};

export const subtraction: Semantic = (c, shape) => {
  const b = c.hold(source(c, shape, shape.size));
  update(
    c,
    shape,
    (a) => sub(a, b),
    (a, r) => setSubFlags(c, a, b, r),
  );
};

/** The destination and the source of an instruction that only reads them, both held and sign-extended. */
export function readBoth(c: EmitContext, shape: Shape): { readonly a: Expr; readonly b: Expr } {
  const { size } = shape;
  const a = c.hold(toMemory(shape) ? c.load(size, true, c.ea()) : c.reg('d', size, true));
  const b = c.hold(source(c, shape, size));
  return { a, b };
}

export const compare: Semantic = (c, shape) => {
  const { a, b } = readBoth(c, shape);
  const r = c.hold(signExtend(shape.size, sub(a, b)));
  setSubFlags(c, a, b, r);
};

/**
 * ADC and SBB: no comparison of two values stands for the carry out, so the carry chain is computed at once. The vector
 * of carries into each bit is a ^ b ^ r.
 */
const withCarry =
  (operation: 'adc' | 'sbb'): Semantic =>
  (c, shape) => {
    const b = c.hold(source(c, shape, shape.size));
    const carryIn = c.hold(carry64(c));
    const isAdd = operation === 'adc';
    update(
      c,
      shape,
      (a) => (isAdd ? add(add(a, b), carryIn) : sub(sub(a, b), carryIn)),
      (a, r) => {
        if (!c.needFlags) return;
        const overflow = isAdd ? and(xor(a, r), xor(b, r)) : and(xor(a, b), xor(a, r));
        // Add: a carry is the majority of a, b and not r. Subtract: a borrow is the majority of not a, b and r.
        const x = isAdd ? a : xor(a, i64(-1));
        const y = isAdd ? xor(r, i64(-1)) : r;
        const carryOut = signBit(or(and(x, b), and(or(x, b), y)));
        const bits = or32(overflowBit(signBit(overflow)), adjustBit(xor(xor(a, b), r)));
        setExplicitFlags(c, carryOut, bits, r);
      },
    );
  };

export const additionWithCarry = withCarry('adc');
export const subtractionWithBorrow = withCarry('sbb');

const step =
  (direction: 'inc' | 'dec'): Semantic =>
  (c, shape) =>
    update(
      c,
      shape,
      (old) => (direction === 'inc' ? add(old, i64(1)) : sub(old, i64(1))),
      (_, r) => setStepFlags(c, direction, shape.size, r),
    );

export const increment = step('inc');
export const decrement = step('dec');

export const negate: Semantic = (c, shape) =>
  update(
    c,
    shape,
    (old) => sub(i64(0), old),
    (old, r) => setSubFlags(c, i64(0), old, r),
  );
