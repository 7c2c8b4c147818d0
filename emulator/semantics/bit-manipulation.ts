/**
 * POPCNT, LZCNT, TZCNT, BMI1 and BMI2, ADCX and ADOX, MOVBE, CRC32. Flags the SDM leaves undefined get what the result gives or
 * are clear.
 */
import {
  type Expr,
  add,
  and,
  clz,
  ctz,
  eqz,
  eqz32,
  extendU,
  get,
  gtU,
  i32,
  i64,
  ltU,
  mul,
  or,
  popcnt,
  rotr,
  select,
  shl,
  shrS,
  shrU,
  sub,
  xor,
} from '../codegen/expr';
import { reverseBytes } from './bits';
import type { OperandContext, WarmSemantic } from './context';
import {
  carry64,
  overflow64,
  setCarry,
  setExplicitFlags,
  setLogicFlags,
  setOverflow,
  setZeroOnly,
} from './flag-emitters';
import { highUnsigned } from './multiply';
import type { Shape, Size } from './shape';
import { signExtend, zeroExtend } from './widths';

const RDX = 2;

/** The operand that ModRM.rm names, zero-extended, held. */
const operand = (c: OperandContext, shape: Shape, size: Size = shape.size): Expr =>
  c.hold(shape.form.includes('M') ? c.load(size, false, c.ea()) : c.reg('s', size, false));

/** Size of the instructions that have operands of 32 or 64 bits only. */
const wide = (shape: Shape): 4 | 8 => (shape.size === 8 ? 8 : 4);

const isZero = (value: Expr): Expr => extendU(eqz(value));

const populationCount: WarmSemantic = (c, shape) => {
  const value = operand(c, shape);
  c.setReg('d', shape.size, popcnt(value));
  setZeroOnly(c, eqz(value));
};

/** TZCNT and LZCNT: a source of zero gives the operand size and sets CF. */
const zeroCount =
  (count: (value: Expr, bits: number) => Expr): WarmSemantic =>
  (c, shape) => {
    const bits = shape.size * 8;
    const value = operand(c, shape);
    const result = c.hold(count(value, bits));
    c.setReg('d', shape.size, result);
    setExplicitFlags(c, isZero(value), i32(0), result);
  };

/** A bit above the operand ends the count. */
const trailingZeros = zeroCount((value, bits) => ctz(bits === 64 ? value : or(value, i64(1n << BigInt(bits)))));
const leadingZeros = zeroCount((value, bits) => sub(clz(value), i64(64 - bits)));

const andNot: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const value = operand(c, shape);
  const result = c.hold(signExtend(size, and(xor(c.generalRegister('v', size), i64(-1)), value)));
  c.setReg('d', size, result);
  setLogicFlags(c, result);
};

/** BLSI, BLSMSK and BLSR: the destination is the register of VEX.vvvv. */
const lowestSetBit =
  (compute: (value: Expr) => Expr, carry: (value: Expr) => Expr): WarmSemantic =>
  (c, shape) => {
    const size = wide(shape);
    const value = operand(c, shape);
    const result = c.hold(signExtend(size, compute(value)));
    c.setGeneralRegister('v', size, result);
    setExplicitFlags(c, carry(value), i32(0), result);
  };

const belowLowest = (value: Expr): Expr => sub(value, i64(1));
const isolateLowest = lowestSetBit(
  (value) => and(value, sub(i64(0), value)),
  (value) => extendU(eqz32(eqz(value))),
);
const maskToLowest = lowestSetBit((value) => xor(value, belowLowest(value)), isZero);
const resetLowest = lowestSetBit((value) => and(value, belowLowest(value)), isZero);

/** `count` ones, held count of 0 to 64 and more. */
const lowOnes = (count: Expr): Expr => select(sub(shl(i64(1), count), i64(1)), i64(-1), ltU(count, i64(64)));

/** BEXTR: start in bits 7:0 of the control, length in bits 15:8. */
const extractBits: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const value = operand(c, shape);
  const control = c.hold(c.generalRegister('v', size));
  const start = c.hold(and(control, i64(0xff)));
  const length = c.hold(and(shrU(control, i64(8)), i64(0xff)));
  const shifted = select(shrU(value, start), i64(0), ltU(start, i64(64)));
  const result = c.hold(signExtend(size, and(shifted, lowOnes(length))));
  c.setReg('d', size, result);
  setLogicFlags(c, result);
};

const zeroHighBits: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const value = operand(c, shape);
  const index = c.hold(and(c.generalRegister('v', size), i64(0xff)));
  const result = c.hold(signExtend(size, and(value, lowOnes(index))));
  c.setReg('d', size, result);
  setExplicitFlags(c, extendU(gtU(index, i64(size * 8 - 1))), i32(0), result);
};

/** MULX: the high half goes to the destination, the low one to VEX.vvvv; where they are one register, it gets the high half. */
const multiplyWithoutFlags: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const b = operand(c, shape);
  const a = c.hold(c.gpr(RDX, size, false));
  const low = c.hold(mul(a, b));
  const high = c.hold(size === 8 ? highUnsigned(c, a, b) : shrU(low, i64(32)));
  c.setGeneralRegister('v', size, low);
  c.setReg('d', size, high);
};

/** SHLX, SHRX and SARX. */
const shiftWithoutFlags =
  (shift: (value: Expr, count: Expr) => Expr, signed: boolean): WarmSemantic =>
  (c, shape) => {
    const size = wide(shape);
    const value = operand(c, shape);
    const count = and(c.generalRegister('v', size), i64(size * 8 - 1));
    c.setReg('d', size, shift(signed ? signExtend(size, value) : value, count));
  };

const shiftLeftWithoutFlags = shiftWithoutFlags(shl, false);
const shiftRightWithoutFlags = shiftWithoutFlags(shrU, false);
const shiftArithmeticWithoutFlags = shiftWithoutFlags(shrS, true);

const rotateWithoutFlags: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const value = operand(c, shape);
  const count = and(c.imm(), i64(size * 8 - 1));
  // Two copies side by side, so that a 64-bit rotation rotates each.
  c.setReg('d', size, rotr(size === 8 ? value : or(value, shl(value, i64(32))), count));
};

/** Goes through the set bits of a mask from the lowest: `each` is given that bit alone, and `place`, the next bit of a row from bit 0 upwards. */
function overMask(c: OperandContext, mask: Expr, each: (bit: Expr, place: Expr, result: Expr) => Expr): Expr {
  const { f } = c;
  const rest = c.variable();
  const place = c.variable();
  const result = c.variable();
  f.set(rest, mask);
  f.set(place, i64(1));
  f.set(result, i64(0));
  const done = f.block();
  const next = f.loop();
  f.brIf(done, eqz(get(rest)));
  const bit = c.hold(and(get(rest), sub(i64(0), get(rest))));
  f.set(result, each(bit, get(place), get(result)));
  f.set(rest, xor(get(rest), bit));
  f.set(place, shl(get(place), i64(1)));
  f.br(next);
  f.end();
  f.end();
  return get(result);
}

/** `bit` where any of `value` is set, else 0. */
const where = (value: Expr, bit: Expr): Expr => select(i64(0), bit, eqz(value));

const depositBits: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const mask = operand(c, shape);
  const source = c.hold(c.generalRegister('v', size));
  c.setReg(
    'd',
    size,
    overMask(c, mask, (bit, place, result) => or(result, where(and(source, place), bit))),
  );
};

const gatherBits: WarmSemantic = (c, shape) => {
  const size = wide(shape);
  const mask = operand(c, shape);
  const source = c.hold(c.generalRegister('v', size));
  c.setReg(
    'd',
    size,
    overMask(c, mask, (bit, place, result) => or(result, where(and(source, bit), place))),
  );
};

/** ADCX and ADOX add with a carry in and out of one flag alone. */
const addWithCarry =
  (carry: (c: OperandContext) => Expr, setFlag: (c: OperandContext, value: Expr) => void): WarmSemantic =>
  (c, shape) => {
    const size = wide(shape);
    const a = operand(c, shape);
    const b = c.hold(c.reg('d', size, false));
    const carryIn = c.hold(carry(c));
    const sum = c.hold(add(a, b));
    const result = c.hold(add(sum, carryIn));
    const carryOut = c.hold(
      size === 4 ? shrU(result, i64(32)) : or(extendU(ltU(sum, a)), extendU(ltU(result, carryIn))),
    );
    c.setReg('d', size, result);
    setFlag(c, carryOut);
  };

const addWithCarryFlag = addWithCarry(carry64, setCarry);
const addWithOverflowFlag = addWithCarry(overflow64, setOverflow);

/** MOVBE, to a register or to memory. */
const moveReversed: WarmSemantic = (c, shape) => {
  const { size } = shape;
  const reversed = (value: Expr): Expr => shrU(reverseBytes(c, c.hold(value)), i64(64 - size * 8));
  if (shape.form === 'MR') c.store(size, c.ea(), reversed(c.reg('s', size, false)));
  else c.setReg('d', size, reversed(c.load(size, false, c.ea())));
};

/** CRC-32C's polynomial 11EDC6F41H, bits reversed. */
const POLYNOMIAL = 0x82f6_3b78n;

/** CRC32 accumulates in 32 bits; a 64-bit destination gets zeros above. */
const accumulateCrc: WarmSemantic = (c, shape) => {
  const { f } = c;
  const { size } = shape;
  const crc = c.variable();
  const left = c.variable();
  f.set(crc, xor(zeroExtend(size, operand(c, shape)), c.reg('d', 4, false)));
  f.set(left, i64(size * 8));
  const next = f.loop();
  f.set(crc, xor(shrU(get(crc), i64(1)), and(i64(POLYNOMIAL), sub(i64(0), and(get(crc), i64(1))))));
  f.set(left, sub(get(left), i64(1)));
  f.brIf(next, eqz32(eqz(get(left))));
  f.end();
  c.setReg('d', 4, get(crc));
};

export const BIT_MANIPULATION_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  popcnt: populationCount,
  tzcnt: trailingZeros,
  lzcnt: leadingZeros,
  andn: andNot,
  blsi: isolateLowest,
  blsmsk: maskToLowest,
  blsr: resetLowest,
  bextr: extractBits,
  bzhi: zeroHighBits,
  mulx: multiplyWithoutFlags,
  shlx: shiftLeftWithoutFlags,
  shrx: shiftRightWithoutFlags,
  sarx: shiftArithmeticWithoutFlags,
  rorx: rotateWithoutFlags,
  pdep: depositBits,
  pext: gatherBits,
  adcx: addWithCarryFlag,
  adox: addWithOverflowFlag,
  movbe: moveReversed,
  crc32: accumulateCrc,
};
