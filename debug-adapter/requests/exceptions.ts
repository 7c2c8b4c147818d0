import type { CheckFailure, Stop, Transition } from '../../emulator/api';
import { exitReasonName } from '../../emulator/tables/exit-reasons';
import { requestErrors } from '../errors';
import { describeFailure, describeTransition } from '../explain';
import type { RequestTable } from '../session-context';

const TRANSITION_NAMES: Readonly<Record<Exclude<Transition['kind'], 'exit'>, string>> = {
  entry: 'VM entry',
  'entry-failure': 'VM-entry failure',
  vmfail: 'VMfail',
  abort: 'VMX abort',
};

/** A name by which clients tell exceptions apart. */
function exceptionId(stop: Stop | undefined): string {
  if (stop === undefined) return 'internal-error';
  if (stop.kind === 'shutdown') return stop.cause;
  if (stop.kind !== 'transition') return stop.kind;
  const { kind, reason } = stop.transition;
  return kind === 'exit' ? `VM exit: ${exitReasonName(reason)}` : TRANSITION_NAMES[kind];
}

function detail(failure: CheckFailure): object {
  return { typeName: failure.id, fullTypeName: `${failure.section}: ${failure.id}`, message: describeFailure(failure) };
}

/** Why the machine stopped, in full. */
export const EXCEPTION_REQUESTS: RequestTable = {
  exceptionInfo: (session, args) => {
    args.integer('threadId');
    const { execution } = session.requireStopped();
    const last = execution.lastReport;
    if (last === undefined || last.reason !== 'exception') throw requestErrors.noException();
    const { stop } = last;
    const failures = stop?.kind === 'transition' ? stop.transition.failures : [];
    const summary = stop?.kind === 'transition' ? describeTransition(stop.transition) : last.description;
    const text = last.text ?? last.description;
    return {
      exceptionId: exceptionId(stop),
      description: text,
      breakMode: 'always',
      details: {
        message: text,
        typeName: summary,
        innerException: failures.map(detail),
      },
    };
  },
};
