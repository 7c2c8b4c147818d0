import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import * as iced from 'iced-x86';
import { GPR, PSEUDO, X87, X87_REGISTER_SIZE, YMM, YMM_SIZE } from '../state/layout';
import { INSTRUCTIONS } from '../tables/instructions';
import { admitsMemory } from './compiled-row';
import { Decoder, type DecodeMode } from './decoder';

const SEED = 0x5eed;
const CASES_PER_MODE = Number(process.env.DECODER_CASES ?? 35_000);
/** Instructions of each real program at most. */
const REAL_INSTRUCTIONS = CASES_PER_MODE * 3;

const MODES: Readonly<Record<16 | 32 | 64, DecodeMode>> = {
  16: { codeSize: 16, stackSize: 2, flat: false },
  32: { codeSize: 32, stackSize: 4, flat: true },
  64: { codeSize: 64, stackSize: 8, flat: true },
};

const xorshift = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
};

const PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0x66, 0x67, 0x67, 0xf0, 0xf2, 0xf3, 0x41, 0x44, 0x48, 0x4f];

/** Random bytes with a plausible start: a few prefixes, then one of the opcode maps, VEX or x87. */
const fill = (bytes: Uint8Array, random: () => number): void => {
  for (let i = 0; i < bytes.length; i++) bytes[i] = random() >>> 11;
  let at = 0;
  while (random() % 5 < 2 && at < 6) bytes[at++] = PREFIXES[(random() >>> 7) % PREFIXES.length];
  const map = (random() >>> 9) % 20;
  if (map < 8) bytes[at++] = 0x0f;
  if (map === 0) bytes[at] = 0x38;
  if (map === 1) bytes[at] = 0x3a;
  if (map === 8) bytes[at] = 0xc5;
  if (map === 9 || map === 10) {
    bytes[at] = 0xc4;
    bytes[at + 1] = (bytes[at + 1] & 0xe0) | (1 + ((random() >>> 5) % 3));
  }
  if (map === 11) bytes[at] = 0xd8 | (bytes[at] & 7);
  // Most VEX instructions of one source demand that vvvv is all ones.
  if (map >= 8 && map <= 10 && random() % 2 === 0) bytes[map === 8 ? at + 1 : at + 2] |= 0x78;
};

const MNEMONICS = new Set(INSTRUCTIONS.flatMap((row) => row.mnemonic.toLowerCase().split('/')));

/** Names iced has for what the machine's table calls otherwise, because the extension is not advertised or does nothing. */
const NOPS = /^(nop|reservednop|prefetch.*|endbr(32|64)|cldemote|bnd.*|rdssp[dq]|clflush|lfence|mfence|sfence)$/;
const ALIASES: Readonly<Record<string, string>> = {
  sal: 'shl',
  pcmpestrm64: 'pcmpestrm',
  pcmpestri64: 'pcmpestri',
  vpcmpestrm64: 'vpcmpestrm',
  vpcmpestri64: 'vpcmpestri',
  wbnoinvd: 'wbinvd',
  getsecq: 'getsec',
  sysretq: 'sysret',
  sysexitq: 'sysexit',
};

const sameMnemonic = (ours: string, theirs: string): boolean => {
  const names = ours.toLowerCase().split('/');
  const name = ALIASES[theirs] ?? theirs;
  if (names.includes(name)) return true;
  if (ours === 'NOP' || ours === 'PREFETCHW') return NOPS.test(theirs);
  return names.includes('popa') && theirs === 'popad';
};

/** Instructions iced decodes that the modelled processor has only in 64-bit mode. */
const LONG_ONLY = new Set(['syscall', 'sysret']);

const decoder = new Decoder();

const REGISTER_NAME = (() => {
  const map = new Map<number, number>();
  const whole = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'];
  const numbers: Readonly<Record<string, number>> = iced.Register as unknown as Readonly<Record<string, number>>;
  const set = (name: string, address: number): void => void map.set(numbers[name], address);
  whole.forEach((name, i) => {
    for (const prefix of ['', 'E', 'R']) set(prefix + name, GPR + i * 8);
    set(i < 4 ? `${name[0]}L` : `${name}L`, GPR + i * 8);
    if (i < 4) set(`${name[0]}H`, GPR + i * 8 + 1);
  });
  for (let i = 8; i < 16; i++) for (const suffix of ['', 'D', 'W', 'L']) set(`R${i}${suffix}`, GPR + i * 8);
  for (let i = 0; i < 16; i++) for (const prefix of ['XMM', 'YMM']) set(`${prefix}${i}`, YMM + i * YMM_SIZE);
  for (let i = 0; i < 8; i++) set(`MM${i}`, X87.registers + i * X87_REGISTER_SIZE);
  set('None', PSEUDO.ZERO);
  return map;
})();

/** Registers that an opcode implies and no field names. */
const FIXED: ReadonlySet<string> = new Set(['CL', 'DX', 'AX']);

/** Which field of a decoded instruction names an operand. */
type Place = 'd' | 's' | 'v' | 'w';

/** The field of each operand: VEX.vvvv and the immediate's register have their own, the others are d and s in order. */
const operandPlaces = (operands: readonly string[]): readonly Place[] => {
  let next: Place = 'd';
  return operands.map((code) => {
    if (/^[HB][a-z]/.test(code)) return 'v';
    if (/^L[a-z]|^XMM0/.test(code)) return 'w';
    const place = next;
    next = 's';
    return place;
  });
};

/** State address of the register in a field. */
const addressAt = (place: Place): number => {
  const { decoded } = decoder;
  switch (place) {
    case 'd':
      return decoded.d;
    case 's':
      return decoded.s;
    case 'v':
      return Number((decoded.imm >> 32n) & 0xffffn);
    case 'w':
      return Number((decoded.imm >> 48n) & 0xffffn);
  }
};

const IMPLICIT_DESTINATION: ReadonlySet<iced.OpKind> = new Set([
  iced.OpKind.MemorySegDI,
  iced.OpKind.MemorySegEDI,
  iced.OpKind.MemorySegRDI,
]);

/** Differences between the decoded operands and iced's, as text. */
const operandDifference = (theirs: iced.Instruction, mode: DecodeMode): string => {
  const ours = decoder.decoded;
  const row = INSTRUCTIONS[ours.row];
  if (row.semantic.key === 'nop' || row.mnemonic.startsWith('UD')) return '';
  const differences: string[] = [];
  const registers: number[] = [];
  const places = operandPlaces(row.operands);
  // MASKMOVQ and its kin have an operand at rDI that the table does not list.
  // ST is not listed either where an instruction has just one other operand.
  const lacksStack = row.operands.length === 1 && row.operands[0] === 'STi' && theirs.opCount === 2;
  const skipped = IMPLICIT_DESTINATION.has(theirs.opKind(0)) || lacksStack ? 1 : 0;
  row.operands.forEach((code, at) => {
    const i = at + skipped;
    if (i >= theirs.opCount || code === '1') return;
    const kind = theirs.opKind(i);
    if (kind === iced.OpKind.Register) {
      const named = theirs.opRegister(i);
      const address = REGISTER_NAME.get(named);
      if (code === 'STi') {
        if (Number(ours.imm & 7n) !== named - iced.Register.ST0) differences.push('stack register');
      } else if (address !== undefined && !FIXED.has(code)) registers.push(addressAt(places[at]), address);
    } else if (kind === iced.OpKind.Memory && !admitsMemory(code)) differences.push(`operand ${i} is memory`);
    else if (kind === iced.OpKind.Memory) {
      const rip = theirs.isIpRelMemoryOperand;
      if (rip !== ours.ripRelative) differences.push('rip-relative');
      if (!rip && REGISTER_NAME.get(theirs.memoryBase) !== ours.base) differences.push('base');
      if (REGISTER_NAME.get(theirs.memoryIndex) !== ours.index) differences.push('index');
      if (ours.index !== PSEUDO.ZERO && theirs.memoryIndexScale !== 1 << ours.scale) differences.push('scale');
      const popped = row.mnemonic === 'POP' && ours.base === GPR + 32 ? BigInt(ours.shape.size) : 0n;
      const bits = mode.codeSize === 64 ? 64 : 32;
      const disp = BigInt.asUintN(Math.min(bits, 8 * (1 << (ours.prefixes >> 6))), ours.disp - popped);
      const width = Math.min(bits, 8 * (1 << (ours.prefixes >> 6)));
      const next = rip ? theirs.nextIP : 0n;
      if (disp !== BigInt.asUintN(width, theirs.memoryDisplacement - next)) differences.push('displacement');
      const segment = [
        iced.Register.ES,
        iced.Register.CS,
        iced.Register.SS,
        iced.Register.DS,
        iced.Register.FS,
        iced.Register.GS,
      ];
      const named = segment.indexOf(theirs.memorySegment);
      if (mode.codeSize === 64 && named < 4 ? ours.segment >= 4 : named !== ours.segment) differences.push('segment');
    } else if (/^u?I/.test(code)) {
      const size = 8 * ours.shape.size;
      const bits =
        code.endsWith('b') && (code.startsWith('u') || row.unit !== undefined)
          ? 8
          : code === 'uIw'
            ? 16
            : row.semantic.kind === 'hot'
              ? size
              : 64;
      if (BigInt.asUintN(bits, ours.imm) !== BigInt.asUintN(bits, theirs.immediate(i))) differences.push('immediate');
    } else if (code.startsWith('J')) {
      const width = 8 * (row.size === 'd64' ? ours.shape.size : 8);
      const target = BigInt.asUintN(width, BigInt.asUintN(width, theirs.nextIP) + ours.imm);
      if (target !== theirs.nearBranchTarget) differences.push('target');
    }
  });
  for (let i = 0; i < registers.length; i += 2) if (registers[i] !== registers[i + 1]) differences.push('register');
  return differences.join(' ');
};

/** Destination, mask and indices of the gather just decoded. */
const gatherRegisters = (): readonly number[] => [addressAt('d'), addressAt('v'), decoder.decoded.index];

/** Encodings of AVX-512, XOP and 3DNow!, which no modelled processor has. */
const ABSENT_ENCODINGS: ReadonlySet<iced.EncodingKind> = new Set([
  iced.EncodingKind.EVEX,
  iced.EncodingKind.XOP,
  iced.EncodingKind.D3NOW,
  iced.EncodingKind.MVEX,
]);

/** What is wrong about our decoding of `bytes`, or undefined. */
const disagreement = (bytes: Uint8Array, theirs: iced.Instruction, mode: DecodeMode): string | undefined => {
  const result = decoder.decode(bytes, 0, bytes.length, mode);
  const name = theirs.code === iced.Code.INVALID ? '(bad)' : iced.Mnemonic[theirs.mnemonic].toLowerCase();
  if (result.kind !== 'ok') {
    if (ABSENT_ENCODINGS.has(theirs.encoding)) return undefined;
    if (name === '(bad)' || !MNEMONICS.has(ALIASES[name] ?? name)) return undefined;
    // MOVSD and CMPSD also name SSE2 instructions.
    if ((name === 'movsd' || name === 'cmpsd') && iced.Code[theirs.code].includes('xmm')) return undefined;
    if (LONG_ONLY.has(name) && mode.codeSize !== 64) return undefined;
    return `${result.kind}, expected ${name}`;
  }
  const ours = INSTRUCTIONS[decoder.decoded.row].mnemonic;
  // A gather whose registers are not distinct raises #UD when it executes; iced refuses to decode it.
  if (name === '(bad)' && ours.includes('GATHER') && new Set(gatherRegisters()).size < 3) return undefined;
  if (!sameMnemonic(ours, name)) return `${ours}, expected ${name}`;
  if (decoder.decoded.length !== theirs.length)
    return `${ours} is ${decoder.decoded.length} bytes, expected ${theirs.length}`;
  const operands = operandDifference(theirs, mode);
  return operands === '' ? undefined : `${ours}: ${operands}`;
};

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

for (const codeSize of [16, 32, 64] as const)
  test(`${CASES_PER_MODE} random encodings in ${codeSize}-bit code have iced's length, mnemonic and operands (seed ${SEED})`, () => {
    const random = xorshift(SEED + codeSize);
    const bytes = new Uint8Array(16);
    const theirs = new iced.Instruction();
    const problems = new Map<string, string>();
    for (let i = 0; i < CASES_PER_MODE; i++) {
      fill(bytes, random);
      const reference = new iced.Decoder(codeSize, bytes, iced.DecoderOptions.None);
      reference.decodeOut(theirs);
      reference.free();
      const problem = disagreement(bytes, theirs, MODES[codeSize]);
      if (problem !== undefined) problems.set(problem, toHex(bytes));
    }
    assert.deepEqual(Object.fromEntries(problems), {});
  });

/** File offset and size of an ELF's .text, by readelf. */
const textSection = (path: string): { readonly offset: number; readonly size: number } => {
  const sections = execFileSync('readelf', ['-SW', path], { encoding: 'utf8' });
  const match = /\.text\s+PROGBITS\s+[0-9a-f]+\s+([0-9a-f]+)\s+([0-9a-f]+)/.exec(sections);
  assert.ok(match, `${path} has a .text`);
  return { offset: parseInt(match[1], 16), size: parseInt(match[2], 16) };
};

/** A compiler's output, hand-written vector code, floating point, cryptography. */
const REAL_CODE = [
  '/usr/bin/gcc',
  ...['libc.so.6', 'libm.so.6', 'libcrypto.so.3'].map((name) => `/lib/x86_64-linux-gnu/${name}`),
];

for (const path of REAL_CODE.filter(existsSync))
  test(`instructions of ${path} decode as iced says`, (t) => {
    const { offset, size } = textSection(path);
    const code = new Uint8Array(readFileSync(path).subarray(offset, offset + size));
    const reference = new iced.Decoder(64, code, iced.DecoderOptions.None);
    const theirs = new iced.Instruction();
    const problems = new Map<string, string>();
    let decoded = 0;
    while (reference.canDecode && decoded < REAL_INSTRUCTIONS) {
      const at = reference.position;
      reference.decodeOut(theirs);
      const bytes = code.subarray(at, at + 16);
      const problem = disagreement(bytes, theirs, MODES[64]);
      if (problem !== undefined) problems.set(problem, toHex(bytes));
      decoded++;
    }
    reference.free();
    t.diagnostic(`${decoded} instructions`);
    assert.ok(decoded > 30_000, `${decoded} instructions`);
    assert.deepEqual(Object.fromEntries(problems), {});
  });
