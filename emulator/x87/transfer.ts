import type { ColdInstruction } from '../cpu/cold';
import { integerIndefinite, pack, toInteger, type IntegerType } from '../float/convert';
import { FLOAT_FLAG, ROUNDING } from '../float/environment';
import { BINARY32, BINARY64, defaultNaN, EXTENDED, type Format } from '../float/format';
import { isNaN, type Unpacked } from '../float/unpack';
import { MEMORY_OPERANDS, unpackInteger } from './arithmetic';
import { fromDecimal, packedIndefinite, toDecimal } from './decimal';
import { INDEFINITE, type Fpu } from './fpu';
import { noteOperand, notWaiting, readOperand, waiting, writeOperand } from './operands';

/** Denormals and signalling NaNs are met on the way in; an unmasked denormal does not keep the number from being loaded. */
function loadNumber(fpu: Fpu, read: (fpu: Fpu) => Unpacked): void {
  const value = read(fpu);
  fpu.begin();
  if (!fpu.isEmpty(-1)) {
    fpu.load(INDEFINITE);
    return;
  }
  const { env } = fpu;
  const bits = pack(EXTENDED, env, value);
  if (value.denormal && !isNaN(value)) env.raise(FLOAT_FLAG.DE);
  if (fpu.settle() || (env.unmasked & FLOAT_FLAG.IE) === 0) fpu.push(bits);
}

const load = (read: (fpu: Fpu) => Unpacked): ColdInstruction =>
  waiting((fpu) => {
    loadNumber(fpu, read);
  });

/** Stores what `compute` makes of ST(0); nothing is stored, and nothing popped, where an exception but inexactness is unmasked. */
const store = (
  size: 2 | 4 | 8 | 10,
  indefinite: bigint,
  compute: (fpu: Fpu) => bigint,
  pops: boolean,
): ColdInstruction =>
  waiting((fpu) => {
    const { env } = fpu;
    const missing = fpu.isEmpty(0);
    if (missing) env.raise(FLOAT_FLAG.IE);
    const value = missing ? indefinite : compute(fpu);
    const stores = (env.unmasked & ~FLOAT_FLAG.PE) === 0;
    // The memory operand may fault: until it is written nothing else changes. Where nothing is stored, it does not.
    if (stores) writeOperand(fpu, size, value);
    else noteOperand(fpu);
    fpu.begin();
    if (missing) fpu.underflow();
    else fpu.settle();
    if (stores && pops) fpu.pop();
  });

function toMemory(target: Format, fpu: Fpu): bigint {
  const { env } = fpu;
  const bits = pack(target, env, fpu.st(0));
  if ((env.unmasked & (FLOAT_FLAG.OE | FLOAT_FLAG.UE)) !== 0) {
    // Nothing is stored, and so nothing is inexact.
    env.flags &= ~FLOAT_FLAG.PE;
    env.roundedUp = false;
  }
  return bits;
}

const storeNumber = (target: Format, pops: boolean): ColdInstruction =>
  store(target === BINARY32 ? 4 : 8, defaultNaN(target), (fpu) => toMemory(target, fpu), pops);

const storeInteger = (bits: IntegerType['bits'], truncates: boolean, pops: boolean): ColdInstruction => {
  const type: IntegerType = { bits, signed: true };
  return store(
    (bits / 8) as 2 | 4 | 8,
    integerIndefinite(type),
    (fpu) => toInteger(type, fpu.env, fpu.st(0), truncates ? ROUNDING.ZERO : fpu.env.rounding),
    pops,
  );
};

/** FST and FSTP to a register. */
const storeRegister = (pops: boolean): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    const missing = fpu.isEmpty(0);
    if (missing && !fpu.underflow()) return;
    fpu.write(fpu.index, missing ? INDEFINITE : fpu.bits(0));
    if (pops) fpu.pop();
  });

/** FSTPNCE, an encoding no manual lists: an empty ST(0) is no exception and leaves ST(i) alone. */
const storeQuietly = waiting((fpu) => {
  fpu.begin();
  if (!fpu.isEmpty(0)) fpu.write(fpu.index, fpu.bits(0));
  fpu.pop();
});

const loadRegister = waiting((fpu) => {
  fpu.begin();
  if (!fpu.isEmpty(fpu.index)) fpu.load(fpu.bits(fpu.index));
  else if (fpu.underflow()) fpu.push(INDEFINITE);
});

const exchange = waiting((fpu) => {
  fpu.begin();
  const i = fpu.index;
  const missing = fpu.isEmpty(0) || fpu.isEmpty(i);
  if (missing && !fpu.underflow()) return;
  const first = fpu.isEmpty(0) ? INDEFINITE : fpu.bits(0);
  const second = fpu.isEmpty(i) ? INDEFINITE : fpu.bits(i);
  fpu.write(0, second);
  fpu.write(i, first);
});

const free = (pops: boolean): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    fpu.free(fpu.index);
    if (pops) fpu.pop();
  });

const rotate = (by: number): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    fpu.top = fpu.top + by;
  });

export const X87_TRANSFER: Readonly<Record<string, ColdInstruction>> = {
  fld_m32: load(MEMORY_OPERANDS.m32),
  fld_m64: load(MEMORY_OPERANDS.m64),
  fild_i16: load(MEMORY_OPERANDS.i16),
  fild_i32: load(MEMORY_OPERANDS.i32),
  fild_i64: load((fpu) => unpackInteger(BigInt.asIntN(64, readOperand(fpu, 8)))),
  fld_m80: waiting((fpu) => {
    const bits = readOperand(fpu, 10);
    fpu.begin();
    fpu.load(bits);
  }),
  fbld: waiting((fpu) => {
    const bits = fromDecimal(readOperand(fpu, 10));
    fpu.begin();
    fpu.load(bits);
  }),
  fld: loadRegister,
  fst_m32: storeNumber(BINARY32, false),
  fst_m64: storeNumber(BINARY64, false),
  fstp_m32: storeNumber(BINARY32, true),
  fstp_m64: storeNumber(BINARY64, true),
  fstp_m80: store(10, INDEFINITE, (fpu) => fpu.bits(0), true),
  fist_i16: storeInteger(16, false, false),
  fist_i32: storeInteger(32, false, false),
  fistp_i16: storeInteger(16, false, true),
  fistp_i32: storeInteger(32, false, true),
  fistp_i64: storeInteger(64, false, true),
  fisttp_i16: storeInteger(16, true, true),
  fisttp_i32: storeInteger(32, true, true),
  fisttp_i64: storeInteger(64, true, true),
  fbstp: store(10, packedIndefinite, (fpu) => toDecimal(fpu.env, fpu.st(0)), true),
  fst: storeRegister(false),
  fstp: storeRegister(true),
  fstpnce: storeQuietly,
  fxch: exchange,
  ffree: free(false),
  ffreep: free(true),
  fincstp: rotate(1),
  fdecstp: rotate(-1),
  fnop: waiting((fpu) => {
    fpu.begin(false);
  }),
  // FENI, FDISI and FSETPM of earlier coprocessors do nothing.
  fnop_8087: notWaiting(() => undefined),
};
