import type { CpuFeature } from '../tables/cpuid-features';
import type { InstructionRow } from '../tables/instruction-types';
import { COMPILED_ROWS, isMemoryOnly, isRegisterOnly, opcodeBytes, type CompiledRow } from './compiled-row';

/** Opcode maps: one-byte, 0F, 0F 38, 0F 3A. */
export type OpcodeMap = 0 | 1 | 2 | 3;

/** Mandatory-prefix slots, in the order F2/F3 beat 66. */
export const SLOT = { NONE: 0, P66: 1, F3: 2, F2: 3 } as const;
export type Slot = (typeof SLOT)[keyof typeof SLOT];

const NOTHING = -1;
/** Variants without ModRM: slot x 64-bit mode x REX.W. */
const PLAIN = 16;
/** Variants with ModRM: those, times reg, times memory or one of eight registers. */
const WITH_MODRM = PLAIN * 8 * 9;

/** Constraints of one row, as its opcode column states them. */
interface Pattern {
  readonly opcode: number;
  readonly modrm: boolean;
  readonly slots: readonly number[];
  readonly modes: readonly number[];
  readonly rexW: readonly number[];
  readonly digits: readonly number[];
  /** 0 to 7: ModRM.rm of a register form; 8: memory. */
  readonly operands: readonly number[];
  /** Rows that demand more override rows that demand less. */
  readonly demands: number;
}

const ALL_DIGITS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const REGISTERS = ALL_DIGITS;
const MEMORY = 8;
/** 0F 01 and the x87 opcodes: there a second byte is a ModRM byte. */
const OPCODES_WITH_FIXED_MODRM = new Set([0x101, 0xd8, 0xd9, 0xda, 0xdb, 0xdc, 0xdd, 0xde, 0xdf]);
/** Opcodes behind a VEX prefix: map, then length. */
const VEX = { first: 0x400, length: 0x300, end: 0xa00 } as const;

/** What a VEX prefix in an opcode column demands. */
interface VexNotation {
  readonly lengths: readonly number[];
  readonly slot: Slot;
  /** 1 to 3. */
  readonly map: number;
  readonly w: readonly number[];
}

const VEX_SLOTS: Readonly<Record<string, Slot>> = { NP: SLOT.NONE, 66: SLOT.P66, F3: SLOT.F3, F2: SLOT.F2 };
const VEX_MAPS: Readonly<Record<string, number>> = { '0F': 1, '0F38': 2, '0F3A': 3 };

const vexNotation = (opcode: string): VexNotation | undefined => {
  const match = /^VEX\.(128|256|LZ|LIG)\.(NP|66|F3|F2)\.(0F|0F38|0F3A)\.(W0|W1|WIG) /.exec(opcode);
  if (match === null) {
    if (opcode.startsWith('VEX')) throw new Error(`instruction table: ${opcode} is no VEX notation`);
    return undefined;
  }
  const [, length, prefix, map, w] = match;
  return {
    lengths: length === 'LIG' ? [0, 1] : [length === '256' ? 1 : 0],
    slot: VEX_SLOTS[prefix],
    map: VEX_MAPS[map],
    w: w === 'WIG' ? [0, 1] : [w === 'W1' ? 1 : 0],
  };
};

/** An opcode behind a VEX prefix as `Lookup` numbers it; `map` 1 to 3, `length` VEX.L. */
export const vexOpcode = (map: number, length: number, opcode: number): number =>
  VEX.first + length * VEX.length + ((map - 1) << 8) + opcode;

const slotsOf = (opcode: string): readonly number[] => {
  if (opcode.startsWith('NP ')) return [SLOT.NONE];
  if (opcode.startsWith('NFx ')) return [SLOT.NONE, SLOT.P66];
  if (opcode.startsWith('66 ')) return [SLOT.P66];
  if (opcode.startsWith('F3 ')) return [SLOT.F3];
  return opcode.startsWith('F2 ') ? [SLOT.F2] : [SLOT.NONE, SLOT.P66, SLOT.F3, SLOT.F2];
};

const mapOf = (bytes: readonly number[]): { readonly opcode: number; readonly used: number } => {
  if (bytes[0] !== 0x0f) return { opcode: bytes[0], used: 1 };
  if (bytes[1] === 0x38) return { opcode: 0x200 | bytes[2], used: 3 };
  return bytes[1] === 0x3a ? { opcode: 0x300 | bytes[2], used: 3 } : { opcode: 0x100 | bytes[1], used: 2 };
};

const operandsOf = ({ row, registerOnly }: CompiledRow, fixed: number | undefined): readonly number[] => {
  if (registerOnly) return [...REGISTERS, MEMORY];
  if (fixed !== undefined) return /\+i$/.test(row.opcode) ? REGISTERS : [fixed & 7];
  if (row.opcode.endsWith(' mem') || row.operands.some(isMemoryOnly)) return [MEMORY];
  if (row.opcode.endsWith(' reg') || row.operands.some(isRegisterOnly)) return REGISTERS;
  return [...REGISTERS, MEMORY];
};

/** Values of REX.W or VEX.W that select a row, outside and in 64-bit mode. */
const wholeOf = ({ opcode, size }: InstructionRow, vex: VexNotation | undefined, long: number): readonly number[] => {
  // Outside 64-bit mode VEX.W does not make a general register wider.
  if (vex !== undefined) return long === 0 && size === 'y' && vex.w.includes(0) ? [0, 1] : vex.w;
  if (/\bREX\.W0 /.test(opcode)) return [0];
  return /\bREX\.W /.test(opcode) ? [1] : [0, 1];
};

/** The patterns of a row: one for each mode; eight for an opcode that holds a register. */
const patternsOf = (compiled: CompiledRow): readonly Pattern[] => {
  const { row } = compiled;
  const bytes = opcodeBytes(row);
  const vex = vexNotation(row.opcode);
  const { opcode, used } = vex === undefined ? mapOf(bytes) : { opcode: bytes[0], used: 1 };
  const fixed = vex === undefined && OPCODES_WITH_FIXED_MODRM.has(opcode) ? bytes.at(used) : undefined;
  const digit = /\/([0-7])/.exec(row.opcode)?.[1];
  const slots = vex === undefined ? slotsOf(row.opcode) : [vex.slot];
  const opcodes = vex === undefined ? [opcode] : vex.lengths.map((length) => vexOpcode(vex.map, length, opcode));
  const common = {
    modrm: row.opcode.includes('/') || fixed !== undefined,
    slots,
    digits: fixed !== undefined ? [(fixed >> 3) & 7] : digit === undefined ? ALL_DIGITS : [Number(digit)],
    operands: operandsOf(compiled, fixed),
  };
  const modes = row.mode === 'any' ? [0, 1] : row.mode === 'long' ? [1] : [0];
  return modes.flatMap((mode) => {
    const rexW = wholeOf(row, vex, mode);
    const demands = (slots.length < 4 ? 4 : 0) + (rexW.length === 1 ? 2 : 0) + (row.opcode.includes('+r') ? 0 : 1);
    const pattern = { ...common, modes: [mode], rexW, demands };
    if (row.opcode.includes('+r')) return REGISTERS.map((register) => ({ ...pattern, opcode: opcode + register }));
    return opcodes.map((each) => ({ ...pattern, opcode: each }));
  });
};

/** Finds the row of an opcode in constant time. */
class Lookup {
  /** Offset in `rows` of each opcode of each map, or NOTHING. */
  private readonly start = new Int32Array(VEX.end).fill(NOTHING);
  private readonly modrm = new Uint8Array(VEX.end);
  private readonly rows: Int16Array;

  /** @param has whether the processor has a CPUID feature: rows of those it lacks are not there */
  constructor(has: (feature: CpuFeature) => boolean) {
    const all = COMPILED_ROWS.filter(({ row: { feature } }) => feature === undefined || has(feature)).flatMap((row) =>
      patternsOf(row).map((pattern) => ({ row, pattern })),
    );
    let size = 0;
    for (const { pattern } of all) if (pattern.modrm) this.modrm[pattern.opcode] = 1;
    for (const { pattern } of all) {
      if (this.start[pattern.opcode] !== NOTHING) continue;
      this.start[pattern.opcode] = size;
      size += this.modrm[pattern.opcode] === 1 ? WITH_MODRM : PLAIN;
    }
    this.rows = new Int16Array(size).fill(NOTHING);
    for (const { row, pattern } of all.sort((a, b) => a.pattern.demands - b.pattern.demands))
      this.fill(pattern, row.index);
  }

  private fill(pattern: Pattern, row: number): void {
    const start = this.start[pattern.opcode];
    for (const slot of pattern.slots)
      for (const mode of pattern.modes)
        for (const rexW of pattern.rexW) {
          const variant = (slot << 2) | (mode << 1) | rexW;
          if (!pattern.modrm) {
            this.rows[start + variant] = row;
            continue;
          }
          for (const digit of pattern.digits)
            for (const operand of pattern.operands) this.rows[start + (digit * 9 + operand) * PLAIN + variant] = row;
        }
  }

  /** Whether anything is defined at an opcode (map << 8 | byte, or `vexOpcode`), in any mode. */
  defines(opcode: number): boolean {
    return this.start[opcode] !== NOTHING;
  }

  hasModrm(opcode: number): boolean {
    return this.modrm[opcode] === 1;
  }

  /** Row index, or -1 where the encoding is undefined; `modrm` is ignored where the opcode has none. */
  find(opcode: number, modrm: number, slot: Slot, long: boolean, rexW: boolean): number {
    const start = this.start[opcode];
    if (start === NOTHING) return NOTHING;
    const variant = (slot << 2) | (long ? 2 : 0) | (rexW ? 1 : 0);
    if (this.modrm[opcode] === 0) return this.rows[start + variant];
    const operand = modrm >= 0xc0 ? modrm & 7 : MEMORY;
    return this.rows[start + (((modrm >> 3) & 7) * 9 + operand) * PLAIN + variant];
  }
}

/** Features that rows of the table ask for. */
const FEATURES: readonly CpuFeature[] = [...new Set(COMPILED_ROWS.flatMap(({ row: { feature } }) => feature ?? []))];
const lookups = new Map<string, Lookup>();

/** The look-up of a processor with these features; those of equal processors are the same. */
export function lookupOf(has: (feature: CpuFeature) => boolean): Lookup {
  const key = FEATURES.filter(has).join(' ');
  let lookup = lookups.get(key);
  if (lookup === undefined) lookups.set(key, (lookup = new Lookup(has)));
  return lookup;
}
