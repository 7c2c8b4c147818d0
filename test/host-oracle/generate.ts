/** Random instructions, with all their operands, from the rows of the instruction table. */
import { INSTRUCTIONS } from '../../emulator/tables/instructions';
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { DF, LAYOUT, type Case } from './case';
import type { Random } from './random';
import { isResultUndefined, undefinedByCount, UNDEFINED_FLAGS } from './undefined-flags';

/** A case, and what of its outcome is not to be compared. */
export interface GeneratedCase {
  readonly input: Case;
  readonly mnemonic: string;
  /** Arithmetic flags the SDM leaves undefined. */
  readonly undefinedFlags: number;
}

const STRINGS = new Set(['movs', 'stos', 'lods', 'cmps', 'scas']);
const SCANS = new Set(['bsf', 'bsr']);
const INDIRECT = new Set(['jmp_indirect', 'call_indirect']);
const RETURNS = new Set(['ret', 'ret_imm']);

/**
 * Rows whose meaning differs between processors with and without extensions that the machine does not have: NOP space that
 * MPX, CET and cache hints live in. 1F is NOP everywhere.
 */
const isHint = ({ opcode }: InstructionRow): boolean => /^0F (0D|1[89A-E])/.test(opcode);

/** Rows that execute in 64-bit user mode. */
export const TESTED_ROWS: readonly InstructionRow[] = INSTRUCTIONS.filter(
  (row) => row.semantic.kind === 'hot' && row.mode !== 'legacy' && !isHint(row),
);

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSP = 4;
const RBP = 5;
const RSI = 6;
const RDI = 7;

const little = (value: bigint, size: number): number[] =>
  Array.from({ length: size }, (_, i) => Number((BigInt.asUintN(64, value) >> BigInt(8 * i)) & 0xffn));

/** An address in the initialised data: often across the pages' border, now and then beyond the end. */
function dataAddress(random: Random): bigint {
  if (random.oneIn(8)) return BigInt(LAYOUT.edge + random.below(LAYOUT.edgeSize + 8));
  if (random.oneIn(4)) return BigInt(LAYOUT.crossing + LAYOUT.crossingSize / 2 - random.below(16));
  return BigInt(LAYOUT.crossing + 16 + random.below(LAYOUT.crossingSize - 48));
}

/** An address in the page of INT3, outside of the snippet. */
function codeAddress(random: Random): bigint {
  const offset = random.below(1000) + 64;
  return BigInt(LAYOUT.snippet + (random.oneIn(2) ? offset : -offset));
}

/** One instruction being put together. */
class Assembly {
  readonly gpr: BigUint64Array;
  readonly crossing: Uint8Array;
  readonly edge: Uint8Array;
  private readonly key: string;
  private rex = 0;
  private hasRex: boolean;
  private operandOverride: boolean;
  private addressOverride: boolean;
  private segment: number | undefined;
  private register = true;
  private modrm: number[] = [];
  /** What a RIP-relative displacement has to reach. */
  private ripTarget: bigint | undefined;
  private immediate = 0n;
  private readonly lock: boolean;

  constructor(
    private readonly random: Random,
    private readonly row: InstructionRow,
  ) {
    this.key = row.semantic.key;
    this.gpr = BigUint64Array.from({ length: 16 }, () => random.interesting());
    this.crossing = random.bytes(LAYOUT.crossingSize);
    this.edge = random.bytes(LAYOUT.edgeSize);
    this.gpr[RSP] = dataAddress(random);
    this.lock = row.lock && random.oneIn(3);
    this.hasRex = random.oneIn(2);
    // Processors of other makers than Intel do not ignore 66 on near branches.
    this.operandOverride = row.size !== 'd64' && random.oneIn(4);
    this.addressOverride = random.oneIn(8);
    if (this.hasRex) this.rex = random.below(16);
    if (row.opcode.startsWith('REX.W')) {
      this.hasRex = true;
      this.rex |= 8;
    }
    if (row.opcode.startsWith('NP')) this.operandOverride = false;
  }

  private get size(): number {
    const { size } = this.row;
    if (size === 'b') return 1;
    if (size === 'd64') return 8;
    if (this.hasRex && (this.rex & 8) !== 0) return 8;
    if (size === 'f64') return this.operandOverride ? 2 : 8;
    if (size === 'q') return 8;
    return this.operandOverride ? 2 : 4;
  }

  /** Bits of the operand, as far as shifts and undefined flags ask. */
  get bits(): number {
    return this.size * 8;
  }

  /** Masked count of a shift or rotate. */
  get count(): number {
    const counted = this.row.operands.at(-1);
    const raw = counted === '1' ? 1n : counted === 'CL' ? this.gpr[RCX] & 0xffn : this.immediate & 0xffn;
    return Number(raw) & (this.bits === 64 ? 63 : 31);
  }

  /** Chooses addressing registers and sets them so that the operand lies at `target`. */
  private memoryOperand(reg: number, target: bigint): void {
    const { random } = this;
    this.register = false;
    const mask = this.addressOverride ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
    const set = (register: number, value: bigint): void => {
      this.gpr[register] = BigInt.asUintN(64, this.addressOverride ? (random.u64() & ~mask) | (value & mask) : value);
    };
    const extended = (bit: number): number => (this.hasRex && (this.rex & bit) !== 0 ? 8 : 0);
    const kind = random.below(5);
    if (kind === 0) {
      // [disp32]: the SIB form without base or index.
      if (extended(2) !== 0) this.rex &= ~2;
      this.modrm = [(reg << 3) | 4, 0x25, ...little(target, 4)];
      return;
    }
    if (kind === 1) {
      this.ripTarget = target;
      this.modrm = [(reg << 3) | 5, 0, 0, 0, 0];
      return;
    }
    const displacements = [1, 4] as const;
    const size = random.pick(displacements);
    const displacement = BigInt(size === 1 ? random.below(256) - 128 : (random.u32() >> random.below(30)) | 0);
    const mod = (size === 1 ? 0x40 : 0x80) | (reg << 3);
    const base = random.below(8);
    if (kind === 2 && base !== 4) {
      set(base + extended(1), target - displacement);
      this.modrm = [mod | base, ...little(displacement, size)];
      return;
    }
    let index = random.below(8);
    while (index + extended(2) === base + extended(1)) index = random.below(8);
    const scale = random.below(4);
    const isNone = index === 4 && extended(2) === 0;
    const scaled = isNone ? 0n : this.gpr[index + extended(2)] << BigInt(scale);
    set(base + extended(1), BigInt.asUintN(64, target - displacement - scaled));
    this.modrm = [mod | 4, (scale << 6) | (index << 3) | base, ...little(displacement, size)];
  }

  private chooseModrm(): void {
    const { random, row, key } = this;
    const constraint = / (mem|reg)$/.exec(row.opcode)?.[1];
    const digit = /\/(\d)/.exec(row.opcode)?.[1];
    const reg = digit === undefined ? random.below(8) : Number(digit);
    if (constraint === 'reg' || (constraint !== 'mem' && random.oneIn(2))) {
      this.modrm = [0xc0 | (reg << 3) | random.below(8)];
      return;
    }
    let target = dataAddress(random);
    if (key === 'cmpxchg16b' && !random.oneIn(8)) target &= ~15n;
    // Hosts may refuse locked accesses that cross cache lines.
    if (this.lock || key === 'xchg') target &= ~7n;
    if (random.oneIn(10) && !this.addressOverride) {
      this.segment = 0x65;
      target -= BigInt(LAYOUT.data);
    }
    this.memoryOperand(reg, target);
  }

  private immediates(): number[] {
    const { random } = this;
    return this.row.operands.flatMap((code) => {
      switch (code) {
        case 'Ib':
        case 'uIb':
        case 'level':
          this.immediate = BigInt(code === 'level' ? random.below(34) : random.below(256));
          return little(this.immediate, 1);
        case 'uIw':
          return little(BigInt(random.below(random.oneIn(4) ? 65536 : 256)), 2);
        case 'Iz':
          return little(random.interesting(), Math.min(this.size, 4));
        case 'Iv':
          return little(random.interesting(), this.size);
        case 'Jb':
          // Not into the instruction itself.
          return little(BigInt(random.oneIn(2) ? random.below(100) : -20 - random.below(100)), 1);
        case 'Jz':
          return little(BigInt(random.oneIn(2) ? random.below(1000) : -40 - random.below(1000)), 4);
        default:
          return [];
      }
    });
  }

  /** Registers that instructions use without naming them. */
  private implicitOperands(): void {
    const { random, gpr, key } = this;
    if (STRINGS.has(key)) {
      gpr[RSI] = dataAddress(random);
      gpr[RDI] = dataAddress(random);
      gpr[RCX] = random.oneIn(20) ? 10000n : BigInt(random.below(20));
      if (random.oneIn(2)) {
        // Long runs of equal elements, so that repeated comparisons go on.
        this.crossing.fill(random.below(2) * 0x55);
        this.crossing[random.below(LAYOUT.crossingSize)] = 1;
        gpr[RAX] = 0x5555_5555_5555_5555n * BigInt(random.below(2));
      }
      if (this.addressOverride) for (const r of [RSI, RDI, RCX]) gpr[r] |= random.u64() & ~0xffff_ffffn;
    }
    if (key === 'xlat') gpr[RBX] = BigInt(LAYOUT.crossing - random.below(100));
    if (key === 'enter' || key === 'leave') gpr[RBP] = dataAddress(random);
    if (key.startsWith('loop') || key === 'jcxz')
      gpr[RCX] = BigInt(random.below(3)) | ((random.u64() << 32n) * BigInt(random.below(2)));
    if (key === 'div') gpr[RDX] = random.pick([0n, 1n, gpr[RDX] >> 32n, gpr[RDX]]);
    if (key === 'idiv') gpr[RDX] = random.pick([0n, (1n << 64n) - 1n, gpr[RDX] >> 32n, gpr[RDX]]);
    if (key.startsWith('bt'))
      for (let r = 0; r < 16; r++)
        if (random.oneIn(2) && r !== RSP) gpr[r] = BigInt.asUintN(64, BigInt(random.below(400) - 200));
    if (this.row.operands.at(-1) === 'CL') gpr[RCX] = random.oneIn(3) ? random.u64() : BigInt(random.below(70));
    if (SCANS.has(key) && random.oneIn(4)) gpr.fill(0n, 8);
    if (key.startsWith('cmpxchg') && random.oneIn(2)) {
      this.crossing.fill(random.below(256));
      const same = BigInt(this.crossing[0]) * 0x0101_0101_0101_0101n;
      gpr[RAX] = same;
      gpr[RDX] = same;
    }
  }

  /** Where an indirect transfer or a return goes: to the page of INT3, seldom to where nothing can be. */
  private transferTargets(): void {
    const { random } = this;
    if (!INDIRECT.has(this.key) && !RETURNS.has(this.key)) return;
    const target = random.oneIn(10) ? random.u64() | ((1n << 62n) & ~(1n << 63n)) : codeAddress(random);
    for (let r = 0; r < 16; r++) if (INDIRECT.has(this.key) && r !== RSP) this.gpr[r] = target;
    for (let i = 0; i + 8 <= LAYOUT.crossingSize; i += 8) this.crossing.set(little(target, 8), i);
    for (let i = 0; i + 8 <= LAYOUT.edgeSize; i += 8) this.edge.set(little(target, 8), i);
    this.gpr[RSP] &= ~7n;
  }

  assemble(): Uint8Array {
    const { random, row } = this;
    this.implicitOperands();
    this.transferTargets();
    const tokens = row.opcode.split(' ');
    const opcode: number[] = [];
    for (const token of tokens) {
      if (!/^[0-9A-F]{2}(\+r)?$/.test(token)) continue;
      opcode.push(parseInt(token, 16) + (token.endsWith('+r') ? random.below(8) : 0));
    }
    if (/\/(r|\d)/.test(row.opcode)) this.chooseModrm();
    const moffs = row.operands.find((code) => code.startsWith('O'));
    const address = moffs === undefined ? [] : little(dataAddress(random), this.addressOverride ? 4 : 8);
    const immediates = this.immediates();
    const prefixes: number[] = [];
    if (this.operandOverride) prefixes.push(0x66);
    if (this.addressOverride) prefixes.push(0x67);
    if (this.segment !== undefined) prefixes.push(this.segment);
    if (STRINGS.has(this.key) && !random.oneIn(3)) prefixes.push(random.pick([0xf2, 0xf3]));
    else if (this.lock ? !this.register : random.oneIn(200) && this.key !== 'xchg' && !row.lock) prefixes.push(0xf0);
    const code = [
      ...prefixes,
      ...(this.hasRex ? [0x40 | this.rex] : []),
      ...opcode,
      ...this.modrm,
      ...address,
      ...immediates,
    ];
    if (this.ripTarget !== undefined) {
      const at = code.length - immediates.length - address.length - 4;
      const displacement = this.ripTarget - BigInt(LAYOUT.snippet + code.length);
      little(displacement, 4).forEach((byte, i) => (code[at + i] = byte));
    }
    return Uint8Array.from(code);
  }
}

/** Flags that a snippet reads from what the instruction before it left. */
const readers = (random: Random): readonly number[] =>
  random.pick<() => number[]>([
    () => [0x0f, 0x90 + random.below(16), 0xc0 + random.below(8)],
    () => [0x48, 0x0f, 0x40 + random.below(16), 0xc0 + random.below(64)],
    () => [0x48, 0x11, 0xc0 + random.below(64)],
    () => [0x19, 0xc0 + random.below(64)],
    () => [0xd1, 0xd0 + random.below(16)],
    () => [0x48, 0xd1, random.pick([0xc0, 0xc8]) + random.below(8)],
    () => [0x48, 0xff, 0xc0 + random.below(16)],
    () => [0xf5],
    () => [0xf8],
    () => [0xf9],
    () => [0x9f],
    () => [0x9c],
    () => [0xd3, 0xc0 + random.below(16)],
  ])();

/** Instructions that define all six flags, so that what follows may read any. */
const DEFINES_ALL = new Set([
  'add',
  'sub',
  'cmp',
  'inc',
  'dec',
  'neg',
  'adc',
  'sbb',
  'xadd',
  'cmpxchg',
  'sahf',
  'cmc',
  'stc',
  'clc',
]);

/** One instruction of `row`, now and then with readers of its flags behind it. */
export function generateCase(random: Random, row: InstructionRow): GeneratedCase {
  const { key } = row.semantic;
  const assembly = new Assembly(random, row);
  const code = [...assembly.assemble()];
  if (isResultUndefined(key, assembly.count, assembly.bits)) return generateCase(random, row);
  let undefinedFlags = UNDEFINED_FLAGS[key] ?? 0;
  if (isShift(key)) undefinedFlags |= undefinedByCount(key, assembly.count, assembly.bits);
  if (DEFINES_ALL.has(key) && random.oneIn(2)) {
    const first = readers(random);
    code.push(...first);
    // ROL and ROR by CL define OF for a count of 1 only.
    if (first[0] === 0xd3) undefinedFlags |= undefinedByCount('rol', 2, 32);
  }
  const flags = (random.u32() & 0x8d5) | (random.oneIn(3) ? DF : 0);
  const { gpr, crossing, edge } = assembly;
  return {
    input: { code: Uint8Array.from(code), gpr, flags, crossing, edge },
    mnemonic: `${row.mnemonic} (${row.opcode})`,
    undefinedFlags,
  };
}

const isShift = (key: string): boolean => /^(sh[lr]d?|sar|ro[lr]|rc[lr])$/.test(key);
