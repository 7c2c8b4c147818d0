/** Tokens of the condition language. */
import { ParseFailure } from './parse-error';

export type Token =
  | { readonly kind: 'number'; readonly offset: number; readonly text: string; readonly value: bigint }
  | { readonly kind: 'name'; readonly offset: number; readonly text: string }
  | { readonly kind: 'string'; readonly offset: number; readonly text: string; readonly value: string }
  | { readonly kind: 'operator'; readonly offset: number; readonly text: string }
  | { readonly kind: 'end'; readonly offset: number; readonly text: '' };

/** Longest first, so that '<<' is not read as two '<'. */
const OPERATORS = [
  ...['||', '&&', '==', '!=', '<=', '>=', '<<', '>>', '..'],
  ...['|', '^', '&', '<', '>', '+', '-', '*', '/', '%', '!', '~', '(', ')', '[', ']', ',', ':', '.'],
] as const;

/** Longer texts are not conditions; the limit also bounds how deep a tree can get. */
export const MAXIMUM_TEXT = 4096;

const SPACE = /[ \t\r\n]*/y;
const NAME = /[A-Za-z_$@?][A-Za-z0-9_$@?]*/y;
const NUMBER = /[0-9][0-9A-Za-z_]*/y;
const STRING = /"([^"\\]|\\.)*"/y;
const DIGITS = /^(0[xX][0-9a-fA-F_]*[0-9a-fA-F]|0[bB][01_]*[01]|[0-9](?:[0-9_]*[0-9])?)$/;

/** Splits a text; throws ParseFailure where it is none of the language. */
export function tokenize(text: string): readonly Token[] {
  if (text.length > MAXIMUM_TEXT) {
    throw new ParseFailure(
      MAXIMUM_TEXT,
      'a shorter expression',
      `the expression is longer than ${MAXIMUM_TEXT} characters`,
    );
  }
  const tokens: Token[] = [];
  const match = (pattern: RegExp, at: number): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(text)?.[0];
  };
  let offset = 0;
  for (;;) {
    offset += match(SPACE, offset)?.length ?? 0;
    if (offset >= text.length) break;
    const name = match(NAME, offset);
    const number = match(NUMBER, offset);
    const string = match(STRING, offset);
    if (name !== undefined) tokens.push({ kind: 'name', offset, text: name });
    else if (number !== undefined)
      tokens.push({ kind: 'number', offset, text: number, value: numberValue(number, offset) });
    else if (string !== undefined) {
      tokens.push({ kind: 'string', offset, text: string, value: string.slice(1, -1).replace(/\\(.)/g, '$1') });
    } else {
      const operator = OPERATORS.find((known) => text.startsWith(known, offset));
      if (operator === undefined) throw unreadable(text, offset);
      tokens.push({ kind: 'operator', offset, text: operator });
    }
    offset += tokens[tokens.length - 1].text.length;
  }
  tokens.push({ kind: 'end', offset: text.length, text: '' });
  return tokens;
}

function unreadable(text: string, offset: number): ParseFailure {
  const character = String.fromCodePoint(text.codePointAt(offset) ?? 0);
  if (character === '"') return new ParseFailure(offset, 'a closing "', 'the string has no end');
  if (character === '=') return new ParseFailure(offset, "'=='", "'=' does not compare");
  return new ParseFailure(offset, 'a value or an operator', `'${character}' means nothing here`);
}

function numberValue(text: string, offset: number): bigint {
  const failure = (problem: string): ParseFailure =>
    new ParseFailure(offset, 'a decimal, 0x hexadecimal or 0b binary number', problem);
  if (!DIGITS.test(text)) throw failure(`'${text}' is not a number`);
  const value = BigInt(text.replaceAll('_', '').toLowerCase());
  if (value > 0xffff_ffff_ffff_ffffn) throw failure(`'${text}' does not fit in 64 bits`);
  return value;
}
