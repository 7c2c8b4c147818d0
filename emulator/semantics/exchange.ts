/** XCHG, XADD, and the CMPXCHG family. */
import { type Expr, add, and32, eq, eqz32, get, i32, i64, ne, or, select, shl, shrU, sub, wrap } from '../codegen/expr';
import type { EmitContext, Semantic } from './context';
import { setAddFlags, setSubFlags, setZero } from './flag-emitters';
import { update } from './operands';
import { signExtend, zeroExtend } from './widths';

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;

export const exchange: Semantic = (c, shape) => {
  const { size } = shape;
  const given = c.hold(c.reg('s', size, false));
  if (shape.form === 'MR') {
    const { old, commit } = c.modifyBegin(size, false, c.ea());
    commit(given);
    c.setReg('s', size, old);
    return;
  }
  const old = c.hold(c.reg('d', size, false));
  c.setReg('s', size, old);
  c.setReg('d', size, given);
};

/** XADD: where both operands are one register, it ends with the sum. */
export const exchangeAndAdd: Semantic = (c, shape) => {
  const { size } = shape;
  const addend = c.hold(c.reg('s', size, true));
  if (shape.form === 'MR') {
    update(
      c,
      shape,
      (old) => add(old, addend),
      (old, sum) => {
        c.setReg('s', size, old);
        setAddFlags(c, size, old, sum);
      },
    );
    return;
  }
  const old = c.hold(c.reg('d', size, true));
  const sum = c.hold(signExtend(size, add(old, addend)));
  c.setReg('s', size, old);
  c.setReg('d', size, sum);
  setAddFlags(c, size, old, sum);
};

/** CMPXCHG: memory is always written, with its own value where the comparison fails. */
export const compareAndExchange: Semantic = (c, shape) => {
  const { size } = shape;
  const replacement = c.hold(c.reg('s', size, true));
  const accumulator = c.hold(c.gpr(RAX, size, true));
  // On failure only the accumulator is written, on success only the destination; a 32-bit one is zero-extended then.
  const width = size === 4 ? 8 : size;
  const finish = (old: Expr, isEqual: Expr): void => {
    c.setGpr(RAX, width, select(c.gpr(RAX, width, false), zeroExtend(size, old), isEqual));
    setSubFlags(c, accumulator, old, c.hold(signExtend(size, sub(accumulator, old))));
  };
  if (shape.form === 'MR') {
    const { old, commit } = c.modifyBegin(size, true, c.ea());
    const isEqual = c.hold32(eq(accumulator, old));
    commit(select(replacement, old, isEqual));
    finish(old, isEqual);
    return;
  }
  const old = c.hold(c.reg('d', size, true));
  const isEqual = c.hold32(eq(accumulator, old));
  finish(old, isEqual);
  c.setReg('d', width, select(zeroExtend(size, replacement), c.reg('d', width, false), isEqual));
};

/** Sets a register where `condition` (i32, held) holds. */
function setGprIf(c: EmitContext, condition: Expr, register: number, value: Expr): void {
  c.setGpr(register, 8, select(value, c.gpr(register, 8, false), condition));
}

export const compareAndExchange8: Semantic = (c) => {
  const pair = (high: number, low: number): Expr =>
    c.hold(or(shl(c.gpr(high, 4, false), i64(32)), c.gpr(low, 4, false)));
  const expected = pair(RDX, RAX);
  const replacement = pair(RCX, RBX);
  const { old, commit } = c.modifyBegin(8, false, c.ea());
  const differs = c.hold32(ne(old, expected));
  commit(select(old, replacement, differs));
  setGprIf(c, differs, RAX, zeroExtend(4, old));
  setGprIf(c, differs, RDX, shrU(old, i64(32)));
  setZero(c, eq(old, expected));
};

/** CMPXCHG16B: the operand is aligned, else #GP(0), so that its halves are in one page and fault together. */
export const compareAndExchange16: Semantic = (c) => {
  const { f } = c;
  const address = c.hold(c.ea());
  f.if(and32(wrap(address), i32(15)));
  c.raise(13);
  f.end();
  // The first access is a write already: what it reports on a fault is what the instruction does.
  const low = c.variable();
  c.modify(8, false, address, (old) => {
    f.set(low, old);
    return get(low);
  });
  const oldLow = get(low);
  const upper = c.hold(add(address, i64(8)));
  const oldHigh = c.hold(c.load(8, false, upper));
  const isEqual = c.hold32(and32(eq(oldLow, c.gpr(RAX, 8, false)), eq(oldHigh, c.gpr(RDX, 8, false))));
  c.store(8, address, select(c.gpr(RBX, 8, false), oldLow, isEqual));
  c.store(8, upper, select(c.gpr(RCX, 8, false), oldHigh, isEqual));
  const differs = c.hold32(eqz32(isEqual));
  setGprIf(c, differs, RAX, oldLow);
  setGprIf(c, differs, RDX, oldHigh);
  setZero(c, isEqual);
};
