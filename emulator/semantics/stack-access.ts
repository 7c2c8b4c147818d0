/** The stack as instructions see it: its width is the shape's address width, its segment SS. */
import { type Expr, add, i64, sub } from '../codegen/expr';
import { ACCESS } from '../codegen/exits';
import type { EmitContext } from './context';
import type { Shape, Size } from './shape';

const RSP = 4;

/** Widths that the stack pointer and stack operands can have. */
export type StackWidth = 2 | 4 | 8;

export const stackWidth = (shape: Shape): StackWidth => shape.address || 8;

/** The operand size of a stack instruction, which is never a byte. */
export const operandWidth = (shape: Shape): StackWidth => {
  if (shape.size === 1) throw new Error(`${shape.semantic} has no byte form`);
  return shape.size;
};

/** Stack offset, held: RSP as wide as the stack. */
export const stackPointer = (c: EmitContext, shape: Shape): Expr => c.hold(c.gpr(RSP, stackWidth(shape), false));

export const setStackPointer = (c: EmitContext, shape: Shape, value: Expr): void =>
  c.setGpr(RSP, stackWidth(shape), value);

export function loadStack(c: EmitContext, shape: Shape, size: Size, offset: Expr): Expr {
  const access = size | ACCESS.STACK;
  const linear = c.hold(c.linear('SS', offset, stackWidth(shape), shape.segmented, access));
  return c.hold(c.load(size, false, linear, access));
}

export function storeStack(c: EmitContext, shape: Shape, size: Size, offset: Expr, value: Expr): void {
  const access = size | ACCESS.STACK | ACCESS.WRITE;
  const linear = c.hold(c.linear('SS', offset, stackWidth(shape), shape.segmented, access));
  c.store(size, linear, value, access);
}

/** Pushes a held value: RSP moves only once the store has succeeded. */
export function pushValue(c: EmitContext, shape: Shape, size: Size, value: Expr): void {
  const top = c.hold(sub(c.gpr(RSP, stackWidth(shape), false), i64(size)));
  storeStack(c, shape, size, top, value);
  setStackPointer(c, shape, top);
}

/** Reads the top of the stack and gives RSP as it is after popping it; the caller sets RSP. */
export function readTop(c: EmitContext, shape: Shape, size: Size): { readonly value: Expr; readonly popped: Expr } {
  const top = stackPointer(c, shape);
  const value = loadStack(c, shape, size, top);
  return { value, popped: c.hold(add(top, i64(size))) };
}
