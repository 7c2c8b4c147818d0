import { INLINE, INLINE_BANK_SIZE, inlineOffset, RAM_BASE, SCRATCH } from '../state/layout';
import type { MachineMemory } from '../state/memory';

/** What distinguishes the translations of one bank from those of another. */
interface Bank {
  processor: number;
  /** Paging bits of CR0, CR3, CR4 and EFER, privilege, AC where it counts, and whether data breakpoints are armed. */
  flags: number;
  vpid: number;
  pcid: number;
  eptp: bigint;
  /** PKRU and IA32_PKRS, 0 where they do not count. */
  userKeys: number;
  supervisorKeys: number;
  /** Entry offsets that may be in use in any of the three maps; more than fit means all. */
  readonly touched: Uint16Array;
  count: number;
}

const MAX_TOUCHED = 1024;
const EMPTY = 0xffff_ffff;
const MAPS = [INLINE.load, INLINE.store, INLINE.code] as const;

/**
 * The inline translation maps the interpreter probes: a cache over the architectural TLB, in banks so that VM entries, exits
 * and privilege changes need not empty it. Dropping any of it is always safe.
 */
export class InlineMaps {
  private readonly banks: Bank[] = [];
  private active = 0;
  private nextVictim = 0;

  constructor(private readonly memory: MachineMemory) {
    for (let i = 0; i < INLINE.banks; i++) {
      this.banks.push({
        processor: -1,
        flags: 0,
        vpid: 0,
        pcid: 0,
        eptp: 0n,
        userKeys: 0,
        supervisorKeys: 0,
        touched: new Uint16Array(MAX_TOUCHED),
        count: MAX_TOUCHED + 1,
      });
    }
    this.dropAll();
  }

  /** Makes the bank of a context the active one. */
  select(
    processor: number,
    flags: number,
    vpid: number,
    pcid: number,
    eptp: bigint,
    userKeys: number,
    supervisorKeys: number,
  ): void {
    for (let tries = -1; tries < INLINE.banks; tries++) {
      const i = tries < 0 ? this.active : tries;
      const bank = this.banks[i];
      if (
        bank.flags === flags &&
        bank.vpid === vpid &&
        bank.pcid === pcid &&
        bank.processor === processor &&
        bank.eptp === eptp &&
        bank.userKeys === userKeys &&
        bank.supervisorKeys === supervisorKeys
      ) {
        if (tries >= 0) this.activate(i);
        return;
      }
    }
    this.nextVictim = (this.nextVictim + 1) % INLINE.banks;
    const bank = this.banks[this.nextVictim];
    this.clear(this.nextVictim);
    bank.processor = processor;
    bank.flags = flags;
    bank.vpid = vpid;
    bank.pcid = pcid;
    bank.eptp = eptp;
    bank.userKeys = userKeys;
    bank.supervisorKeys = supervisorKeys;
    this.activate(this.nextVictim);
  }

  private activate(number: number): void {
    this.active = number;
    this.memory.u32[SCRATCH.bank >> 2] = number * INLINE_BANK_SIZE;
  }

  /** Notes that an entry of the active bank is about to be used. */
  touch(low: number): void {
    const bank = this.banks[this.active];
    if (bank.count < MAX_TOUCHED) bank.touched[bank.count++] = inlineOffset(low);
    else bank.count = MAX_TOUCHED + 1;
  }

  /** @param physicalPage physical address of a page in RAM */
  fill(map: typeof INLINE.load | typeof INLINE.store, low: number, high: number, physicalPage: number): void {
    const { u32 } = this.memory;
    const at = (map + this.active * INLINE_BANK_SIZE + inlineOffset(low)) >> 2;
    const page = (low & ~0xfff) >>> 0;
    u32[at] = page;
    u32[at + 1] = high;
    u32[at + 2] = RAM_BASE + physicalPage - page;
    this.touch(low);
  }

  private clearEntry(at: number): void {
    this.memory.u32[at] = EMPTY;
    this.memory.u32[at + 1] = EMPTY;
  }

  private clear(number: number): void {
    const bank = this.banks[number];
    if (bank.count === 0) return;
    for (const map of MAPS) {
      const start = map + number * INLINE_BANK_SIZE;
      if (bank.count > MAX_TOUCHED) {
        this.memory.u32.fill(EMPTY, start >> 2, (start + INLINE_BANK_SIZE) >> 2);
      } else {
        for (let i = 0; i < bank.count; i++) this.clearEntry((start + bank.touched[i]) >> 2);
      }
    }
    bank.count = 0;
  }

  /** Forgets everything, and which context each bank was of; a bank must be selected next. */
  dropAll(): void {
    for (let i = 0; i < INLINE.banks; i++) {
      this.banks[i].count = MAX_TOUCHED + 1;
      this.clear(i);
      this.banks[i].processor = -1;
    }
    this.activate(0);
  }

  /** Empties the banks of a VPID, or all. */
  dropVpid(vpid: number | undefined): void {
    for (let i = 0; i < INLINE.banks; i++) {
      if (vpid === undefined || this.banks[i].vpid === vpid) this.clear(i);
    }
  }

  /** Drops one linear page from all banks: by its low word alone, as the high one may hold what LAM masks. */
  dropLinear(low: number): void {
    const { u32 } = this.memory;
    const offset = inlineOffset(low);
    for (let i = 0; i < INLINE.banks; i++) {
      if (this.banks[i].count === 0) continue;
      for (const map of MAPS) {
        const at = (map + i * INLINE_BANK_SIZE + offset) >> 2;
        if (u32[at] === low) this.clearEntry(at);
      }
    }
  }

  /** Drops a physical page from the store maps, and from the load maps too if asked. */
  dropPhysical(page: number, loads: boolean): void {
    const host = RAM_BASE + page * 4096;
    this.dropStoresWhere(loads ? [INLINE.load, INLINE.store] : [INLINE.store], host);
  }

  /** Empties the store maps. */
  dropStores(): void {
    this.dropStoresWhere([INLINE.store], undefined);
  }

  private dropStoresWhere(maps: readonly number[], host: number | undefined): void {
    const { u32 } = this.memory;
    for (const map of maps) {
      for (let number = 0; number < INLINE.banks; number++) {
        const { count, touched } = this.banks[number];
        const all = count > MAX_TOUCHED;
        const start = map + number * INLINE_BANK_SIZE;
        for (let i = 0; i < (all ? INLINE.entries : count); i++) {
          const at = (start + (all ? i * INLINE.entrySize : touched[i])) >> 2;
          if (host === undefined || (u32[at] + u32[at + 2]) >>> 0 === host) this.clearEntry(at);
        }
      }
    }
  }
}
