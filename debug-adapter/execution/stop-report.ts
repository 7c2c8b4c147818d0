import type { Stop } from '../../emulator/api';

/** Why the machine has stopped, as the client is told. */
export interface StopReport {
  readonly reason:
    'entry' | 'step' | 'pause' | 'breakpoint' | 'function breakpoint' | 'instruction breakpoint' | 'exception' | 'goto';
  /** Short, for the call stack. */
  readonly description: string;
  /** Longer, for the hover. */
  readonly text: string | undefined;
  readonly hitBreakpointIds: readonly number[];
  /** What the machine itself stopped for; undefined for pauses and steps. */
  readonly stop: Stop | undefined;
}

export function report(reason: StopReport['reason'], description: string, more: Partial<StopReport> = {}): StopReport {
  return { reason, description, text: undefined, hitBreakpointIds: [], stop: undefined, ...more };
}
