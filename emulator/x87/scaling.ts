import type { ColdInstruction } from '../cpu/cold';
import { pack } from '../float/convert';
import { FLOAT_FLAG } from '../float/environment';
import { EXTENDED, infinity, zero } from '../float/format';
import { denormalTraps, invalid, propagate, propagateOne } from '../float/nan';
import { partialRemainder } from '../float/remainder';
import { roundAndPack } from '../float/round';
import { isNaN, KIND, type Unpacked } from '../float/unpack';
import { unpackInteger } from './arithmetic';
import { INDEFINITE, STATUS, type Fpu } from './fpu';
import { waiting } from './operands';

/** Exponents beyond this change nothing more about an overflow or underflow. */
const FAR = 0x1_0000;

/** SDM "FSCALE - Scale": ST(0) x 2^ST(1), ST(1) chopped. */
function scale({ env }: Fpu, a: Unpacked, b: Unpacked): bigint {
  if (isNaN(a) || isNaN(b)) return propagate(EXTENDED, env, a, b);
  if (b.kind === KIND.INFINITY) {
    if (a.kind === (b.negative ? KIND.INFINITY : KIND.ZERO)) return invalid(EXTENDED, env);
    if (denormalTraps(env, a)) return 0n;
    return b.negative ? zero(EXTENDED, a.negative) : infinity(EXTENDED, a.negative);
  }
  if (denormalTraps(env, a, b)) return 0n;
  if (a.kind !== KIND.FINITE) return pack(EXTENDED, env, a);
  const steps =
    b.kind === KIND.ZERO || b.exponent < 0
      ? 0
      : b.exponent > 16
        ? FAR
        : Number(b.significand >> BigInt(63 - b.exponent));
  const by = Math.min(steps, FAR) * (b.negative ? -1 : 1);
  return roundAndPack(EXTENDED, env, a.negative, a.significand, a.exponent - 63 + by, 64);
}

/** ST(0) = f(ST(0), ST(1)), neither popped. */
const ofTwo = (operation: (fpu: Fpu, a: Unpacked, b: Unpacked) => bigint): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    const missing = fpu.isEmpty(0) || fpu.isEmpty(1);
    const result = missing ? INDEFINITE : operation(fpu, fpu.st(0), fpu.st(1));
    if (missing ? fpu.underflow() : fpu.settle()) fpu.write(0, result);
  });

/** C0, C3, C1 hold bits 2, 1, 0 of the quotient; C2 says that the reduction goes on. */
const remainder = (nearest: boolean): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    if (fpu.isEmpty(0) || fpu.isEmpty(1)) {
      fpu.conditions(0, STATUS.C2);
      if (fpu.underflow()) fpu.write(0, INDEFINITE);
      return;
    }
    const { bits, quotient, complete } = partialRemainder(EXTENDED, fpu.env, fpu.st(0), fpu.st(1), nearest);
    fpu.conditions(0, STATUS.C2);
    if (!fpu.settle()) return;
    fpu.write(0, bits);
    if (quotient === undefined) return;
    fpu.conditions(
      (complete ? 0 : STATUS.C2) |
        (quotient & 4 ? STATUS.C0 : 0) |
        (quotient & 2 ? STATUS.C3 : 0) |
        (quotient & 1 ? STATUS.C1 : 0),
    );
  });

/** SDM "FXTRACT - Extract Exponent and Significand": the exponent takes ST(0)'s place, the significand is pushed. */
const extract = waiting((fpu) => {
  fpu.begin();
  const { env } = fpu;
  if (fpu.isEmpty(0) || !fpu.isEmpty(-1)) {
    if (fpu.isEmpty(0) ? fpu.underflow() : fpu.overflow()) {
      fpu.write(0, INDEFINITE);
      fpu.push(INDEFINITE);
    }
    return;
  }
  const a = fpu.st(0);
  let exponent: bigint;
  let significand: bigint;
  if (isNaN(a)) {
    exponent = propagateOne(EXTENDED, env, a);
    significand = exponent;
  } else if (a.kind === KIND.ZERO) {
    env.raise(FLOAT_FLAG.ZE);
    exponent = infinity(EXTENDED, true);
    significand = zero(EXTENDED, a.negative);
  } else if (a.kind === KIND.INFINITY) {
    exponent = infinity(EXTENDED, false);
    significand = infinity(EXTENDED, a.negative);
  } else {
    denormalTraps(env, a);
    exponent = pack(EXTENDED, env, unpackInteger(BigInt(a.exponent)));
    significand = pack(EXTENDED, env, { ...a, exponent: 0 });
  }
  if (!fpu.settle()) return;
  fpu.write(0, exponent);
  fpu.push(significand);
});

export const X87_SCALING: Readonly<Record<string, ColdInstruction>> = {
  fscale: ofTwo(scale),
  fprem: remainder(false),
  fprem1: remainder(true),
  fxtract: extract,
};
