/**
 * String instructions. Each iteration writes RSI, RDI and RCX before the next one begins, so that a fault or an interrupt
 * in between leaves a state that continues. The flags of a repeated comparison are those of its last one and are written
 * at the end: after a fault they are as before the instruction.
 */
import { type Expr, add, and32, eq, eqz, eqz32, get, i32, i64, select, sub } from '../codegen/expr';
import { ACCESS } from '../codegen/exits';
import type { EmitContext, Semantic } from './context';
import { setSubFlags, setSubFlagsIf } from './flag-emitters';
import type { Shape } from './shape';
import { signExtend } from './widths';

const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;
const DF = 0x400;

const addressWidth = (shape: Shape): 2 | 4 | 8 => shape.address || 8;

/** What RSI and RDI move by: the element size, negative where DF is set (i64, held). */
const stride = (c: EmitContext, shape: Shape): Expr =>
  c.hold(select(i64(-shape.size), i64(shape.size), and32(c.systemFlags(), i32(DF))));

function advance(c: EmitContext, shape: Shape, register: number, by: Expr): void {
  const width = addressWidth(shape);
  c.setGpr(register, width, add(c.gpr(register, width, false), by));
}

/** Linear address of the source element, DS:rSI or its override. */
function sourceAddress(c: EmitContext, shape: Shape): Expr {
  const width = addressWidth(shape);
  return c.hold(c.linear('record', c.gpr(RSI, width, false), width, shape.segmented, shape.size));
}

/** Linear address of the destination element, ES:rDI. */
function destinationAddress(c: EmitContext, shape: Shape, access: number): Expr {
  const width = addressWidth(shape);
  return c.hold(c.linear('ES', c.gpr(RDI, width, false), width, shape.segmented, shape.size | access));
}

/**
 * Runs `iteration` once, or as often as rCX says. `goOn` (i32) is what a REPE or REPNE asks of an iteration before the next
 * one; `cleared` are the pointers that a 32-bit repetition zero-extends at once.
 */
function repeat(c: EmitContext, shape: Shape, cleared: readonly number[], iteration: () => void, goOn?: Expr): void {
  const { f } = c;
  if (shape.repeat === '') {
    iteration();
    return;
  }
  const width = addressWidth(shape);
  // Intel processors clear the upper halves of the registers of a repetition with 32-bit addresses even if it does nothing.
  if (width === 4) for (const register of [RCX, ...cleared]) c.setGpr(register, 4, c.gpr(register, 4, false));
  const count = (): Expr => c.gpr(RCX, width, false);
  const done = f.block();
  f.brIf(done, eqz(count()));
  const next = f.loop();
  iteration();
  c.setGpr(RCX, width, sub(count(), i64(1)));
  f.brIf(done, eqz(count()));
  if (goOn) f.brIf(done, eqz32(goOn));
  c.repeatYield();
  f.br(next);
  f.end();
  f.end();
}

export const moveString: Semantic = (c, shape) => {
  const by = stride(c, shape);
  repeat(c, shape, [RSI, RDI], () => {
    const value = c.hold(c.load(shape.size, false, sourceAddress(c, shape)));
    c.store(shape.size, destinationAddress(c, shape, ACCESS.WRITE), value);
    advance(c, shape, RSI, by);
    advance(c, shape, RDI, by);
  });
};

export const storeString: Semantic = (c, shape) => {
  const by = stride(c, shape);
  repeat(c, shape, [RDI], () => {
    c.store(shape.size, destinationAddress(c, shape, ACCESS.WRITE), c.gpr(RAX, shape.size, false));
    advance(c, shape, RDI, by);
  });
};

export const loadString: Semantic = (c, shape) => {
  const by = stride(c, shape);
  repeat(c, shape, [], () => {
    const value = c.hold(c.load(shape.size, false, sourceAddress(c, shape)));
    c.setGpr(RAX, shape.size, value);
    advance(c, shape, RSI, by);
  });
};

/** Compares two elements an iteration; `read` gives them sign-extended. */
function comparison(
  c: EmitContext,
  shape: Shape,
  registers: readonly number[],
  read: () => readonly [Expr, Expr],
): void {
  const { f } = c;
  const by = stride(c, shape);
  const a = c.variable();
  const b = c.variable();
  const compared = c.variable32();
  f.set(compared, i32(0));
  const isEqual = eq(get(a), get(b));
  repeat(
    c,
    shape,
    [],
    () => {
      const [left, right] = read();
      f.set(a, left);
      f.set(b, right);
      f.set(compared, i32(1));
      for (const register of registers) advance(c, shape, register, by);
    },
    shape.repeat === 'repne' ? eqz32(isEqual) : isEqual,
  );
  const r = c.hold(signExtend(shape.size, sub(get(a), get(b))));
  if (shape.repeat === '') setSubFlags(c, get(a), get(b), r);
  else setSubFlagsIf(c, get(compared), get(a), get(b), r);
}

export const compareString: Semantic = (c, shape) =>
  comparison(c, shape, [RSI, RDI], () => {
    const left = c.hold(c.load(shape.size, true, sourceAddress(c, shape)));
    const right = c.hold(c.load(shape.size, true, destinationAddress(c, shape, 0)));
    return [left, right];
  });

export const scanString: Semantic = (c, shape) =>
  comparison(c, shape, [RDI], () => {
    const element = c.hold(c.load(shape.size, true, destinationAddress(c, shape, 0)));
    return [c.gpr(RAX, shape.size, true), element];
  });
