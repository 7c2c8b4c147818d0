import type { ColdInstruction } from '../cpu/cold';
import { FLOAT_FLAG, type FloatEnvironment } from '../float/environment';
import { EXTENDED, infinity, zero } from '../float/format';
import { denormalTraps, invalid, propagate, propagateOne } from '../float/nan';
import { pack } from '../float/convert';
import {
  angle,
  cosineOf,
  logarithm2,
  logarithm2PlusOne,
  power2MinusOne,
  sineOf,
  tangentOf,
} from '../float/transcendental';
import { isNaN, KIND, type Unpacked } from '../float/unpack';
import { unary } from './arithmetic';
import { INDEFINITE, STATUS, type Fpu } from './fpu';
import { waiting } from './operands';

const INTEGER_BIT = 1n << 63n;
const ONE = (0x3fffn << 64n) | INTEGER_BIT;
const MINUS_ONE = (1n << 79n) | ONE;

/** Arguments of this exponent and more are out of range: C2 is set and nothing is computed. */
const OUT_OF_RANGE = 63;

const exceedsOne = ({ exponent, significand }: Unpacked): boolean =>
  exponent > 0 || (exponent === 0 && significand > INTEGER_BIT);

/** Where a result is undefined the processor gives the argument back and calls it inexact. */
function unchanged(env: FloatEnvironment, a: Unpacked): bigint {
  env.raise(FLOAT_FLAG.PE);
  return pack(EXTENDED, env, a);
}

/** SDM "F2XM1 - Compute 2x-1". Arguments beyond 1, whose result is undefined, come back as they are. */
const power = unary(({ env }, a) => {
  if (isNaN(a)) return propagateOne(EXTENDED, env, a);
  if (a.kind === KIND.INFINITY) return a.negative ? MINUS_ONE : infinity(EXTENDED, false);
  if (denormalTraps(env, a)) return 0n;
  if (a.kind === KIND.ZERO) return zero(EXTENDED, a.negative);
  if (exceedsOne(a)) return unchanged(env, a);
  // 2 - 1 and 1/2 - 1: exact, which the processor does not see.
  if (a.exponent === 0) {
    env.raise(FLOAT_FLAG.PE);
    return a.negative ? MINUS_ONE - (1n << 64n) : ONE;
  }
  return power2MinusOne(env, a);
});

/** Sign of log2(x): x against 1, also for infinities and zero. */
const logarithmSign = (x: Unpacked): -1 | 0 | 1 => {
  if (x.kind === KIND.INFINITY) return 1;
  if (x.kind === KIND.ZERO || x.exponent < 0) return -1;
  return x.exponent === 0 && x.significand === INTEGER_BIT ? 0 : 1;
};

/** SDM "FYL2X - Compute y * log2x", of x in ST(0) and y in ST(1). */
function yLog2x(env: FloatEnvironment, x: Unpacked, y: Unpacked): bigint {
  if (isNaN(x) || isNaN(y)) return propagate(EXTENDED, env, x, y);
  if (x.negative && x.kind !== KIND.ZERO) return invalid(EXTENDED, env);
  const sign = logarithmSign(x);
  const negative = y.negative !== sign < 0;
  if (x.kind === KIND.ZERO || x.kind === KIND.INFINITY) {
    if (y.kind === KIND.ZERO) return invalid(EXTENDED, env);
    if (x.kind === KIND.ZERO && y.kind === KIND.FINITE) env.raise(FLOAT_FLAG.ZE);
    else if (denormalTraps(env, y)) return 0n;
    return infinity(EXTENDED, negative);
  }
  if (y.kind === KIND.INFINITY && sign === 0) return invalid(EXTENDED, env);
  if (denormalTraps(env, x, y)) return 0n;
  if (y.kind === KIND.INFINITY) return infinity(EXTENDED, negative);
  if (y.kind === KIND.ZERO || sign === 0) return zero(EXTENDED, negative);
  return logarithm2(env, y, x);
}

/** SDM "FYL2XP1 - Compute y * log2(x +1)". Where its result is undefined it is computed all the same, as long as there is a logarithm. */
function yLog2xPlusOne(env: FloatEnvironment, x: Unpacked, y: Unpacked): bigint {
  if (isNaN(x) || isNaN(y)) return propagate(EXTENDED, env, x, y);
  const negative = x.negative !== y.negative;
  if (x.kind === KIND.INFINITY && (x.negative || y.kind === KIND.ZERO)) return invalid(EXTENDED, env);
  if (x.kind === KIND.ZERO && y.kind === KIND.INFINITY) return invalid(EXTENDED, env);
  if (denormalTraps(env, x, y)) return 0n;
  if (x.kind === KIND.INFINITY || y.kind === KIND.INFINITY) return infinity(EXTENDED, negative);
  if (x.kind === KIND.ZERO || y.kind === KIND.ZERO) return zero(EXTENDED, negative);
  if (x.negative && x.exponent >= 0) return unchanged(env, x);
  return logarithm2PlusOne(env, y, x);
}

/** Stands for a multiple of pi/4 as the angle of a point with such coordinates. */
const pointAt = (value: Unpacked, other: Unpacked): Unpacked => {
  const exponent = value.kind === KIND.INFINITY || other.kind === KIND.ZERO ? 0 : -1000;
  return { kind: KIND.FINITE, negative: value.negative, exponent, significand: INTEGER_BIT, denormal: false };
};

/** SDM "FPATAN - Partial Arctangent", of x in ST(0) and y in ST(1). */
function arctangent(env: FloatEnvironment, x: Unpacked, y: Unpacked): bigint {
  if (isNaN(x) || isNaN(y)) return propagate(EXTENDED, env, x, y);
  if (denormalTraps(env, x, y)) return 0n;
  const flat = y.kind === KIND.ZERO || (x.kind === KIND.INFINITY && y.kind !== KIND.INFINITY);
  if (flat && !x.negative) return zero(EXTENDED, y.negative);
  if (x.kind === KIND.FINITE && y.kind === KIND.FINITE) return angle(env, y, x);
  if (flat)
    return angle(env, { ...pointAt(x, x), negative: y.negative, exponent: -1000 }, { ...pointAt(x, x), exponent: 0 });
  return angle(env, pointAt(y, x), pointAt(x, y));
}

/** ST(1) = f(ST(0), ST(1)), then a pop. */
const intoSecond = (operation: (env: FloatEnvironment, x: Unpacked, y: Unpacked) => bigint): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    const missing = fpu.isEmpty(0) || fpu.isEmpty(1);
    const result = missing ? INDEFINITE : operation(fpu.env, fpu.st(0), fpu.st(1));
    if (!(missing ? fpu.underflow() : fpu.settle())) return;
    fpu.write(1, result);
    fpu.pop();
  });

/** Result of a circular function where the argument alone decides it: `ofZero` is what a zero gives. */
function circularSpecial(env: FloatEnvironment, a: Unpacked, ofZero: bigint): bigint | undefined {
  if (isNaN(a)) return propagateOne(EXTENDED, env, a);
  if (a.kind === KIND.INFINITY) return invalid(EXTENDED, env);
  if (denormalTraps(env, a)) return 0n;
  return a.kind === KIND.ZERO ? ofZero : undefined;
}

const isOutOfRange = ({ kind, exponent }: Unpacked): boolean => kind === KIND.FINITE && exponent >= OUT_OF_RANGE;

/** What the circular functions share; `compute` gives the results for ST(0) and, if there is a second one, to be pushed. */
const circular = (pushes: boolean, compute: (fpu: Fpu, a: Unpacked) => readonly [bigint, bigint]): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    if (fpu.isEmpty(0) || (pushes && !fpu.isEmpty(-1))) {
      fpu.conditions(0, STATUS.C2);
      if (!(fpu.isEmpty(0) ? fpu.underflow() : fpu.overflow())) return;
      fpu.write(0, INDEFINITE);
      if (pushes) fpu.push(INDEFINITE);
      return;
    }
    const a = fpu.st(0);
    fpu.conditions(isOutOfRange(a) ? STATUS.C2 : 0, STATUS.C2);
    if (isOutOfRange(a)) return;
    const [first, second] = compute(fpu, a);
    if (!fpu.settle()) return;
    fpu.write(0, first);
    if (pushes) fpu.push(second);
  });

export const X87_TRANSCENDENTAL: Readonly<Record<string, ColdInstruction>> = {
  f2xm1: power,
  fyl2x: intoSecond(yLog2x),
  fyl2xp1: intoSecond(yLog2xPlusOne),
  fpatan: intoSecond(arctangent),
  fsin: circular(false, ({ env }, a) => [circularSpecial(env, a, zero(EXTENDED, a.negative)) ?? sineOf(env, a), 0n]),
  fcos: circular(false, ({ env }, a) => [circularSpecial(env, a, ONE) ?? cosineOf(env, a), 0n]),
  fptan: circular(true, ({ env }, a) => {
    const special = circularSpecial(env, a, zero(EXTENDED, a.negative));
    if (special === undefined) return [tangentOf(env, a), ONE];
    return [special, isNaN(a) || a.kind === KIND.INFINITY ? special : ONE];
  }),
  fsincos: circular(true, ({ env }, a) => {
    const special = circularSpecial(env, a, zero(EXTENDED, a.negative));
    if (special === undefined) {
      const second = cosineOf(env, a);
      return [sineOf(env, a), second];
    }
    return [special, a.kind === KIND.ZERO ? ONE : special];
  }),
};
