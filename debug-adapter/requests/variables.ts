import type { DebugProtocol } from '@vscode/debugprotocol';
import { requestErrors } from '../errors';
import { evaluateShownNumber } from '../evaluation';
import type { ValueFormat } from '../format';
import { hex } from '../format';
import { memoryReference } from '../references';
import type { RequestArguments } from '../request-arguments';
import type { Container, RequestTable, SessionContext } from '../session-context';
import type { Frame } from '../stack';
import { counterNodes } from '../variables/counters';
import type { VariableNode } from '../variables/node';
import { registerNodes, systemRegisterNodes } from '../variables/registers';
import { unitRegisterNodes } from '../variables/unit-registers';
import { vmcsNodes, vmcsOf } from '../variables/vmcs';
import { frameOf } from './stack';

function formatOf(args: RequestArguments): ValueFormat {
  return { hex: args.object('format').boolean('hex', false) };
}

/** A node as the client sees it below `parent`. */
export function variableBody(
  session: SessionContext,
  frame: Frame,
  parent: number,
  node: VariableNode,
  format: ValueFormat,
): DebugProtocol.Variable {
  const { children } = node;
  return {
    name: node.name,
    value: node.value(format),
    type: node.type,
    evaluateName: node.evaluateName,
    memoryReference: node.address === undefined ? undefined : memoryReference(frame.layer, node.address),
    variablesReference: children === undefined ? 0 : session.containers.create(parent, node.name, { frame, children }),
    presentationHint: node.assign === undefined ? { attributes: ['readOnly'] } : undefined,
  };
}

function containerOf(session: SessionContext, reference: number): Container {
  session.requireStopped();
  const container = session.containers.get(reference);
  if (container === undefined) throw requestErrors.unknownReference(reference);
  return container;
}

interface ScopeRow {
  readonly name: string;
  readonly hint?: 'registers';
  readonly children: () => readonly VariableNode[];
}

function scopesOf(session: SessionContext, frame: Frame): readonly ScopeRow[] {
  const { debuggee } = session.require();
  const vmcs = vmcsOf(debuggee, frame.layer);
  return [
    { name: 'Registers', hint: 'registers', children: () => registerNodes(debuggee, frame) },
    { name: 'Segments and control registers', children: () => systemRegisterNodes(debuggee, frame) },
    { name: 'Floating-point and vector registers', children: () => unitRegisterNodes(debuggee, frame) },
    ...(vmcs === undefined ? [] : [{ name: `VMCS ${hex(vmcs)}`, children: () => vmcsNodes(debuggee, vmcs) }]),
    { name: 'Counters', children: () => counterNodes(debuggee) },
  ];
}

/** Scopes, variables and changing them. */
export const VARIABLE_REQUESTS: RequestTable = {
  scopes: (session, args) => {
    const frame = frameOf(session, args.integer('frameId'));
    // Frames of one activation share their registers; the number must not depend on how the stack grew.
    const key = `${frame.layer.id}.${frame.depth}`;
    return {
      scopes: scopesOf(session, frame).map(({ name, hint, children }) => ({
        name,
        presentationHint: hint,
        expensive: false,
        variablesReference: session.containers.create(0, `${key} ${name}`, { frame, children }),
      })),
    };
  },

  variables: (session, args) => {
    const reference = args.integer('variablesReference');
    const { frame, children } = containerOf(session, reference);
    const format = formatOf(args);
    const start = args.optionalInteger('start', 0);
    const count = args.optionalInteger('count', 0);
    const wanted = children().slice(start, count === 0 ? undefined : start + count);
    return { variables: wanted.map((node) => variableBody(session, frame, reference, node, format)) };
  },

  setVariable: (session, args) => {
    const reference = args.integer('variablesReference');
    const name = args.string('name');
    const text = args.string('value');
    const { frame, children } = containerOf(session, reference);
    const find = (): VariableNode | undefined => children().find((node) => node.name === name);
    const node = find();
    if (node === undefined) throw requestErrors.unknownVariable(name);
    if (node.assign === undefined) throw requestErrors.notWritable(name);
    const { debuggee } = session.require();
    const wrong = node.assign(node.read?.(text) ?? evaluateShownNumber(debuggee, frame.layer, text));
    if (wrong !== undefined) throw requestErrors.refused(wrong);
    session.stateChanged();
    return written(session, frame, name, node, formatOf(args), reference);
  },
};

/** The variable as it stands after a write, which may not be what was asked for. A client shows no children where it is told of none. */
function written(
  session: SessionContext,
  frame: Frame,
  name: string,
  before: VariableNode,
  format: ValueFormat,
  reference: number,
): DebugProtocol.SetVariableResponse['body'] {
  // The container still holds the state from before the write: the scope is opened anew.
  refresh(session, frame);
  const container = session.containers.get(reference);
  const node = container?.children().find((other) => other.name === name) ?? before;
  const { value, type, variablesReference, memoryReference } = variableBody(session, frame, reference, node, format);
  return { value, type, variablesReference, memoryReference };
}

/** Gives the scopes' containers new contents after a write. */
function refresh(session: SessionContext, frame: Frame): void {
  const now = session.frames(frame.layer.id).find((other) => other.depth === frame.depth) ?? frame;
  const reopen = (parent: number, name: string, children: () => readonly VariableNode[]): void => {
    const known = session.containers.find(parent, name);
    if (known === undefined) return;
    session.containers.create(parent, name, { frame: now, children });
    // Only what a client has opened has handles, so the walk is as small as the open part of the tree.
    for (const node of children()) if (node.children !== undefined) reopen(known, node.name, node.children);
  };
  for (const { name, children } of scopesOf(session, now)) {
    reopen(0, `${frame.layer.id}.${frame.depth} ${name}`, children);
  }
}
