/** Why symbols could not be read: a sentence that names the file and the place in it. */
export interface SymbolError {
  /** File the symbols come from, as given to the reader. */
  readonly file: string;
  /** Section the trouble is in, or undefined for the ELF structure itself. */
  readonly section: string | undefined;
  /** Byte offset in the section (after decompression), or in the file when there is no section. */
  readonly offset: number;
  /** One sentence, complete with place and, where there is one, remedy. */
  readonly message: string;
}

export type Result<T, E> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: E };

export function symbolError(file: string, section: string | undefined, offset: number, what: string): SymbolError {
  const place = section === undefined ? `offset 0x${offset.toString(16)}` : `${section}+0x${offset.toString(16)}`;
  return { file, section, offset, message: `${file}: ${what} (at ${place}).` };
}
