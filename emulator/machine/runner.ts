import type { Stop } from '../api';
import { type CodeCache, type CodeMode, linearOf } from '../codegen/code-cache';
import { EXIT } from '../codegen/exits';
import type { RunFunction } from '../codegen/interpreter';
import {
  afterInstruction,
  beforeInstruction,
  boundary,
  instructionBreakpoint,
  needsBoundary,
  needsSingleStep,
  resumeRepetition,
} from '../cpu/boundary';
import { deliverException, deliverPending } from '../cpu/exceptions';
import { PENDING_KIND, VECTOR } from '../cpu/faults';
import { countRetired, countsBranches, instructionsToOverflow, isCounting } from '../cpu/pmu';
import type { Processor } from '../cpu/processor';
import { nextWaitEnd } from '../cpu/waits';
import { HANDLER } from '../codegen/handlers';
import { RECORD, RECORD_SIZE } from '../decode/record';
import type { Platform } from '../devices/platform';
import { POWERED_OFF, RESET_REQUESTED, SLEEPING } from '../devices/power';
import { BOUNDARY, MACHINE, PENDING, PSEUDO, SCRATCH } from '../state/layout';
import { ACTIVITY } from '../tables/boundary-state';
import { BRANCH_ROWS } from '../tables/branch-rows';
import { END_OF_TIME } from '../tables/clock';
import type { VmxUnit } from '../vmx/vmx-unit';
import type { Breakpoints } from './breakpoints';
import { CodeModes } from './code-modes';
import type { Host } from './interpreter-host';
import type { Turns } from './turns';

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
  readonly turns: Turns;
  /** Layer that executes next. */
  currentLayer(): number;
  /** Resets the processors, and lets the first one go on at the guest's waking vector. */
  wake(): void;
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
  /** The interpreter left because the instruction at RIP has to be executed alone. */
  private redo = false;
  /** BOUNDARY.pendingDebug when the interpreter was entered. */
  private pendingDebug = 0;
  /** Processors that stand where the caller last saw them stop or resumed them, perhaps at a breakpoint that is no stop again. */
  private readonly standing = new Set<number>();
  /** Turns since an instruction last retired or time was skipped. */
  private stuck = 0;

  constructor(private readonly parts: RunnerParts) {
    this.cpu = parts.cpu;
    const { view, u8 } = this.cpu.memory;
    u8.fill(0, SCRATCH.resume, SCRATCH.resume + RECORD_SIZE);
    view.setUint16(SCRATCH.resume + RECORD.handler, HANDLER.RESUME, true);
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

  /** The machine is another one than the caller last saw. */
  forget(): void {
    this.standing.clear();
  }

  /** Runs at most `instructions`; may return earlier with 'limit' where instructions take long to retire. */
  run(instructions: number): Stop {
    const end = this.time + BigInt(instructions);
    let left = instructions;
    let shares = 0;
    this.standing.add(this.parts.turns.active);
    while (left > 0) {
      const stop = this.turn(left);
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

  /** Executes one instruction of a processor once its turn has come. */
  step(target = this.parts.turns.active): Stop {
    const { turns } = this.parts;
    this.standing.add(turns.active);
    for (let tries = 0; tries < PATIENCE; tries++) {
      this.exit = EXIT.NONE;
      const event = this.betweenInstructions();
      if (event !== 'happened' && event !== 'proceed') return event;
      const isTarget = turns.active === target;
      if (isTarget || event === 'happened') this.standing.delete(turns.active);
      if (event === 'proceed') {
        if (isTarget) {
          this.syncDebugRegisters();
          this.single();
        } else {
          const stop = this.execute(turns.left);
          if (stop !== undefined) return stop;
        }
      }
      const stop = this.requestedStop();
      if (stop !== undefined || isTarget) return stop ?? { kind: 'limit' };
    }
    return { kind: 'limit' };
  }

  private get time(): bigint {
    return this.cpu.field(MACHINE.time);
  }

  private turn(left: number): Stop | undefined {
    this.exit = EXIT.NONE;
    const event = this.betweenInstructions();
    if (event === 'happened') {
      this.standing.delete(this.parts.turns.active);
      return this.requestedStop();
    }
    if (event !== 'proceed') return event;
    return this.execute(left) ?? this.requestedStop();
  }

  private execute(left: number): Stop | undefined {
    const first = this.standing.delete(this.parts.turns.active);
    this.syncDebugRegisters();
    if (first && this.atBreakpoint()) this.single();
    else if (needsSingleStep(this.cpu)) {
      if (!first && this.atBreakpoint()) return this.breakpointStop();
      this.single();
    } else return this.runBlocks(this.budget(left));
    return undefined;
  }

  /** Lets happen what is due at this boundary. */
  private betweenInstructions(): 'proceed' | 'happened' | Stop {
    const { cpu, parts } = this;
    const stop = this.requestedStop();
    if (stop !== undefined) return stop;
    if (cpu.field32(MACHINE.poweredOff) !== 0) return this.sleep();
    parts.platform.changed = false;
    const due = parts.platform.nextEvent();
    if (due !== undefined && due <= this.time) parts.platform.advance(this.time);
    if (parts.turns.several) parts.turns.settle();
    if (!needsBoundary(cpu)) return 'proceed';
    // A delivery meets the data breakpoints of this processor, not of the one that ran before it.
    this.syncDebugRegisters();
    if (boundary(cpu) !== undefined) return 'happened';
    return cpu.field32(BOUNDARY.activity) === ACTIVITY.ACTIVE ? 'proceed' : this.idle();
  }

  /** A processor that is not active leaves its turn to others; if there are none, the next event comes at once. */
  private idle(): 'proceed' | 'happened' | Stop {
    const { cpu, parts } = this;
    const { turns } = parts;
    if (cpu.field32(BOUNDARY.activity) === ACTIVITY.SHUTDOWN && !(turns.several && cpu.vmx.inGuest)) {
      return this.shutdown();
    }
    for (let tries = 1; tries < cpu.processors && turns.pass(); tries++) {
      if (!needsBoundary(cpu)) return 'proceed';
      this.syncDebugRegisters();
      if (boundary(cpu) !== undefined) return 'happened';
      if (cpu.field32(BOUNDARY.activity) === ACTIVITY.ACTIVE) return 'proceed';
    }
    if (turns.anyShutdown) return this.shutdown();
    const due = earliest(parts.platform.nextEvent(), nextWaitEnd(cpu));
    return this.skipTo(due) ? 'happened' : { kind: 'halted' };
  }

  /** Lets machine time go on to an event; false if there is none. */
  private skipTo(due: bigint | undefined): boolean {
    if (due === undefined || due >= END_OF_TIME) return false;
    if (due > this.time) this.cpu.setField(MACHINE.time, due);
    return true;
  }

  /** Nothing runs until a device wakes the machine; then it goes on where firmware passes it on to. */
  private sleep(): 'happened' | Stop {
    const { cpu, parts } = this;
    if (!this.skipTo(parts.platform.nextEvent())) return { kind: 'halted' };
    parts.platform.advance(this.time);
    if ((cpu.field32(MACHINE.poweredOff) & SLEEPING) === 0) parts.wake();
    return 'happened';
  }

  private shutdown(): Stop {
    const { cpu, parts } = this;
    return { kind: 'shutdown', cause: parts.vmx.aborted ? 'vmx-abort' : 'triple-fault', chain: [...cpu.faultChain] };
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
    const { cpu, platform, turns } = this.parts;
    const due = platform.nextEvent();
    let budget = Math.min(left, MAX_SLICE, turns.several ? turns.left : MAX_SLICE);
    if (isCounting(cpu)) budget = Math.min(budget, instructionsToOverflow(cpu));
    return due === undefined ? budget : Math.min(budget, Math.max(1, Number(due - this.time)));
  }

  /** Marks the debugger's breakpoints and those of the debug registers in decoded code. */
  markBreakpoints(): void {
    const { code, breakpoints } = this.parts;
    code.setBreakpoints([...breakpoints.linears, ...this.cpu.debug.codeLinears]);
  }

  private syncDebugRegisters(): void {
    if (this.cpu.debug.sync()) this.markBreakpoints();
  }

  private get linearRip(): bigint {
    return linearOf(this.cpu.rip, this.mode);
  }

  private atBreakpoint(): boolean {
    const { breakpoints } = this.parts;
    return !breakpoints.isEmpty && breakpoints.matches(this.linearRip, () => this.parts.currentLayer());
  }

  private breakpointStop(): Stop {
    this.standing.add(this.parts.turns.active);
    return { kind: 'breakpoint', linear: this.linearRip };
  }

  /** Runs decoded blocks until the budget is used up or the boundary has to be looked at. */
  private runBlocks(budget: number): Stop | undefined {
    const { cpu, parts } = this;
    // A block has no branch but its last instruction.
    const byBlock = countsBranches(cpu);
    let left = budget;
    // Most often the inline maps know the block at RIP.
    let known = !byBlock;
    for (let rounds = 0; left > 0 && rounds < PATIENCE; rounds++) {
      const before = left;
      if (known) {
        parts.code.enterMode(this.mode);
        left -= this.interpret(SCRATCH.resume, left, true);
        known = false;
      } else {
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
        // The tail of the budget may be shorter than the block.
        const count = cpu.memory.view.getUint16(record + RECORD.count, true);
        const most = byBlock ? Math.min(count, left) : left;
        left -= count <= left ? this.interpret(record, most, !byBlock) : this.interpretPart(record, left);
      }
      if (this.exit === EXIT.BREAK) {
        if (this.atBreakpoint()) return this.breakpointStop();
        left -= this.single();
      } else if (this.redo) left -= this.single();
      if (leavesBlocks(this.exit)) return undefined;
      if (left < before) rounds = 0;
    }
    return undefined;
  }

  /** Runs the first `budget` instructions of a block that has more: a mark stands in front of the rest for as long. */
  private interpretPart(block: number, budget: number): number {
    const { view } = this.cpu.memory;
    let rest = block;
    while (view.getUint16(rest + RECORD.before, true) < budget) rest += RECORD_SIZE;
    const handler = view.getUint16(rest + RECORD.handler, true);
    view.setUint16(rest + RECORD.handler, HANDLER.STOP, true);
    const retired = this.interpret(block, budget, false);
    // The block may have been invalidated.
    if (view.getUint16(rest + RECORD.handler, true) === HANDLER.STOP) {
      view.setUint16(rest + RECORD.handler, handler, true);
    }
    return retired;
  }

  /** Executes the one instruction at RIP, or delivers the breakpoint it meets; returns 1 if it retired, else 0. */
  private single(): number {
    const hits = instructionBreakpoint(this.cpu, this.linearRip);
    if (hits !== 0) {
      this.exit = EXIT.FAULT;
      deliverException(this.cpu, { vector: VECTOR.DB, errorCode: undefined, address: BigInt(hits) });
      return 0;
    }
    const record = this.find((mode) => this.parts.code.single(this.cpu.rip, mode));
    if (record === undefined) {
      this.deliverFetchFault();
      return 0;
    }
    const { cpu } = this;
    const { view, u64, u32 } = cpu.memory;
    const next = u64[PSEUDO.RIP_PAGE >> 3] + BigInt(view.getUint16(record + RECORD.next, true));
    const before = beforeInstruction(cpu);
    u32[SCRATCH.oneRepeat >> 2] = cpu.debug.hasData ? 1 : 0;
    const retired = this.interpret(record, 1, false);
    u32[SCRATCH.oneRepeat >> 2] = 0;
    // To TF an iteration of a repeated instruction counts as one.
    if (retired > 0 || (before.trap && this.exit === EXIT.REPEAT)) afterInstruction(cpu, before, next);
    if (u32[BOUNDARY.pendingDebug >> 2] !== 0 && !leavesBlocks(this.exit)) this.exit = EXIT.EVENT;
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
  private interpret(record: number, budget: number, freely: boolean): number {
    const { cpu, parts } = this;
    parts.host.begin(freely);
    cpu.sliceBudget = budget;
    this.pendingDebug = cpu.memory.u32[BOUNDARY.pendingDebug >> 2];
    const level = isCounting(cpu) ? cpu.cpl : 0;
    cpu.countedInSlice = 0;
    this.interpreting = true;
    cpu.debug.inBlock = record !== SCRATCH.single;
    this.redo = false;
    this.exit = parts.interpret(record, budget);
    this.interpreting = false;
    cpu.debug.inBlock = false;
    parts.host.restoreMark();
    const left = cpu.memory.i32[SCRATCH.budget >> 2];
    const used = cpu.retiredInSlice(0);
    // A store in the block's last instruction asked for the boundary to be looked at.
    if (left < 0 && this.exit !== EXIT.FAULT) this.exit = EXIT.EVENT;
    cpu.sliceBudget = 0;
    cpu.memory.i32[SCRATCH.budget >> 2] = 0;
    if (parts.turns.several) parts.turns.spend(used);
    if (used > 0) {
      cpu.setField(MACHINE.time, cpu.field(MACHINE.time) + BigInt(used));
      cpu.setField(MACHINE.retired, cpu.field(MACHINE.retired) + BigInt(used));
    }
    if (isCounting(cpu)) this.count(record, used, level);
    if (this.exit === EXIT.FAULT) this.deliverPending();
    else if (this.exit === EXIT.REPEAT) resumeRepetition(cpu);
    return used;
  }

  /** Tells the performance counters what has retired; an overflow may have asked for the boundary to be looked at. */
  private count(record: number, retired: number, level: number): void {
    const { cpu, parts } = this;
    countRetired(cpu, retired, retired > 0 && this.endsInBranch(record, retired), level);
    if (parts.platform.changed && !leavesBlocks(this.exit)) this.exit = EXIT.EVENT;
  }

  /** Whether the last of the first `count` instructions of a block is a branch; of several blocks' the answer means nothing. */
  private endsInBranch(block: number, count: number): boolean {
    const { view } = this.cpu.memory;
    if (count > view.getUint16(block + RECORD.count, true)) return false;
    const isMark = (at: number): boolean => {
      const handler = view.getUint16(at + RECORD.handler, true);
      return handler === HANDLER.BREAK || handler === HANDLER.CROSSING;
    };
    let last = block;
    while (isMark(last) || view.getUint16(last + RECORD.before, true) < count - 1) last += RECORD_SIZE;
    return BRANCH_ROWS[view.getUint16(last + RECORD.operation, true)];
  }

  private deliverPending(): void {
    const { cpu } = this;
    const kind = cpu.field32(PENDING.kind);
    this.redo = kind === PENDING_KIND.REDO;
    if (kind !== PENDING_KIND.EXCEPTION) {
      cpu.setField32(PENDING.kind, PENDING_KIND.NONE);
      return;
    }
    // Data breakpoints that the instruction met before it faulted are met again when it is restarted.
    cpu.setField32(BOUNDARY.pendingDebug, this.pendingDebug);
    deliverPending(cpu);
  }
}

const earliest = (a: bigint | undefined, b: bigint | undefined): bigint | undefined =>
  a === undefined || (b !== undefined && b < a) ? b : a;

/** Whether the instruction boundary has to be looked at after an exit. */
function leavesBlocks(exit: number): boolean {
  return exit === EXIT.FAULT || exit === EXIT.EVENT || exit === EXIT.REPEAT;
}
