/** Hit counts of breakpoints: `5`, `== 5`, `>= 5`, `> 5`, `< 5`, `<= 5`, `% 3`. A plain number stops at that hit and after it. */
import { ParseFailure, type ParseResult } from './parse-error';

export interface HitCondition {
  readonly operator: '==' | '>=' | '>' | '<' | '<=' | '%';
  readonly count: number;
}

const PATTERN = /^\s*(==?|>=|>|<=|<|%)?\s*(\d[\d_]*)\s*$/;

export function parseHitCondition(text: string): ParseResult<HitCondition> {
  const match = PATTERN.exec(text);
  const count = match === null ? NaN : Number(match[2].replaceAll('_', ''));
  const operator = match?.[1] ?? '>=';
  if (!Number.isSafeInteger(count) || (operator === '%' && count === 0)) {
    const column = text.length - text.trimStart().length;
    return {
      ok: false,
      error: new ParseFailure(
        column,
        'a number, or one of == >= > < <= % and a number',
        `'${text.trim()}' is no hit count`,
      ).error,
    };
  }
  return { ok: true, value: { operator: operator === '=' ? '==' : (operator as HitCondition['operator']), count } };
}

/** Whether to stop at the hit with this number, the first being 1. */
export function hitConditionHolds(condition: HitCondition, hit: number): boolean {
  const { operator, count } = condition;
  switch (operator) {
    case '==':
      return hit === count;
    case '>=':
      return hit >= count;
    case '>':
      return hit > count;
    case '<':
      return hit < count;
    case '<=':
      return hit <= count;
    case '%':
      return hit % count === 0;
  }
}
