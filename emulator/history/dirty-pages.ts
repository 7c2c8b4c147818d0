import { PAGE, type MachineMemory } from '../state/memory';

/** Who keeps track of written pages. Bits of a page's entry in `DirtyPages`. */
export const STALE = {
  /** Differs, perhaps, from the last snapshot. */
  SNAPSHOT: 1,
  /** Its hash is out of date. */
  HASH: 2,
  /** Not necessarily zero: written at least once since the machine was made. */
  TOUCHED: 4,
} as const;

/** Two DIRTY bits of eight pages tell at once that none is dirty. */
const DIRTY_EIGHT = 0x0202_0202_0202_0202n;

/**
 * Turns the one DIRTY bit that writes set into one bit for each who asks. Collecting clears DIRTY, after which the inline store
 * maps must be dropped, so that the next store to each page is seen again.
 */
export class DirtyPages {
  readonly bits: Uint8Array;
  private readonly eights: BigUint64Array;

  /** @param dropStoreMaps empties the inline store maps */
  constructor(
    private readonly memory: MachineMemory,
    private readonly dropStoreMaps: () => void,
  ) {
    this.bits = new Uint8Array(memory.pages.length);
    this.eights = new BigUint64Array(memory.pages.buffer, memory.pages.byteOffset, memory.pages.length >>> 3);
  }

  collect(): void {
    const { pages } = this.memory;
    let any = false;
    const visit = (page: number): void => {
      if (!(pages[page] & PAGE.DIRTY)) return;
      pages[page] &= ~PAGE.DIRTY;
      this.bits[page] = STALE.SNAPSHOT | STALE.HASH | STALE.TOUCHED;
      any = true;
    };
    for (let eight = 0; eight < this.eights.length; eight++) {
      if ((this.eights[eight] & DIRTY_EIGHT) === 0n) continue;
      for (let page = eight * 8; page < eight * 8 + 8; page++) visit(page);
    }
    for (let page = this.eights.length * 8; page < pages.length; page++) visit(page);
    if (any) this.dropStoreMaps();
  }

  /** Pages for which `bit` is set, which is cleared. */
  take(bit: number): number[] {
    const taken: number[] = [];
    const { bits } = this;
    for (let page = 0; page < bits.length; page++) {
      if (!(bits[page] & bit)) continue;
      bits[page] &= ~bit;
      taken.push(page);
    }
    return taken;
  }
}
