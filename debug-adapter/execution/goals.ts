/**
 * What the machine is let run for. A goal is asked at every pause between instructions how to go on; it sees one layer, and the
 * other layers run as needed while that one rests.
 */
import type { Layer } from '../../emulator/api';
import type { Debuggee } from '../debuggee';
import type { Disassembler, FlowInfo } from '../disassembler';
import { LONGEST_INSTRUCTION } from '../disassembler';
import { littleEndian } from '../format';
import type { Place } from '../layer-symbols';
import { linearRip, linearStack } from '../registers';
import { callerOf, currentRegisters } from '../stack';

export type Move =
  /** The goal is reached (or can never be). */
  | { readonly kind: 'done' }
  /** One instruction of a processor. */
  | { readonly kind: 'step'; readonly processor: number }
  /** Run freely; pause at `until`, and at every transition if `watch`. */
  | {
      readonly kind: 'run';
      readonly until?: { readonly linear: bigint; readonly layer: number };
      readonly watch?: boolean;
    };

export interface Goal {
  next(): Move;
}

const DONE: Move = { kind: 'done' };
const RSP = 4;

/** Until something else stops the machine. */
export const CONTINUE: Goal = { next: () => ({ kind: 'run' }) };

/** Where a call returns to: an address, reached with at least this stack pointer (a deeper one is another activation). */
interface ReturnPoint {
  readonly rip: bigint;
  readonly linear: bigint;
  readonly stack: bigint;
}

/** Shared by all steps: follows one layer, and returns from what is stepped over. */
abstract class LayerGoal implements Goal {
  /** RIP of the layer when the goal was set. */
  protected readonly startRip: bigint;
  private returnPoint: ReturnPoint | undefined;
  private away = false;
  private processor = 0;

  constructor(
    protected readonly debuggee: Debuggee,
    protected readonly disassembler: Disassembler,
    protected readonly layerId: number,
  ) {
    const layer = debuggee.layer(layerId);
    this.startRip = layer === undefined ? 0n : debuggee.state(layer).rip;
  }

  next(): Move {
    const layer = this.debuggee.layer(this.layerId);
    if (layer === undefined) return DONE;
    this.processor = layer.processor;
    const { returnPoint } = this;
    if (returnPoint !== undefined) {
      if (!layer.running || !this.hasReturned(layer, returnPoint)) {
        return { kind: 'run', until: { linear: returnPoint.linear, layer: layer.id } };
      }
      this.returnPoint = undefined;
      return this.returned(this.debuggee.place(layer));
    }
    if (!layer.running) {
      this.away = true;
      return { kind: 'run', watch: true };
    }
    const wasAway = this.away;
    this.away = false;
    return this.decide(this.debuggee.place(layer), wasAway);
  }

  /** One instruction of the layer's processor. */
  protected get step(): Move {
    return { kind: 'step', processor: this.processor };
  }

  private hasReturned(layer: Layer, point: ReturnPoint): boolean {
    const state = this.debuggee.state(layer);
    return state.rip === point.rip && state.gpr(RSP) >= point.stack;
  }

  protected runTo(place: Place, rip: bigint, stack: bigint): Move {
    this.returnPoint = { rip, linear: linearRip(place.state, rip), stack };
    return { kind: 'run', until: { linear: this.returnPoint.linear, layer: this.layerId } };
  }

  protected flow({ state }: Place): FlowInfo | undefined {
    return this.disassembler.flow(state.codeSize, state.peek(linearRip(state), LONGEST_INSTRUCTION));
  }

  /** Over a call, or a string instruction with all its repetitions; undefined where the next instruction is neither. */
  protected over(place: Place): Move | undefined {
    const flow = this.flow(place);
    if (flow === undefined || (flow.kind !== 'call' && flow.kind !== 'repeat')) return undefined;
    return this.runTo(place, place.state.rip + BigInt(flow.length), place.state.gpr(RSP));
  }

  /** The layer runs again, or has moved by one instruction. */
  protected abstract decide(place: Place, wasAway: boolean): Move;
  /** What was stepped over has returned. */
  protected abstract returned(place: Place): Move;
}

/** One instruction of a layer; over calls if `over`. An instruction that exits counts once the guest comes back behind it. */
export class InstructionStep extends LayerGoal {
  private began = false;

  constructor(
    debuggee: Debuggee,
    disassembler: Disassembler,
    layerId: number,
    private readonly overCalls: boolean,
  ) {
    super(debuggee, disassembler, layerId);
  }

  protected override decide(place: Place, wasAway: boolean): Move {
    // Back at the same instruction: the VMM had it executed again, and it has not retired yet.
    if (this.began && !(wasAway && place.state.rip === this.startRip)) return DONE;
    if (!this.began && wasAway && place.state.rip !== this.startRip) return DONE;
    this.began = true;
    return (this.overCalls ? this.over(place) : undefined) ?? this.step;
  }

  protected override returned(): Move {
    return DONE;
  }
}

/** Until the layer comes to another source line; into functions that have lines, or over all. Without lines, one instruction. */
export class LineStep extends LayerGoal {
  private readonly low: bigint;
  private readonly high: bigint;
  private readonly hasLine: boolean;
  private before:
    | { readonly rip: bigint; readonly rsp: bigint; readonly retired: bigint; readonly kind: FlowInfo['kind'] }
    | undefined;
  private entering = false;

  constructor(
    debuggee: Debuggee,
    disassembler: Disassembler,
    layerId: number,
    private readonly overCalls: boolean,
  ) {
    super(debuggee, disassembler, layerId);
    const layer = debuggee.layer(layerId);
    const place = layer && debuggee.place(layer);
    const linear = place === undefined ? 0n : linearRip(place.state);
    const range = place && statementAt(debuggee, place, linear);
    this.hasLine = range !== undefined;
    this.low = range?.low ?? linear;
    this.high = range?.high ?? linear + 1n;
  }

  protected override decide(place: Place, wasAway: boolean): Move {
    const { state } = place;
    const { before } = this;
    if (before === undefined) {
      if (wasAway && !this.within(place)) return DONE;
      return this.move(place);
    }
    this.before = undefined;
    if (!wasAway && state.rip !== before.rip && this.debuggee.machine.retired === before.retired) {
      // An event was delivered instead of an instruction: its handler is no part of the line.
      if (this.hasLine) return this.runTo(place, before.rip, before.rsp);
      return DONE;
    }
    if (before.kind === 'call' && !wasAway && state.gpr(RSP) < before.rsp) return this.entered(place);
    return this.arrived(place, before.kind === 'return');
  }

  protected override returned(place: Place): Move {
    if (this.entering) {
      this.entering = false;
      return DONE;
    }
    return this.arrived(place, false);
  }

  private within({ state }: Place): boolean {
    const linear = linearRip(state);
    return linear >= this.low && linear < this.high;
  }

  /** Executes the next instruction of the line. */
  private move(place: Place): Move {
    const flow = this.flow(place);
    const jumps = this.overCalls || flow?.kind === 'repeat' ? this.over(place) : undefined;
    if (jumps !== undefined) return jumps;
    const { state } = place;
    this.before = {
      rip: state.rip,
      rsp: state.gpr(RSP),
      retired: this.debuggee.machine.retired,
      kind: flow?.kind ?? 'other',
    };
    return this.step;
  }

  /** A call was stepped into: to the function's body if it has lines, otherwise straight back. */
  private entered(place: Place): Move {
    const linear = linearRip(place.state);
    const [module] = this.debuggee.symbols.at(place, linear);
    if (module?.table.addressToLine(linear) !== undefined) {
      const body = module.table.bodyOf(linear);
      if (body === linear) return DONE;
      this.entering = true;
      return this.runTo(place, place.state.rip + (body - linear), 0n);
    }
    const { state } = place;
    const width = state.codeSize === 64 ? 8 : 4;
    const bytes = state.peek(linearStack(state, state.gpr(RSP)), width);
    if (bytes.length < width || !this.hasLine) return DONE;
    return this.runTo(place, littleEndian(bytes), state.gpr(RSP) + BigInt(width));
  }

  private arrived(place: Place, byReturn: boolean): Move {
    if (!this.hasLine) return DONE;
    if (this.within(place)) return this.move(place);
    const linear = linearRip(place.state);
    const line = this.debuggee.symbols.line(place, linear);
    // In the middle of another line only after a return or a jump; between two lines the compiler may put what belongs to none.
    if (line === undefined || byReturn || line.isStatement) return DONE;
    return this.move(place);
  }
}

/** Until the frame that runs returns to its caller. */
export class StepOut extends LayerGoal {
  private began = false;

  constructor(
    debuggee: Debuggee,
    disassembler: Disassembler,
    layerId: number,
    private readonly target: ReturnPoint,
  ) {
    super(debuggee, disassembler, layerId);
  }

  /** Undefined where the frame has no caller. */
  static of(debuggee: Debuggee, disassembler: Disassembler, layer: Layer): StepOut | undefined {
    const place = debuggee.place(layer);
    const caller = callerOf(debuggee.symbols, place, currentRegisters(place.state), true);
    if (caller === undefined) return undefined;
    const { rip } = caller.registers;
    return new StepOut(debuggee, disassembler, layer.id, {
      rip,
      linear: linearRip(place.state, rip),
      stack: caller.stack,
    });
  }

  protected override decide(place: Place): Move {
    if (this.began) return DONE;
    this.began = true;
    return this.runTo(place, this.target.rip, this.target.stack);
  }

  protected override returned(): Move {
    return DONE;
  }
}

/** Until the innermost call that was put in line is left: it has no return address, only a range. */
export class StepOutOfInline extends LayerGoal {
  private constructor(
    debuggee: Debuggee,
    disassembler: Disassembler,
    layerId: number,
    private readonly calls: readonly string[],
  ) {
    super(debuggee, disassembler, layerId);
  }

  /** Undefined where the code at RIP was not put in line. */
  static of(debuggee: Debuggee, disassembler: Disassembler, layer: Layer): StepOutOfInline | undefined {
    const calls = openCalls(debuggee, debuggee.place(layer));
    return calls.length < 2 ? undefined : new StepOutOfInline(debuggee, disassembler, layer.id, calls);
  }

  protected override decide(place: Place): Move {
    const now = openCalls(this.debuggee, place);
    const isInside = this.calls.every((name, depth) => now[depth] === name);
    return isInside ? (this.over(place) ?? this.step) : DONE;
  }

  protected override returned(place: Place): Move {
    return this.decide(place);
  }
}

/** The function at RIP and the calls put in line there, outermost first. */
function openCalls(debuggee: Debuggee, place: Place): readonly string[] {
  const linear = linearRip(place.state);
  for (const { table } of debuggee.symbols.at(place, linear)) {
    const owner = table.functionAt(linear);
    if (owner !== undefined) return [owner.name, ...owner.inlined.map(({ name }) => name).reverse()];
  }
  return [];
}

function statementAt(debuggee: Debuggee, place: Place, linear: bigint): { low: bigint; high: bigint } | undefined {
  for (const { table } of debuggee.symbols.at(place, linear)) {
    const range = table.statementRange(linear);
    if (range !== undefined) return range;
  }
  return undefined;
}
