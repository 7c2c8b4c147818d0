import { CONTROL } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { DR7 } from '../tables/debug-bits';

/**
 * Told of data accesses near armed data breakpoints. Who sets `MemoryAccess.watch` and calls `contextChanged` after each change of DR0 to
 * DR3, DR7 or CR4.DE need do nothing else: pages with an armed data breakpoint stay off the inline maps, so that every access to them
 * comes through here.
 */
export interface LinearWatch {
  /**
   * An access of `size` bytes that touches a page with an armed data breakpoint has been translated without a fault and is about to be
   * made; whether the breakpoint's own bytes are touched is the callee's to find out. A read-modify-write is one call, with `write`.
   * @param linear address without LAM's metadata
   */
  accessed(linear: bigint, size: number, write: boolean): void;
}

const DR7_FIELD = CONTROL.dr + 7 * 8;
/** Bit 0 of a breakpoint's R/W field: writes (01) or reads and writes (11). */
const DATA = 0x1_0000;

/** The linear pages that the active processor's debug registers watch for data accesses. */
export class WatchedPages {
  private readonly low = new Uint32Array(4);
  private readonly high = new Uint32Array(4);
  private count = 0;

  constructor(private readonly memory: MachineMemory) {}

  /** Whether any data breakpoint is armed now. */
  get armed(): boolean {
    const dr7 = this.memory.u32[DR7_FIELD >> 2];
    return (dr7 & DR7.ENABLES) !== 0 && [0, 1, 2, 3].some((n) => this.isArmed(dr7, n));
  }

  private isArmed(dr7: number, n: number): boolean {
    return ((dr7 >> (2 * n)) & 3) !== 0 && (dr7 & (DATA << (4 * n))) !== 0;
  }

  /** Takes the pages from the debug registers; true where they are others than the last time. */
  update(): boolean {
    const { u32 } = this.memory;
    const dr7 = u32[DR7_FIELD >> 2];
    let count = 0;
    let changed = false;
    for (let n = 0; n < 4; n++) {
      if (!this.isArmed(dr7, n)) continue;
      const at = (CONTROL.dr + n * 8) >> 2;
      const low = (u32[at] & ~0xfff) >>> 0;
      changed ||= this.low[count] !== low || this.high[count] !== u32[at + 1];
      this.low[count] = low;
      this.high[count++] = u32[at + 1];
    }
    changed ||= count !== this.count;
    this.count = count;
    return changed;
  }

  /** Whether the page of a linear address is watched. */
  holds(low: number, high: number): boolean {
    const page = (low & ~0xfff) >>> 0;
    for (let i = 0; i < this.count; i++) if (this.low[i] === page && this.high[i] === high) return true;
    return false;
  }
}
