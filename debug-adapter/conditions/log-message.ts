/** Messages of log points: text with expressions in braces; `{{` and `}}` are braces themselves. */
import type { Expression } from './ast';
import { evaluate, type ConditionEnvironment } from './evaluate';
import { formatValue } from './format-value';
import type { NameSource } from './names';
import { ParseFailure, type ParseResult } from './parse-error';
import { parseExpression } from './parser';

export type LogPart =
  { readonly kind: 'text'; readonly text: string } | { readonly kind: 'expression'; readonly expression: Expression };

export interface LogMessage {
  readonly parts: readonly LogPart[];
}

export function parseLogMessage(message: string, names?: NameSource): ParseResult<LogMessage> {
  const parts: LogPart[] = [];
  let text = '';
  for (let i = 0; i < message.length; i++) {
    const character = message[i];
    const isDoubled = (character === '{' || character === '}') && message[i + 1] === character;
    if (isDoubled) i++;
    if (character !== '{' || isDoubled) {
      text += character;
      continue;
    }
    const end = message.indexOf('}', i);
    if (end < 0) return { ok: false, error: new ParseFailure(i, "'}'", "the '{' is never closed").error };
    const parsed = parseExpression(message.slice(i + 1, end), names);
    if (!parsed.ok) {
      const column = parsed.error.column + i + 1;
      const sentence = parsed.error.message.replace(/^Column \d+/, `Column ${column}`);
      return { ok: false, error: { ...parsed.error, column, message: sentence } };
    }
    if (text !== '') parts.push({ kind: 'text', text });
    text = '';
    parts.push({ kind: 'expression', expression: parsed.value });
    i = end;
  }
  if (text !== '') parts.push({ kind: 'text', text });
  return { ok: true, value: { parts } };
}

/** The message with its values; what cannot be evaluated says so in its place. */
export function formatLogMessage(message: LogMessage, environment: ConditionEnvironment): string {
  return message.parts
    .map((part) => {
      if (part.kind === 'text') return part.text;
      const result = evaluate(part.expression, environment);
      return result.ok ? formatValue(result.value) : `<${result.error.message}>`;
    })
    .join('');
}
