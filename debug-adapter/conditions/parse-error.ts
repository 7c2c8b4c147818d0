/** Why a text of the condition language is refused. */
export interface ParseError {
  /** From 1, in UTF-16 units of the text given. */
  readonly column: number;
  /** What could have stood there. */
  readonly expected: string;
  /** The whole sentence for the person. */
  readonly message: string;
}

export type ParseResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: ParseError };

/** How the parser gives up, caught where parsing starts. */
export class ParseFailure {
  readonly error: ParseError;

  /** `advice`, a clause, takes the place of the expectation in the sentence where the problem already says it. */
  constructor(offset: number, expected: string, problem: string, advice?: string) {
    const column = offset + 1;
    const isSaid = problem.includes(expected);
    const end = advice ?? (isSaid ? '' : `expected ${expected}.`);
    this.error = { column, expected, message: `Column ${column}: ${problem}${end === '' ? '.' : `; ${end}`}` };
  }
}
