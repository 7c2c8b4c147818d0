import pico from 'picocolors';
import { describeStop, exceptionName, traceLine } from '../debug-adapter/explain';
import { count, hex } from '../debug-adapter/format';
import type { Machine, Transition } from '../emulator/api';
import { exitReasonName } from '../emulator/tables/exit-reasons';
import { EXIT_STATUS } from './exit-status';
import type { Ending } from './run-guest';

export interface RunFigures {
  readonly milliseconds: number;
  /** Show more than the essentials. */
  readonly stats: boolean;
}

export function exitStatus(ending: Ending): number {
  switch (ending.kind) {
    case 'limit':
      return EXIT_STATUS.limit;
    case 'interrupted':
      return EXIT_STATUS.interrupted;
    case 'break':
      return EXIT_STATUS.break;
    case 'stop':
      switch (ending.stop.kind) {
        case 'poweroff':
          return ending.stop.status;
        case 'halted':
          return EXIT_STATUS.halted;
        case 'shutdown':
          return EXIT_STATUS.shutdown;
        case 'livelock':
          return EXIT_STATUS.livelock;
        default:
          return EXIT_STATUS.break;
      }
  }
}

/**
 * The transition that explains the end: a VM entry that failed and that nothing followed. The processor may have gone on for a
 * while, to report it.
 */
function failedEntry(machine: Machine, ending: Ending): Transition | undefined {
  if (ending.kind === 'break') return undefined;
  const last = machine.transitions[machine.transitions.length - 1];
  return last && (last.failures.length > 0 || last.kind === 'entry-failure') ? last : undefined;
}

function describeEnding(ending: Ending): string {
  switch (ending.kind) {
    case 'limit':
      return 'The instruction limit is reached.';
    case 'interrupted':
      return 'Interrupted.';
    case 'break':
      return ending.error === undefined
        ? `Break: ${describeStop({ kind: 'transition', transition: ending.transition })}`
        : `Break: the condition could not be evaluated: ${ending.error}\n${traceLine(ending.transition)}`;
    case 'stop':
      return describeStop(ending.stop);
  }
}

/** Exits by reason, most frequent first. */
function exitsByReason(machine: Machine): readonly (readonly [name: string, count: number])[] {
  return [...machine.exitCounts]
    .filter(([, times]) => times > 0)
    .sort(([a, m], [b, n]) => n - m || a - b)
    .map(([reason, times]) => [exitReasonName(reason), times]);
}

export function humanSummary(machine: Machine, ending: Ending, figures: RunFigures, colors: boolean): string {
  const paint = pico.createColors(colors);
  const status = exitStatus(ending);
  const [headline, ...details] = describeEnding(ending).split('\n');
  const lines = [(status === 0 ? paint.green : paint.yellow)(headline), ...details];

  const failed = failedEntry(machine, ending);
  if (failed)
    lines.push(paint.bold('The last VM entry failed.'), describeStop({ kind: 'transition', transition: failed }));
  if (status !== 0) lines.push(`RIP ${hex(machine.state(machine.current).rip)}, layer ${machine.current.level}`);

  const seconds = figures.milliseconds / 1000;
  lines.push(`${paint.dim('instructions')}  ${count(machine.retired)} in ${seconds.toFixed(3)} s`);
  const exits = exitsByReason(machine);
  const total = exits.reduce((sum, [, times]) => sum + times, 0);
  const list = exits.map(([name, times]) => `${name} ${count(times)}`).join(', ');
  lines.push(`${paint.dim('VM exits')}      ${count(total)}${list === '' ? '' : `: ${list}`}`);
  if (figures.stats) {
    const rate = seconds > 0 ? Number(machine.retired) / seconds / 1e6 : 0;
    lines.push(`${paint.dim('speed')}         ${rate.toFixed(1)} million instructions a second`);
    lines.push(`${paint.dim('machine time')}  ${count(machine.time)} (${count(machine.time - machine.retired)} idle)`);
    lines.push(`${paint.dim('state hash')}    ${machine.stateHash()}`);
  }
  lines.push(`${paint.dim('exit status')}   ${status}`);
  return `${lines.join('\n')}\n`;
}

/** The same as one JSON object on one line. Counts are numbers, addresses and other 64-bit values hexadecimal strings. */
export function jsonSummary(machine: Machine, ending: Ending, figures: RunFigures): string {
  const failed = failedEntry(machine, ending);
  const ended = ending.kind === 'stop' ? ending.stop.kind : ending.kind;
  const summary = {
    ended,
    status: exitStatus(ending),
    description: describeEnding(ending),
    instructions: Number(machine.retired),
    time: Number(machine.time),
    milliseconds: Math.round(figures.milliseconds * 1000) / 1000,
    rip: hex(machine.state(machine.current).rip),
    level: machine.current.level,
    exits: Object.fromEntries(exitsByReason(machine)),
    ...(ending.kind === 'break' ? { transition: transitionJson(ending.transition) } : {}),
    ...(failed ? { failedEntry: transitionJson(failed) } : {}),
    ...(ending.kind === 'stop' && ending.stop.kind === 'shutdown'
      ? {
          cause: ending.stop.cause,
          faults: ending.stop.chain.map((step) => ({
            exception: exceptionName(step.vector),
            vector: step.vector,
            errorCode: step.errorCode ?? null,
            rip: hex(step.rip),
            cr2: hex(step.cr2),
            reason: step.reason,
          })),
        }
      : {}),
    ...(figures.stats ? { stateHash: machine.stateHash() } : {}),
  };
  return `${JSON.stringify(summary)}\n`;
}

function transitionJson(transition: Transition): object {
  return {
    number: transition.number,
    kind: transition.kind,
    reason: transition.reason,
    reasonName:
      transition.kind === 'exit' || transition.kind === 'entry-failure' ? exitReasonName(transition.reason) : null,
    vmcs: transition.vmcs === null ? null : hex(transition.vmcs),
    rip: hex(transition.rip),
    qualification: hex(transition.qualification),
    failures: transition.failures.map((failure) => ({
      ...failure,
      fields: failure.fields.map(({ name, value }) => ({ name, value: hex(value) })),
    })),
  };
}
