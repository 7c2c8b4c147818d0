import { COMPILED_ROWS, opcodeBytes, type CompiledRow } from './compiled-row';

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
const OPCODES_WITH_FIXED_MODRM = new Set([0x101]);

const slotsOf = (opcode: string): readonly number[] => {
  if (opcode.startsWith('NP ')) return [SLOT.NONE];
  if (opcode.startsWith('66 ')) return [SLOT.P66];
  if (opcode.startsWith('F3 ')) return [SLOT.F3];
  return opcode.startsWith('F2 ') ? [SLOT.F2] : [SLOT.NONE, SLOT.P66, SLOT.F3, SLOT.F2];
};

const mapOf = (bytes: readonly number[]): { readonly opcode: number; readonly used: number } => {
  if (bytes[0] !== 0x0f) return { opcode: bytes[0], used: 1 };
  if (bytes[1] === 0x38) return { opcode: 0x200 | bytes[2], used: 3 };
  return bytes[1] === 0x3a ? { opcode: 0x300 | bytes[2], used: 3 } : { opcode: 0x100 | bytes[1], used: 2 };
};

/** The patterns of a row: one, or eight for an opcode that holds a register. */
const patternsOf = ({ row, registerOnly }: CompiledRow): readonly Pattern[] => {
  const bytes = opcodeBytes(row);
  const { opcode, used } = mapOf(bytes);
  const fixed = OPCODES_WITH_FIXED_MODRM.has(opcode) ? bytes[used] : undefined;
  const digit = /\/([0-7])/.exec(row.opcode)?.[1];
  const modrm = row.opcode.includes('/') || fixed !== undefined;
  const slots = slotsOf(row.opcode);
  const operands =
    fixed !== undefined
      ? [fixed & 7]
      : row.opcode.endsWith(' mem')
        ? [MEMORY]
        : row.opcode.endsWith(' reg')
          ? REGISTERS
          : [...REGISTERS, MEMORY];
  const whole = row.opcode.startsWith('REX.W ');
  const pattern: Pattern = {
    opcode,
    modrm,
    slots,
    modes: row.mode === 'any' ? [0, 1] : row.mode === 'long' ? [1] : [0],
    rexW: whole ? [1] : [0, 1],
    digits: fixed !== undefined ? [(fixed >> 3) & 7] : digit === undefined ? ALL_DIGITS : [Number(digit)],
    operands: registerOnly ? [...REGISTERS, MEMORY] : operands,
    demands: (slots.length === 1 ? 4 : 0) + (whole ? 2 : 0) + (row.opcode.includes('+r') ? 0 : 1),
  };
  if (!row.opcode.includes('+r')) return [pattern];
  return REGISTERS.map((register) => ({ ...pattern, opcode: opcode + register }));
};

/** Finds the row of an opcode in constant time. */
export class Lookup {
  /** Offset in `rows` of each opcode of each map, or NOTHING. */
  private readonly start = new Int32Array(0x400).fill(NOTHING);
  private readonly modrm = new Uint8Array(0x400);
  private readonly rows: Int16Array;

  constructor() {
    const all = COMPILED_ROWS.flatMap((row) => patternsOf(row).map((pattern) => ({ row, pattern })));
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

  /** Whether anything is defined at an opcode (map << 8 | byte), in any mode. */
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
