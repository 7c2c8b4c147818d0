/** Moves and conversions: MOV, MOVZX, MOVSX, LEA, SETcc, CMOVcc, CBW and CWD families, XLAT. */
import { add, extendU, i64, select, shrS } from '../codegen/expr';
import type { Semantic } from './context';
import { source } from './operands';
import type { Size } from './shape';
import { zeroExtend } from './widths';

export const move: Semantic = (c, shape) => {
  const { size, form } = shape;
  switch (form) {
    case 'RR':
      return c.setReg('d', size, c.reg('s', size, false));
    case 'RM':
      return c.setReg('d', size, c.load(size, false, c.ea()));
    case 'RI':
      return c.setReg('d', size, c.imm());
    case 'MR':
      return c.store(size, c.ea(), c.reg('s', size, false));
    default:
      return c.store(size, c.ea(), c.imm());
  }
};

const extendingMove =
  (signed: boolean): Semantic =>
  (c, shape) => {
    const from: Size = shape.sourceSize || shape.size;
    c.setReg('d', shape.size, shape.form === 'RM' ? c.load(from, signed, c.ea()) : c.reg('s', from, signed));
  };

export const moveZeroExtended = extendingMove(false);
export const moveSignExtended = extendingMove(true);

/** LEA: the offset cut to the address size, then to the operand size. */
export const loadEffectiveAddress: Semantic = (c, shape) =>
  c.setReg('d', shape.size, zeroExtend(shape.address || 8, c.offset()));

export const setOnCondition: Semantic = (c, shape) => {
  const value = extendU(c.condition(shape.condition));
  if (shape.form === 'M') c.store(1, c.ea(), c.hold(value));
  else c.setReg('d', 1, value);
};

/** The source is read, and may fault, and a 32-bit destination is zero-extended, whether or not the condition holds. */
export const moveOnCondition: Semantic = (c, shape) => {
  const value = c.hold(source(c, shape, shape.size));
  c.setReg('d', shape.size, select(value, c.reg('d', shape.size, true), c.condition(shape.condition)));
};

/** CBW, CWDE, CDQE by the size of the result. */
export const extendAccumulator: Semantic = (c, shape) => {
  const { size } = shape;
  const half: Size = size === 8 ? 4 : size === 4 ? 2 : 1;
  c.setGpr(0, size, c.gpr(0, half, true));
};

/** CWD, CDQ, CQO: the accumulator's sign fills rDX. */
export const extendAccumulatorIntoD: Semantic = (c, shape) =>
  c.setGpr(2, shape.size, shrS(c.gpr(0, shape.size, true), i64(63)));

export const translateByte: Semantic = (c, shape) => {
  const width = shape.address || 8;
  const offset = add(c.gpr(3, width, false), c.gpr(0, 1, false));
  const address = c.hold(c.linear('record', offset, width, shape.segmented, 1));
  c.setGpr(0, 1, c.load(1, false, address));
};
