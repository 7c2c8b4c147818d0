/**
 * Shifts and rotates. The count is masked to 5 bits (6 for 64-bit operands); a masked count of 0 changes no flags.
 * OF is defined for a count of 1 only; other counts get what the same formula gives.
 */
import {
  type Expr,
  and,
  i32,
  i64,
  mul,
  ne,
  or,
  remU,
  rotl,
  rotr,
  select,
  shl,
  shrS,
  shrU,
  sub,
  xor,
} from '../codegen/expr';
import type { EmitContext, Semantic } from './context';
import { carry64, overflowBit, setExplicitFlagsIf, setRotateFlagsIf } from './flag-emitters';
import { update } from './operands';
import type { Shape } from './shape';
import { signBit, zeroExtend } from './widths';

/** The masked count, held (i64). */
function maskedCount(c: EmitContext, shape: Shape): Expr {
  const raw = shape.form.endsWith('C') ? c.gpr(1, 1, false) : c.imm();
  return c.hold(and(raw, i64(shape.size === 8 ? 63 : 31)));
}

type Shift = 'shl' | 'shr' | 'sar';

const shift =
  (operation: Shift): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const count = maskedCount(c, shape);
    // SHR takes the bits of the operand alone; SHL and SAR the sign-extended ones.
    const bitsOf = (old: Expr): Expr => (operation === 'shr' ? zeroExtend(size, old) : old);
    const shifted = { shl, shr: shrU, sar: shrS }[operation];
    update(
      c,
      shape,
      (old) => shifted(bitsOf(old), count),
      (old, r) => {
        if (!c.needFlags) return;
        const isShift = c.hold32(ne(count, i64(0)));
        if (operation === 'shl') {
          // The last bit out is just above the operand after the shift; for 64 bits, count places from the top before it.
          const out =
            size === 8 ? shrU(old, sub(i64(0), count)) : shrU(shl(zeroExtend(size, old), count), i64(size * 8));
          const last = c.hold(and(out, i64(1)));
          setExplicitFlagsIf(c, isShift, last, overflowBit(xor(signBit(r), last)), r);
          return;
        }
        const last = and(shifted(bitsOf(old), sub(count, i64(1))), i64(1));
        setExplicitFlagsIf(c, isShift, last, operation === 'shr' ? overflowBit(signBit(old)) : i32(0), r);
      },
    );
  };

export const shiftLeft = shift('shl');
export const shiftRight = shift('shr');
export const shiftArithmeticRight = shift('sar');

/** Copies of the operand side by side, so that a 64-bit rotation rotates each. */
function replicate(size: 1 | 2 | 4, value: Expr): Expr {
  const ones = { 1: 0x0101_0101_0101_0101n, 2: 0x0001_0001_0001_0001n, 4: 0x0000_0001_0000_0001n }[size];
  return mul(zeroExtend(size, value), i64(ones));
}

/** The two top bits differ, both of a sign-extended value. */
const topBitsDiffer = (size: number, value: Expr): Expr => xor(signBit(value), shrU(value, i64(size * 8 - 2)));

const rotate =
  (direction: 'left' | 'right'): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const count = maskedCount(c, shape);
    const turn = direction === 'left' ? rotl : rotr;
    update(
      c,
      shape,
      (old) => turn(size === 8 ? old : replicate(size, old), count),
      (_, r) => {
        if (!c.needFlags) return;
        const isRotate = c.hold32(ne(count, i64(0)));
        const last = c.hold(direction === 'left' ? and(r, i64(1)) : signBit(r));
        const overflow = direction === 'left' ? xor(signBit(r), last) : topBitsDiffer(size, r);
        setRotateFlagsIf(c, isRotate, last, overflowBit(overflow));
      },
    );
  };

export const rotateLeft = rotate('left');
export const rotateRight = rotate('right');

/** RCL and RCR: a rotation of the operand and CF together, so by one more bit than the operand has. */
const rotateThroughCarry =
  (direction: 'left' | 'right'): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const bits = size * 8;
    const masked = maskedCount(c, shape);
    const count = size <= 2 ? c.hold(remU(masked, i64(bits + 1))) : masked;
    const carryIn = c.hold(carry64(c));
    const isRotate = c.hold32(ne(count, i64(0)));
    const rest = c.hold(sub(i64(bits), count));
    const before = c.hold(sub(count, i64(1)));
    update(
      c,
      shape,
      (old) => {
        const x = c.hold(zeroExtend(size, old));
        // The part that comes round passes CF's place too: shift it in two steps, because together they may be 64.
        const turned =
          direction === 'left'
            ? or(or(shl(x, count), shl(carryIn, before)), shrU(shrU(x, i64(1)), rest))
            : or(or(shrU(x, count), shl(carryIn, rest)), shl(shl(x, i64(1)), rest));
        return select(turned, old, isRotate);
      },
      (old, r) => {
        if (!c.needFlags) return;
        const x = zeroExtend(size, old);
        const last = c.hold(and(shrU(x, direction === 'left' ? rest : before), i64(1)));
        const overflow = direction === 'left' ? xor(signBit(r), last) : topBitsDiffer(size, r);
        setRotateFlagsIf(c, isRotate, last, overflowBit(overflow));
      },
    );
  };

export const rotateLeftThroughCarry = rotateThroughCarry('left');
export const rotateRightThroughCarry = rotateThroughCarry('right');

/** SHLD and SHRD. 16-bit counts above 16 are undefined. */
const doubleShift =
  (direction: 'left' | 'right'): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const count = maskedCount(c, shape);
    const filler = c.hold(c.reg('s', size, false));
    const isShift = c.hold32(ne(count, i64(0)));
    const rest = c.hold(sub(i64(size * 8), count));
    update(
      c,
      shape,
      (old) => {
        const x = zeroExtend(size, old);
        const shifted =
          direction === 'left' ? or(shl(x, count), shrU(filler, rest)) : or(shrU(x, count), shl(filler, rest));
        return select(shifted, old, isShift);
      },
      (old, r) => {
        if (!c.needFlags) return;
        const x = zeroExtend(size, old);
        const last = and(shrU(x, direction === 'left' ? rest : sub(count, i64(1))), i64(1));
        setExplicitFlagsIf(c, isShift, last, overflowBit(signBit(xor(old, r))), r);
      },
    );
  };

export const doubleShiftLeft = doubleShift('left');
export const doubleShiftRight = doubleShift('right');
