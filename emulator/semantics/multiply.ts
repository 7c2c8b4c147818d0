/** MUL and IMUL. CF and OF say whether the upper half is more than an extension of the lower; the rest is undefined. */
import {
  type Expr,
  add,
  and,
  and32,
  eq,
  eqz32,
  extendU,
  get,
  i32,
  i64,
  mul,
  ne,
  shl32,
  shrS,
  shrU,
  sub,
} from '../codegen/expr';
import type { EmitContext, OperandContext, Semantic } from './context';
import { setExplicitFlags } from './flag-emitters';
import { single, source } from './operands';
import type { Shape } from './shape';
import { signExtend } from './widths';

const LOW = i64(0xffff_ffffn);

/** Upper 64 bits of the unsigned product of two held values. */
export function highUnsigned(c: OperandContext, a: Expr, b: Expr): Expr {
  const a0 = and(a, LOW);
  const a1 = c.hold(shrU(a, i64(32)));
  const b0 = c.hold(and(b, LOW));
  const b1 = c.hold(shrU(b, i64(32)));
  const middle = c.hold(add(mul(a1, b0), shrU(mul(a0, b0), i64(32))));
  const other = add(mul(a0, b1), and(middle, LOW));
  return add(add(mul(a1, b1), shrU(middle, i64(32))), shrU(other, i64(32)));
}

/** Upper 64 bits of the signed product of two held values. */
function highSigned(c: EmitContext, a: Expr, b: Expr): Expr {
  const unsigned = highUnsigned(c, a, b);
  return sub(sub(unsigned, and(b, shrS(a, i64(63)))), and(a, shrS(b, i64(63))));
}

/** CF = OF = `overflow` (i32, 0 or 1). */
function setProductFlags(c: EmitContext, overflow: Expr, low: Expr): void {
  if (!c.needFlags) return;
  const held = c.hold32(overflow);
  setExplicitFlags(c, extendU(held), shl32(and32(held, i32(1)), i32(10)), low);
}

/** One-operand MUL and IMUL: the product of the accumulator, twice as wide, goes to AX or to rDX:rAX. */
const widening =
  (signed: boolean): Semantic =>
  (c, shape) => {
    const { size } = shape;
    const b = single(c, shape, size, signed);
    const a = c.hold(c.gpr(0, size, signed));
    const product = c.hold(mul(a, b));
    const low = c.hold(signExtend(size, product));
    const extension = signed ? shrS(low, i64(63)) : i64(0);
    if (size === 8) {
      const high = c.hold(signed ? highSigned(c, a, b) : highUnsigned(c, a, b));
      c.setGpr(0, 8, product);
      c.setGpr(2, 8, high);
      setProductFlags(c, ne(high, extension), low);
      return;
    }
    const high = c.hold(signExtend(size, shrU(product, i64(size * 8))));
    if (size === 1) {
      c.setGpr(0, 2, product);
    } else {
      c.setGpr(0, size, product);
      c.setGpr(2, size, high);
    }
    setProductFlags(c, ne(high, extension), low);
  };

export const multiplyUnsigned = widening(false);
export const multiplySigned = widening(true);

/** Two- and three-operand IMUL: the product is cut to the operand size. */
function truncating(c: EmitContext, shape: Shape, a: Expr, b: Expr): void {
  const { f } = c;
  const { size } = shape;
  const product = c.hold(mul(a, b));
  const low = c.hold(signExtend(size, product));
  c.setReg('d', size, low);
  if (!c.needFlags) return;
  if (size < 8) {
    setProductFlags(c, ne(product, low), low);
    return;
  }
  // Factors of 32 bits, which are almost all there are, cannot overflow.
  const overflow = c.variable32();
  f.set(overflow, i32(0));
  const isSmall = and32(eq(signExtend(4, a), a), eq(signExtend(4, b), b));
  f.if(eqz32(isSmall));
  f.set(overflow, ne(highSigned(c, a, b), shrS(product, i64(63))));
  f.end();
  setProductFlags(c, get(overflow), low);
}

export const multiplyTwo: Semantic = (c, shape) => {
  const b = c.hold(source(c, shape, shape.size));
  const a = c.hold(c.reg('d', shape.size, true));
  truncating(c, shape, a, b);
};

export const multiplyThree: Semantic = (c, shape) => {
  const { size } = shape;
  const a = c.hold(shape.form === 'RMI' ? c.load(size, true, c.ea()) : c.reg('s', size, true));
  truncating(c, shape, a, c.hold(c.imm()));
};
