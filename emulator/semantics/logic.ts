/** Bitwise operations: AND, OR, XOR, NOT, TEST. */
import { type Expr, and, i64, or, xor } from '../codegen/expr';
import { readBoth } from './arithmetic';
import type { Semantic } from './context';
import { setLogicFlags } from './flag-emitters';
import { source, update } from './operands';
import { signExtend } from './widths';

const bitwise =
  (operation: (a: Expr, b: Expr) => Expr): Semantic =>
  (c, shape) => {
    const b = c.hold(source(c, shape, shape.size));
    update(
      c,
      shape,
      (a) => operation(a, b),
      (_, r) => setLogicFlags(c, r),
    );
  };

export const conjunction = bitwise(and);
export const disjunction = bitwise(or);
export const exclusiveOr = bitwise(xor);

export const test: Semantic = (c, shape) => {
  const { a, b } = readBoth(c, shape);
  setLogicFlags(c, c.hold(signExtend(shape.size, and(a, b))));
};

/** NOT changes no flags. */
export const complement: Semantic = (c, shape) =>
  update(
    c,
    shape,
    (old) => xor(old, i64(-1)),
    () => undefined,
  );
