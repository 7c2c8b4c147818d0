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

/** Instructions between looks at signals and output: as many as take about `PATIENCE`, which depends on what the guest does. */
const SLICE = { least: 1 << 17, most: 1 << 25 };
/** Milliseconds a person may wait for output, or for Ctrl+C to be seen. */
const PATIENCE = 100;

/**
 * Runs the machine until it, a limit or the person ends it.
 * @param between called between slices
 * @param now wall-clock milliseconds; says only how often `between` is called
 */
export async function runGuest(
  machine: Machine,
  limits: RunLimits,
  between: () => Promise<void>,
  interrupted: () => boolean,
  now: () => number,
): Promise<Ending> {
  const { condition } = limits;
  if (condition) Object.assign(machine.stopMask, { exit: true, entry: true, entryFailure: true, vmfail: true });
  const end = limits.maxInstructions === undefined ? undefined : machine.retired + BigInt(limits.maxInstructions);
  let slice = SLICE.least;
  let sliceEnd = machine.time + BigInt(slice);
  let sliceStart = now();
  for (;;) {
    if (end !== undefined && machine.retired >= end) return { kind: 'limit' };
    const left = end === undefined ? slice : Math.min(slice, Number(end - machine.retired));
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
      const took = now() - sliceStart;
      if (took < PATIENCE / 2) slice = Math.min(slice * 2, SLICE.most);
      else if (took > PATIENCE) slice = Math.max(slice / 2, SLICE.least);
      sliceEnd = machine.time + BigInt(slice);
      sliceStart = now();
    }
  }
}
