import { requestErrors } from '../errors';
import { CONTINUE, InstructionStep, LineStep, StepOut, StepOutOfInline, type Goal } from '../execution/goals';
import { report } from '../execution/stop-report';
import { hex } from '../format';
import type { Launched, RequestHandler, RequestTable } from '../session-context';
import type { RequestArguments } from '../request-arguments';
import { linearRip } from '../registers';

function layerOf({ debuggee }: Launched, args: RequestArguments): number {
  const id = args.integer('threadId');
  if (debuggee.layer(id) === undefined)
    throw requestErrors.unknownThread(
      id,
      debuggee.layers.map((layer) => String(layer.id)),
    );
  return id;
}

function start(launched: Launched, goal: Goal): undefined {
  launched.execution.start(goal);
  return undefined;
}

function step(over: boolean): RequestHandler {
  return (session, args) => {
    const launched = session.requireStopped();
    const id = layerOf(launched, args);
    const Step = args.optionalString('granularity') === 'instruction' ? InstructionStep : LineStep;
    return start(launched, new Step(launched.debuggee, session.disassembler, id, over));
  };
}

/** Places one line may offer. */
const GOTO_LIMIT = 16;

/** Letting the machine run. */
export const EXECUTION_REQUESTS: RequestTable = {
  continue: (session, args) => {
    const launched = session.requireStopped();
    layerOf(launched, args);
    start(launched, CONTINUE);
    return { allThreadsContinued: true };
  },

  next: step(true),
  stepIn: step(false),

  stepOut: (session, args) => {
    const launched = session.requireStopped();
    const id = layerOf(launched, args);
    const layer = launched.debuggee.layer(id);
    const { debuggee } = launched;
    const goal =
      layer &&
      (StepOutOfInline.of(debuggee, session.disassembler, layer) ?? StepOut.of(debuggee, session.disassembler, layer));
    if (goal === undefined)
      throw requestErrors.refused('This is the outermost frame: there is nothing to step out to.');
    return start(launched, goal);
  },

  pause: (session) => {
    const { execution } = session.require();
    if (execution.running) execution.pause();
    return undefined;
  },

  gotoTargets: (session, args) => {
    const { debuggee } = session.requireStopped();
    const path = args.object('source').string('path');
    const line = args.integer('line') + (session.client.linesFromOne ? 0 : 1);
    const targets = debuggee.symbols.files.flatMap(({ table }) => {
      const found = table.lineToAddresses(path, line);
      return found.addresses.map((address) => ({ address, line: found.line }));
    });
    return {
      targets: targets.slice(0, GOTO_LIMIT).map(({ address, line: actual }) => ({
        // The address itself would not fit a number the client may send back, so it travels as a handle.
        id: session.gotoTargets.create(0, hex(address), address),
        label: `line ${actual} at ${hex(address)}`,
        line: actual - (session.client.linesFromOne ? 0 : 1),
        instructionPointerReference: hex(address),
      })),
    };
  },

  goto: (session, args) => {
    const launched = session.requireStopped();
    const { debuggee, execution } = launched;
    const layer = debuggee.layer(layerOf(launched, args));
    const address = session.gotoTargets.get(args.integer('targetId'));
    if (layer === undefined || address === undefined)
      throw requestErrors.refused('This goto target is not known any more.');
    const state = debuggee.state(layer);
    const wrong = state.setRegister('RIP', address - (linearRip(state) - state.rip));
    if (wrong !== undefined) throw requestErrors.refused(wrong);
    session.stateChanged();
    setImmediate(() => execution.announce(report('goto', `Moved to ${hex(address)}`)));
    return undefined;
  },
};
