import type { Expr, ValueType } from '../codegen/expr';
import type { FunctionBuilder } from '../codegen/function-builder';
import type { Shape, Size } from './shape';

/** The two operands a record names by register address. */
export type Operand = 'd' | 's';

/** Slots of the lazy flags. */
export type FlagSlot = 'kind' | 'a' | 'b' | 'r';

/** Exceptions an emitted instruction can raise itself; the others come from accesses and cold instructions. */
export type RaisedVector = 0 /* #DE */ | 3 /* #BP */ | 4 /* #OF */ | 6 /* #UD */ | 13 /* #GP(0) */ | 16; /* #MF */

/** The operands a record names that vectors can be in; `v` is VEX.vvvv, `w` bits 7:4 of the immediate byte. */
export type VectorOperand = Operand | 'v' | 'w';

/**
 * What an instruction's meaning is written against.
 *
 * The interpreter's context reads operands from the decoded record at run time; the translator's knows them and keeps
 * registers and flags in locals. Semantics must not know which one they are given: no record offsets, no state
 * addresses, and no architectural change before the last access or check that can fault.
 *
 * All data is i64. A "signed" read is sign-extended to 64 bits, otherwise zero-extended. Values given to a setter may
 * carry anything above their size.
 */
export interface OperandContext {
  readonly f: FunctionBuilder;

  /** False where a later instruction is known to overwrite all flags before anything reads them. */
  readonly needFlags: boolean;

  /** A local of this handler, reused between handlers; holds `value` computed once. */
  hold(value: Expr): Expr;
  /** As `hold`, for an i32. */
  hold32(value: Expr): Expr;
  /** An i64 local to assign to with `f.set`; read it with `get(local)`. */
  variable(): number;
  /** An i32 local. */
  variable32(): number;

  // Operands
  reg(operand: Operand, size: Size, signed: boolean): Expr;
  /** Writes a register: size 4 clears bits 63:32, sizes 1 and 2 keep the rest. */
  setReg(operand: Operand, size: Size, value: Expr): void;
  /** A general register by number (0 RAX, 1 RCX, 2 RDX, 3 RBX, 4 RSP, 5 RBP, 6 RSI, 7 RDI, ...); never a high byte. */
  gpr(number: number, size: Size, signed: boolean): Expr;
  setGpr(number: number, size: Size, value: Expr): void;
  /** AH. */
  ah(): Expr;
  setAh(value: Expr): void;
  /** The immediate, sign-extended (i64). */
  imm(): Expr;
  /** Effective address of the memory operand without segment base, for LEA and bit strings (i64, not truncated). */
  offset(): Expr;
  /** Linear address of the explicit memory operand (i64). */
  ea(): Expr;
  /**
   * Linear address of an implicit operand: a string operand (its segment: the record's, or ES for the destination) or the
   * stack. Truncates `offset` to `address` bytes; applies base and checks the limit where `segmented`.
   * Flags are `ACCESS` bits (WRITE, STACK) and the size of the access.
   */
  linear(segment: 'ES' | 'SS' | 'record', offset: Expr, address: 2 | 4 | 8, segmented: boolean, access: number): Expr;

  // Memory. Each may leave the instruction with a fault.
  load(size: Size, signed: boolean, linear: Expr, access?: number): Expr;
  store(size: Size, linear: Expr, value: Expr, access?: number): void;
  /** Read, compute, write back one operand with a single translation for writing. */
  modify(size: Size, signed: boolean, linear: Expr, compute: (old: Expr) => Expr): void;
  /**
   * Like `modify`, split for instructions that change registers or flags after the write: `old` is held, `commit`
   * writes; it must be called exactly once on every path, before any architectural change.
   */
  modifyBegin(size: Size, signed: boolean, linear: Expr): { readonly old: Expr; commit(value: Expr): void };

  // Flags
  flag(slot: FlagSlot): Expr;
  setFlag(slot: FlagSlot, value: Expr): void;
  /** i32 0 or 1: condition code `cc` (0 O, 1 NO, 2 B, ... 15 NLE). May use that the kind is known. */
  condition(cc: number): Expr;
  /** RFLAGS bits other than the arithmetic six, as i32 (DF is bit 10). */
  systemFlags(): Expr;
  setSystemFlags(value: Expr): void;

  // Position and exceptions
  /** RIP of the next instruction (i64, truncated to the mode's width by `size`). */
  nextRip(size: 2 | 4 | 8): Expr;
  /** Leaves with an exception of this instruction (a fault; the trap-like ones are cold). */
  raise(vector: RaisedVector): void;
  /** Calls the cold instruction of the record's `operation`; falls through where it says so. */
  cold(): void;

  // Vectors. Values are v128; a 256-bit operand is two halves, low one first. Vector registers, like memory, must not change before the last fault.
  /** Computes `value` once into a local of its type. */
  holdAs(type: ValueType, value: Expr): Expr;
  variableOf(type: ValueType): number;
  /** The immediate byte (i32). */
  imm8(): Expr;
  vector(operand: VectorOperand, half?: 0 | 1): Expr;
  setVector(operand: 'd' | 'v', half: 0 | 1, value: Expr): void;
  /** Element `index` of a vector or MMX register, extended to i64. */
  lane(operand: VectorOperand, size: Size, index: number, signed?: boolean): Expr;
  setLane(operand: 'd' | 'v', size: Size, index: number, value: Expr): void;
  /** Writes an MMX register: 64 bits, and ones in the x87 register's sign and exponent. */
  setMmx(operand: 'd' | 's', value: Expr): void;
  /** #MF if an x87 exception is pending: before an MMX instruction's memory access. */
  checkMmx(): void;
  /** As `checkMmx` before a store; processors then have TOP 0 already, even where the store faults. */
  beginMmxStore(): void;
  /** What every MMX instruction but EMMS does first: #MF if one is pending; then all tags valid and TOP 0. Call it after the last access that can fault. */
  enterMmx(): void;
  /** The general register of VEX.vvvv. */
  generalRegister(operand: 'v', size: 4 | 8): Expr;
  setGeneralRegister(operand: 'v', size: 4 | 8, value: Expr): void;
  /** One v128 per 16 bytes; #GP(0) where `aligned` and the address is not a multiple of `bytes`. */
  loadVector(bytes: 16 | 32, linear: Expr, aligned: boolean): readonly Expr[];
  storeVector(bytes: 16 | 32, linear: Expr, values: readonly Expr[], aligned: boolean): void;
  /** Clears all vector registers that the mode has, or the bits of theirs from 128 on. */
  clearVectors(part: 'whole' | 'above XMM'): void;
  mxcsr(): Expr;
  setMxcsr(value: Expr): void;
  /** Puts the source operand at SCRATCH.source, where the instruction's assist (the cold instruction of its key) finds it; then call `cold`. */
  noteSource(values: readonly Expr[]): void;
  noteSourceLane(size: Size, value: Expr): void;
}

/** `OperandContext` and the control of flow: what the hot instructions are written against, which may end a block. */
export interface EmitContext extends OperandContext {
  // Control
  /** Ends the block: the relative target (record's immediate) where `condition` holds, else the next instruction. */
  branch(condition: Expr | null, size: 2 | 4 | 8): void;
  /**
   * Leaves with #GP(0) where a near transfer to this absolute RIP would fault: not canonical, or beyond the limit of CS
   * in a segmented mode. For transfers that change RSP: call it before they do.
   */
  checkTarget(target: Expr): void;
  /** Ends the block: near jump to an absolute RIP; faults #GP(0) before retiring as `checkTarget` does. */
  jump(target: Expr): void;
  /**
   * Leaves with EXIT.REPEAT when a REP instruction's share of iterations is used up. Called once an iteration, after the
   * registers of the iteration have been written.
   */
  repeatYield(): void;
}

/** A warm instruction's meaning: it neither ends a block nor yields. */
export type WarmSemantic = (context: OperandContext, shape: Shape) => void;

/** An instruction's meaning. */
export type Semantic = (context: EmitContext, shape: Shape) => void;
