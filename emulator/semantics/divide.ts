/** DIV and IDIV: #DE for a zero divisor or a quotient that does not fit. All flags are undefined and stay. */
import {
  type Expr,
  and,
  and32,
  add32,
  divS,
  divU,
  eq,
  eqz,
  extendU,
  geU,
  get,
  gtU,
  i32,
  i64,
  ltS,
  ltU32,
  ne,
  or,
  or32,
  remS,
  remU,
  shl,
  shrS,
  shrU,
  sub,
  xor,
} from '../codegen/expr';
import type { EmitContext, Semantic } from './context';
import { single } from './operands';
import type { Size } from './shape';
import { signExtend, zeroExtend } from './widths';

const LEAST = i64(-(1n << 63n));

function raiseIf(c: EmitContext, condition: Expr): void {
  c.f.if(condition);
  c.raise(0);
  c.f.end();
}

/** Puts quotient and remainder where they go: AL and AH, or rAX and rDX. */
function setResult(c: EmitContext, size: Size, quotient: Expr, remainder: Expr): void {
  if (size === 1) {
    c.setGpr(0, 2, or(and(quotient, i64(0xff)), shl(remainder, i64(8))));
    return;
  }
  c.setGpr(0, size, quotient);
  c.setGpr(2, size, remainder);
}

/** The dividend of operand sizes below 8, which fits an i64: AX, DX:AX or EDX:EAX. */
function narrowDividend(c: EmitContext, size: 1 | 2 | 4, signed: boolean): Expr {
  if (size === 1) return c.hold(c.gpr(0, 2, signed));
  return c.hold(or(shl(c.gpr(2, size, signed), i64(size * 8)), c.gpr(0, size, false)));
}

/**
 * Unsigned 128 by 64 bits, where `high < divisor`, so that the quotient fits. `low` becomes the quotient, `high` the
 * remainder; both are variables.
 */
function divideLong(c: EmitContext, high: number, low: number, divisor: Expr): void {
  const { f } = c;
  const step = c.variable32();
  const carried = c.variable();
  f.set(step, i32(0));
  const next = f.loop();
  f.set(carried, get(high));
  f.set(high, or(shl(get(high), i64(1)), shrU(get(low), i64(63))));
  f.set(low, shl(get(low), i64(1)));
  // A bit shifted out of the partial remainder makes it greater than any divisor.
  f.if(or32(ltS(get(carried), i64(0)), geU(get(high), divisor)));
  f.set(high, sub(get(high), divisor));
  f.set(low, or(get(low), i64(1)));
  f.end();
  f.set(step, add32(get(step), i32(1)));
  f.brIf(next, ltU32(get(step), i32(64)));
  f.end();
}

/** As `divideLong`, by one machine division where the upper half is 0. */
function divideUnsigned(c: EmitContext, high: number, low: number, divisor: Expr): void {
  const { f } = c;
  f.if(eqz(get(high)));
  f.set(high, remU(get(low), divisor));
  f.set(low, divU(get(low), divisor));
  f.else();
  divideLong(c, high, low, divisor);
  f.end();
}

export const divideUnsignedOperand: Semantic = (c, shape) => {
  const { f } = c;
  const { size } = shape;
  const divisor = single(c, shape, size, false);
  if (size === 8) {
    const high = c.variable();
    const low = c.variable();
    f.set(high, c.gpr(2, 8, false));
    f.set(low, c.gpr(0, 8, false));
    // Holds for a divisor of 0 too.
    raiseIf(c, geU(get(high), divisor));
    divideUnsigned(c, high, low, divisor);
    setResult(c, 8, get(low), get(high));
    return;
  }
  raiseIf(c, eqz(divisor));
  const dividend = narrowDividend(c, size, false);
  const quotient = c.hold(divU(dividend, divisor));
  raiseIf(c, gtU(quotient, zeroExtend(size, i64(-1))));
  setResult(c, size, quotient, c.hold(remU(dividend, divisor)));
};

/** Negates a 128-bit pair of variables where `mask` (i64, held) is -1; does nothing where it is 0. */
function negateIf(c: EmitContext, high: number, low: number, mask: Expr): void {
  const { f } = c;
  f.set(high, xor(get(high), mask));
  f.set(low, sub(xor(get(low), mask), mask));
  f.set(high, sub(get(high), and(mask, sub(i64(0), extendU(eqz(get(low)))))));
}

function divideSigned64(c: EmitContext, divisor: Expr): void {
  const { f } = c;
  const high = c.variable();
  const low = c.variable();
  f.set(high, c.gpr(2, 8, false));
  f.set(low, c.gpr(0, 8, false));
  const negative = c.hold(shrS(get(high), i64(63)));
  const divisorNegative = c.hold(shrS(divisor, i64(63)));
  const magnitude = c.hold(sub(xor(divisor, divisorNegative), divisorNegative));
  negateIf(c, high, low, negative);
  raiseIf(c, geU(get(high), magnitude));
  divideUnsigned(c, high, low, magnitude);
  // The quotient's magnitude may reach 2^63 if it is negative, else 2^63 - 1.
  const quotientNegative = c.hold(xor(negative, divisorNegative));
  raiseIf(c, gtU(get(low), sub(xor(LEAST, i64(-1)), quotientNegative)));
  const quotient = c.hold(sub(xor(get(low), quotientNegative), quotientNegative));
  const remainder = c.hold(sub(xor(get(high), negative), negative));
  setResult(c, 8, quotient, remainder);
}

export const divideSignedOperand: Semantic = (c, shape) => {
  const { size } = shape;
  const divisor = single(c, shape, size, true);
  if (size === 8) {
    divideSigned64(c, divisor);
    return;
  }
  raiseIf(c, eqz(divisor));
  const dividend = narrowDividend(c, size, true);
  // The one division of an i64 that WebAssembly traps on; its quotient does not fit here either.
  if (size === 4) raiseIf(c, and32(eq(dividend, LEAST), eq(divisor, i64(-1))));
  const quotient = c.hold(divS(dividend, divisor));
  raiseIf(c, ne(quotient, signExtend(size, quotient)));
  setResult(c, size, quotient, c.hold(remS(dividend, divisor)));
};
