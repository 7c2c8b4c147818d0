const decoder = new TextDecoder();

/** Linkers let strings share tails, but never so much that together they are this many times the section. */
const MAXIMUM_SHARING = 16;

/**
 * A section of NUL-terminated strings. Each is decoded once. What all of them together may hold is bounded, so that a
 * damaged file whose names all begin inside one huge string costs no more than a sound one.
 */
export class StringTable {
  readonly #decoded = new Map<number, string>();
  #budget: number;

  constructor(readonly bytes: Uint8Array) {
    this.#budget = bytes.length * MAXIMUM_SHARING + 0x10_0000;
  }

  /** The string at an offset; undefined where the offset or the string's end is outside. */
  at(offset: number): string | undefined {
    const known = this.#decoded.get(offset);
    if (known !== undefined) return known;
    if (offset >= this.bytes.length) return undefined;
    const nul = this.bytes.indexOf(0, offset);
    if (nul < 0) return undefined;
    this.#budget -= nul - offset;
    if (this.#budget < 0) return undefined;
    const text = decoder.decode(this.bytes.subarray(offset, nul));
    this.#decoded.set(offset, text);
    return text;
  }
}
