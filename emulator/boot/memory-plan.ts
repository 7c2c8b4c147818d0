import { BOOT_GDT, type Piece } from './loaded-image';

/** One range of the memory map given to the guest. */
export interface MemoryRange {
  readonly base: number;
  readonly length: number;
  /** 1 usable, 2 reserved. */
  readonly type: 1 | 2;
}

/** Conventional memory ends here; the last kilobyte below 640 KiB is firmware's. */
export const LOW_END = 0x9_fc00;
export const HIGH_START = 0x10_0000;
/** Boot structures go here first: above what a boot stack at 0x7c00 uses. */
const LOW_START = 0x8000;

export function memoryMap(ramSize: number): MemoryRange[] {
  const ranges: MemoryRange[] = [{ base: 0, length: Math.min(LOW_END, ramSize), type: 1 }];
  if (ramSize > LOW_END) ranges.push({ base: LOW_END, length: Math.min(HIGH_START, ramSize) - LOW_END, type: 2 });
  if (ramSize > HIGH_START) ranges.push({ base: HIGH_START, length: ramSize - HIGH_START, type: 1 });
  return ranges;
}

/** Collects the pieces of a load, refusing any that does not fit in usable RAM or overlaps an earlier one. */
export class MemoryPlan {
  readonly pieces: Piece[] = [];

  constructor(
    private readonly name: string,
    private readonly ramSize: number,
  ) {}

  /**
   * Adds a piece at a fixed place.
   * @param length bytes in memory, at least `bytes.length`; any size, may be absurd
   * @returns why not, in a sentence, or undefined
   */
  place(what: string, physical: bigint, length: bigint, bytes: Uint8Array): string | undefined {
    if (length === 0n) return undefined;
    const end = physical + length;
    const range = `[${hex(physical)}, ${hex(end)})`;
    if (end > BigInt(this.ramSize)) {
      return `${this.name}: ${what} needs physical memory ${range}, but RAM ends at ${hex(this.ramSize)}; link it lower or give the machine more memory.`;
    }
    if (physical < BigInt(HIGH_START) && end > BigInt(LOW_END)) {
      return `${this.name}: ${what} needs physical memory ${range}, part of which the PC reserves ([${hex(LOW_END)}, ${hex(HIGH_START)})); link it at ${hex(HIGH_START)} or above.`;
    }
    const start = Number(physical);
    const other = this.overlapping(start, Number(end));
    if (other) {
      return `${this.name}: ${what} at ${range} overlaps ${other.what} at [${hex(other.physical)}, ${hex(other.physical + other.length)}); correct the addresses it is linked at.`;
    }
    this.pieces.push({ what, physical: start, length: Number(length), bytes });
    return undefined;
  }

  private overlapping(start: number, end: number): Piece | undefined {
    return this.pieces.find((piece) => start < piece.physical + piece.length && piece.physical < end);
  }

  /** First free address from `from` on, or undefined when `limit` is reached. */
  private free(length: number, align: number, from: number, limit: number): number | undefined {
    let at = Math.ceil(from / align) * align;
    for (;;) {
      if (at + length > limit) return undefined;
      const other = this.overlapping(at, at + length);
      if (!other) return at;
      at = Math.ceil((other.physical + other.length) / align) * align;
    }
  }

  /** Room in conventional memory, or above the image when there is none; undefined when RAM is full. */
  findLow(length: number, align: number): number | undefined {
    return (
      this.free(length, align, LOW_START, Math.min(LOW_END, this.ramSize)) ??
      this.free(length, align, HIGH_START, this.ramSize)
    );
  }

  /** Room above everything placed so far, from 1 MiB on. */
  findHigh(length: number, align: number): number | undefined {
    const top = this.pieces.reduce((end, piece) => Math.max(end, piece.physical + piece.length), HIGH_START);
    return this.free(length, align, top, this.ramSize);
  }

  /** Adds bytes at a place `findLow` or `findHigh` gave. */
  put(what: string, physical: number, bytes: Uint8Array): void {
    if (bytes.length > 0) this.pieces.push({ what, physical, length: bytes.length, bytes });
  }

  /** Places the descriptor table of the entry state. */
  putGdt(): { readonly base: number; readonly limit: number } | undefined {
    const bytes = new Uint8Array(BigUint64Array.from(BOOT_GDT).buffer);
    const base = this.findLow(bytes.length, 16);
    if (base === undefined) return undefined;
    this.put('boot descriptor table', base, bytes);
    return { base, limit: bytes.length - 1 };
  }
}

export function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}
