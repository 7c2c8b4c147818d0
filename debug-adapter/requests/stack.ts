import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Layer, Transition } from '../../emulator/api';
import { requestErrors } from '../errors';
import { describeTransition, layerName, layerStatus } from '../explain';
import { hex } from '../format';
import { instructionReference } from '../references';
import type { Launched, RequestTable, SessionContext } from '../session-context';
import type { Frame } from '../stack';

/** Frame numbers: the layer's, then the frame's place in the stack; the last place is the label of the transition. */
const FRAMES_PER_LAYER = 1024;
const LABEL = FRAMES_PER_LAYER - 1;

/** The frame a client's number means. The label stands for the layer's innermost frame. */
export function frameOf(session: SessionContext, id: number): Frame {
  const layerId = Math.floor(id / FRAMES_PER_LAYER);
  const index = id % FRAMES_PER_LAYER;
  if (session.requireStopped().debuggee.layer(layerId) === undefined) throw requestErrors.unknownFrame(id);
  const frame = session.frames(layerId)[index === LABEL ? 0 : index] as Frame | undefined;
  if (frame === undefined) throw requestErrors.unknownFrame(id);
  return frame;
}

/** The innermost frame of the layer the machine is stopped in. */
export function currentFrame(session: SessionContext): Frame {
  const { debuggee } = session.requireStopped();
  return session.frames(debuggee.current.id)[0];
}

/** The transition by which a layer came to run, or came to rest. */
function transitionOf({ debuggee }: Launched, layer: Layer): Transition | undefined {
  if (!layer.running) return layer.left;
  const last = debuggee.machine.lastTransition;
  const began = last?.processor === layer.processor && last.to.level === layer.level && last.to.vmcs === layer.vmcs;
  return began ? last : undefined;
}

function frameBody(session: SessionContext, launched: Launched, frame: Frame, index: number): DebugProtocol.StackFrame {
  const { client } = session;
  return {
    id: frame.layer.id * FRAMES_PER_LAYER + index,
    name: frame.name,
    line: frame.file === undefined ? 0 : frame.line - (client.linesFromOne ? 0 : 1),
    column: frame.file === undefined ? 0 : Math.max(frame.column, 1) - (client.columnsFromOne ? 0 : 1),
    source: frame.file === undefined ? undefined : { name: basename(frame.file), path: frame.file },
    instructionPointerReference: instructionReference(launched.debuggee, frame.layer, frame.address),
    moduleId: frame.module === undefined ? undefined : launched.debuggee.symbols.files.indexOf(frame.module),
  };
}

/** Threads and their stacks. */
export const STACK_REQUESTS: RequestTable = {
  threads: (session) => {
    const { debuggee, execution } = session.require();
    return {
      threads: debuggee.layers.map((layer) => ({
        id: layer.id,
        name: execution.running ? layerName(layer) : `${layerName(layer)} · ${layerStatus(layer)}`,
      })),
    };
  },

  stackTrace: (session, args) => {
    const launched = session.requireStopped();
    const { debuggee } = launched;
    const id = args.integer('threadId');
    const start = args.optionalInteger('startFrame', 0);
    const levels = args.optionalInteger('levels', 0);
    const layer = debuggee.layer(id);
    if (layer === undefined)
      throw requestErrors.unknownThread(
        id,
        debuggee.layers.map((known) => String(known.id)),
      );
    const all = session.frames(id).map((frame, index) => frameBody(session, launched, frame, index));
    const transition = transitionOf(launched, layer);
    if (transition !== undefined) {
      const label: DebugProtocol.StackFrame = {
        id: id * FRAMES_PER_LAYER + LABEL,
        name: describeTransition(transition),
        line: 0,
        column: 0,
        presentationHint: 'label',
      };
      // A layer at rest was left by its transition, on top of all; one that runs was begun by it.
      if (layer.running) all.push(label);
      else all.unshift(label);
    }
    return { stackFrames: all.slice(start, levels === 0 ? undefined : start + levels), totalFrames: all.length };
  },

  // Every frame's source is a file; there is none to ask the adapter for.
  source: (_session, args) => {
    const reference = args.optionalInteger('sourceReference', 0);
    throw requestErrors.refused(`There is no source ${hex(reference)}: sources of this debugger are files.`);
  },
};
