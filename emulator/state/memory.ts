import { MAX_RAM, RAM_BASE } from './layout';

const PAGE_SHIFT = 12;
const WASM_PAGE = 0x1_0000;

/** Told of every write to RAM, whoever makes it. */
export interface WriteObserver {
  /** A code page, or part of it, is about to differ. Physical address and length lie within one page. */
  codeWritten(physical: number, length: number): void;
}

/** Attributes of a physical page that keep it off the inline store map. */
export const PAGE = {
  /** Decoded code was taken from it. */
  CODE: 1,
  /** Written since the last snapshot. */
  DIRTY: 2,
  /** A data breakpoint watches part of it. */
  WATCHED: 4,
} as const;

/**
 * The machine's one memory, with typed views, and the one door through which everything that is not a guest store on the
 * fast path writes RAM: page-table A/D bits, VMCS regions, MSR lists, DMA, the debugger.
 */
export class MachineMemory {
  readonly wasm: WebAssembly.Memory;
  readonly u8: Uint8Array;
  readonly u16: Uint16Array;
  readonly u32: Uint32Array;
  readonly i32: Int32Array;
  readonly u64: BigUint64Array;
  readonly view: DataView;
  /** PAGE bits of each physical page. Not state: derived from what the debugger and the code cache ask for. */
  readonly pages: Uint8Array;
  observer: WriteObserver = { codeWritten: () => undefined };

  /** @param ramSize bytes, a multiple of 64 KiB, at most MAX_RAM */
  constructor(readonly ramSize: number) {
    if (ramSize <= 0 || ramSize > MAX_RAM || ramSize % WASM_PAGE !== 0) {
      throw new RangeError(`RAM size ${ramSize} is not a multiple of 64 KiB between 64 KiB and 3 GiB`);
    }
    const total = (RAM_BASE + ramSize) / WASM_PAGE;
    this.wasm = new WebAssembly.Memory({ initial: total, maximum: total });
    const { buffer } = this.wasm;
    this.u8 = new Uint8Array(buffer);
    this.u16 = new Uint16Array(buffer);
    this.u32 = new Uint32Array(buffer);
    this.i32 = new Int32Array(buffer);
    this.u64 = new BigUint64Array(buffer);
    this.view = new DataView(buffer);
    this.pages = new Uint8Array(ramSize >>> PAGE_SHIFT);
  }

  /** Host address of a physical one. The caller has checked `isRam`. */
  host(physical: number): number {
    return RAM_BASE + physical;
  }

  isRam(physical: number, length = 1): boolean {
    return physical >= 0 && physical + length <= this.ramSize;
  }

  /** Notes that `[physical, physical + length)` is about to be written: within RAM, may span pages. */
  beforeWrite(physical: number, length: number): void {
    if (length === 0) return;
    const last = (physical + length - 1) >>> PAGE_SHIFT;
    for (let page = physical >>> PAGE_SHIFT; page <= last; page++) {
      const bits = this.pages[page];
      if (bits & PAGE.CODE) {
        const start = Math.max(physical, page * 4096);
        this.observer.codeWritten(start, Math.min(physical + length, (page + 1) * 4096) - start);
      }
      this.pages[page] = this.pages[page] | PAGE.DIRTY;
    }
  }

  read32(physical: number): number {
    return this.view.getUint32(RAM_BASE + physical, true);
  }

  read64(physical: number): bigint {
    return this.view.getBigUint64(RAM_BASE + physical, true);
  }

  write32(physical: number, value: number): void {
    this.beforeWrite(physical, 4);
    this.view.setUint32(RAM_BASE + physical, value, true);
  }

  write64(physical: number, value: bigint): void {
    this.beforeWrite(physical, 8);
    this.view.setBigUint64(RAM_BASE + physical, value, true);
  }

  writeBytes(physical: number, bytes: Uint8Array): void {
    this.beforeWrite(physical, bytes.length);
    this.u8.set(bytes, RAM_BASE + physical);
  }

  readBytes(physical: number, length: number): Uint8Array {
    return this.u8.slice(RAM_BASE + physical, RAM_BASE + physical + length);
  }
}
