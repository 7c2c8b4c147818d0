import { EXIT } from '../codegen/exits';
import { HANDLER } from '../codegen/handlers';
import type { InterpreterHost } from '../codegen/interpreter';
import { needsBoundary, needsSingleStep } from '../cpu/boundary';
import { COLD, type ColdInstruction } from '../cpu/cold';
import { deliverPending } from '../cpu/exceptions';
import { GuestFault, PENDING_KIND, REDO_ALONE, TRANSITION_MADE, VECTOR } from '../cpu/faults';
import { isCounting } from '../cpu/pmu';
import { type Processor, SEG } from '../cpu/processor';
import { DecodedRecord } from '../decode/decoded-record';
import { RECORD, RECORD_SIZE } from '../decode/record';
import type { MemoryAccess } from '../mmu/access';
import { BOUNDARY, PENDING, SCRATCH } from '../state/layout';

/** The parts of the machine generated code reaches through its host. */
export interface HostParts {
  readonly cpu: Processor;
  readonly access: MemoryAccess;
  /** By row of the instruction table. */
  readonly cold: readonly (ColdInstruction | undefined)[];
  /** True where the instruction boundary has to be looked at after what just happened. */
  boundaryChanged(): boolean;
  /** See `CodeCache.crossingHolds`. */
  crossingHolds(record: number): boolean;
  /** Prepares the code cache for the mode the processor is in. */
  enterMode(): void;
}

/** Answers what generated code calls out for, and turns thrown faults into statuses. */
export class Host implements InterpreterHost {
  private readonly insn: DecodedRecord;
  /** Record whose handler is LEAVE for now, and the handler it has. */
  private patched = 0;
  private patchedHandler = 0;
  private mayResume = false;
  /** SCRATCH.budget when the interpreter was last sent on. */
  private resumedAt = -1;

  constructor(private readonly parts: HostParts) {
    this.insn = new DecodedRecord(parts.cpu.memory.view);
  }

  slowLoad(linear: bigint, meta: number): number {
    try {
      return this.parts.access.slowLoad(linear, meta);
    } catch (thrown) {
      this.noteOperandFault(thrown);
      return 0;
    }
  }

  slowModify(linear: bigint, meta: number): number {
    try {
      return this.parts.access.slowModify(linear, meta);
    } catch (thrown) {
      this.noteOperandFault(thrown);
      return 0;
    }
  }

  slowStore(linear: bigint, value: bigint, meta: number): number {
    try {
      this.parts.access.slowStore(linear, value, meta);
    } catch (thrown) {
      this.noteOperandFault(thrown);
      return 1;
    }
    return this.leaveIfChanged();
  }

  commitModify(): number {
    try {
      this.parts.access.commitModify();
    } catch (thrown) {
      this.noteFault(thrown);
      return 1;
    }
    return this.leaveIfChanged();
  }

  linear(segment: number, offset: bigint, meta: number, addressSize: number): bigint {
    const { cpu } = this.parts;
    cpu.setField32(SCRATCH.status, 0);
    try {
      return cpu.mmu.linear(segment, offset, meta & 0x7f, (meta & 0x100) !== 0, addressSize as 2 | 4 | 8);
    } catch (thrown) {
      this.noteFault(thrown);
      cpu.setField32(SCRATCH.status, 1);
      return 0n;
    }
  }

  crossing(record: number): number {
    try {
      return this.parts.crossingHolds(record) ? EXIT.NONE : EXIT.STALE;
    } catch (thrown) {
      this.noteFault(thrown);
      return EXIT.FAULT;
    }
  }

  /** The interpreter is about to be entered; `freely`: where an instruction changes more than RIP, it may go on by itself. */
  begin(freely: boolean): void {
    this.mayResume = freely && !isCounting(this.parts.cpu) && this.parts.cpu.debug.isOff;
    this.resumedAt = -1;
  }

  fault(record: number): number {
    const before = this.parts.cpu.memory.u16[(record + RECORD.before) >> 1];
    return this.afterFault(before);
  }

  /** An instruction that `before` others of its block precede did not retire: delivers the exception if that needs nobody else. */
  private afterFault(before: number): number {
    const { cpu } = this.parts;
    const { i32 } = cpu.memory;
    if (!this.mayResume || i32[SCRATCH.budget >> 2] < 0 || cpu.field32(PENDING.kind) === PENDING_KIND.REDO) {
      this.spend(before);
      return EXIT.FAULT;
    }
    if (cpu.field32(PENDING.kind) === PENDING_KIND.EXCEPTION) deliverPending(cpu);
    else cpu.setField32(PENDING.kind, PENDING_KIND.NONE);
    this.spend(before);
    return this.resumption(EXIT.FAULT);
  }

  /** RESUME if nothing but the instruction at RIP is due; else `exit`. */
  private resumption(exit: number): number {
    const { cpu } = this.parts;
    if (!this.mayResume || this.parts.boundaryChanged() || needsBoundary(cpu) || cpu.yielding) return exit;
    if (!cpu.debug.isOff || isCounting(cpu) || needsSingleStep(cpu)) return exit;
    const budget = cpu.memory.i32[SCRATCH.budget >> 2];
    // Where nothing retires the outer loop has to notice.
    if (budget === this.resumedAt) return exit;
    this.resumedAt = budget;
    this.parts.enterMode();
    return EXIT.RESUME;
  }

  cold(record: number): number {
    const { debug } = this.parts.cpu;
    // What a cold instruction has done cannot be taken back.
    const { inBlock } = debug;
    debug.inBlock = false;
    const exit = this.execute(record);
    debug.inBlock = inBlock;
    return exit;
  }

  private execute(record: number): number {
    const { cpu } = this.parts;
    const insn = this.insn.at(record);
    const instruction = this.parts.cold[insn.operation];
    if (instruction === undefined) throw new Error(`no cold instruction for table row ${insn.operation}`);
    const bank = cpu.field32(SCRATCH.bank);
    try {
      switch (instruction(cpu, insn)) {
        case COLD.NEXT:
          if (!this.parts.boundaryChanged() && cpu.field32(BOUNDARY.pendingDebug) === 0) {
            // What the code map of another bank holds may be of another mode: WRPKRU and XRSTOR choose banks and go on.
            if (cpu.field32(SCRATCH.bank) !== bank) this.parts.enterMode();
            return EXIT.NONE;
          }
          cpu.rip = cpu.nextRipOf(insn);
          break;
        case COLD.LEAVE:
          cpu.rip = cpu.nextRipOf(insn);
          break;
        case COLD.JUMPED:
          this.spend(insn.before + 1);
          return this.resumption(EXIT.EVENT);
        case COLD.REPEAT:
          this.spend(insn.before);
          return EXIT.REPEAT;
        case COLD.EXITED:
          cpu.setField32(PENDING.kind, PENDING_KIND.TRANSITION);
          return this.afterFault(insn.before);
      }
    } catch (thrown) {
      this.noteFault(thrown);
      return this.afterFault(insn.before);
    }
    this.spend(insn.before + 1);
    return EXIT.EVENT;
  }

  private spend(instructions: number): void {
    this.parts.cpu.memory.i32[SCRATCH.budget >> 2] -= instructions;
  }

  /** A non-canonical operand raises #SS where RSP or RBP is its base, which the access itself does not know. */
  private noteOperandFault(thrown: unknown): void {
    const { view, u32 } = this.parts.cpu.memory;
    const segment = view.getUint8(u32[SCRATCH.record >> 2] + RECORD.segment);
    if (thrown instanceof GuestFault && thrown.vector === VECTOR.GP && segment === SEG.SS) thrown.vector = VECTOR.SS;
    this.noteFault(thrown);
  }

  /** Writes what was thrown to PENDING; anything but the guest's own business is passed on. */
  noteFault(thrown: unknown): void {
    const { cpu } = this.parts;
    if (thrown === TRANSITION_MADE) {
      cpu.setField32(PENDING.kind, PENDING_KIND.TRANSITION);
      return;
    }
    if (thrown === REDO_ALONE) {
      cpu.setField32(PENDING.kind, PENDING_KIND.REDO);
      return;
    }
    if (!(thrown instanceof GuestFault)) throw thrown;
    cpu.setField32(PENDING.kind, PENDING_KIND.EXCEPTION);
    cpu.setField32(PENDING.vector, thrown.vector);
    cpu.setField32(PENDING.hasErrorCode, thrown.errorCode === undefined ? 0 : 1);
    cpu.setField32(PENDING.errorCode, thrown.errorCode ?? 0);
    cpu.setField(PENDING.address, thrown.address);
  }

  /** After a store that changed the platform: 2, and the next instruction's place is taken by a LEAVE mark. */
  private leaveIfChanged(): number {
    if (!this.parts.boundaryChanged()) return 0;
    const { view, u32 } = this.parts.cpu.memory;
    if (this.patched === 0) {
      this.patched = u32[SCRATCH.record >> 2] + RECORD_SIZE;
      this.patchedHandler = view.getUint16(this.patched + RECORD.handler, true);
      view.setUint16(this.patched + RECORD.handler, HANDLER.LEAVE, true);
    }
    return 2;
  }

  /** Undoes the LEAVE mark; to be called when the interpreter has left. */
  restoreMark(): void {
    if (this.patched === 0) return;
    const { view } = this.parts.cpu.memory;
    const at = this.patched + RECORD.handler;
    if (view.getUint16(at, true) === HANDLER.LEAVE) view.setUint16(at, this.patchedHandler, true);
    this.patched = 0;
  }
}
