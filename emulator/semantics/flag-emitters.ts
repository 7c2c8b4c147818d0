/**
 * Emitters for the lazy flags of `flags.ts`: what an instruction leaves behind, and how single flags are got back.
 *
 * Kinds are always written unconditionally (with `select` where the change is conditional), so that a context may
 * follow what the last written kind is.
 */
import {
  type Expr,
  add32,
  and,
  and32,
  eq,
  eq32,
  eqz,
  eqz32,
  extendU,
  get,
  gtU32,
  i32,
  i64,
  ltS,
  ltU,
  ltU32,
  ne,
  ne32,
  or32,
  popcnt32,
  select,
  shl,
  shl32,
  shrU32,
  sub,
  sub32,
  wrap,
  xor,
  xor32,
} from '../codegen/expr';
import type { FunctionBuilder } from '../codegen/function-builder';
import type { OperandContext } from './context';
import { AF, CF, KIND, KIND_BIT, OF, PF, SF, ZF } from './flags';
import type { Size } from './shape';
import { sizeIndex } from './widths';

const INVERT = KIND_BIT.INVERT_SF | KIND_BIT.INVERT_PF;

function setAll(c: OperandContext, kind: Expr, a: Expr, b: Expr, r: Expr): void {
  c.setFlag('kind', kind);
  c.setFlag('a', a);
  c.setFlag('b', b);
  c.setFlag('r', r);
}

// Setting. All operands are held, sign-extended from the operand size.

/** Flags of `a - b = r`. */
export function setSubFlags(c: OperandContext, a: Expr, b: Expr, r: Expr): void {
  if (c.needFlags) setAll(c, i32(KIND.SUB), a, b, r);
}

/** Flags of `a + b = r`, whichever of the addends `a` is. */
export function setAddFlags(c: OperandContext, size: Size, a: Expr, r: Expr): void {
  if (c.needFlags) setAll(c, i32(KIND.ADD8 + sizeIndex(size)), r, a, r);
}

/** Flags of a bitwise operation: CF and OF clear. AF, which is undefined, is clear. */
export function setLogicFlags(c: OperandContext, r: Expr): void {
  if (c.needFlags) setAll(c, i32(KIND.EXPLICIT), i64(0), i64(0), r);
}

/** Flags of INC (`r = old + 1`) or DEC: CF stays. */
export function setStepFlags(c: OperandContext, direction: 'inc' | 'dec', size: Size, r: Expr): void {
  if (!c.needFlags) return;
  c.setFlag('kind', i32((direction === 'inc' ? KIND.INC8 : KIND.DEC8) + sizeIndex(size)));
  c.setFlag('r', r);
}

/**
 * ZF, SF and PF from `r`; CF is `carry` (i64, 0 or 1); OF and AF are bits `KIND_BIT.OF` and `KIND_BIT.AF` of `overflowAdjust`
 * (i32, other bits clear).
 */
export function setExplicitFlags(c: OperandContext, carry: Expr, overflowAdjust: Expr, r: Expr): void {
  if (c.needFlags) setAll(c, overflowAdjust, i64(0), carry, r);
}

/** As `setExplicitFlags` where `condition` (i32, held) is not 0; else all flags stay. */
export function setExplicitFlagsIf(
  c: OperandContext,
  condition: Expr,
  carry: Expr,
  overflowAdjust: Expr,
  r: Expr,
): void {
  if (!c.needFlags) return;
  setAll(
    c,
    select(overflowAdjust, c.flag('kind'), condition),
    select(i64(0), c.flag('a'), condition),
    select(carry, c.flag('b'), condition),
    select(r, c.flag('r'), condition),
  );
}

/** Flags of `a - b = r` where `condition` (i32, held) is not 0; else all flags stay. */
export function setSubFlagsIf(c: OperandContext, condition: Expr, a: Expr, b: Expr, r: Expr): void {
  if (!c.needFlags) return;
  setAll(
    c,
    select(i32(KIND.SUB), c.flag('kind'), condition),
    select(a, c.flag('a'), condition),
    select(b, c.flag('b'), condition),
    select(r, c.flag('r'), condition),
  );
}

/** OF at its place in the kind, from bit 0 of an i64. */
export const overflowBit = (bit: Expr): Expr => shl32(and32(wrap(bit), i32(1)), i32(10));

/** AF at its place in the kind, from bit 4 of an i64 (a ^ b ^ r). */
export const adjustBit = (sum: Expr): Expr => shl32(and32(wrap(sum), i32(AF)), i32(7));

// Reading.

/** CF as an i32, 0 or 1. */
export const carry = (c: OperandContext): Expr => ltU(c.flag('a'), c.flag('b'));

/** CF as an i64, 0 or 1. */
export const carry64 = (c: OperandContext): Expr => extendU(carry(c));

/** OF as an i64, 0 or 1. */
export const overflow64 = (c: OperandContext): Expr => extendU(c.condition(0));

/** AF as `KIND_BIT.AF` or 0 (i32 variable). Statements are emitted; the flags are read at this place. */
export function adjust(c: OperandContext): Expr {
  const { f } = c;
  const kind = c.hold32(and32(c.flag('kind'), i32(0xff)));
  const result = c.variable32();
  f.set(result, and32(c.flag('kind'), i32(KIND_BIT.AF)));
  f.if(kind);
  {
    const b = c.flag('b');
    const r = c.flag('r');
    // SUB: a ^ b ^ r. ADD: b ^ (r - b) ^ r.
    const other = select(c.flag('a'), sub(r, b), eq32(kind, i32(KIND.SUB)));
    const carried = adjustBit(xor(xor(b, other), r));
    // INC wraps the low digit to 0, DEC to 15.
    const digit = select(i64(0), i64(0xf), ltU32(kind, i32(KIND.DEC8)));
    const stepped = shl32(eq(and(r, i64(0xf)), digit), i32(11));
    f.set(result, select(carried, stepped, ltU32(kind, i32(KIND.INC8))));
  }
  f.end();
  return get(result);
}

/** ZF, SF and PF in terms of the lazy values, each an i32 0 or 1. */
const sign = (kind: Expr, r: Expr): Expr => xor32(ltS(r, i64(0)), and32(shrU32(kind, i32(8)), i32(1)));
const parity = (kind: Expr, r: Expr): Expr =>
  and32(add32(add32(popcnt32(and32(wrap(r), i32(0xff))), i32(1)), shrU32(kind, i32(9))), i32(1));

/** The six arithmetic flags at their places in RFLAGS (i32, held). Statements are emitted. */
export function arithmeticImage(c: OperandContext): Expr {
  const kind = c.flag('kind');
  const r = c.flag('r');
  const at = (bit: Expr, place: number): Expr => shl32(bit, i32(Math.log2(place)));
  const adjusted = shrU32(adjust(c), i32(7));
  const overflow = at(c.condition(0), OF);
  const low = or32(carry(c), at(parity(kind, r), PF));
  const high = or32(at(eqz(r), ZF), at(sign(kind, r), SF));
  return c.hold32(or32(or32(low, adjusted), or32(high, overflow)));
}

/** Sets the six arithmetic flags from an RFLAGS image (i32, held); see `writeArithmeticFlags`. */
export function setImage(c: OperandContext, image: Expr): void {
  if (!c.needFlags) return;
  const isZero = c.hold32(and32(image, i32(ZF)));
  const isEven = c.hold32(and32(image, i32(PF)));
  const invertParity = select(select(i32(0), i32(KIND_BIT.INVERT_PF), isEven), i32(0), isZero);
  const invertSign = shl32(and32(image, i32(SF)), i32(1));
  const overflow = shrU32(and32(image, i32(OF)), i32(1));
  const adjusted = shl32(and32(image, i32(AF)), i32(7));
  setAll(
    c,
    or32(or32(invertParity, invertSign), or32(overflow, adjusted)),
    i64(0),
    extendU(and32(image, i32(CF))),
    select(i64(0), select(i64(3), i64(1), isEven), isZero),
  );
}

/** Sets CF (i64, 0 or 1) and keeps the other five. */
export function setCarry(c: OperandContext, value: Expr): void {
  if (!c.needFlags) return;
  const held = c.hold(value);
  const adjusted = adjust(c);
  const overflow = shl32(c.condition(0), i32(10));
  c.setFlag('kind', or32(and32(c.flag('kind'), i32(INVERT)), or32(adjusted, overflow)));
  c.setFlag('a', i64(0));
  c.setFlag('b', held);
}

/** Sets OF (i64, 0 or 1) and keeps the other five. */
export function setOverflow(c: OperandContext, value: Expr): void {
  if (!c.needFlags) return;
  const held = c.hold(value);
  const carried = c.hold(carry64(c));
  const adjusted = adjust(c);
  c.setFlag('kind', or32(and32(c.flag('kind'), i32(INVERT)), or32(adjusted, overflowBit(held))));
  c.setFlag('a', i64(0));
  c.setFlag('b', carried);
}

/** ZF as given (i32, 0 or 1), the other five clear. */
export function setZeroOnly(c: OperandContext, isZero: Expr): void {
  if (!c.needFlags) return;
  const held = c.hold32(isZero);
  // 0 has even parity, 1 has odd.
  setAll(c, select(i32(KIND_BIT.INVERT_PF), i32(0), held), i64(0), i64(0), extendU(eqz32(held)));
}

/**
 * Sets CF (i64, 0 or 1), keeps ZF, SF and PF, and clears OF and AF: for bit tests, which leave them undefined.
 */
export function setCarryOfBitTest(c: OperandContext, value: Expr): void {
  if (!c.needFlags) return;
  c.setFlag('kind', and32(c.flag('kind'), i32(INVERT)));
  c.setFlag('a', i64(0));
  c.setFlag('b', value);
}

/** Sets CF (i64) and OF (`KIND_BIT.OF` or 0) where `condition` (i32, held) is not 0; the other flags stay. */
export function setRotateFlagsIf(c: OperandContext, condition: Expr, carryOut: Expr, overflow: Expr): void {
  if (!c.needFlags) return;
  const adjusted = adjust(c);
  const kind = or32(and32(c.flag('kind'), i32(INVERT)), or32(adjusted, overflow));
  c.setFlag('kind', select(kind, c.flag('kind'), condition));
  c.setFlag('a', select(i64(0), c.flag('a'), condition));
  c.setFlag('b', select(carryOut, c.flag('b'), condition));
}

/** Sets ZF (i32, 0 or 1) and keeps the other five. */
export function setZero(c: OperandContext, value: Expr): void {
  if (!c.needFlags) return;
  const held = c.hold32(value);
  const image = arithmeticImage(c);
  setImage(c, c.hold32(or32(and32(image, i32(~ZF)), shl32(held, i32(6)))));
}

// Conditions.

/**
 * A condition code as an expression without a call, where that is short: all but O, L, LE and their negations. The
 * operands may be computed more than once.
 */
export function inlineCondition(cc: number, kind: Expr, a: Expr, b: Expr, r: Expr): Expr | undefined {
  const negated = (cc & 1) !== 0;
  const maybe = (value: Expr): Expr => (negated ? eqz32(value) : value);
  switch (cc >> 1) {
    case 1:
      return maybe(ltU(a, b));
    case 2:
      return negated ? ne(r, i64(0)) : eqz(r);
    case 3:
      return maybe(or32(ltU(a, b), eqz(r)));
    case 4:
      return maybe(sign(kind, r));
    case 5:
      return maybe(parity(kind, r));
    default:
      return undefined;
  }
}

/** Body of the helper that evaluates any condition code for any kind: `(cc: i32, kind: i32, a: i64, b: i64, r: i64) -> i32`, 0 or 1. */
export function emitConditionFunction(f: FunctionBuilder): void {
  const cc = get(0);
  const word = get(1);
  const a = get(2);
  const b = get(3);
  const r = get(4);
  const kind = f.local('i32', and32(word, i32(0xff)));
  const overflow = f.newLocal('i32');
  const answer = f.newLocal('i32');

  const done = f.block();
  f.set(overflow, and32(shrU32(word, i32(10)), i32(1)));
  f.brIf(done, eqz32(kind));
  f.set(overflow, ltS(and(xor(a, b), xor(a, r)), i64(0)));
  f.brIf(done, eq32(kind, i32(KIND.SUB)));
  f.if(ltU32(kind, i32(KIND.INC8)));
  {
    // Shift the operand size's sign bits up to bit 63: x = r - b is right only within the size.
    const up = f.local('i64', extendU(sub32(i32(64), shl32(i32(8), sub32(kind, i32(KIND.ADD8))))));
    const x = sub(r, b);
    f.set(overflow, ltS(shl(and(xor(b, r), xor(x, r)), up), i64(0)));
  }
  f.else();
  {
    const isDec = f.newLocal('i32');
    f.set(isDec, gtU32(kind, i32(KIND.INC64)));
    const index = sub32(kind, select(i32(KIND.DEC8), i32(KIND.INC8), get(isDec)));
    const bits = shl32(i32(8), index);
    // INC overflows to the least value of the size, DEC to the greatest, which is its complement.
    const least = shl(i64(-1), extendU(sub32(bits, i32(1))));
    f.set(overflow, eq(r, xor(least, sub(i64(0), extendU(get(isDec))))));
  }
  f.end();
  f.end();

  const signed = ne32(sign(word, r), get(overflow));
  const families = [
    get(overflow),
    ltU(a, b),
    eqz(r),
    or32(ltU(a, b), eqz(r)),
    sign(word, r),
    parity(word, r),
    signed,
    or32(eqz(r), signed),
  ];
  const out = f.block();
  const labels = families.map(() => f.block()).reverse();
  f.brTable(labels, labels[0], shrU32(cc, i32(1)));
  for (const family of families) {
    f.end();
    f.set(answer, family);
    f.br(out);
  }
  f.end();
  f.emit(xor32(get(answer), and32(cc, i32(1))));
}
