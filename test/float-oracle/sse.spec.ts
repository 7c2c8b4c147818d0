import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  add,
  divide,
  fusedMultiplyAdd,
  multiply,
  squareRoot,
  subtract,
  type FusedSigns,
} from '../../emulator/float/arithmetic';
import { compare, maximum, minimum } from '../../emulator/float/compare';
import { convert, fromInteger, roundToIntegral, toInteger } from '../../emulator/float/convert';
import { BEFORE_FLAGS, FloatEnvironment, ROUNDING } from '../../emulator/float/environment';
import { BINARY16, BINARY32, BINARY64, type Format } from '../../emulator/float/format';
import { fromBinary16, toBinary16 } from '../../emulator/float/half';
import { unpack } from '../../emulator/float/unpack';
import { runOnHost, type FloatCase, type FloatOutcome } from './host';
import { operand, Random } from './operands';

const CASES = Number(process.env.FLOAT_ORACLE_CASES ?? '3000');
const SEED = Number(process.env.FLOAT_ORACLE_SEED ?? '1');
const SIGFPE = 8;

const MXCSR_AT = 24;
const XMM_AT = 160;

/** An instruction of XMM0, XMM1 and XMM2, and what the soft floats say to it. */
interface Form {
  readonly name: string;
  readonly code: readonly number[];
  /** Formats of the operands; undefined is a 64-bit integer. */
  readonly operands: readonly (Format | undefined)[];
  /** 'xmm' of that many bits, RAX or the flags ZF, PF and CF. */
  readonly result: number | 'rax32' | 'rax64' | 'flags';
  /** Exponents of the second operand lie this close to 0, give or take 70. */
  readonly span?: number;
  readonly compute: (env: FloatEnvironment, operands: readonly bigint[]) => bigint;
}

const binary = (
  name: string,
  opcode: number,
  operation: (format: Format, env: FloatEnvironment, a: bigint, b: bigint) => bigint,
): readonly Form[] =>
  [BINARY32, BINARY64].map((format) => ({
    name: `${name} ${format.name}`,
    code: [format === BINARY32 ? 0xf3 : 0xf2, 0x0f, opcode, 0xc1],
    operands: [format, format],
    result: format.width,
    compute: (env, [a, b]) => operation(format, env, a, b),
  }));

const unpacking =
  (operation: typeof add) =>
  (format: Format, env: FloatEnvironment, a: bigint, b: bigint): bigint =>
    operation(format, env, unpack(format, a, env), unpack(format, b, env));

/** ZF, PF and CF of COMISS. */
const RELATION_FLAGS = new Map([
  [-1, 0x01n],
  [0, 0x40n],
  [1, 0n],
  [2, 0x45n],
]);

const fused = (name: string, opcode: number, order: readonly number[], signs: FusedSigns): readonly Form[] =>
  [BINARY32, BINARY64].map((format) => ({
    name: `${name} ${format.name}`,
    code: [0xc4, 0xe2, format === BINARY64 ? 0xf1 : 0x71, opcode, 0xc2],
    operands: [format, format, format],
    result: format.width,
    compute: (env, operands) => {
      const [a, b, c] = order.map((i) => unpack(format, operands[i], env));
      return fusedMultiplyAdd(format, env, a, b, c, signs);
    },
  }));

const scalar = (format: Format): number => (format === BINARY32 ? 0xf3 : 0xf2);

const FORMS: readonly Form[] = [
  ...binary('ADDS', 0x58, unpacking(add)),
  ...binary('MULS', 0x59, unpacking(multiply)),
  ...binary('SUBS', 0x5c, unpacking(subtract)),
  ...binary('MINS', 0x5d, minimum),
  ...binary('DIVS', 0x5e, unpacking(divide)),
  ...binary('MAXS', 0x5f, maximum),
  ...binary('SQRTS', 0x51, (format, env, _, b) => squareRoot(format, env, unpack(format, b, env))),
  ...fused('VFMADD213S', 0xa9, [1, 0, 2], { negateProduct: false, negateAddend: false }),
  ...fused('VFMADD132S', 0x99, [0, 2, 1], { negateProduct: false, negateAddend: false }),
  ...fused('VFMADD231S', 0xb9, [1, 2, 0], { negateProduct: false, negateAddend: false }),
  ...fused('VFMSUB213S', 0xab, [1, 0, 2], { negateProduct: false, negateAddend: true }),
  ...fused('VFNMADD213S', 0xad, [1, 0, 2], { negateProduct: true, negateAddend: false }),
  ...fused('VFNMSUB213S', 0xaf, [1, 0, 2], { negateProduct: true, negateAddend: true }),
  {
    name: 'CVTSS2SD',
    code: [0xf3, 0x0f, 0x5a, 0xc1],
    operands: [BINARY64, BINARY32],
    result: 64,
    compute: (env, [, b]) => convert(BINARY64, env, unpack(BINARY32, b, env)),
  },
  {
    name: 'CVTSD2SS',
    code: [0xf2, 0x0f, 0x5a, 0xc1],
    operands: [BINARY32, BINARY64],
    result: 32,
    span: 150,
    compute: (env, [, b]) => convert(BINARY32, env, unpack(BINARY64, b, env)),
  },
  {
    // Four elements; the upper ones are 0.
    name: 'VCVTPH2PS',
    code: [0xc4, 0xe2, 0x79, 0x13, 0xc1],
    operands: [BINARY32, BINARY16],
    result: 32,
    compute: (env, [, b]) => fromBinary16(env, b),
  },
  {
    name: 'VCVTPS2PH',
    code: [0xc4, 0xe3, 0x79, 0x1d, 0xc8, 4],
    operands: [BINARY32, BINARY32],
    result: 16,
    span: 1,
    compute: (env, [, b]) => toBinary16(env, b),
  },
  ...[BINARY32, BINARY64].flatMap((format): readonly Form[] => [
    ...[0, 1, 2, 3, 4, 9].map((control): Form => ({
      name: `ROUNDS ${format.name} ${control}`,
      code: [0x66, 0x0f, 0x3a, format === BINARY32 ? 0x0a : 0x0b, 0xc1, control],
      operands: [format, format],
      result: format.width,
      compute: (env, [, b]) =>
        roundToIntegral(
          format,
          env,
          unpack(format, b, env),
          control & 4 ? env.rounding : control & 3,
          (control & 8) === 0,
        ),
    })),
    ...[false, true].flatMap((wide) =>
      [false, true].map((truncate): Form => ({
        name: `CVT${truncate ? 'T' : ''} ${format.name} to int${wide ? 64 : 32}`,
        code: [scalar(format), ...(wide ? [0x48] : []), 0x0f, truncate ? 0x2c : 0x2d, 0xc1],
        operands: [format, format],
        result: wide ? 'rax64' : 'rax32',
        compute: (env, [, b]) =>
          toInteger(
            { bits: wide ? 64 : 32, signed: true },
            env,
            unpack(format, b, env),
            truncate ? ROUNDING.ZERO : env.rounding,
          ),
      })),
    ),
    {
      name: `CVTSI2S ${format.name}`,
      code: [scalar(format), 0x48, 0x0f, 0x2a, 0xc0],
      operands: [format, undefined],
      result: format.width,
      compute: (env, [, b]) => fromInteger(format, env, BigInt.asIntN(64, b)),
    },
    ...[false, true].map((signalling): Form => ({
      name: `${signalling ? '' : 'U'}COMIS ${format.name}`,
      code: [...(format === BINARY64 ? [0x66] : []), 0x0f, signalling ? 0x2f : 0x2e, 0xc1],
      operands: [format, format],
      result: 'flags',
      compute: (env, [a, b]) =>
        RELATION_FLAGS.get(compare(env, unpack(format, a, env), unpack(format, b, env), signalling)) ?? 0n,
    })),
  ]),
];

interface Prepared {
  readonly form: Form;
  readonly operands: readonly bigint[];
  readonly mxcsr: number;
}

function prepare(random: Random, form: Form): Prepared {
  const base = form.operands.find((format) => format !== undefined) ?? BINARY64;
  const around = random.below(2 ** base.exponentBits);
  const operands = form.operands.map((format, i) => {
    if (format === undefined) return random.next() >> BigInt(random.below(64));
    const span = form.span ?? 30;
    const near = format.bias + random.below(2 * span) - span;
    const integral = typeof form.result === 'string' && i === 1;
    return operand(random, format, format === base && form.span === undefined && !integral ? around : near);
  });
  const masks = random.below(3) === 0 ? random.below(64) : 0x3f;
  const mxcsr =
    (masks << 7) | (random.below(4) << 13) | (random.below(3) === 0 ? random.pick([0x40, 0x8000, 0x8040]) : 0);
  return { form, operands, mxcsr };
}

function toCase({ form, operands, mxcsr }: Prepared): FloatCase {
  const state = new Uint8Array(512);
  const view = new DataView(state.buffer);
  view.setUint16(0, 0x37f, true);
  view.setUint32(MXCSR_AT, mxcsr, true);
  operands.forEach((bits, i) => view.setBigUint64(XMM_AT + i * 16, bits, true));
  const rax = form.operands[1] === undefined ? operands[1] : 0n;
  return { code: form.code, rax, state, data: new Uint8Array(256) };
}

function resultOf({ form }: Prepared, { state, rax, flags }: FloatOutcome): bigint {
  const view = new DataView(state.buffer, state.byteOffset);
  if (form.result === 'rax64') return rax;
  if (form.result === 'rax32') return rax & 0xffff_ffffn;
  if (form.result === 'flags') return BigInt(flags & 0x45);
  return BigInt.asUintN(form.result, view.getBigUint64(XMM_AT, true));
}

function disagreement(prepared: Prepared, outcome: FloatOutcome): string | undefined {
  const { form, operands, mxcsr } = prepared;
  const env = new FloatEnvironment().loadMxcsr(mxcsr);
  const computed = form.compute(env, operands);
  const flags = (env.unmasked & BEFORE_FLAGS) === 0 ? env.flags : env.flags & BEFORE_FLAGS;
  const reported = new DataView(outcome.state.buffer, outcome.state.byteOffset).getUint32(MXCSR_AT, true) & 0x3f;
  const trapped = outcome.signal === SIGFPE;
  const same =
    flags === reported && (env.unmasked !== 0) === trapped && (trapped || computed === resultOf(prepared, outcome));
  if (same) return undefined;
  const hex = (value: bigint): string => value.toString(16);
  return `${form.name} of ${operands.map(hex).join(', ')} under MXCSR ${mxcsr.toString(16)}: host ${hex(resultOf(prepared, outcome))} flags ${reported.toString(16)}${trapped ? ' trapped' : ''}, here ${hex(computed)} flags ${flags.toString(16)}`;
}

for (const [i, form] of FORMS.entries()) {
  test(`${form.name} is what the host says (seed ${SEED}, ${CASES} cases)`, () => {
    const random = new Random(SEED * 1000 + i);
    const prepared = Array.from({ length: CASES }, () => prepare(random, form));
    const outcomes = runOnHost(prepared.map(toCase));
    const found = prepared.flatMap((one, n) => disagreement(one, outcomes[n]) ?? []);
    assert.equal(found.length, 0, `${found.length} differ:\n${found.slice(0, 12).join('\n')}`);
  });
}
