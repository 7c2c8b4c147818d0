const decoder = new TextDecoder();

/**
 * A little-endian reader that cannot leave its bytes. A read past the end gives zero, moves to the end and marks the cursor
 * `failed` for good, so parsers of hostile data need one check after a group of reads, and loops over `more` always end.
 */
export class Cursor {
  #failed = false;
  #failedAt = 0;
  readonly #view: DataView;

  constructor(
    readonly bytes: Uint8Array,
    public position = 0,
    readonly end: number = bytes.length,
  ) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (!(end <= bytes.length && position <= end && position >= 0)) {
      this.end = Math.max(0, Math.min(end, bytes.length));
      this.fail();
    }
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** Where the first read that failed began. */
  get failedAt(): number {
    return this.#failedAt;
  }

  get more(): boolean {
    return this.position < this.end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  fail(): void {
    if (!this.#failed) {
      this.#failed = true;
      this.#failedAt = this.position;
    }
    this.position = this.end;
  }

  /** Position before the next `size` bytes, which are consumed; -1 where there are not as many. */
  #take(size: number): number {
    const at = this.position;
    if (size > this.end - at) {
      this.fail();
      return -1;
    }
    this.position = at + size;
    return at;
  }

  u8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.bytes[at];
  }

  i8(): number {
    const at = this.#take(1);
    return at < 0 ? 0 : this.#view.getInt8(at);
  }

  u16(): number {
    const at = this.#take(2);
    return at < 0 ? 0 : this.#view.getUint16(at, true);
  }

  u24(): number {
    const at = this.#take(3);
    return at < 0 ? 0 : this.#view.getUint16(at, true) | (this.bytes[at + 2] << 16);
  }

  u32(): number {
    const at = this.#take(4);
    return at < 0 ? 0 : this.#view.getUint32(at, true);
  }

  u64(): bigint {
    const at = this.#take(8);
    return at < 0 ? 0n : this.#view.getBigUint64(at, true);
  }

  /** A 64-bit value used as an offset, size or count: beyond 2^53 nothing real exists, so it fails. */
  offset64(): number {
    const start = this.position;
    const value = this.u64();
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) {
      this.position = start;
      this.fail();
      return 0;
    }
    return Number(value);
  }

  /** A DWARF offset of 4 or 8 bytes. */
  offset(size: number): number {
    return size === 8 ? this.offset64() : this.u32();
  }

  /** An unsigned integer of 1, 2, 4 or 8 bytes. */
  unsigned(size: number): bigint {
    switch (size) {
      case 1:
        return BigInt(this.u8());
      case 2:
        return BigInt(this.u16());
      case 4:
        return BigInt(this.u32());
      case 8:
        return this.u64();
      default:
        this.fail();
        return 0n;
    }
  }

  /** Like `unsigned`, sign-extended to a (possibly negative) bigint. */
  signed(size: number): bigint {
    return BigInt.asIntN(size * 8, this.unsigned(size));
  }

  /** Unsigned LEB128 as a number; values beyond 2^53 fail, padding bytes do not. */
  uleb(): number {
    const start = this.position;
    let value = 0;
    let scale = 1;
    for (;;) {
      const byte = this.u8();
      if (this.#failed) return 0;
      const digit = byte & 0x7f;
      if (digit !== 0) value += digit * scale;
      scale *= 128;
      if (value > Number.MAX_SAFE_INTEGER) {
        this.position = start;
        this.fail();
        return 0;
      }
      if (byte < 0x80) return value;
    }
  }

  /** Unsigned LEB128, all 64 bits. */
  ulebBig(): bigint {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.u8();
      if (this.#failed) return 0n;
      if (shift < 64n) value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
  }

  /** Signed LEB128, 64 bits. */
  slebBig(): bigint {
    let value = 0n;
    let shift = 0n;
    for (;;) {
      const byte = this.u8();
      if (this.#failed) return 0n;
      if (shift < 64n) value |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) {
        return shift < 64n && (byte & 0x40) !== 0 ? value - (1n << shift) : BigInt.asIntN(64, value);
      }
    }
  }

  /** Signed LEB128 as a number; magnitudes beyond 2^53 fail. */
  sleb(): number {
    const start = this.position;
    const value = Number(this.slebBig());
    if (!Number.isSafeInteger(value)) {
      this.position = start;
      this.fail();
      return 0;
    }
    return value;
  }

  skip(count: number): void {
    this.#take(count);
  }

  /** A view (not a copy) of the next `count` bytes; empty when there are not as many. */
  take(count: number): Uint8Array {
    const at = this.#take(count);
    return at < 0 ? new Uint8Array(0) : this.bytes.subarray(at, at + count);
  }

  /** A NUL-terminated string. */
  string(): string {
    const nul = this.bytes.indexOf(0, this.position);
    if (nul < 0 || nul >= this.end) {
      this.fail();
      return '';
    }
    const text = decoder.decode(this.bytes.subarray(this.position, nul));
    this.position = nul + 1;
    return text;
  }
}
