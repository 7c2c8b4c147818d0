/** Conditions of breakpoints: parsed when set, evaluated at every stop they belong to. */
import type { Expression } from './ast';
import { evaluateTruth, type ConditionEnvironment, type ConditionOutcome } from './evaluate';
import type { NameSource } from './names';
import type { ParseError } from './parse-error';
import { parseExpression } from './parser';

export interface Condition {
  /** As the person wrote it. */
  readonly text: string;
  readonly expression: Expression;
}

export type ConditionResult =
  { readonly ok: true; readonly condition: Condition } | { readonly ok: false; readonly error: ParseError };

export function parseCondition(text: string, names?: NameSource): ConditionResult {
  const parsed = parseExpression(text, names);
  return parsed.ok ? { ok: true, condition: { text, expression: parsed.value } } : parsed;
}

/** Whether the condition holds now; an error where it cannot be known. */
export function evaluateCondition(condition: Condition, environment: ConditionEnvironment): ConditionOutcome {
  return evaluateTruth(condition.expression, environment);
}
