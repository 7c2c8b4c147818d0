/** PUSH, POP, PUSHF, ENTER, LEAVE. */
import {
  add,
  add32,
  and,
  and32,
  eqz32,
  extendU,
  get,
  gtU32,
  i32,
  i64,
  or,
  or32,
  shrU,
  sub,
  sub32,
  wrap,
} from '../codegen/expr';
import { ACCESS } from '../codegen/exits';
import type { Semantic } from './context';
import { arithmeticImage } from './flag-emitters';
import { single } from './operands';
import {
  loadStack,
  operandWidth,
  pushValue,
  readTop,
  setStackPointer,
  stackPointer,
  stackWidth,
  storeStack,
} from './stack-access';

/** VM and RF, which PUSHF stores as 0. */
const VM_AND_RF = 0x3_0000;
const VM = 0x2_0000;

export const push: Semantic = (c, shape) => {
  const size = operandWidth(shape);
  pushValue(c, shape, size, single(c, shape, size, false));
};

export const pushImmediate: Semantic = (c, shape) => pushValue(c, shape, operandWidth(shape), c.imm());

/**
 * POP. An address based on RSP is the one after the increment, which the decoder has added to the displacement, because
 * RSP must stay if the store faults. POP RSP ends with the popped value.
 */
export const pop: Semantic = (c, shape) => {
  const size = operandWidth(shape);
  const { value, popped } = readTop(c, shape, size);
  if (shape.form === 'M') c.store(size, c.ea(), value);
  setStackPointer(c, shape, popped);
  if (shape.form === 'R') c.setReg('d', size, value);
};

/** PUSHF; in virtual-8086 mode IOPL and VME decide, which is the assist's business. */
export const pushFlags: Semantic = (c, shape) => {
  const { f } = c;
  const system = c.hold32(c.systemFlags());
  if (shape.size !== 8) {
    f.if(and32(system, i32(VM)));
    c.cold();
    f.else();
  }
  const image = c.hold(extendU(or32(arithmeticImage(c), and32(system, i32(~VM_AND_RF)))));
  pushValue(c, shape, operandWidth(shape), image);
  if (shape.size !== 8) f.end();
};

export const leave: Semantic = (c, shape) => {
  const size = operandWidth(shape);
  const frame = c.hold(c.gpr(5, stackWidth(shape), false));
  const value = loadStack(c, shape, size, frame);
  setStackPointer(c, shape, add(frame, i64(size)));
  c.setGpr(5, size, value);
};

/**
 * ENTER: pushes RBP, copies `level - 1` frame pointers of the enclosing frames and adds this frame's own, then makes room.
 * What is below RSP does not count as changed, so that the copies may precede a fault. The final stack pointer has to be
 * writable.
 */
export const enter: Semantic = (c, shape) => {
  const { f } = c;
  const size = operandWidth(shape);
  const room = c.hold(and(c.imm(), i64(0xffff)));
  const level = c.hold32(and32(wrap(shrU(c.imm(), i64(16))), i32(31)));
  const frame = c.hold(sub(stackPointer(c, shape), i64(size)));
  storeStack(c, shape, size, frame, c.gpr(5, size, false));
  // The frame pointer is all of ESP, although a 16-bit stack uses only its low half.
  const pointer =
    size === 4 && stackWidth(shape) === 2
      ? c.hold(or(and(c.gpr(4, 4, false), i64(0xffff_0000)), and(frame, i64(0xffff))))
      : frame;

  const top = c.variable();
  f.set(top, frame);
  f.if(gtU32(level, i32(0)));
  {
    const link = c.variable();
    const left = c.variable32();
    f.set(link, c.gpr(5, stackWidth(shape), false));
    f.set(left, sub32(level, i32(1)));
    const done = f.block();
    const next = f.loop();
    f.brIf(done, eqz32(get(left)));
    f.set(link, sub(get(link), i64(size)));
    f.set(top, sub(get(top), i64(size)));
    storeStack(c, shape, size, get(top), loadStack(c, shape, size, get(link)));
    f.set(left, add32(get(left), i32(-1)));
    f.br(next);
    f.end();
    f.end();
    f.set(top, sub(get(top), i64(size)));
    storeStack(c, shape, size, get(top), pointer);
  }
  f.end();

  const end = c.hold(sub(get(top), room));
  const access = size | ACCESS.STACK | ACCESS.WRITE;
  const linear = c.hold(c.linear('SS', end, stackWidth(shape), shape.segmented, access));
  c.modify(size, false, linear, (old) => old);
  setStackPointer(c, shape, end);
  c.setGpr(5, size, pointer);
};
