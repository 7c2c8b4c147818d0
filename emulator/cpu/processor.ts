import { BUDGET_BORROW } from '../codegen/record-context';
import type { InterruptSource, PhysicalBus, PortDevice } from '../devices/bus';
import type { DecodedRecord } from '../decode/decoded-record';
import { CONTROL, FLAGS, GPR, RIP, SCRATCH, SEGMENT, SEGMENTS, SEGMENT_SIZE, MACHINE, PSEUDO } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { ARITHMETIC_FLAGS } from '../tables/control-registers';
import type { CpuModel } from '../tables/cpu-models';
import { isCanonical, linearBitsOf } from '../mmu/canonical';
import type { Mmu } from '../mmu/mmu';
import type { Intercepts } from './intercepts';
import type { FaultStep } from '../api';
import { DebugRegisters } from './debug-registers';
import type { DeliveredEvent } from './exceptions';
import type { MsrHook } from './msr-access';
import { readArithmeticFlags, writeArithmeticFlags } from '../semantics/flags';

/** Index of a segment register in SEGMENT_ORDER. */
export const SEG = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5, LDTR: 6, TR: 7 } as const;

/**
 * The active processor as cold code sees it: typed access to its window, and the units it is connected to. What it does is
 * in the functions of `cpu/`, `mmu/` and `vmx/` that take it as an argument.
 */
export class Processor {
  /** Connected by the machine before the first instruction. */
  mmu!: Mmu;
  vmx!: Intercepts;
  ports!: PortDevice;
  bus!: PhysicalBus;
  interrupts!: InterruptSource;

  /** The event whose delivery is under way; VM exits during it fill the IDT-vectoring information from it. */
  delivering: DeliveredEvent | undefined;
  /** Why the delivery under way failed, in a sentence; empty while it has not. */
  deliveryFailure = '';
  /** Events of the last delivery that could not be delivered, oldest first: after a triple fault, its story. */
  readonly faultChain: FaultStep[] = [];
  /** CR8: the local APIC's task-priority class. */
  taskPriority: { read(): number; write(value: number): void } = { read: () => 0, write: () => undefined };
  /** RIP of an IRET that has unblocked NMIs and not completed: a VM exit by its fault reports "NMI unblocking due to IRET". */
  nmiUnblockedBy: bigint | undefined;
  /** No single-step trap follows the instruction just executed, whatever TF was before it: INT n, SYSCALL, a task switch. */
  trapSuppressed = false;
  /** FERR#: an x87 exception is pending and CR0.NE is 0. The platform makes IRQ 13 of it. */
  numericError: () => void = () => undefined;
  /** Tells the local APIC of a write to IA32_APIC_BASE. */
  apicBaseChanged: (old: bigint, value: bigint) => void = () => undefined;
  /** Signals a performance counter's overflow to the local APIC. */
  performanceInterrupt: () => void = () => undefined;
  /** Instructions of the slice that is executing that the performance counters have counted. */
  countedInSlice = 0;
  /** Breakpoints of the debug registers. */
  readonly debug = new DebugRegisters(this);
  /** MSRs that other units implement (x2APIC, VMX capabilities), asked before the MSR table. */
  readonly msrHooks: MsrHook[] = [];

  /** Set by PAUSE and its kin where there are several processors: the turn of this one is over. */
  yielding = false;

  /** @param processors how many the machine has */
  constructor(
    readonly memory: MachineMemory,
    readonly model: CpuModel,
    readonly processors = 1,
  ) {}

  get number(): number {
    return this.memory.u32[MACHINE.activeProcessor >> 2];
  }

  // General registers, by encoding number
  gpr(number: number): bigint {
    return this.memory.u64[(GPR >> 3) + number];
  }
  setGpr(number: number, value: bigint): void {
    this.memory.u64[(GPR >> 3) + number] = value;
  }
  gpr32(number: number): number {
    return this.memory.u32[(GPR >> 2) + number * 2];
  }
  /** Writes the low half and clears the high one. */
  setGpr32(number: number, value: number): void {
    const at = (GPR >> 2) + number * 2;
    this.memory.u32[at] = value;
    this.memory.u32[at + 1] = 0;
  }

  get rip(): bigint {
    return this.memory.u64[RIP >> 3];
  }
  set rip(value: bigint) {
    this.memory.u64[RIP >> 3] = value;
  }
  /** RIP of an instruction whose record is executing. */
  ripOf(insn: DecodedRecord): bigint {
    return this.truncateRip(this.memory.u64[PSEUDO.RIP_PAGE >> 3] + BigInt(insn.offset));
  }
  /** RIP of the instruction after it. */
  nextRipOf(insn: DecodedRecord): bigint {
    return this.truncateRip(this.memory.u64[PSEUDO.RIP_PAGE >> 3] + BigInt(insn.next));
  }
  private truncateRip(rip: bigint): bigint {
    return this.is64Bit ? BigInt.asUintN(64, rip) : rip & 0xffff_ffffn;
  }

  get rflags(): number {
    return (this.memory.u32[FLAGS.system >> 2] | readArithmeticFlags(this.memory)) >>> 0;
  }
  set rflags(value: number) {
    this.memory.u32[FLAGS.system >> 2] = (value & ~ARITHMETIC_FLAGS) | 2;
    writeArithmeticFlags(this.memory, value);
  }

  // Segments, by SEG index
  private segmentAt(index: number): number {
    return SEGMENTS + index * SEGMENT_SIZE;
  }
  base(index: number): bigint {
    return this.memory.u64[(this.segmentAt(index) + SEGMENT.base) >> 3];
  }
  limit(index: number): number {
    return this.memory.u32[(this.segmentAt(index) + SEGMENT.limit) >> 2];
  }
  access(index: number): number {
    return this.memory.u32[(this.segmentAt(index) + SEGMENT.access) >> 2];
  }
  selector(index: number): number {
    return this.memory.u16[(this.segmentAt(index) + SEGMENT.selector) >> 1];
  }
  setSegment(index: number, selector: number, base: bigint, limit: number, access: number): void {
    const at = this.segmentAt(index);
    this.memory.u64[(at + SEGMENT.base) >> 3] = base;
    this.memory.u32[(at + SEGMENT.limit) >> 2] = limit;
    this.memory.u32[(at + SEGMENT.access) >> 2] = access;
    this.memory.u16[(at + SEGMENT.selector) >> 1] = selector;
  }
  setBase(index: number, base: bigint): void {
    this.memory.u64[(this.segmentAt(index) + SEGMENT.base) >> 3] = base;
  }
  /** Current privilege level: SS.DPL, as the SDM defines it for VMX. */
  get cpl(): number {
    return (this.access(SEG.SS) >> 5) & 3;
  }

  /** Linear-address width in bits: 57 with 5-level paging, else 48. */
  get linearBits(): 48 | 57 {
    return linearBitsOf(this.field32(CONTROL.cr4));
  }
  /** Canonical in the present linear-address width. */
  isCanonical(address: bigint): boolean {
    return isCanonical(address, this.linearBits);
  }
  /**
   * Canonical in the largest width this processor has, whatever CR4.LA57 is: what segment and descriptor-table bases, MSRs that hold
   * addresses, and the operands of invalidations must be.
   */
  isCanonicalBase(address: bigint): boolean {
    return isCanonical(address, this.model.features.has('la57') ? 57 : 48);
  }

  // Control registers
  get cr0(): bigint {
    return this.memory.u64[CONTROL.cr0 >> 3];
  }
  get cr3(): bigint {
    return this.memory.u64[CONTROL.cr3 >> 3];
  }
  get cr4(): bigint {
    return this.memory.u64[CONTROL.cr4 >> 3];
  }
  get efer(): bigint {
    return this.memory.u64[CONTROL.efer >> 3];
  }
  get longMode(): boolean {
    return (this.memory.u32[CONTROL.efer >> 2] & 0x400) !== 0;
  }
  /** 64-bit mode: EFER.LMA and CS.L. */
  get is64Bit(): boolean {
    return this.longMode && (this.access(SEG.CS) & 0x2000) !== 0;
  }

  /** Any 64-bit field of the window (`CONTROL`, `MSRS`, `VMX`, ...). */
  field(address: number): bigint {
    return this.memory.u64[address >> 3];
  }
  setField(address: number, value: bigint): void {
    this.memory.u64[address >> 3] = value;
  }
  field32(address: number): number {
    return this.memory.u32[address >> 2];
  }
  setField32(address: number, value: number): void {
    this.memory.u32[address >> 2] = value;
  }

  /** Machine time at the instruction whose record is executing (valid in cold code). */
  timeAt(insn: DecodedRecord): bigint {
    return this.memory.u64[MACHINE.time >> 3] + BigInt(this.retiredInSlice(insn.before));
  }
  /** Instructions retired since MACHINE.time was brought up to date, at the one `before` others of its block precede. */
  retiredInSlice(before: number): number {
    const left = this.memory.i32[SCRATCH.budget >> 2];
    // What a slow store borrowed to end the block has not been used.
    return this.sliceBudget - (left < 0 ? left + BUDGET_BORROW : left) + before;
  }
  /** Budget the interpreter was entered with; MACHINE.time is brought up to date when it leaves. */
  sliceBudget = 0;
}
