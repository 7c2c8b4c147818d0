/** Random code: bytes as chance gives them, or valid opcodes of the instruction table with random operands. */
import { INSTRUCTIONS } from '../../emulator/tables/instructions';
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import type { Random } from '../host-oracle/random';

export type CodeSize = 16 | 32 | 64;

/** Bytes that begin instructions worth trying more often than chance does. */
const PREFIXES = [0x0f, 0x0f, 0x0f, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0x48, 0x41] as const;
const SECOND_BYTES = [
  0x00, 0x01, 0x20, 0x22, 0x21, 0x23, 0xc7, 0x30, 0x32, 0x78, 0x79, 0x05, 0x07, 0x34, 0x35, 0xae, 0x38, 0x3a,
] as const;

const MANDATORY: Readonly<Record<string, number>> = { 66: 0x66, F2: 0xf2, F3: 0xf3 };
const VEX_PREFIX: Readonly<Record<string, number>> = { NP: 0, 66: 1, F3: 2, F2: 3 };
const VEX_MAP: Readonly<Record<string, number>> = { '0F': 1, '0F38': 2, '0F3A': 3 };

const little = (random: Random, size: number): number[] => {
  // Short distances keep branches within the code.
  const small = random.oneIn(2);
  const sign = random.oneIn(2) ? 0xff : 0;
  return Array.from({ length: size }, (_, i) => (small && i > 0 ? sign : random.below(256)));
};

const immediateSize = (code: string, word: boolean, long: boolean): number => {
  if (/^(u?Ib|Jb|level|L[a-z]+)$/.test(code)) return 1;
  if (code === 'uIw') return 2;
  if (code === 'Iz' || code === 'Jz') return word ? 2 : 4;
  if (code === 'Iv') return long ? 8 : word ? 2 : 4;
  if (code === 'Ap') return word ? 4 : 6;
  return 0;
};

/** ModR/M with a register or memory operand; most memory operands are near a register's value or an address in low RAM. */
function modrm(random: Random, reg: number, form: 'mem' | 'reg' | 'any', bits: CodeSize): number[] {
  const low = random.below(8);
  if (form === 'reg' || (form === 'any' && random.oneIn(3))) return [0xc0 | (reg << 3) | low];
  const mod = random.below(3);
  const displacement = (size: number): number[] =>
    size === 4 ? [...little(random, 2), random.oneIn(6) ? random.below(256) : 0, 0] : little(random, size);
  const bytes = [(mod << 6) | (reg << 3) | low];
  if (bits === 16) return [...bytes, ...displacement(mod === 0 ? (low === 6 ? 2 : 0) : mod)];
  const sib = low === 4 ? [random.below(256)] : [];
  const absolute = mod === 0 && (low === 5 || (low === 4 && (sib[0] & 7) === 5));
  return [...bytes, ...sib, ...displacement(absolute ? 4 : mod === 0 ? 0 : mod === 1 ? 1 : 4)];
}

function vex(random: Random, column: string): number[] {
  const [, length, prefix, map, w] = column.split('.');
  const inverted = random.oneIn(3) ? 0xe0 : random.below(8) << 5;
  const wide = w === 'W1' ? 0x80 : w === 'WIG' ? random.below(2) << 7 : 0;
  const long = length === '256' ? 4 : length === 'LIG' ? random.below(2) << 2 : 0;
  const source = random.oneIn(2) ? 0x78 : random.below(16) << 3;
  return [0xc4, inverted | VEX_MAP[map], wide | source | long | VEX_PREFIX[prefix]];
}

/** One instruction of a row with random operands, now and then with a prefix it has no use for. */
export function encode(random: Random, row: InstructionRow, bits: CodeSize): number[] {
  const tokens = row.opcode.split(' ');
  const bytes: number[] = [];
  const isVex = tokens[0].startsWith('VEX');
  let word = bits === 16;
  const address = bits === 16 ? !random.oneIn(4) : random.oneIn(12);
  const prefixes: number[] = [];
  if (bits === 16 ? !address : address) prefixes.push(0x67);
  const width: CodeSize = bits === 64 ? 64 : address ? 16 : 32;
  if (!isVex && !tokens.includes('NP') && tokens[0] !== '66' && random.oneIn(5)) {
    prefixes.push(0x66);
    word = !word;
  }
  if (random.oneIn(10)) prefixes.push(random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (row.lock && random.oneIn(4)) prefixes.push(0xf0);
  if (/^(movs|stos|lods|cmps|scas|ins|outs)$/.test(row.semantic.key) && random.oneIn(2)) {
    prefixes.push(random.pick([0xf2, 0xf3]));
  }
  let rex = bits === 64 && random.oneIn(2) ? 0x40 | random.below(16) : 0;
  let form: 'mem' | 'reg' | 'any' = 'any';
  let reg: number | undefined;
  let first = true;
  for (const token of tokens) {
    const plus = /^([0-9A-F]{2})\+[ri]$/.exec(token);
    if (token.startsWith('VEX')) bytes.push(...vex(random, token));
    else if (token === 'NP' || token === 'NFx') continue;
    else if (token.startsWith('REX.W')) rex = bits === 64 ? (token === 'REX.W' ? rex | 0x48 : rex & ~8) : rex;
    else if (first && token in MANDATORY && tokens.length > 1 && !isVex) prefixes.push(MANDATORY[token]);
    else if (token === '/r') reg = random.below(8);
    else if (token.startsWith('/')) reg = Number(token.slice(1));
    else if (token === 'mem' || token === 'reg') form = token;
    else if (plus !== null) bytes.push(parseInt(plus[1], 16) + random.below(8));
    else {
      bytes.push(parseInt(token, 16));
      first = false;
    }
  }
  if (reg !== undefined) bytes.push(...modrm(random, reg, form, width));
  const long = (rex & 8) !== 0;
  for (const code of row.operands) {
    const size = /^O[bv]$/.test(code) ? (bits === 64 ? 8 : width / 8) : immediateSize(code, word && !long, long);
    bytes.push(
      ...(size === 8 && code.startsWith('O') ? [...little(random, 2), 0, 0, 0, 0, 0, 0] : little(random, size)),
    );
  }
  return [...prefixes, ...(rex === 0 || isVex ? [] : [rex]), ...bytes];
}

const ANY = INSTRUCTIONS;
const LEGACY = INSTRUCTIONS.filter(({ mode }) => mode !== 'long');
const LONG = INSTRUCTIONS.filter(({ mode }) => mode !== 'legacy');
const UNITS = INSTRUCTIONS.filter(({ unit }) => unit !== undefined && unit !== 'vex');
const SYSTEM = INSTRUCTIONS.filter(({ semantic, unit }) => semantic.kind === 'cold' && unit === undefined);
const PLAIN = INSTRUCTIONS.filter(({ semantic, unit }) => semantic.kind === 'hot' && unit === undefined);

/** `size` bytes of code: plain random bytes thick with prefixes, or instructions of one kind or another. */
export function randomCode(random: Random, size: number, bits: CodeSize): Uint8Array {
  const code = random.bytes(size);
  for (let i = 0; i + 1 < size; i++) {
    if (!random.oneIn(12)) continue;
    code[i] = random.pick(PREFIXES);
    if (code[i] === 0x0f && random.oneIn(2)) code[i + 1] = random.pick(SECOND_BYTES);
  }
  if (random.oneIn(4)) return code;
  const valid = bits === 64 ? LONG : LEGACY;
  const rows = random.pick([ANY, valid, valid, UNITS, SYSTEM, PLAIN, PLAIN]);
  for (let at = 0; at < size;) {
    const row = random.oneIn(6) ? random.pick(valid) : random.pick(rows);
    const bytes = random.oneIn(40) ? [...random.bytes(1 + random.below(4))] : encode(random, row, bits);
    code.set(bytes.slice(0, size - at), at);
    at += bytes.length;
  }
  return code;
}
