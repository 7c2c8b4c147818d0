import type { DecodedRecord } from '../decode/decoded-record';
import { raise, VECTOR } from '../cpu/faults';
import { type Processor, SEG } from '../cpu/processor';
import { BEFORE_FLAGS, ALL_FLAGS, FLOAT_FLAG, FloatEnvironment } from '../float/environment';
import { defaultNaN, EXTENDED } from '../float/format';
import { unpack, type Unpacked } from '../float/unpack';
import { BOUNDARY, FLAGS, X87, X87_REGISTER_SIZE } from '../state/layout';
import { CR0, RFLAGS } from '../tables/control-registers';
import { INSTRUCTIONS } from '../tables/instructions';

/** Bits of the x87 status word beyond the exception flags. */
export const STATUS = {
  /** Stack fault: an invalid operation that is an overflow (C1 set) or underflow (C1 clear) of the register stack. */
  SF: 0x40,
  /** Error summary: an unmasked exception is pending. */
  ES: 0x80,
  C0: 0x100,
  C1: 0x200,
  C2: 0x400,
  TOP_SHIFT: 11,
  C3: 0x4000,
  /** Busy, a copy of ES. */
  B: 0x8000,
} as const;
const PENDING = STATUS.ES | STATUS.B;
const CONDITIONS = STATUS.C0 | STATUS.C1 | STATUS.C2 | STATUS.C3;

/** Control word after FNINIT. */
export const INITIAL_CONTROL = 0x37f;
/** Bits of the control word that are kept; bit 6 reads as 1. */
const CONTROL_BITS = 0x1f3f;
const CONTROL_RESERVED = 0x40;

export const INDEFINITE = defaultNaN(EXTENDED);

/**
 * The x87 FPU while one instruction executes. An instruction that is not a control instruction calls `begin` once its memory operand is
 * read; what it has computed and met it hands to `settle`, which says whether the result may be written.
 */
export class Fpu {
  /** The control word's rules, and what the instruction has met. */
  readonly env = new FloatEnvironment();
  private readonly view: DataView;
  /** Linear address of the memory operand and its segment register; -1 none. */
  private operandSegment = -1;
  private operandOffset = 0n;

  constructor(
    readonly cpu: Processor,
    readonly insn: DecodedRecord,
  ) {
    this.view = cpu.memory.view;
    this.env.loadControlWord(this.control);
  }

  // Registers

  get control(): number {
    return this.view.getUint16(X87.control, true);
  }
  /** Also brings the pending state up to date: an exception met before may be unmasked or masked by it. */
  set control(value: number) {
    this.view.setUint16(X87.control, (value & CONTROL_BITS) | CONTROL_RESERVED, true);
    this.updatePending();
  }
  get status(): number {
    return this.view.getUint16(X87.status, true);
  }
  set status(value: number) {
    this.view.setUint16(X87.status, value, true);
  }
  /** ES and B, from the flags and their masks. */
  updatePending(): void {
    const { status } = this;
    const pending = (status & ~this.control & ALL_FLAGS) !== 0;
    this.status = pending ? status | PENDING : status & ~PENDING;
  }
  /** Abridged tag word: bit n is set where physical register n is not empty. */
  get tags(): number {
    return this.view.getUint16(X87.tag, true);
  }
  set tags(value: number) {
    this.view.setUint16(X87.tag, value, true);
  }
  get top(): number {
    return (this.status >> STATUS.TOP_SHIFT) & 7;
  }
  set top(value: number) {
    this.status = (this.status & ~(7 << STATUS.TOP_SHIFT)) | ((value & 7) << STATUS.TOP_SHIFT);
  }
  private physical(i: number): number {
    return (this.top + i) & 7;
  }
  isEmpty(i: number): boolean {
    return (this.tags & (1 << this.physical(i))) === 0;
  }
  /** Encoding in ST(i), 80 bits. */
  bits(i: number): bigint {
    const at = X87.registers + this.physical(i) * X87_REGISTER_SIZE;
    return this.view.getBigUint64(at, true) | (BigInt(this.view.getUint16(at + 8, true)) << 64n);
  }
  st(i: number): Unpacked {
    return unpack(EXTENDED, this.bits(i));
  }
  /** Writes ST(i) and tags it as not empty. */
  write(i: number, bits: bigint): void {
    const number = this.physical(i);
    const at = X87.registers + number * X87_REGISTER_SIZE;
    this.view.setBigUint64(at, BigInt.asUintN(64, bits), true);
    this.view.setUint16(at + 8, Number(bits >> 64n), true);
    this.tags |= 1 << number;
  }
  free(i: number): void {
    this.tags &= ~(1 << this.physical(i));
  }
  pop(): void {
    this.free(0);
    this.top = this.top + 1;
  }
  push(bits: bigint): void {
    this.top = this.top - 1;
    this.write(0, bits);
  }
  /** Sets the condition codes named and clears the other ones of `among`. */
  conditions(set: number, among: number = CONDITIONS): void {
    this.status = (this.status & ~among) | set;
  }

  // An instruction's course

  /**
   * What every waiting instruction does first where an exception is pending: #MF; or with CR0.NE clear the external error signal, and true
   * if the interrupt it makes comes before the instruction.
   */
  stopsForPending(): boolean {
    if ((this.status & STATUS.ES) === 0) return false;
    const { cpu } = this;
    if ((cpu.cr0 & BigInt(CR0.NE)) !== 0n) raise(VECTOR.MF);
    cpu.numericError();
    const enabled = (cpu.field32(FLAGS.system) & RFLAGS.IF) !== 0 && cpu.field32(BOUNDARY.interruptibility) === 0;
    return enabled && cpu.interrupts.interruptPending(cpu.number);
  }

  /** A memory operand at this offset of a segment: what FDP and FDS tell. */
  operandAt(segment: number, offset: bigint): void {
    this.operandSegment = segment;
    this.operandOffset = offset;
  }

  /** Notes the instruction in FIP and FCS, and clears C1; `begin(false)` keeps it. */
  begin(clearsC1 = true): void {
    const { cpu, view } = this;
    const { features } = cpu.model;
    view.setBigUint64(X87.instructionPointer, cpu.ripOf(this.insn), true);
    const selectors = !features.has('fcs_fds_deprecated');
    view.setUint16(X87.instructionSelector, selectors ? cpu.selector(SEG.CS) : 0, true);
    if (!features.has('fdp_excptn_only')) this.noteOperand();
    if (clearsC1) this.status &= ~STATUS.C1;
  }

  private noteOperand(): void {
    if (this.operandSegment < 0) return;
    const { cpu, view } = this;
    const selectors = !cpu.model.features.has('fcs_fds_deprecated');
    view.setBigUint64(X87.dataPointer, this.operandOffset, true);
    view.setUint16(X87.dataSelector, selectors ? cpu.selector(this.operandSegment) : 0, true);
  }

  /**
   * Reports what the instruction has met: flags, C1, and a pending exception. True if it goes on to its result: no exception found before
   * the operation is unmasked.
   */
  settle(): boolean {
    const { env } = this;
    let status = this.status | env.flags;
    if ((env.flags & FLOAT_FLAG.PE) !== 0 && env.roundedUp) status |= STATUS.C1;
    const { unmasked } = env;
    if (unmasked !== 0) {
      status |= PENDING;
      this.noteOpcode();
      this.noteOperand();
    }
    this.status = status;
    return (unmasked & BEFORE_FLAGS) === 0;
  }

  /** FOP: the low three bits of the first opcode byte, then ModRM. Kept only of instructions with unmasked exceptions. */
  private noteOpcode(): void {
    const first = parseInt(INSTRUCTIONS[this.insn.operation].opcode, 16) & 7;
    this.view.setUint16(X87.opcode, (first << 8) | Number(this.insn.imm & 0xffn), true);
  }

  /** A stack underflow: true if masked, and the indefinite takes the place of what is missing. */
  underflow(): boolean {
    this.env.raise(FLOAT_FLAG.IE | STATUS.SF);
    this.conditions(0, STATUS.C1);
    return this.settle();
  }

  /** A stack overflow: true if masked. */
  overflow(): boolean {
    this.env.raise(FLOAT_FLAG.IE | STATUS.SF);
    const goesOn = this.settle();
    this.status |= STATUS.C1;
    return goesOn;
  }

  /** Pushes a result that has been settled, or the indefinite where the stack is full. */
  load(bits: bigint): void {
    if (this.isEmpty(-1)) this.push(bits);
    else if (this.overflow()) this.push(INDEFINITE);
  }

  initialize(): void {
    this.control = INITIAL_CONTROL;
    this.status = 0;
    this.tags = 0;
    this.view.setUint16(X87.opcode, 0, true);
    this.view.setBigUint64(X87.instructionPointer, 0n, true);
    this.view.setBigUint64(X87.dataPointer, 0n, true);
    this.view.setUint16(X87.instructionSelector, 0, true);
    this.view.setUint16(X87.dataSelector, 0, true);
  }

  /** ST(i) operand of the instruction. */
  get index(): number {
    return Number(this.insn.imm & 7n);
  }
}
