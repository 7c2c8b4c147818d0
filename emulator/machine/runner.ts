import type { Stop } from '../api';
import { type CodeCache, type CodeMode, linearOf } from '../codegen/code-cache';
import { EXIT } from '../codegen/exits';
import type { RunFunction } from '../codegen/interpreter';
import { afterInstruction, beforeInstruction, boundary, needsSingleStep, needsBoundary } from '../cpu/boundary';
import { deliverException } from '../cpu/exceptions';
import { PENDING_KIND, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import { RECORD } from '../decode/record';
import type { Platform } from '../devices/platform';
import { POWERED_OFF, RESET_REQUESTED } from '../devices/power';
import { BOUNDARY, MACHINE, PENDING, SCRATCH } from '../state/layout';
import { ACTIVITY } from '../tables/boundary-state';
import type { VmxUnit } from '../vmx/vmx-unit';
import type { Breakpoints } from './breakpoints';
import { CodeModes } from './code-modes';
import type { Host } from './interpreter-host';

/**
 * Instructions the interpreter is given at most at once. The engine compiles WebAssembly quickly first and well only later, and a
 * call goes on in the code it began in: a few milliseconds' work a call, so that the good code is used as soon as it is there.
 */
const MAX_SLICE = 0x10_0000;
/** Events in a row without an instruction retiring after which the caller gets a look. */
const PATIENCE = 1 << 10;
/** Events in a row without an instruction retiring after which nothing will ever retire. */
const LIVELOCK = 1 << 16;
/** Shares of a REP instruction's iterations after which the caller gets a look: of INS and OUTS a share is one iteration. */
const REPEAT_SHARES = 32;

/** What the outer loop drives. */
export interface RunnerParts {
  readonly cpu: Processor;
  readonly platform: Platform;
  readonly code: CodeCache;
  readonly host: Host;
  readonly interpret: RunFunction;
  readonly vmx: VmxUnit;
  readonly breakpoints: Breakpoints;
  /** Layer that executes next. */
  currentLayer(): number;
}

/**
 * The outer loop. Between instructions it lets time and events happen, then gives the interpreter as many instructions as
 * can pass before the next thing that is due.
 */
export class Runner {
  private readonly modes = new CodeModes();
  private readonly cpu: Processor;
  /** EXIT of the last call of the interpreter. */
  private exit: number = EXIT.NONE;
  private interpreting = false;
  /** Turns since an instruction last retired or time was skipped. */
  private stuck = 0;

  constructor(private readonly parts: RunnerParts) {
    this.cpu = parts.cpu;
  }

  /** Code mode of the processor as it stands. */
  get mode(): CodeMode {
    return this.modes.current(this.cpu);
  }

  /** Machine time, to the instruction even while one is executing. */
  now(): bigint {
    const time = this.cpu.field(MACHINE.time);
    if (!this.interpreting) return time;
    const { memory } = this.cpu;
    const before = memory.view.getUint16(memory.u32[SCRATCH.record >> 2] + RECORD.before, true);
    return time + BigInt(this.cpu.retiredInSlice(before));
  }

  /** Runs at most `instructions`; may return earlier with 'limit' where instructions take long to retire. */
  run(instructions: number): Stop {
    const end = this.time + BigInt(instructions);
    let left = instructions;
    let shares = 0;
    for (let first = true; left > 0; first = false) {
      const stop = this.turn(left, first);
      if (stop !== undefined) return stop;
      const before = left;
      left = Number(end - this.time);
      if (this.exit === EXIT.REPEAT) {
        if (++shares === REPEAT_SHARES) break;
      } else if (left < before) {
        this.stuck = 0;
      } else {
        this.stuck++;
        if (this.stuck === LIVELOCK) return { kind: 'livelock' };
        if (this.stuck % PATIENCE === 0) break;
      }
    }
    return { kind: 'limit' };
  }

  step(): Stop {
    const event = this.betweenInstructions();
    if (event === 'proceed') this.single();
    else if (event !== 'happened') return event;
    return this.requestedStop() ?? { kind: 'limit' };
  }

  private get time(): bigint {
    return this.cpu.field(MACHINE.time);
  }

  /** @param first nothing has run yet since the caller resumed: a breakpoint at RIP is where it stands, not a stop */
  private turn(left: number, first: boolean): Stop | undefined {
    this.exit = EXIT.NONE;
    const event = this.betweenInstructions();
    if (event === 'happened') return this.requestedStop();
    if (event !== 'proceed') return event;
    if (first && this.atBreakpoint()) this.single();
    else if (needsSingleStep(this.cpu)) {
      if (!first && this.atBreakpoint()) return this.breakpointStop();
      this.single();
    } else {
      const stop = this.runBlocks(this.budget(left));
      if (stop !== undefined) return stop;
    }
    return this.requestedStop();
  }

  /** Lets happen what is due at this boundary. */
  private betweenInstructions(): 'proceed' | 'happened' | Stop {
    const { cpu, parts } = this;
    const stop = this.requestedStop();
    if (stop !== undefined) return stop;
    parts.platform.changed = false;
    const due = parts.platform.nextEvent();
    if (due !== undefined && due <= this.time) parts.platform.advance(this.time);
    if (!needsBoundary(cpu)) return 'proceed';
    if (boundary(cpu) !== undefined) return 'happened';
    return cpu.field32(BOUNDARY.activity) === ACTIVITY.ACTIVE ? 'proceed' : this.idle();
  }

  /** A processor that is not active waits for the next event, which comes at once. */
  private idle(): 'happened' | Stop {
    const { cpu, parts } = this;
    if (cpu.field32(BOUNDARY.activity) !== ACTIVITY.HLT) {
      return { kind: 'shutdown', cause: parts.vmx.aborted ? 'vmx-abort' : 'triple-fault', chain: [...cpu.faultChain] };
    }
    const due = parts.platform.nextEvent();
    if (due === undefined) return { kind: 'halted' };
    if (due > this.time) cpu.setField(MACHINE.time, due);
    return 'happened';
  }

  /** A stop that what just happened asks for. */
  private requestedStop(): Stop | undefined {
    const { cpu, parts } = this;
    const power = cpu.field32(MACHINE.poweredOff);
    if ((power & POWERED_OFF) !== 0) {
      return { kind: 'poweroff', status: power & 0xff, reset: (power & RESET_REQUESTED) !== 0 };
    }
    const { log } = parts.vmx;
    if (!log.stopRequested) return undefined;
    log.stopRequested = false;
    const transition = log.last;
    return transition === undefined ? undefined : { kind: 'transition', transition };
  }

  /** Instructions that may pass before the next timed event. */
  private budget(left: number): number {
    const due = this.parts.platform.nextEvent();
    const budget = Math.min(left, MAX_SLICE);
    return due === undefined ? budget : Math.min(budget, Math.max(1, Number(due - this.time)));
  }

  private get linearRip(): bigint {
    return linearOf(this.cpu.rip, this.mode);
  }

  private atBreakpoint(): boolean {
    const { breakpoints } = this.parts;
    return !breakpoints.isEmpty && breakpoints.matches(this.linearRip, () => this.parts.currentLayer());
  }

  private breakpointStop(): Stop {
    return { kind: 'breakpoint', linear: this.linearRip };
  }

  /** Runs decoded blocks until the budget is used up or the boundary has to be looked at. */
  private runBlocks(budget: number): Stop | undefined {
    const { cpu, parts } = this;
    let left = budget;
    for (let rounds = 0; left > 0 && rounds < PATIENCE; rounds++) {
      const before = left;
      const record = this.find((mode) => parts.code.lookup(cpu.rip, mode));
      if (record === undefined) {
        // A breakpoint on an instruction that cannot be fetched comes before the fault.
        if (cpu.field32(PENDING.kind) === PENDING_KIND.EXCEPTION && this.atBreakpoint()) {
          cpu.setField32(PENDING.kind, PENDING_KIND.NONE);
          return this.breakpointStop();
        }
        this.deliverFetchFault();
        return undefined;
      }
      // The tail of the budget is shorter than the block: to the exact count by single steps.
      const fits = cpu.memory.view.getUint16(record + RECORD.count, true) <= left;
      if (fits) left -= this.interpret(record, left);
      if (!fits || this.exit === EXIT.BREAK) {
        if (this.atBreakpoint()) return this.breakpointStop();
        left -= this.single();
      }
      if (leavesBlocks(this.exit)) return undefined;
      if (left < before) rounds = 0;
    }
    return undefined;
  }

  /** Executes the one instruction at RIP; returns 1 if it retired, else 0. */
  private single(): number {
    const record = this.find((mode) => this.parts.code.single(this.cpu.rip, mode));
    if (record === undefined) {
      this.deliverFetchFault();
      return 0;
    }
    const before = beforeInstruction(this.cpu);
    const retired = this.interpret(record, 1);
    // To TF an iteration of a repeated instruction counts as one.
    if (retired > 0 || (before.trap && this.exit === EXIT.REPEAT)) afterInstruction(this.cpu, before);
    return retired;
  }

  /** Finds the code at RIP; if fetching it faults, PENDING says how, and the answer is undefined. */
  private find(code: (mode: CodeMode) => number | undefined): number | undefined {
    const { cpu, parts, mode } = this;
    parts.code.enterMode(mode);
    try {
      const record = code(mode);
      if (record !== undefined) return record;
      // No memory answers: all ones, which is no instruction.
      cpu.setField32(PENDING.kind, PENDING_KIND.EXCEPTION);
      cpu.setField32(PENDING.vector, VECTOR.UD);
      cpu.setField32(PENDING.hasErrorCode, 0);
    } catch (thrown) {
      parts.host.noteFault(thrown);
    }
    return undefined;
  }

  private deliverFetchFault(): void {
    this.exit = EXIT.FAULT;
    this.deliverPending();
  }

  /** Runs from a record; time goes on by the instructions retired, which are returned. */
  private interpret(record: number, budget: number): number {
    const { cpu, parts } = this;
    cpu.sliceBudget = budget;
    this.interpreting = true;
    this.exit = parts.interpret(record, budget);
    this.interpreting = false;
    parts.host.restoreMark();
    const left = cpu.memory.i32[SCRATCH.budget >> 2];
    const used = cpu.retiredInSlice(0);
    // A store in the block's last instruction asked for the boundary to be looked at.
    if (left < 0 && this.exit !== EXIT.FAULT) this.exit = EXIT.EVENT;
    cpu.sliceBudget = 0;
    cpu.memory.i32[SCRATCH.budget >> 2] = 0;
    if (used > 0) {
      cpu.setField(MACHINE.time, cpu.field(MACHINE.time) + BigInt(used));
      cpu.setField(MACHINE.retired, cpu.field(MACHINE.retired) + BigInt(used));
    }
    if (this.exit === EXIT.FAULT) this.deliverPending();
    return used;
  }

  private deliverPending(): void {
    const { cpu } = this;
    const kind = cpu.field32(PENDING.kind);
    cpu.setField32(PENDING.kind, PENDING_KIND.NONE);
    if (kind !== PENDING_KIND.EXCEPTION) return;
    deliverException(cpu, {
      vector: cpu.field32(PENDING.vector),
      errorCode: cpu.field32(PENDING.hasErrorCode) === 0 ? undefined : cpu.field32(PENDING.errorCode),
      address: cpu.field(PENDING.address),
    });
  }
}

/** Whether the instruction boundary has to be looked at after an exit. */
function leavesBlocks(exit: number): boolean {
  return exit === EXIT.FAULT || exit === EXIT.EVENT || exit === EXIT.REPEAT;
}
