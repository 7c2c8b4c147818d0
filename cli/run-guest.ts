import { evaluateCondition, type Condition } from '../debug-adapter/conditions/condition';
import { machineEnvironment } from '../debug-adapter/conditions/machine-environment';
import type { Machine, Stop, Transition } from '../emulator/api';

/** What ended a run. */
export type Ending =
  | { readonly kind: 'stop'; readonly stop: Stop }
  | { readonly kind: 'break'; readonly transition: Transition; readonly error: string | undefined }
  | { readonly kind: 'limit' }
  | { readonly kind: 'interrupted' };

export interface RunLimits {
  readonly maxInstructions: number | undefined;
  /** Stops at the first transition, of any kind, for which this holds. */
  readonly condition: Condition | undefined;
}

/** Between looks at signals and output. */
const SLICE = 20_000_000;

/**
 * Runs the machine until it, a limit or the person ends it.
 * @param between called between slices
 */
export async function runGuest(
  machine: Machine,
  limits: RunLimits,
  between: () => Promise<void>,
  interrupted: () => boolean,
): Promise<Ending> {
  const { condition } = limits;
  if (condition) Object.assign(machine.stopMask, { exit: true, entry: true, entryFailure: true, vmfail: true });
  const end = limits.maxInstructions === undefined ? undefined : machine.retired + BigInt(limits.maxInstructions);
  let sliceEnd = machine.time + BigInt(SLICE);
  for (;;) {
    if (end !== undefined && machine.retired >= end) return { kind: 'limit' };
    const left = end === undefined ? SLICE : Math.min(SLICE, Number(end - machine.retired));
    const stop = machine.run(left);
    if (stop.kind === 'transition' && condition) {
      const outcome = evaluateCondition(condition, machineEnvironment(machine, machine.current, stop.transition));
      if (!outcome.ok) return { kind: 'break', transition: stop.transition, error: outcome.error.message };
      if (outcome.holds) return { kind: 'break', transition: stop.transition, error: undefined };
    } else if (stop.kind !== 'limit' && stop.kind !== 'transition') {
      return { kind: 'stop', stop };
    }
    if (stop.kind === 'limit' || machine.time >= sliceEnd) {
      await between();
      if (interrupted()) return { kind: 'interrupted' };
      sliceEnd = machine.time + BigInt(SLICE);
    }
  }
}
