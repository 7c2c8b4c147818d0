import type { ColdInstruction } from '../cpu/cold';
import { add, divide, multiply, squareRoot, subtract } from '../float/arithmetic';
import { roundToIntegral } from '../float/convert';
import type { FloatEnvironment } from '../float/environment';
import { denormalTraps } from '../float/nan';
import { BINARY32, BINARY64, EXTENDED, type Format } from '../float/format';
import { KIND, unpack, type Unpacked } from '../float/unpack';
import { bitLength } from '../float/bits';
import { INDEFINITE, type Fpu } from './fpu';
import { readOperand, waiting } from './operands';

type Operation = (target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked) => bigint;

const reversed =
  (operation: Operation): Operation =>
  (target, env, a, b) =>
    operation(target, env, b, a);

/** a is the destination. */
const OPERATIONS: Readonly<Record<string, Operation>> = {
  fadd: add,
  fmul: multiply,
  fsub: subtract,
  fsubr: reversed(subtract),
  fdiv: divide,
  fdivr: reversed(divide),
};

/** An integer, exact in the extended format. */
export function unpackInteger(value: bigint): Unpacked {
  if (value === 0n) return { kind: KIND.ZERO, negative: false, exponent: 0, significand: 0n, denormal: false };
  const magnitude = value < 0n ? -value : value;
  const length = bitLength(magnitude);
  const significand = magnitude << BigInt(64 - length);
  return { kind: KIND.FINITE, negative: value < 0n, exponent: length - 1, significand, denormal: false };
}

/** Memory operands by the suffix of the key. */
export const MEMORY_OPERANDS: Readonly<Record<string, (fpu: Fpu) => Unpacked>> = {
  m32: (fpu) => unpack(BINARY32, readOperand(fpu, 4)),
  m64: (fpu) => unpack(BINARY64, readOperand(fpu, 8)),
  i16: (fpu) => unpackInteger(BigInt.asIntN(16, readOperand(fpu, 2))),
  i32: (fpu) => unpackInteger(BigInt.asIntN(32, readOperand(fpu, 4))),
};

/** ST(0) = ST(0) op memory. */
const withMemory = (operation: Operation, read: (fpu: Fpu) => Unpacked): ColdInstruction =>
  waiting((fpu) => {
    const operand = read(fpu);
    fpu.begin();
    if (fpu.isEmpty(0)) {
      if (fpu.underflow()) fpu.write(0, INDEFINITE);
      return;
    }
    const result = operation(EXTENDED, fpu.env, fpu.st(0), operand);
    if (fpu.settle()) fpu.write(0, result);
  });

/** ST(destination) = ST(destination) op ST(source), of which one is 0 and the other the operand's. */
const withRegister = (operation: Operation, toOperand: boolean, pops: boolean): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    const destination = toOperand ? fpu.index : 0;
    const source = toOperand ? 0 : fpu.index;
    const missing = fpu.isEmpty(destination) || fpu.isEmpty(source);
    const result = missing ? INDEFINITE : operation(EXTENDED, fpu.env, fpu.st(destination), fpu.st(source));
    if (!(missing ? fpu.underflow() : fpu.settle())) return;
    fpu.write(destination, result);
    if (pops) fpu.pop();
  });

/** ST(0) = operation of ST(0). */
export const unary = (operation: (fpu: Fpu, a: Unpacked) => bigint): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    const missing = fpu.isEmpty(0);
    const result = missing ? INDEFINITE : operation(fpu, fpu.st(0));
    if (missing ? fpu.underflow() : fpu.settle()) fpu.write(0, result);
  });

const SIGN = 1n << 79n;

const sign = (change: (bits: bigint) => bigint): ColdInstruction =>
  waiting((fpu) => {
    fpu.begin();
    if (!fpu.isEmpty(0)) fpu.write(0, change(fpu.bits(0)));
    else if (fpu.underflow()) fpu.write(0, INDEFINITE);
  });

export const X87_ARITHMETIC: Readonly<Record<string, ColdInstruction>> = {
  ...Object.fromEntries(
    Object.entries(OPERATIONS).flatMap(([name, operation]) => [
      ...Object.entries(MEMORY_OPERANDS).map(
        ([suffix, read]) => [`${name}_${suffix}`, withMemory(operation, read)] as const,
      ),
      [`${name}_st0`, withRegister(operation, false, false)],
      [`${name}_sti`, withRegister(operation, true, false)],
      [`${name}p`, withRegister(operation, true, true)],
    ]),
  ),
  fsqrt: unary(({ env }, a) => squareRoot(EXTENDED, env, a)),
  frndint: unary(({ env }, a) => {
    if (denormalTraps(env, a)) return 0n;
    return roundToIntegral(EXTENDED, env, a, env.rounding, true);
  }),
  fchs: sign((bits) => bits ^ SIGN),
  fabs: sign((bits) => bits & ~SIGN),
};
