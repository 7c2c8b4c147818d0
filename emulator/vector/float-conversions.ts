import { COLD, type ColdInstruction } from '../cpu/cold';
import { raise, VECTOR } from '../cpu/faults';
import { operandLinear, writeRegister } from '../cpu/operands';
import type { Processor } from '../cpu/processor';
import type { DecodedRecord } from '../decode/decoded-record';
import { convert, fromInteger, toInteger } from '../float/convert';
import { type FloatEnvironment, ROUNDING } from '../float/environment';
import { BINARY32, BINARY64, type Format } from '../float/format';
import { fromBinary16, toBinary16 } from '../float/half';
import { unpack } from '../float/unpack';
import { X87 } from '../state/layout';
import { computeElements, countOf, FORMATS, SOURCE, writeElements, writeLowest } from './float-elements';
import { element, type ElementSize, setElement } from './registers';

type Operation = (env: FloatEnvironment, bits: bigint) => bigint;

const change =
  (from: Format, to: Format): Operation =>
  (env, bits) =>
    convert(to, env, unpack(from, bits, env));

const round =
  (from: Format, width: 32 | 64, truncates: boolean): Operation =>
  (env, bits) =>
    toInteger({ bits: width, signed: true }, env, unpack(from, bits, env), truncates ? ROUNDING.ZERO : env.rounding);

const fromSigned =
  (to: Format, width: 32 | 64): Operation =>
  (env, bits) =>
    fromInteger(to, env, BigInt.asIntN(width, bits));

/** Each element of the source, until the wider of the two fills the vector. */
const packed =
  (operation: Operation, from: 4 | 8, to: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const results = computeElements(cpu, countOf(insn, Math.max(from, to)), (env, i) =>
      operation(env, element(cpu, SOURCE, from, i)),
    );
    writeElements(cpu, insn, to, results);
    return COLD.NEXT;
  };

const scalar =
  (operation: Operation, from: 4 | 8, to: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const [result] = computeElements(cpu, 1, (env) => operation(env, element(cpu, SOURCE, from, 0)));
    writeLowest(cpu, insn, to, result);
    return COLD.NEXT;
  };

/** From the general register or memory operand that the emitted code has extended to 64 bits. */
const fromGeneral = (to: 4 | 8): ColdInstruction => scalar(fromSigned(FORMATS[to], 64), 8, to);

const toGeneral =
  (from: 4 | 8, truncates: boolean): ColdInstruction =>
  (cpu, insn) => {
    const size = insn.size === 8 ? 8 : 4;
    const operation = round(FORMATS[from], size === 8 ? 64 : 32, truncates);
    const [result] = computeElements(cpu, 1, (env) => operation(env, element(cpu, SOURCE, from, 0)));
    writeRegister(cpu, insn.d, size, result);
    return COLD.NEXT;
  };

/** Conversions that the emitted code leaves to soft floats. */
export const FLOAT_CONVERSION_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  cvtdq2ps: packed(fromSigned(BINARY32, 32), 4, 4),
  cvtps2dq: packed(round(BINARY32, 32, false), 4, 4),
  cvttps2dq: packed(round(BINARY32, 32, true), 4, 4),
  cvtpd2dq: packed(round(BINARY64, 32, false), 8, 4),
  cvttpd2dq: packed(round(BINARY64, 32, true), 8, 4),
  cvtps2pd: packed(change(BINARY32, BINARY64), 4, 8),
  cvtpd2ps: packed(change(BINARY64, BINARY32), 8, 4),
  cvtss2sd: scalar(change(BINARY32, BINARY64), 4, 8),
  cvtsd2ss: scalar(change(BINARY64, BINARY32), 8, 4),
  cvtsi2ss: fromGeneral(4),
  cvtsi2sd: fromGeneral(8),
  cvtss2si: toGeneral(4, false),
  cvtsd2si: toGeneral(8, false),
  cvttss2si: toGeneral(4, true),
  cvttsd2si: toGeneral(8, true),
};

// MMX

const ERROR_SUMMARY = 0x80;
const TOP = 0x3800;
const MMX_EXPONENT = 0xffff;

/** #MF where an x87 exception is pending. */
function checkPending(cpu: Processor): void {
  if ((cpu.memory.view.getUint16(X87.status, true) & ERROR_SUMMARY) !== 0) raise(VECTOR.MF);
}

/** The transition to MMX: all registers are valid, and TOP is 0. */
function enterMmx({ memory: { view } }: Processor): void {
  view.setUint16(X87.status, view.getUint16(X87.status, true) & ~TOP, true);
  view.setUint16(X87.tag, 0xff, true);
}

/** Elements of a register or memory operand, its alignment checked where it is 16 bytes long. */
function sourceElements(
  cpu: Processor,
  insn: DecodedRecord,
  size: ElementSize,
  count: number,
  aligned: boolean,
): readonly bigint[] {
  if (insn.isRegister) return Array.from({ length: count }, (_, i) => element(cpu, insn.s, size, i));
  const linear = operandLinear(cpu, insn, size * count, false);
  if (aligned && (linear & 15n) !== 0n) raise(VECTOR.GP, 0);
  return readElements(cpu, linear, size, count);
}

/** Reads the quadwords of an operand, and takes elements from them. */
function readElements(cpu: Processor, linear: bigint, size: ElementSize, count: number): readonly bigint[] {
  const quadwords = Array.from({ length: (size * count) / 8 }, (_, i) => cpu.mmu.read(linear + BigInt(8 * i), 8));
  return Array.from({ length: count }, (_, i) => {
    const at = i * size;
    return BigInt.asUintN(size * 8, quadwords[at >> 3] >> BigInt((at & 7) * 8));
  });
}

/** CVTPI2PS keeps the upper half of its destination. What reads memory has no part in MMX, and leaves the x87 alone. */
const fromMmx =
  (to: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    if (insn.isRegister) checkPending(cpu);
    const source = sourceElements(cpu, insn, 4, 2, false);
    if (insn.isRegister) enterMmx(cpu);
    const operation = fromSigned(FORMATS[to], 32);
    const results = computeElements(cpu, 2, (env, i) => operation(env, source[i]));
    results.forEach((value, i) => {
      setElement(cpu, insn.d, to, i, value);
    });
    return COLD.NEXT;
  };

const toMmx =
  (from: 4 | 8, truncates: boolean): ColdInstruction =>
  (cpu, insn) => {
    checkPending(cpu);
    const source = sourceElements(cpu, insn, from, 2, from === 8);
    enterMmx(cpu);
    const operation = round(FORMATS[from], 32, truncates);
    const [low, high] = computeElements(cpu, 2, (env, i) => operation(env, source[i]));
    const { view } = cpu.memory;
    view.setBigUint64(insn.d, low | (high << 32n), true);
    view.setUint16(insn.d + 8, MMX_EXPONENT, true);
    return COLD.NEXT;
  };

// Half precision

const widenHalves: ColdInstruction = (cpu, insn) => {
  const count = countOf(insn, 4);
  const source = sourceElements(cpu, insn, 2, count, false);
  const results = computeElements(cpu, count, (env, i) => fromBinary16(env, source[i]));
  writeElements(cpu, insn, 4, results);
  return COLD.NEXT;
};

/** Bit 2 of the immediate byte: round as MXCSR says. */
const BY_MXCSR = 4;

const narrowToHalves: ColdInstruction = (cpu, insn) => {
  const count = countOf(insn, 4);
  const { imm8 } = insn;
  const results = computeElements(cpu, count, (env, i) => {
    if ((imm8 & BY_MXCSR) === 0) env.rounding = imm8 & 3;
    return toBinary16(env, element(cpu, insn.s, 4, i));
  });
  if (insn.isRegister) {
    writeElements(cpu, insn, 2, results);
    return COLD.NEXT;
  }
  // A fault comes behind what MXCSR reports.
  const linear = operandLinear(cpu, insn, 2 * count, true);
  cpu.mmu.probeWrite(linear, 2 * count);
  for (let i = 0; i < count; i += 4) {
    const quadword = results.slice(i, i + 4).reduceRight((high, value) => (high << 16n) | value, 0n);
    cpu.mmu.write(linear + BigInt(2 * i), 8, quadword);
  }
  return COLD.NEXT;
};

/** Conversions that are TypeScript altogether. */
export const FLOAT_CONVERSION_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  cvtpi2ps: fromMmx(4),
  cvtpi2pd: fromMmx(8),
  cvtps2pi: toMmx(4, false),
  cvtpd2pi: toMmx(8, false),
  cvttps2pi: toMmx(4, true),
  cvttpd2pi: toMmx(8, true),
  vcvtph2ps: widenHalves,
  vcvtps2ph: narrowToHalves,
};
