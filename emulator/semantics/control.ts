/** Near control transfers. */
import { type Expr, add, and, and32, eqz, i64, ne, sub } from '../codegen/expr';
import type { EmitContext, Semantic } from './context';
import { single } from './operands';
import { operandWidth, pushValue, readTop, setStackPointer } from './stack-access';

const RCX = 1;
const UNDEFINED_OPCODE = 6;
const EQUAL = 4;
const NOT_EQUAL = 5;

export const jumpOnCondition: Semantic = (c, shape) => c.branch(c.condition(shape.condition), operandWidth(shape));

export const undefinedOpcode: Semantic = (c) => c.raise(UNDEFINED_OPCODE);

export const jump: Semantic = (c, shape) => c.branch(null, operandWidth(shape));

export const jumpIndirect: Semantic = (c, shape) => c.jump(single(c, shape, operandWidth(shape), false));

export const call: Semantic = (c, shape) => {
  const size = operandWidth(shape);
  pushValue(c, shape, size, c.nextRip(size));
  c.branch(null, size);
};

export const callIndirect: Semantic = (c, shape) => {
  const size = operandWidth(shape);
  const target = single(c, shape, size, false);
  c.checkTarget(target);
  pushValue(c, shape, size, c.nextRip(size));
  c.jump(target);
};

/** RET; `release` is what RET imm16 takes off the stack besides. */
const returnReleasing =
  (release: (c: EmitContext) => Expr): Semantic =>
  (c, shape) => {
    const { value, popped } = readTop(c, shape, operandWidth(shape));
    c.checkTarget(value);
    setStackPointer(c, shape, add(popped, release(c)));
    c.jump(value);
  };

export const returnNear = returnReleasing(() => i64(0));
export const returnAndRelease = returnReleasing((c) => and(c.imm(), i64(0xffff)));

/** LOOP, LOOPE, LOOPNE: the count in rCX is as wide as an address. */
const countedLoop =
  (condition?: number): Semantic =>
  (c, shape) => {
    const width = shape.address || 8;
    const count = c.hold(sub(c.gpr(RCX, width, false), i64(1)));
    c.setGpr(RCX, width, count);
    const isLeft = ne(c.gpr(RCX, width, false), i64(0));
    const taken = condition === undefined ? isLeft : and32(isLeft, c.condition(condition));
    c.branch(taken, operandWidth(shape));
  };

export const loop = countedLoop();
export const loopWhileEqual = countedLoop(EQUAL);
export const loopWhileNotEqual = countedLoop(NOT_EQUAL);

export const jumpIfCountZero: Semantic = (c, shape) =>
  c.branch(eqz(c.gpr(RCX, shape.address || 8, false)), operandWidth(shape));

/** NOP, which touches no operand. */
export const noOperation: Semantic = () => undefined;
