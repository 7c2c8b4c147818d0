/** Bit tests, bit scans and BSWAP. */
import { type Expr, add, and, clz, ctz, i64, ne, or, rotl, select, shl, shrS, shrU, sub, xor } from '../codegen/expr';
import { ACCESS } from '../codegen/exits';
import type { EmitContext, OperandContext, Semantic } from './context';
import { setCarryOfBitTest, setLogicFlags } from './flag-emitters';
import type { Shape } from './shape';

type Change = (old: Expr, bit: Expr) => Expr;

/**
 * Linear address of the element that holds the bit. A bit offset in a register is signed and reaches over the whole bit
 * string, so it may be outside of the operand the address names; an immediate one is taken modulo the operand size.
 */
function bitAddress(c: EmitContext, shape: Shape, offset: Expr, isWritten: boolean): Expr {
  if (shape.form === 'MI') return c.ea();
  const log2Bits = Math.log2(shape.size * 8);
  const bytes = shl(shrS(offset, i64(log2Bits)), i64(log2Bits - 3));
  const width = shape.address || 8;
  const access = shape.size | (isWritten ? ACCESS.WRITE : 0);
  return c.hold(c.linear('record', add(c.offset(), bytes), width, shape.segmented, access));
}

const bitTest =
  (change?: Change): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const offset = c.hold(shape.form.endsWith('R') ? c.reg('s', size, true) : c.imm());
    const place = c.hold(and(offset, i64(size * 8 - 1)));
    const bitOf = (value: Expr): Expr => c.hold(and(shrU(value, place), i64(1)));
    if (shape.form.startsWith('R')) {
      const old = c.hold(c.reg('d', size, false));
      const bit = bitOf(old);
      if (change) c.setReg('d', size, change(old, shl(i64(1), place)));
      setCarryOfBitTest(c, bit);
      return;
    }
    const address = bitAddress(c, shape, offset, change !== undefined);
    if (!change) {
      setCarryOfBitTest(c, bitOf(c.load(size, false, address)));
      return;
    }
    const { old, commit } = c.modifyBegin(size, false, address);
    const bit = bitOf(old);
    commit(change(old, shl(i64(1), place)));
    setCarryOfBitTest(c, bit);
  };

export const testBit = bitTest();
export const testAndSet = bitTest((old, bit) => or(old, bit));
export const testAndReset = bitTest((old, bit) => and(old, xor(bit, i64(-1))));
export const testAndComplement = bitTest((old, bit) => xor(old, bit));

/** BSF and BSR: a zero source sets ZF and leaves the whole destination as it was. */
const bitScan =
  (index: (value: Expr) => Expr): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const value = c.hold(shape.form === 'RM' ? c.load(size, false, c.ea()) : c.reg('s', size, false));
    const found = c.hold32(ne(value, i64(0)));
    // An index is a small positive number, so that the full register can be chosen for a 32-bit result.
    const width = size === 4 ? 8 : size;
    c.setReg('d', width, select(index(value), c.reg('d', width, false), found));
    setLogicFlags(c, value);
  };

export const scanForward = bitScan(ctz);
export const scanReverse = bitScan((value) => sub(i64(63), clz(value)));

/** All eight bytes reversed. */
export function reverseBytes(c: OperandContext, value: Expr): Expr {
  const swap = (x: Expr, mask: bigint, distance: number): Expr =>
    c.hold(or(shl(and(x, i64(mask)), i64(distance)), and(shrU(x, i64(distance)), i64(mask))));
  const bytes = swap(value, 0x00ff_00ff_00ff_00ffn, 8);
  const words = swap(bytes, 0x0000_ffff_0000_ffffn, 16);
  return rotl(words, i64(32));
}

/** BSWAP of a 16-bit register is undefined; processors clear it. */
export const byteSwap: Semantic = (c, shape) => {
  const { size } = shape;
  if (size === 2) {
    c.setReg('d', 2, i64(0));
    return;
  }
  const reversed = reverseBytes(c, c.hold(c.reg('d', size, false)));
  c.setReg('d', size, size === 8 ? reversed : shrU(reversed, i64(32)));
};
