import { INSTRUCTIONS } from '../tables/instructions';
import type { InstructionRow, OperandSizeRule } from '../tables/instruction-types';
import { SEGMENT_ORDER } from '../state/layout';
import type { Form } from '../semantics/shape';

/** Which part of an instruction names a general register. */
export const ROLE = { NONE: 0, RM: 1, REG: 2, OPCODE: 3, ACCUMULATOR: 4 } as const;
export type Role = (typeof ROLE)[keyof typeof ROLE];

/** Immediates in the order of their bytes; 'level' is the second of ENTER, packed above the first. */
export type ImmediateKind = 'Ib' | 'uIb' | 'level' | 'uIw' | 'Iz' | 'Iv' | 'Jb' | 'Jz' | 'Ap';

/** What ModRM.reg names when it is not a general register. */
export type SpecialRegister = 'none' | 'segment' | 'control' | 'debug';

/** How an implicit operand takes part in segmentation. */
export type Implicit = 'none' | 'address' | 'stack' | 'source string' | 'destination string' | 'bit string';

/** A row of the instruction table with everything worked out that decoding asks for. */
export interface CompiledRow {
  readonly index: number;
  readonly row: InstructionRow;
  readonly hot: boolean;
  readonly key: string;
  readonly size: OperandSizeRule;
  readonly d: Role;
  readonly s: Role;
  readonly dByte: boolean;
  readonly sByte: boolean;
  readonly immediates: readonly ImmediateKind[];
  /** Immediate the opcode implies: 1 for shifts by 1, the number of a segment register. */
  readonly impliedImmediate: number;
  readonly special: SpecialRegister;
  /** The ModRM operand is a register whatever mod says. */
  readonly registerOnly: boolean;
  readonly moffs: boolean;
  /** The memory operand is accessed (not LEA, NOP). */
  readonly accesses: boolean;
  readonly registerForm: Form;
  readonly memoryForm: Form;
  /** Width of the source in bytes where it is fixed and differs (MOVZX and kin); else 0. */
  readonly sourceSize: 0 | 1 | 2 | 4;
  readonly condition: number;
  readonly implicit: Implicit;
  readonly repeats: '' | 'rep' | 'repe';
  /** Bytes the memory operand has where that is not the operand size; else 0. */
  readonly accessSize: number;
  readonly writesMemory: boolean;
}

const STACK = new Set([
  'push',
  'push_imm',
  'pop',
  'call',
  'call_indirect',
  'ret',
  'ret_imm',
  'enter',
  'leave',
  'pushf',
]);
const ADDRESS = new Set(['loop', 'loope', 'loopne', 'jcxz', 'lea']);
const SOURCE_STRINGS = new Set(['movs', 'cmps', 'lods', 'xlat']);
const DESTINATION_STRINGS = new Set(['stos', 'scas']);
const REPEATS_BY_FLAG = new Set(['cmps', 'scas']);
const READ_ONLY = new Set([
  'cmp',
  'test',
  'bt',
  'push',
  'mul',
  'imul1',
  'imul2',
  'imul3',
  'div',
  'idiv',
  'jmp_indirect',
  'call_indirect',
]);
const WIDENS = new Set(['movzx', 'movsx']);
const CONDITIONAL = new Set(['jcc', 'setcc', 'cmovcc']);
const ACCUMULATORS = new Set(['AL', 'eAX', 'rAX']);
const TYPE_SIZE: Readonly<Record<string, 1 | 2 | 4>> = { b: 1, w: 2, d: 4 };

const roleOf = (code: string): Role => {
  if (ACCUMULATORS.has(code)) return ROLE.ACCUMULATOR;
  if (!/^[EGRZ][a-z]/.test(code)) return ROLE.NONE;
  return code[0] === 'G' ? ROLE.REG : code[0] === 'Z' ? ROLE.OPCODE : ROLE.RM;
};

const isImmediate = (code: string): code is ImmediateKind => /^(u?I[bwzv]|level|J[bz]|Ap)$/.test(code);

/** The bytes of an opcode column, without prefixes and constraints; '90+r' counts as 90. */
export const opcodeBytes = (row: InstructionRow): readonly number[] =>
  row.opcode
    .replace(/^(NP|66|F2|F3|REX\.W) /, '')
    .split(' ')
    .filter((token) => /^[0-9A-F]{2}(\+r)?$/.test(token))
    .map((token) => parseInt(token, 16));

const formLetter = (code: string, memory: boolean): string => {
  if (code === '1' || /^u?I/.test(code)) return 'I';
  if (code === 'CL') return 'C';
  if (/^[MO]/.test(code)) return 'M';
  if (code.startsWith('E')) return memory ? 'M' : 'R';
  return roleOf(code) === ROLE.NONE ? '' : 'R';
};

const formOf = (row: InstructionRow, memory: boolean): Form => {
  if (row.semantic.kind === 'cold' || row.semantic.key === 'nop') return '-';
  const letters = row.operands.map((code) => formLetter(code, memory)).join('');
  return (letters === '' ? '-' : letters) as Form;
};

const isBitString = ({ operands, semantic }: InstructionRow): boolean =>
  /^bt[src]?$/.test(semantic.key) && operands[1] === 'Gv';

const implicitOf = (row: InstructionRow): Implicit => {
  const { key } = row.semantic;
  // The bit offset in a register is part of the address, so that no address can be computed beforehand.
  if (isBitString(row)) return 'bit string';
  if (STACK.has(key)) return 'stack';
  if (ADDRESS.has(key)) return 'address';
  if (SOURCE_STRINGS.has(key)) return 'source string';
  return DESTINATION_STRINGS.has(key) ? 'destination string' : 'none';
};

const specialOf = (operands: readonly string[]): SpecialRegister => {
  if (operands.includes('Sw')) return 'segment';
  if (operands.includes('Cn')) return 'control';
  return operands.includes('Dn') ? 'debug' : 'none';
};

const impliedImmediateOf = (operands: readonly string[]): number => {
  if (operands.includes('1')) return 1;
  const segment = SEGMENT_ORDER.findIndex((name) => operands.includes(name));
  return Math.max(segment, 0);
};

const compile = (row: InstructionRow, index: number): CompiledRow => {
  const { key, kind } = row.semantic;
  const hot = kind === 'hot';
  const registers = row.operands.map((code) => ({ role: roleOf(code), byte: /^([EGRZ]b|AL)$/.test(code) }));
  const named = registers.filter(({ role }) => role !== ROLE.NONE);
  // An only register operand is named by both fields, so that a reader need not know which side it is on.
  const none = { role: ROLE.NONE, byte: false };
  const first = named.length === 1 ? named[0] : (registers[0] ?? none);
  const second = named.length === 1 ? named[0] : (registers[1] ?? none);
  const writesFirst = /^[EMO]/.test(row.operands[0] ?? '');
  const opcode = opcodeBytes(row).at(-1) ?? 0;
  return {
    index,
    row,
    hot,
    key,
    size: row.size,
    d: first.role,
    s: second.role,
    dByte: first.byte,
    sByte: second.byte,
    immediates: row.operands.filter(isImmediate),
    impliedImmediate: impliedImmediateOf(row.operands),
    special: specialOf(row.operands),
    registerOnly: row.operands.some((code) => code === 'Rn'),
    moffs: row.operands.some((code) => code.startsWith('O')),
    accesses:
      hot && key !== 'nop' && key !== 'lea' && !isBitString(row) && row.operands.some((code) => /^[EMO]/.test(code)),
    registerForm: formOf(row, false),
    memoryForm: formOf(row, true),
    sourceSize: WIDENS.has(key) ? TYPE_SIZE[row.operands[1][1]] : 0,
    condition: CONDITIONAL.has(key) ? opcode & 15 : 0,
    implicit: hot ? implicitOf(row) : 'none',
    repeats: !hot || key === 'xlat' ? '' : REPEATS_BY_FLAG.has(key) ? 'repe' : isString(key) ? 'rep' : '',
    accessSize: key === 'cmpxchg16b' ? 16 : 0,
    writesMemory: writesFirst && !READ_ONLY.has(key),
  };
};

const isString = (key: string): boolean => SOURCE_STRINGS.has(key) || DESTINATION_STRINGS.has(key);

/** The instruction table, worked out; same indices. */
export const COMPILED_ROWS: readonly CompiledRow[] = INSTRUCTIONS.map(compile);
