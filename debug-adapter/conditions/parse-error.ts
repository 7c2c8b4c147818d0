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

  constructor(offset: number, expected: string, problem: string) {
    const column = offset + 1;
    this.error = { column, expected, message: `Column ${column}: ${problem}; expected ${expected}.` };
  }
}
