import type { Stop, StopMask, Transition } from '../../emulator/api';
import { EXIT_REASON } from '../../emulator/tables/exit-reasons';
import { evaluateCondition, parseCondition, type Condition } from '../conditions/condition';
import type { ConditionEnvironment } from '../conditions/evaluate';
import { NO_SYMBOLS, type NameSource } from '../conditions/names';
import type { Debuggee } from '../debuggee';
import { environmentOf, environmentOfTransition } from '../evaluation';

/** An exception filter as the editor shows it. The set is fixed: the editor reads it once. */
export interface ExceptionFilter {
  readonly filter: string;
  readonly label: string;
  readonly description: string;
  readonly default: boolean;
  readonly supportsCondition: true;
  readonly conditionDescription: string;
}

const isFailure = (transition: Transition): boolean =>
  transition.kind === 'entry-failure' || (transition.kind === 'vmfail' && transition.failures.length > 0);

interface FilterRow extends ExceptionFilter {
  readonly matches: (transition: Transition) => boolean;
  readonly mask: Partial<StopMask>;
}

const ROWS: readonly FilterRow[] = [
  {
    filter: 'vm-exit',
    label: 'VM exit',
    description: 'Stops after every VM exit, in the VMM that receives it.',
    default: false,
    supportsCondition: true,
    conditionDescription:
      'Which exits: exit == CPUID && rax == 0, or exit in (HLT, RDMSR), or vmcs.GUEST_RIP == 0x1000',
    matches: ({ kind }) => kind === 'exit',
    mask: { exit: true },
  },
  {
    filter: 'vm-entry',
    label: 'VM entry',
    description: 'Stops after every VM entry, before the first instruction of the guest.',
    default: false,
    supportsCondition: true,
    conditionDescription: 'Which entries: vmcs.VM_ENTRY_INTR_INFO.valid, or layer == 2',
    matches: ({ kind }) => kind === 'entry',
    mask: { entry: true },
  },
  {
    filter: 'vm-entry-failure',
    label: 'VM-entry failure',
    description: 'Stops when VMLAUNCH or VMRESUME fails a check, and names every check that fails with its remedy.',
    default: true,
    supportsCondition: true,
    conditionDescription: 'Which failures: vmcs.GUEST_CR0.PE == 0',
    matches: isFailure,
    mask: { entryFailure: true, vmfail: true },
  },
  {
    filter: 'vmfail',
    label: 'VMfail',
    description: 'Stops when a VMX instruction fails (VMfailInvalid or VMfailValid).',
    default: false,
    supportsCondition: true,
    conditionDescription: 'Which failures: error == 12',
    matches: ({ kind }) => kind === 'vmfail',
    mask: { vmfail: true },
  },
  {
    filter: 'triple-fault',
    label: 'Triple fault',
    description: 'Stops at a triple fault of any layer, and shows the exceptions that led to it.',
    default: true,
    supportsCondition: true,
    conditionDescription: 'Which triple faults: layer == 1',
    matches: ({ kind, reason }) => kind === 'exit' && reason === EXIT_REASON.TRIPLE_FAULT,
    mask: { tripleFault: true },
  },
];

export const EXCEPTION_FILTERS: readonly ExceptionFilter[] = ROWS.map(
  ({ matches: _matches, mask: _mask, ...shown }) => shown,
);

type ShutdownCause = Extract<Stop, { readonly kind: 'shutdown' }>['cause'];

/** What the editor is told about a filter it has set. */
export interface FilterResult {
  readonly verified: boolean;
  readonly message?: string;
}

interface Armed {
  readonly row: FilterRow;
  readonly text: string | undefined;
  condition: Condition | undefined;
  refused: boolean;
  complained: boolean;
}

interface ExitCondition {
  readonly condition: Condition;
  readonly onEntry: boolean;
  complained: boolean;
}

/** Why a transition stops the machine. */
export interface FilterHit {
  /** A condition could not be evaluated; said once. */
  readonly problem: string | undefined;
}

/** The filters that are on, and the exit conditions of the launch configuration. */
export class ExceptionFilters {
  private armed: readonly Armed[] = ROWS.filter((row) => row.default).map((row) => arm(row, undefined, NO_SYMBOLS));
  private exits: readonly ExitCondition[] = [];

  /** Replaces what is on; the results are in the order asked for. */
  set(
    wanted: readonly { readonly filter: string; readonly condition: string | undefined }[],
    names: NameSource,
  ): readonly FilterResult[] {
    const armed: Armed[] = [];
    const results = wanted.map(({ filter, condition }): FilterResult => {
      const row = ROWS.find((known) => known.filter === filter);
      if (row === undefined) {
        return {
          verified: false,
          message: `There is no filter "${filter}"; known: ${ROWS.map((known) => known.filter).join(', ')}.`,
        };
      }
      const text = condition !== undefined && condition.trim() !== '' ? condition : undefined;
      const parsed = text === undefined ? undefined : parseCondition(text, names);
      armed.push(arm(row, text, names));
      return parsed?.ok === false ? { verified: false, message: parsed.error.message } : { verified: true };
    });
    this.armed = armed;
    return results;
  }

  /** Parses filters' conditions again, now that symbols are known, and the launch configuration's; returns what is wrong. */
  launch(exitBreakpoints: readonly string[], names: NameSource): string | undefined {
    this.armed = this.armed.map(({ row, text }) => arm(row, text, names));
    const exits: ExitCondition[] = [];
    for (const [index, text] of exitBreakpoints.entries()) {
      const parsed = parseCondition(text, names);
      if (!parsed.ok) return `"exitBreakpoints[${index}]" (${text}): ${parsed.error.message}`;
      exits.push({ condition: parsed.condition, onEntry: /\bentry\b|\berror\b/.test(text), complained: false });
    }
    this.exits = exits;
    return undefined;
  }

  /** Which transitions the machine has to stop at for these filters to be asked. */
  get mask(): StopMask {
    const mask: StopMask = { exit: false, entry: false, entryFailure: false, vmfail: false, tripleFault: false };
    for (const { row, refused } of this.armed) if (!refused) Object.assign(mask, row.mask);
    if (this.exits.length > 0) mask.exit = true;
    if (this.exits.some(({ onEntry }) => onEntry))
      Object.assign(mask, { entry: true, entryFailure: true, vmfail: true });
    return mask;
  }

  /** Whether a stop at a transition is one that a filter asked for. */
  judge(debuggee: Debuggee, transition: Transition): FilterHit | undefined {
    for (const armed of this.armed) {
      if (armed.refused || !armed.row.matches(transition)) continue;
      if (armed.condition === undefined) return { problem: undefined };
      const hit = ask(armed.condition, armed, () => environmentOfTransition(debuggee, transition));
      if (hit !== undefined) return hit;
    }
    for (const exit of this.exits) {
      if (!exit.onEntry && transition.kind !== 'exit' && transition.kind !== 'entry-failure') continue;
      const hit = ask(exit.condition, exit, () => environmentOfTransition(debuggee, transition));
      if (hit !== undefined) return hit;
    }
    return undefined;
  }

  /** Whether a shutdown is to be shown: a VMX abort always, a triple fault if its filter asks for it. */
  judgeShutdown(debuggee: Debuggee, cause: ShutdownCause): FilterHit | undefined {
    if (cause !== 'triple-fault') return { problem: undefined };
    for (const armed of this.armed) {
      if (armed.refused || armed.row.filter !== 'triple-fault') continue;
      if (armed.condition === undefined) return { problem: undefined };
      const hit = ask(armed.condition, armed, () => environmentOf(debuggee, debuggee.current));
      if (hit !== undefined) return hit;
    }
    return undefined;
  }
}

function arm(row: FilterRow, text: string | undefined, names: NameSource): Armed {
  const parsed = text === undefined ? undefined : parseCondition(text, names);
  const condition = parsed?.ok === true ? parsed.condition : undefined;
  return { row, text, condition, refused: parsed?.ok === false, complained: false };
}

function ask(
  condition: Condition,
  memory: { complained: boolean },
  environment: () => ConditionEnvironment,
): FilterHit | undefined {
  const outcome = evaluateCondition(condition, environment());
  if (outcome.ok) return outcome.holds ? { problem: undefined } : undefined;
  if (memory.complained) return undefined;
  memory.complained = true;
  return { problem: `Condition "${condition.text}" cannot be evaluated: ${outcome.error.message}` };
}
