import { parseCondition, evaluateCondition, type Condition } from '../conditions/condition';
import { hitConditionHolds, parseHitCondition, type HitCondition } from '../conditions/hit-condition';
import { formatLogMessage, parseLogMessage, type LogMessage } from '../conditions/log-message';
import type { ConditionEnvironment } from '../conditions/evaluate';
import type { NameSource } from '../conditions/names';
import type { ScopedTable } from '../layer-symbols';

/** Where a breakpoint was asked for. */
export type Target =
  | { readonly kind: 'source'; readonly path: string; readonly line: number }
  | { readonly kind: 'function'; readonly name: string }
  | { readonly kind: 'instruction'; readonly address: bigint; readonly layer: number | undefined };

export interface Wanted {
  readonly target: Target;
  readonly condition: string | undefined;
  readonly hitCondition: string | undefined;
  readonly logMessage: string | undefined;
}

/** One address a breakpoint stands at. */
export interface Spot {
  readonly linear: bigint;
  /** Whose symbols led here; they may not speak for every layer. */
  readonly module: ScopedTable | undefined;
  readonly layer: number | undefined;
}

/** What reaching a breakpoint comes to. */
export type Verdict =
  | { readonly kind: 'pass' }
  | { readonly kind: 'log'; readonly text: string }
  | { readonly kind: 'stop' }
  /** The condition could not be evaluated; said once. */
  | { readonly kind: 'failed'; readonly message: string };

interface Parsed {
  readonly condition?: Condition;
  readonly hit?: HitCondition;
  readonly log?: LogMessage;
}

/** A breakpoint with its condition, hit count and log message; where it stands is found by `BreakpointSet`. */
export class Breakpoint {
  spots: readonly Spot[] = [];
  /** Line the breakpoint really stands at. */
  line: number | undefined;
  /** Why it is not verified. */
  message: string | undefined;
  /** The condition, hit count or log message was refused. */
  refused = false;
  private parsed: Parsed = {};
  private hits = 0;
  private complained = false;

  constructor(
    readonly id: number,
    readonly wanted: Wanted,
  ) {}

  get verified(): boolean {
    return !this.refused && this.spots.length > 0;
  }

  /** Parses the texts; symbols in them must be known by now. */
  parse(names: NameSource): void {
    const { condition, hitCondition, logMessage } = this.wanted;
    this.refused = false;
    this.message = undefined;
    this.parsed = {};
    const refuse = (what: string, why: string): void => {
      this.refused = true;
      this.message = `${what}: ${why}`;
    };
    const hasCondition = condition !== undefined && condition.trim() !== '';
    const parsedCondition = hasCondition ? parseCondition(condition, names) : undefined;
    if (parsedCondition?.ok === false) return refuse('Condition', parsedCondition.error.message);
    const hasHit = hitCondition !== undefined && hitCondition.trim() !== '';
    const parsedHit = hasHit ? parseHitCondition(hitCondition) : undefined;
    if (parsedHit?.ok === false) return refuse('Hit count', parsedHit.error.message);
    const parsedLog = logMessage === undefined || logMessage === '' ? undefined : parseLogMessage(logMessage, names);
    if (parsedLog?.ok === false) return refuse('Log message', parsedLog.error.message);
    this.parsed = { condition: parsedCondition?.condition, hit: parsedHit?.value, log: parsedLog?.value };
  }

  /** The machine has come to one of the breakpoint's spots. */
  reached(environment: () => ConditionEnvironment): Verdict {
    const { condition, hit, log } = this.parsed;
    if (condition !== undefined) {
      const outcome = evaluateCondition(condition, environment());
      if (!outcome.ok) {
        if (this.complained) return { kind: 'pass' };
        this.complained = true;
        return {
          kind: 'failed',
          message: `Condition "${condition.text}" cannot be evaluated: ${outcome.error.message}`,
        };
      }
      if (!outcome.holds) return { kind: 'pass' };
    }
    this.hits++;
    if (hit !== undefined && !hitConditionHolds(hit, this.hits)) return { kind: 'pass' };
    return log === undefined ? { kind: 'stop' } : { kind: 'log', text: formatLogMessage(log, environment()) };
  }

  /** The machine has been started anew. */
  reset(): void {
    this.hits = 0;
    this.complained = false;
  }
}
