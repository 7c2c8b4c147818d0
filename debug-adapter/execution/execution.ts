import type { CodeBreakpoint, Stop, StopMask } from '../../emulator/api';
import type { BreakpointSet } from '../breakpoints/breakpoint-set';
import type { ExceptionFilters, FilterHit } from '../breakpoints/exception-filters';
import type { Debuggee } from '../debuggee';
import { environmentOf } from '../evaluation';
import { messageOf } from '../errors';
import { describeStop, describeTransition } from '../explain';
import { hex } from '../format';
import { linearRip } from '../registers';
import type { Goal, Move } from './goals';
import { report, type StopReport } from './stop-report';

/** What happens while the machine runs. */
export interface ExecutionListener {
  stopped(report: StopReport): void;
  /** The guest's exit status; nothing runs any more. */
  ended(status: number): void;
  /** A log point's message. */
  log(text: string): void;
  /** A slice is over: what has gathered may be sent. */
  sliceEnded(): void;
}

/** Milliseconds the machine runs before the client is heard again. */
const SLICE = 4;
const FIRST_BUDGET = 50_000;
/** Of idle time much fits into a slice, of what follows it perhaps little. */
const LARGEST_BUDGET = 4_000_000;
const EVERYTHING: StopMask = { exit: true, entry: true, entryFailure: true, vmfail: true, tripleFault: true };

/** Exit status where the guest did not give one. */
export const EXIT_STATUS = { halted: 3, shutdown: 4 } as const;

type Judgement =
  | { readonly kind: 'go-on' }
  | { readonly kind: 'stop'; readonly report: StopReport }
  | { readonly kind: 'end'; readonly status: number };

const GO_ON: Judgement = { kind: 'go-on' };
const SHOWN: FilterHit = { problem: undefined };

/** Runs the machine in slices of a few milliseconds towards a goal, and decides at each pause whether it is one to show. */
export class Execution {
  private goal: Goal | undefined;
  private generation = 0;
  private pausing = false;
  private budget = FIRST_BUDGET;
  private breakpointsStale = true;
  private breakpointsUntil: string | undefined;
  /** Where the machine was reset to, nobody has looked for a breakpoint yet. */
  private fresh = true;
  private terminal: { readonly status: number } | undefined;
  /** What the client was told last. */
  lastReport: StopReport | undefined;

  constructor(
    private readonly debuggee: Debuggee,
    private readonly breakpoints: BreakpointSet,
    private readonly filters: ExceptionFilters,
    private readonly listener: ExecutionListener,
  ) {}

  get running(): boolean {
    return this.goal !== undefined;
  }

  /** The machine cannot run any more; to continue is to end. */
  get finished(): boolean {
    return this.terminal !== undefined;
  }

  /** Starts towards a goal; the first slice comes after the client's request has been answered. */
  start(goal: Goal): void {
    if (this.terminal !== undefined) {
      const { status } = this.terminal;
      setImmediate(() => this.listener.ended(status));
      return;
    }
    this.goal = goal;
    this.pausing = false;
    this.schedule();
  }

  pause(): void {
    this.pausing = true;
  }

  /** Stops without a word, and gives the way to go on. */
  suspend(): () => void {
    const { goal } = this;
    this.halt();
    return () => {
      this.goal = goal;
      if (goal !== undefined) this.schedule();
    };
  }

  /** Stops without a word. */
  halt(): void {
    this.goal = undefined;
    this.generation++;
  }

  /** Tells the client about a stop that needs no run: at entry, after a jump. */
  announce(what: StopReport): void {
    this.goal = undefined;
    this.fresh = false;
    this.generation++;
    this.lastReport = what;
    this.debuggee.invalidate();
    this.listener.stopped(what);
  }

  breakpointsChanged(): void {
    this.breakpointsStale = true;
  }

  private schedule(): void {
    const generation = ++this.generation;
    setImmediate(() => {
      if (generation !== this.generation || this.goal === undefined) return;
      try {
        this.slice(this.goal);
      } catch (error) {
        const text = `Internal error while the machine ran: ${messageOf(error)}. The session goes on; please report it.`;
        this.announce(report('exception', 'Internal error', { text }));
      }
    });
  }

  private slice(goal: Goal): void {
    const end = performance.now() + SLICE;
    do {
      if (this.pausing) return this.announce(report('pause', 'Paused'));
      const move = goal.next();
      if (move.kind === 'done') return this.announce(report('step', 'Step'));
      const judgement = this.fresh ? this.atReset() : this.advance(move);
      if (judgement.kind === 'stop') return this.announce(judgement.report);
      if (judgement.kind === 'end') {
        this.terminal = { status: judgement.status };
        this.goal = undefined;
        this.debuggee.invalidate();
        return this.listener.ended(judgement.status);
      }
    } while (performance.now() < end);
    this.listener.sliceEnded();
    this.schedule();
  }

  /** A breakpoint may stand at the first instruction. */
  private atReset(): Judgement {
    this.fresh = false;
    return this.atBreakpoint();
  }

  private advance(move: Extract<Move, { kind: 'step' | 'run' }>): Judgement {
    const { debuggee } = this;
    const { machine } = debuggee;
    this.arm(move);
    // Deliveries and transitions move without retiring, loops to themselves retire without moving.
    const { retired, current } = machine;
    const { rip } = debuggee.state(current);
    let stop: Stop;
    if (move.kind === 'step') stop = machine.step(move.processor);
    else {
      const began = performance.now();
      stop = machine.run(this.budget);
      if (stop.kind === 'limit') this.adapt(performance.now() - began);
    }
    debuggee.invalidate();
    const now = machine.current;
    const moved = machine.retired !== retired || now.id !== current.id || debuggee.state(now).rip !== rip;
    return this.judge(stop, moved);
  }

  /** Chooses the budget so that one run takes about half a slice, and pause answers at once. */
  private adapt(took: number): void {
    const factor = Math.min(4, Math.max(0.25, SLICE / 2 / Math.max(took, 0.01)));
    this.budget = Math.min(LARGEST_BUDGET, Math.max(1000, Math.round(this.budget * factor)));
  }

  private arm(move: Move): void {
    const { machine } = this.debuggee;
    const until = move.kind === 'run' ? move.until : undefined;
    const key = until === undefined ? undefined : `${until.layer}:${until.linear}`;
    if (this.breakpointsStale || key !== this.breakpointsUntil) {
      machine.setBreakpoints(until === undefined ? this.wanted() : [...this.wanted(), until]);
      this.breakpointsStale = false;
      this.breakpointsUntil = key;
    }
    Object.assign(machine.stopMask, move.kind === 'run' && move.watch === true ? EVERYTHING : this.filters.mask);
  }

  private wanted(): readonly CodeBreakpoint[] {
    return this.debuggee.configuration.noDebug ? [] : this.breakpoints.codeBreakpoints;
  }

  private judge(stop: Stop, moved: boolean): Judgement {
    const { noDebug } = this.debuggee.configuration;
    switch (stop.kind) {
      case 'limit':
        return moved ? this.atBreakpoint() : GO_ON;
      case 'breakpoint':
        return this.atBreakpoint();
      case 'exception':
        return GO_ON;
      case 'transition': {
        // Breakpoints where the transition leads are asked too: the machine will not stop at them when it goes on.
        const here = this.atBreakpoint();
        const hit = noDebug ? undefined : this.filters.judge(this.debuggee, stop.transition);
        if (hit === undefined) return here;
        const hitBreakpointIds = here.kind === 'stop' ? here.report.hitBreakpointIds : [];
        const title = describeTransition(stop.transition);
        const text = hit.problem === undefined ? describeStop(stop) : `${hit.problem}\n${describeStop(stop)}`;
        return { kind: 'stop', report: report('exception', title, { text, stop, hitBreakpointIds }) };
      }
      case 'livelock':
        return { kind: 'stop', report: report('exception', 'Livelock', { text: describeStop(stop), stop }) };
      case 'halted':
      case 'shutdown': {
        const status = stop.kind === 'halted' ? EXIT_STATUS.halted : EXIT_STATUS.shutdown;
        const hit = stop.kind === 'halted' ? SHOWN : this.filters.judgeShutdown(this.debuggee, stop.cause);
        if (noDebug || hit === undefined) {
          this.listener.log(describeStop(stop));
          return { kind: 'end', status };
        }
        this.terminal = { status };
        const title =
          stop.kind === 'halted'
            ? 'Halted: nothing can wake the processor'
            : stop.cause === 'triple-fault'
              ? 'Triple fault'
              : 'VMX abort';
        const text = hit.problem === undefined ? describeStop(stop) : `${hit.problem}\n${describeStop(stop)}`;
        return { kind: 'stop', report: report('exception', title, { text, stop }) };
      }
      case 'poweroff':
        return { kind: 'end', status: stop.status };
    }
  }

  /** The machine stands somewhere new: is it a breakpoint's place, and does the breakpoint want to stop? */
  private atBreakpoint(): Judgement {
    const { debuggee } = this;
    if (debuggee.configuration.noDebug || this.breakpoints.isEmpty) return GO_ON;
    const place = debuggee.place(debuggee.current);
    const linear = linearRip(place.state);
    if (!this.breakpoints.mayBeAt(linear)) return GO_ON;
    const stopping: { readonly id: number; readonly kind: string }[] = [];
    let problem: string | undefined;
    for (const breakpoint of this.breakpoints.at(linear, place, debuggee.symbols)) {
      const verdict = breakpoint.reached(() => environmentOf(debuggee, place.layer));
      if (verdict.kind === 'log') this.listener.log(verdict.text);
      if (verdict.kind === 'failed') problem = verdict.message;
      if (verdict.kind === 'stop' || verdict.kind === 'failed') {
        stopping.push({ id: breakpoint.id, kind: breakpoint.wanted.target.kind });
      }
    }
    if (stopping.length === 0) return GO_ON;
    const { kind } = stopping[0];
    const reason =
      kind === 'source' ? 'breakpoint' : kind === 'function' ? 'function breakpoint' : 'instruction breakpoint';
    const stop: Stop = { kind: 'breakpoint', linear };
    return {
      kind: 'stop',
      report: report(reason, problem === undefined ? 'Paused on breakpoint' : 'Breakpoint condition failed', {
        text: problem ?? `At ${debuggee.symbols.name(place, linear)?.text ?? hex(linear)}`,
        hitBreakpointIds: stopping.map(({ id }) => id),
        stop,
      }),
    };
  }
}
