/** The patterns that most two-operand instructions share: where operands come from and where the result goes. */
import type { Expr } from '../codegen/expr';
import type { OperandContext } from './context';
import type { Shape, Size } from './shape';
import { signExtend } from './widths';

/** The source operand of a two-operand form, sign-extended from `size`. */
export function source(c: OperandContext, shape: Shape, size: Size): Expr {
  switch (shape.form) {
    case 'RR':
    case 'MR':
      return c.reg('s', size, true);
    case 'RM':
      return c.load(size, true, c.ea());
    case 'RI':
    case 'MI':
      return c.imm();
    default:
      throw new Error(`${shape.semantic} has no form ${shape.form}`);
  }
}

/** The only operand of a form 'R' or 'M', held. */
export function single(c: OperandContext, shape: Shape, size: Size, signed: boolean): Expr {
  return c.hold(shape.form === 'R' ? c.reg('d', size, signed) : c.load(size, signed, c.ea()));
}

/** Whether the destination is memory. */
export const toMemory = (shape: Shape): boolean => shape.form.startsWith('M');

/**
 * Reads the destination, computes (held and sign-extended from the operand size) what replaces it, and writes it; then
 * `after` may change flags and other registers.
 */
export function update(
  c: OperandContext,
  shape: Shape,
  compute: (old: Expr) => Expr,
  after: (old: Expr, result: Expr) => void,
): void {
  const { size } = shape;
  if (toMemory(shape)) {
    const { old, commit } = c.modifyBegin(size, true, c.ea());
    const result = c.hold(signExtend(size, compute(old)));
    commit(result);
    after(old, result);
    return;
  }
  const old = c.hold(c.reg('d', size, true));
  const result = c.hold(signExtend(size, compute(old)));
  c.setReg('d', size, result);
  after(old, result);
}
