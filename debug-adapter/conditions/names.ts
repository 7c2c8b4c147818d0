/** Names an expression may use besides those of the language and the machine. */
export interface NameSource {
  isSymbol(name: string): boolean;
  /** All symbol names, to find what a mistyped one means. */
  symbolNames(): Iterable<string>;
}

export const NO_SYMBOLS: NameSource = { isSymbol: () => false, symbolNames: () => [] };
