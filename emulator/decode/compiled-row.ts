import { INSTRUCTIONS } from '../tables/instructions';
import type { InstructionRow, OperandSizeRule, Unit } from '../tables/instruction-types';
import { SEGMENT_ORDER } from '../state/layout';
import type { Form } from '../semantics/shape';

/** Which part of an instruction names a general register. */
export const ROLE = { NONE: 0, RM: 1, REG: 2, OPCODE: 3, ACCUMULATOR: 4 } as const;
export type Role = (typeof ROLE)[keyof typeof ROLE];

/** Which registers a role names. */
export type RegisterClass = 'general' | 'byte' | 'vector' | 'mmx';

/** What VEX.vvvv or the high half of the immediate byte names. */
export type ExtraRegister = 'none' | 'general' | 'vector' | 'first vector';

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
  /** It has emitted semantics. */
  readonly hot: boolean;
  /** Those are in a function of their own, out of the interpreter's dispatching one. */
  readonly warm: boolean;
  readonly key: string;
  /** Bytes of the vector registers it works on (VEX.L; 8 for MMX); 0 where it has none. */
  readonly vector: 0 | 8 | 16 | 32;
  readonly vex: boolean;
  /** VEX.vvvv, and bits 7:4 of the immediate byte or the implied XMM0. */
  readonly v: ExtraRegister;
  readonly w: ExtraRegister;
  /** The index of the memory operand is a vector register. */
  readonly vsib: boolean;
  /** The immediate is ModRM itself: an x87 instruction's rm names a stack register, and all of it is part of FOP. */
  readonly stackRegister: boolean;
  readonly unit: Unit | undefined;
  readonly size: OperandSizeRule;
  readonly d: Role;
  readonly s: Role;
  readonly dClass: RegisterClass;
  readonly sClass: RegisterClass;
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
  if (/^[GVP][a-z]/.test(code)) return ROLE.REG;
  if (/^[ERWUQN][a-z]/.test(code)) return ROLE.RM;
  return /^Z[a-z]/.test(code) ? ROLE.OPCODE : ROLE.NONE;
};

const classOf = (code: string): RegisterClass => {
  if (/^([EGRZ]b|AL)$/.test(code)) return 'byte';
  if (/^[VWU][a-z]/.test(code)) return 'vector';
  return /^[PQN][a-z]/.test(code) ? 'mmx' : 'general';
};

/** Whether an operand code admits memory: 'Rd/Mb' is a whole register or a byte of memory, 'vm32x' has a vector of indices. */
export const admitsMemory = (code: string): boolean => /^[EMOWQ][a-z]?|\/M|^vm/.test(code);
/** Whether an operand code admits nothing but memory. */
export const isMemoryOnly = (code: string): boolean => /^([MO]|vm)/.test(code);
/** Whether an operand code admits nothing but a register named by ModRM.rm. */
export const isRegisterOnly = (code: string): boolean => /^[UN][a-z]/.test(code);

const VECTOR_UNITS: ReadonlySet<Unit | undefined> = new Set<Unit>(['mmx', 'sse', 'avx']);

/** Bytes by the type letters of the opcode map; x, ps and pd are as long as the vector, y goes by the operand size. */
const VECTOR_TYPE_SIZE: Readonly<Record<string, number>> = {
  b: 1,
  w: 2,
  d: 4,
  q: 8,
  ss: 4,
  sd: 8,
  pi: 8,
  dq: 16,
  qq: 32,
  y: 0,
};

/** Length of the vectors a row works on, by its notation. */
const vectorOf = (row: InstructionRow): 0 | 8 | 16 | 32 => {
  if (row.unit === 'mmx') return 8;
  if (row.unit === 'sse') return 16;
  if (row.unit !== 'avx') return 0;
  return row.opcode.startsWith('VEX.256') ? 32 : 16;
};

/** Bytes of a vector row's memory operand; 0 where it has the operand size. */
const vectorMemorySize = (row: InstructionRow): number => {
  const code = row.operands.find(admitsMemory);
  if (code === undefined) return 0;
  const type = code.replace(/^.*\//, '').slice(1);
  return VECTOR_TYPE_SIZE[type] ?? vectorOf(row);
};

/** VEX.vvvv and the high half of the immediate byte name registers by the codes H, B and L; XMM0 is implied in the place of L. */
const extraOf = (row: InstructionRow, codes: RegExp): ExtraRegister => {
  const code = row.operands.find((operand) => codes.test(operand));
  if (code === undefined) return 'none';
  if (code === 'XMM0') return 'first vector';
  return code.startsWith('B') ? 'general' : 'vector';
};

const isImmediate = (code: string): code is ImmediateKind => /^(u?I[bwzv]|level|J[bz]|Ap)$/.test(code);

/** The bytes of an opcode column, without prefixes and constraints; '90+r' and 'C0+i' count as 90 and C0. Of VEX: without the map's bytes. */
export const opcodeBytes = (row: InstructionRow): readonly number[] =>
  row.opcode
    .replace(/^(VEX\.\S+ |((NP|NFx|66|F2|F3|REX\.W0?) )+)/, '')
    .split(' ')
    .filter((token) => /^[0-9A-F]{2}(\+[ri])?$/.test(token))
    .map((token) => parseInt(token, 16));

const formLetter = (code: string, memory: boolean): string => {
  if (code === '1' || /^u?I/.test(code)) return 'I';
  if (code === 'CL') return 'C';
  if (isMemoryOnly(code)) return 'M';
  if (admitsMemory(code)) return memory ? 'M' : 'R';
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
  const hot = kind !== 'cold';
  const inVectors = VECTOR_UNITS.has(row.unit);
  const registers = row.operands.map((code) => ({ role: roleOf(code), registers: classOf(code) }));
  const named = registers.filter(({ role }) => role !== ROLE.NONE);
  // An only register operand is named by both fields, so that a reader need not know which side it is on.
  const none = { role: ROLE.NONE, registers: 'general' as const };
  // VEX.vvvv is a field of its own: the other two operands are d and s wherever it stands among them.
  const positional = registers.filter((_, i) => !/^([HBL][a-z]|XMM0)/.test(row.operands[i]));
  const first = named.length === 1 ? named[0] : (positional[0] ?? none);
  const second = named.length === 1 ? named[0] : (positional[1] ?? none);
  const writesFirst = admitsMemory(row.operands[0] ?? '');
  const opcode = opcodeBytes(row).at(-1) ?? 0;
  return {
    index,
    row,
    hot,
    warm: kind === 'warm',
    key,
    vector: vectorOf(row),
    vex: row.opcode.startsWith('VEX.'),
    v: extraOf(row, /^[HB][a-z]/),
    w: extraOf(row, /^(L[a-z]|XMM0)/),
    vsib: row.operands.some((code) => code.startsWith('vm')),
    stackRegister: row.unit === 'x87',
    unit: row.unit,
    size: row.size,
    d: first.role,
    s: second.role,
    dClass: first.registers,
    sClass: second.registers,
    // A register in bits 7:4 of an immediate byte takes that byte.
    immediates: row.operands.map((code) => (/^L[a-z]/.test(code) ? 'Ib' : code)).filter(isImmediate),
    impliedImmediate: impliedImmediateOf(row.operands),
    special: specialOf(row.operands),
    registerOnly: row.operands.some((code) => code === 'Rn'),
    moffs: row.operands.some((code) => code.startsWith('O')),
    accesses: hot && key !== 'nop' && key !== 'lea' && !isBitString(row) && row.operands.some(admitsMemory),
    registerForm: formOf(row, false),
    memoryForm: formOf(row, true),
    sourceSize: WIDENS.has(key) ? TYPE_SIZE[row.operands[1][1]] : 0,
    condition: CONDITIONAL.has(key) ? opcode & 15 : 0,
    implicit: hot ? implicitOf(row) : 'none',
    repeats: !hot || key === 'xlat' ? '' : REPEATS_BY_FLAG.has(key) ? 'repe' : isString(key) ? 'rep' : '',
    accessSize: key === 'cmpxchg16b' ? 16 : inVectors ? vectorMemorySize(row) : 0,
    writesMemory: writesFirst && !READ_ONLY.has(key),
  };
};

const isString = (key: string): boolean => SOURCE_STRINGS.has(key) || DESTINATION_STRINGS.has(key);

/** The instruction table, worked out; same indices. */
export const COMPILED_ROWS: readonly CompiledRow[] = INSTRUCTIONS.map(compile);
