import { BINARY32, BINARY64, EXTENDED, type Format } from '../../emulator/float/format';
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import type { FloatCase, FloatOutcome } from './host';
import { operand, type Random } from './operands';

/** Encodings of a row: [RBX + 32] or every ST(i). */
function encodings(row: InstructionRow, random: Random): readonly number[] {
  const [, first, rest] = /^(?:NP )?([0-9A-F]{2})(?: (.*))?$/.exec(row.opcode) ?? [];
  const opcode = parseInt(first, 16);
  if (rest === undefined) return [opcode];
  const digit = /^\/([0-7]) mem$/.exec(rest);
  if (digit) return [opcode, 0x43 | (Number(digit[1]) << 3), 32];
  const register = /^([0-9A-F]{2})(\+i)?$/.exec(rest);
  if (!register) throw new Error(row.opcode);
  return [opcode, parseInt(register[1], 16) + (register[2] ? random.below(8) : 0)];
}

const MEMORY_FORMATS: Readonly<Record<string, Format>> = { m32: BINARY32, m64: BINARY64, m80: EXTENDED };

function memoryOperand(random: Random, key: string, around: number): bigint {
  const format = MEMORY_FORMATS[key.slice(-3)];
  if (format === EXTENDED) return operand(random, EXTENDED, around);
  if (format !== undefined) return operand(random, format, format.bias + random.below(80) - 40);
  if (key === 'fbld') {
    let decimal = random.below(2) === 0 ? 0n : 1n << 79n;
    for (let i = 0; i < 18; i++) decimal |= BigInt(random.below(10)) << BigInt(i * 4);
    return random.below(8) === 0 ? decimal & (1n << 79n) : decimal;
  }
  if (key === 'fldcw') return random.next() & 0xffffn;
  return random.next() >> BigInt(random.below(64));
}

/** A case of a row of the instruction table. */
export interface Prepared extends FloatCase {
  readonly row: InstructionRow;
}

/** A random case: any stack, control word, flags and tags, numbers that suit the instruction. */
export function prepare(random: Random, row: InstructionRow): Prepared {
  const { key } = row.semantic;
  const state = new Uint8Array(512);
  const view = new DataView(state.buffer);
  const masks = random.below(3) === 0 ? random.below(64) : 0x3f;
  const control = masks | 0x40 | (random.below(4) << 10) | (random.pick([0, 2, 3, 3]) << 8);
  view.setUint16(0, control, true);
  const flags = random.below(4) === 0 ? random.below(128) : 0;
  const pending = (flags & ~masks & 0x3f) !== 0 ? 0x8080 : 0;
  view.setUint16(2, flags | pending | (random.below(8) << 11) | (random.below(16) & 7 ? 0 : 0x4700), true);
  view.setUint8(4, random.below(6) === 0 ? random.below(256) : random.pick([0xff, 0x7f, 0xfe, 0xef, 0xff]));
  view.setUint16(6, random.below(0x800), true);
  view.setBigUint64(8, 0x1234_5678_9abcn, true);
  view.setBigUint64(16, 0x4321_8765_fedcn, true);
  view.setUint32(24, 0x1f80, true);
  const toInteger = /fist|fbst|frnd|_m32|_m64|_i/.test(key) && random.below(2) === 0;
  const around = toInteger
    ? EXTENDED.bias + 20
    : random.below(4) === 0
      ? random.below(0x7fff)
      : EXTENDED.bias + random.below(160) - 80;
  for (let i = 0; i < 8; i++) {
    const bits =
      key === 'fscale' && i === 1 ? operand(random, EXTENDED, EXTENDED.bias + 60) : operand(random, EXTENDED, around);
    view.setBigUint64(32 + i * 16, BigInt.asUintN(64, bits), true);
    view.setUint16(40 + i * 16, Number(bits >> 64n), true);
  }
  const data = new Uint8Array(256);
  if (key === 'frstor' || key === 'fldenv') for (let i = 0; i < 160; i++) data[i] = random.below(256);
  else {
    const bits = memoryOperand(random, key, around);
    const at = new DataView(data.buffer);
    at.setBigUint64(32, BigInt.asUintN(64, bits), true);
    at.setUint16(40, Number((bits >> 64n) & 0xffffn), true);
  }
  return { row, code: encodings(row, random), rax: random.next(), state, data };
}

/** What must agree: the x87 part of the state, memory, RAX, and the arithmetic flags. */
export function significant({ signal, rax, flags, rip, state, data }: FloatOutcome): Readonly<Record<string, string>> {
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  const hex = (value: number | bigint): string => value.toString(16);
  const registers = Array.from({ length: 8 }, (_, i): [string, string] => [
    `ST${i}`,
    hex(view.getBigUint64(32 + i * 16, true) | (BigInt(view.getUint16(40 + i * 16, true)) << 64n)),
  ]);
  return {
    signal: String(signal),
    rax: hex(rax),
    flags: hex(flags & 0x8d5),
    rip: hex(rip),
    control: hex(view.getUint16(0, true)),
    status: hex(view.getUint16(2, true)),
    tags: hex(view.getUint8(4)),
    fop: hex(view.getUint16(6, true)),
    fip: hex(view.getBigUint64(8, true)),
    fdp: hex(view.getBigUint64(16, true)),
    ...Object.fromEntries(registers),
    ...Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`data${i * 4}`, Buffer.from(data.slice(i * 4, i * 4 + 4)).toString('hex')]),
    ),
  };
}

/** What differs, in a sentence; undefined where nothing does. */
export function disagreement(prepared: Prepared, host: FloatOutcome, here: FloatOutcome): string | undefined {
  const wanted = significant(host);
  const found = significant(here);
  const fields = Object.keys(wanted).filter((name) => wanted[name] !== found[name]);
  if (fields.length === 0) return undefined;
  const before = significant({ signal: 0, rip: 0n, flags: 0, ...prepared });
  const start = ['control', 'status', 'tags', 'ST0', 'ST1'].map((name) => `${name} ${before[name]}`).join(' ');
  const operandBytes = Buffer.from(prepared.data.slice(32, 42).reverse()).toString('hex');
  const code = prepared.code.map((byte) => byte.toString(16)).join(' ');
  return `${prepared.row.semantic.key} [${code}] ${start} memory ${operandBytes}: ${fields
    .map((name) => `${name} host ${wanted[name]} here ${found[name]}`)
    .join('; ')}`;
}
