import { formatValue, typeName } from '../conditions/format-value';
import { registerByName, REGISTER_NAMES } from '../conditions/registers';
import { SUBJECTS } from '../conditions/resolve';
import { parseExpression } from '../conditions/parser';
import { EXIT_REASONS } from '../../emulator/tables/exit-reasons';
import { VMCS_FIELDS, fieldBits, fieldType } from '../../emulator/tables/vmcs-fields';
import { runCommand, COMMANDS } from '../console';
import { requestErrors } from '../errors';
import { evaluateNumber, evaluateText, symbolNames } from '../evaluation';
import { hex, truncate } from '../format';
import { memoryReference } from '../references';
import type { RequestArguments } from '../request-arguments';
import type { RequestTable, SessionContext } from '../session-context';
import type { Frame } from '../stack';
import type { Expression } from '../conditions/ast';
import type { VariableNode } from '../variables/node';
import { wideRegisterNode } from '../variables/unit-registers';
import { vmcsOf } from '../variables/vmcs';
import { currentFrame, frameOf } from './stack';

function frameFor(session: SessionContext, args: RequestArguments): Frame {
  return args.has('frameId') ? frameOf(session, args.integer('frameId')) : currentFrame(session);
}

/** Writes to what an expression names: a register, named bits, a VMCS field, memory. */
function assign(
  session: SessionContext,
  frame: Frame,
  target: Expression,
  value: bigint,
  text: string,
): string | undefined {
  const { debuggee } = session.require();
  const state = debuggee.state(frame.layer);
  switch (target.kind) {
    case 'register': {
      if (target.register.kind === 'cpl') return 'CPL is the DPL of SS: change SS.access.';
      // `cs.base` is written as such, other names are the machine's own.
      const name = target.name.replace(/^[a-z0-9]+/i, (register) => register.toUpperCase());
      return state.setRegister(name, value);
    }
    case 'field': {
      const vmcs = vmcsOf(debuggee, frame.layer);
      if (vmcs === undefined) return 'There is no VMCS yet.';
      if (fieldType(target.encoding) === 'read-only')
        return `${target.name} is a VM-exit information field, which software cannot write.`;
      return debuggee.machine.writeVmcs(vmcs, target.encoding, truncate(value, fieldBits(target.encoding)));
    }
    case 'bits': {
      const width = BigInt(target.high - target.low + 1);
      if (value < 0n || value >> width !== 0n) return `${target.name} has ${width} bits; ${hex(value)} does not fit.`;
      const whole = evaluateText(debuggee, frame.layer, text.slice(0, text.lastIndexOf('.')));
      if (whole.kind !== 'number') return 'There is no value to change.';
      const mask = ((1n << width) - 1n) << BigInt(target.low);
      return assign(session, frame, target.of, (whole.value & ~mask) | (value << BigInt(target.low)), text);
    }
    case 'memory': {
      if (target.space !== 'gva') return 'Only linear addresses ([gva: ...]) can be written.';
      const inside = /^\s*\[(?:\s*gva\s*:)?(.*?)(?:,[^,\]]*)?\]\s*$/s.exec(text);
      if (inside === null) return 'Only [address, size] can be written.';
      const address = evaluateNumber(debuggee, frame.layer, inside[1]);
      const bytes = new Uint8Array(target.size);
      for (let index = 0; index < target.size; index++) bytes[index] = Number((value >> BigInt(8 * index)) & 0xffn);
      return state.poke(address, bytes) === bytes.length
        ? undefined
        : `The bytes at ${hex(address)} are not mapped in this layer.`;
    }
    default:
      return `"${text}" cannot be changed: only registers, their bits, VMCS fields and memory can.`;
  }
}

function assignExpression(session: SessionContext, frame: Frame, expression: string, text: string): string | undefined {
  const { debuggee } = session.require();
  const parsed = parseExpression(expression, symbolNames(debuggee.symbols));
  if (!parsed.ok) throw requestErrors.badExpression(parsed.error.message);
  return assign(session, frame, parsed.value, evaluateNumber(debuggee, frame.layer, text), expression);
}

function assignText(session: SessionContext, frame: Frame, expression: string, text: string): object {
  const { debuggee } = session.require();
  const wide = wideRegisterNode(debuggee, frame, expression);
  const wrong =
    wide === undefined
      ? assignExpression(session, frame, expression, text)
      : wide.assign?.(wide.read?.(text) ?? evaluateNumber(debuggee, frame.layer, text));
  if (wrong !== undefined) throw requestErrors.refused(wrong);
  session.stateChanged();
  return valueBody(session, frame, expression, false);
}

/** A register of more than 64 bits, with the lanes it can be divided into. */
function wideBody(session: SessionContext, frame: Frame, register: VariableNode, plainHex: boolean): object {
  const { name, children } = register;
  const result = register.value({ hex: plainHex });
  const key = `${frame.layer.id}.${frame.depth} = ${name}`;
  const variablesReference = children === undefined ? 0 : session.containers.create(0, key, { frame, children });
  return { result, value: result, type: register.type, variablesReference };
}

function valueBody(session: SessionContext, frame: Frame, expression: string, plainHex: boolean): object {
  const { debuggee } = session.require();
  const wide = wideRegisterNode(debuggee, frame, expression);
  if (wide !== undefined) return wideBody(session, frame, wide, plainHex);
  const value = evaluateText(debuggee, frame.layer, expression);
  let result = plainHex && value.kind === 'number' ? hex(value.value) : formatValue(value);
  const number = value.kind === 'number' ? value.value : undefined;
  const symbol =
    number === undefined || number < 0x1000n ? undefined : debuggee.symbols.name(debuggee.place(frame.layer), number);
  if (symbol !== undefined) result += ` <${symbol.text}>`;
  return {
    result,
    value: result,
    type: typeName(value),
    variablesReference: 0,
    memoryReference: number === undefined ? undefined : memoryReference(frame.layer, number),
  };
}

/** `name = value`, but not a comparison. */
const ASSIGNMENT = /^(.*[^=!<>])=([^=].*)$/s;

/** Watches, hovers and the debug console. */
export const EVALUATION_REQUESTS: RequestTable = {
  evaluate: (session, args) => {
    const expression = args.string('expression').trim();
    const context = args.optionalString('context') ?? 'watch';
    const { execution } = session.require();
    if (context === 'repl') {
      const answer = runCommand(session, expression);
      if (answer !== undefined) return { result: answer, variablesReference: 0 };
    }
    if (execution.running) throw requestErrors.running();
    const frame = frameFor(session, args);
    if (context === 'repl') {
      const match = ASSIGNMENT.exec(expression);
      if (match !== null) return assignText(session, frame, match[1].trim(), match[2].trim());
    }
    return valueBody(session, frame, expression, args.object('format').boolean('hex', false));
  },

  setExpression: (session, args) => {
    session.requireStopped();
    return assignText(session, frameFor(session, args), args.string('expression'), args.string('value'));
  },

  completions: (session, args) => {
    const text = args.string('text');
    const column = args.integer('column') - (session.client.columnsFromOne ? 1 : 0);
    const before = text.slice(0, column);
    const typed = /[\w.!$@]*$/.exec(before)?.[0] ?? '';
    const symbols = session.launched?.debuggee.symbols;
    const names = [
      ...(before.trim() === typed ? Object.keys(COMMANDS) : []),
      ...SUBJECTS,
      ...REGISTER_NAMES,
      ...VMCS_FIELDS.map(({ name }) => `vmcs.${name}`),
      ...EXIT_REASONS.map(({ name }) => name),
      ...(typed.length > 0 && symbols !== undefined ? symbolNames(symbols).symbolNames() : []),
    ];
    const lower = typed.toLowerCase();
    const found = [...new Set(names)].filter((name) => name.toLowerCase().startsWith(lower)).slice(0, MOST_COMPLETIONS);
    return {
      targets: found.map((label) => ({
        label,
        type: registerByName(label) !== undefined ? 'variable' : label.startsWith('vmcs.') ? 'field' : 'value',
        start: column - typed.length,
        length: typed.length,
      })),
    };
  },
};

const MOST_COMPLETIONS = 200;
