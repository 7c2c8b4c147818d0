/** Commands of the debug console, beside the expressions of the condition language. */
import { exitReasonName } from '../emulator/tables/exit-reasons';
import { requestErrors } from './errors';
import { describeFailure, describeTransition, layerName, layerStatus, traceLine } from './explain';
import { count, hex, parseNumber } from './format';
import type { SessionContext } from './session-context';
import { vmcsOf } from './variables/vmcs';

interface Command {
  readonly usage: string;
  readonly help: string;
  readonly run: (session: SessionContext, words: readonly string[]) => string;
}

const DEFAULT_TRACE = 20;
const LONGEST_TRACE = 10_000;

function trace(session: SessionContext, words: readonly string[]): string {
  const { machine } = session.require().debuggee;
  const wanted = words[0] === undefined ? BigInt(DEFAULT_TRACE) : parseNumber(words[0]);
  if (wanted === undefined || wanted < 1n)
    throw requestErrors.badExpression('trace takes the number of transitions to show: trace 50');
  const { transitions } = machine;
  if (transitions.length === 0) return 'No VM entry or exit so far.';
  const last = transitions.slice(-Math.min(Number(wanted), LONGEST_TRACE));
  const before = transitions.length - last.length;
  const head = before === 0 ? [] : [`... ${before} before these: trace ${transitions.length}`];
  return [...head, ...last.map(traceLine)].join('\n');
}

function stats(session: SessionContext): string {
  const { machine } = session.require().debuggee;
  const exits = [...machine.exitCounts].filter(([, times]) => times > 0).sort((a, b) => b[1] - a[1]);
  const total = exits.reduce((sum, [, times]) => sum + times, 0);
  const width = Math.max(10, ...exits.map(([reason]) => exitReasonName(reason).length));
  return [
    `${count(machine.retired)} instructions retired, time ${count(machine.time)}`,
    `${count(total)} VM ${total === 1 ? 'exit' : 'exits'}`,
    ...exits.map(([reason, times]) => `  ${exitReasonName(reason).padEnd(width)} ${count(times).padStart(12)}`),
  ].join('\n');
}

function check(session: SessionContext, words: readonly string[]): string {
  if (words[0] !== 'vmcs') throw requestErrors.badExpression('check what? "check vmcs" or "check vmcs 0x5000".');
  const { debuggee } = session.requireStopped();
  const given = words[1] === undefined ? undefined : parseNumber(words[1]);
  if (words[1] !== undefined && given === undefined) {
    throw requestErrors.badExpression(`"${words[1]}" is not an address: check vmcs 0x5000`);
  }
  const vmcs = given ?? vmcsOf(debuggee, debuggee.current);
  if (vmcs === undefined) return 'There is no VMCS yet.';
  if (debuggee.machine.readVmcs(vmcs, 0x4000) === undefined) return `There is no VMCS at ${hex(vmcs)}.`;
  const failures = debuggee.machine.checkVmcs(vmcs);
  if (failures.length === 0) return `VMCS ${hex(vmcs)}: all VM-entry checks pass.`;
  const head = `VMCS ${hex(vmcs)}: ${failures.length} VM-entry ${failures.length === 1 ? 'check fails' : 'checks fail'}.`;
  return [head, ...failures.map((failure, index) => `${index + 1}. ${describeFailure(failure)}`)].join('\n');
}

function layers(session: SessionContext): string {
  const { debuggee } = session.require();
  return debuggee.layers
    .map((layer) => {
      const state = debuggee.state(layer);
      const rip = debuggee.symbols.name(debuggee.place(layer), state.rip)?.text;
      const left = layer.running || layer.left === undefined ? '' : `, left by ${describeTransition(layer.left)}`;
      const where = `RIP ${hex(state.rip)}${rip === undefined ? '' : ` <${rip}>`}, CR3 ${hex(state.control('CR3'))}`;
      return `${'  '.repeat(layer.level)}${layerName(layer)} · ${layerStatus(layer)}: ${where}${left}`;
    })
    .join('\n');
}

function help(): string {
  const width = Math.max(...Object.values(COMMANDS).map(({ usage }) => usage.length));
  return [
    ...Object.values(COMMANDS).map(({ usage, help: text }) => `${usage.padEnd(width)}  ${text}`),
    '',
    'Anything else is an expression: rax, rflags.ZF, vmcs.GUEST_RIP, [rsp, 8], exit == CPUID, count(exit.HLT).',
    'name = value changes a register, a VMCS field or memory: rax = 5, [0x1000, 4] = 0.',
  ].join('\n');
}

export const COMMANDS: Readonly<Record<string, Command>> = {
  trace: { usage: 'trace [N]', help: `the last N VM entries and exits (${DEFAULT_TRACE} if not said)`, run: trace },
  stats: { usage: 'stats', help: 'instructions, and VM exits by reason', run: stats },
  check: {
    usage: 'check vmcs [ADDRESS]',
    help: 'which VM-entry checks would fail now, and how to mend them',
    run: check,
  },
  layers: { usage: 'layers', help: 'the layers of software, where each is and why', run: layers },
  help: { usage: 'help', help: 'this text', run: help },
};

/** Runs a command; undefined where the text is none, but an expression. */
export function runCommand(session: SessionContext, text: string): string | undefined {
  const [name, ...words] = text.split(/\s+/);
  return Object.hasOwn(COMMANDS, name) ? COMMANDS[name].run(session, words) : undefined;
}
