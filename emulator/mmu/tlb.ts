import { MACHINE, TLB_STATE, TLB_STATE_SIZE } from '../state/layout';
import type { MachineMemory } from '../state/memory';

/** What a translation allows, accumulated over guest paging and EPT. */
export const TLB = {
  VALID: 1,
  GLOBAL: 2,
  WRITABLE: 4,
  USER: 8,
  EXECUTABLE: 0x10,
  /** The dirty bits a store needs are set, in the paging structures and in EPT. */
  DIRTY: 0x20,
  EPT_READ: 0x40,
  EPT_WRITE: 0x80,
  EPT_EXECUTE: 0x100,
} as const;

/** The tags of a translation context, SDM "Caching Translation Information". */
export interface TlbContext {
  vpid: number;
  pcid: number;
  eptpLow: number;
  eptpHigh: number;
}

const SETS = 256;
const WAYS = 4;
/** 32 bytes an entry. */
const WORDS = 8;
/** Words of an entry. The first holds the linear page address, its low 12 bits the TLB flags; 'shift' holds the protection key above the shift. */
const WORD = { tag: 0, tagHigh: 1, frame: 2, ids: 3, eptpLow: 4, eptpHigh: 5, shift: 6, epoch: 7 } as const;
const KEY_SHIFT = 8;
const ENTRY_WORDS = SETS * WAYS * WORDS;
/** Header words behind the entries. */
const HEADER = { victim: ENTRY_WORDS, epochAll: ENTRY_WORDS + 1, epochLocal: ENTRY_WORDS + 2 } as const;

/**
 * The architectural TLB: 256 sets of 4 ways of 4-KByte translations (larger pages are fractured), in the state part of the
 * machine's memory, so that stale translations survive a snapshot. The victim of a set is chosen by a counter of insertions, never
 * by hits, so that accesses served by the inline maps leave no trace here.
 *
 * Entries of VPID 0 carry an epoch, which makes the flush of a MOV to CR3 or of a VM entry without VPID one increment.
 */
export class Tlb {
  private readonly words: Uint32Array;

  /** @param evicted told the linear page (low and high word) whenever a translation is dropped one by one */
  constructor(
    private readonly memory: MachineMemory,
    private readonly evicted: (low: number, high: number) => void,
  ) {
    this.words = memory.u32;
  }

  private get start(): number {
    return (TLB_STATE + this.memory.u32[MACHINE.activeProcessor >> 2] * TLB_STATE_SIZE) >>> 2;
  }

  private live(at: number, start: number): boolean {
    const { words } = this;
    const tag = words[at];
    if ((tag & TLB.VALID) === 0) return false;
    if ((words[at + WORD.ids] & 0xffff) !== 0) return true;
    return words[at + WORD.epoch] === words[start + (tag & TLB.GLOBAL ? HEADER.epochAll : HEADER.epochLocal)];
  }

  private matches(at: number, context: TlbContext): boolean {
    const { words } = this;
    const ids = words[at + WORD.ids];
    return (
      (ids & 0xffff) === context.vpid &&
      (ids >>> 16 === context.pcid || (words[at] & TLB.GLOBAL) !== 0) &&
      words[at + WORD.eptpLow] === context.eptpLow &&
      words[at + WORD.eptpHigh] === context.eptpHigh
    );
  }

  /** Entry (word index) that translates a linear page in a context, or -1. */
  find(low: number, high: number, context: TlbContext): number {
    const { words, start } = this;
    const page = low >>> 12;
    let at = start + (page & (SETS - 1)) * WAYS * WORDS;
    for (let way = 0; way < WAYS; way++, at += WORDS) {
      if (words[at] >>> 12 === page && words[at + WORD.tagHigh] === high && this.live(at, start)) {
        if (this.matches(at, context)) return at;
      }
    }
    return -1;
  }

  flags(entry: number): number {
    return this.words[entry] & 0xfff;
  }
  /** Physical page number. */
  frame(entry: number): number {
    return this.words[entry + WORD.frame];
  }
  /** Protection key. */
  key(entry: number): number {
    return this.words[entry + WORD.shift] >>> KEY_SHIFT;
  }

  /**
   * Keeps a translation, in place of an older one of the same page or of a victim.
   * @param key its protection key
   * @param shift log2 of the page size it was fractured from
   * @param pinnedLow linear page that is never the victim (with `pinnedHigh`): the one instructions execute from, whose blocks are linked to
   *   each other without another look at the TLB
   */
  insert(
    low: number,
    high: number,
    context: TlbContext,
    frame: number,
    flags: number,
    key: number,
    shift: number,
    pinnedLow: number,
    pinnedHigh: number,
  ): void {
    const { words, start } = this;
    const page = low >>> 12;
    const set = start + (page & (SETS - 1)) * WAYS * WORDS;
    let at = this.find(low, high, context);
    if (at >= 0) {
      this.evicted((page << 12) >>> 0, high);
    } else {
      for (let way = 0; way < WAYS && at < 0; way++) {
        if (!this.live(set + way * WORDS, start)) at = set + way * WORDS;
      }
      for (let tries = 0; at < 0; tries++) {
        const victim = words[start + HEADER.victim];
        words[start + HEADER.victim] = (victim + 1) & (WAYS - 1);
        const candidate = set + victim * WORDS;
        const pinned = words[candidate] >>> 12 === pinnedLow >>> 12 && words[candidate + WORD.tagHigh] === pinnedHigh;
        if (pinned && tries < WAYS) continue;
        at = candidate;
        this.drop(at);
      }
    }
    words[at] = ((page << 12) | flags | TLB.VALID) >>> 0;
    words[at + WORD.tagHigh] = high;
    words[at + WORD.frame] = frame;
    words[at + WORD.ids] = (context.vpid | (context.pcid << 16)) >>> 0;
    words[at + WORD.eptpLow] = context.eptpLow;
    words[at + WORD.eptpHigh] = context.eptpHigh;
    words[at + WORD.shift] = shift | (key << KEY_SHIFT);
    words[at + WORD.epoch] = words[start + (flags & TLB.GLOBAL ? HEADER.epochAll : HEADER.epochLocal)];
  }

  /** Forgets one entry. */
  drop(at: number): void {
    const { words } = this;
    this.evicted((words[at] & ~0xfff) >>> 0, words[at + WORD.tagHigh]);
    words[at] = 0;
  }

  private dropWhere(condemned: (at: number) => boolean): void {
    const { start } = this;
    const end = start + ENTRY_WORDS;
    for (let at = start; at < end; at += WORDS) {
      if ((this.words[at] & TLB.VALID) !== 0 && condemned(at)) this.drop(at);
    }
  }

  /** INVLPG: the page's translations of this VPID and PCID and its global ones, whatever size the page had. */
  invalidatePage(low: number, high: number, vpid: number, pcid: number): void {
    const { words, start } = this;
    const end = start + ENTRY_WORDS;
    for (let at = start; at < end; at += WORDS) {
      const tag = words[at];
      if ((tag & TLB.VALID) === 0 || !this.maps(at, low, high)) continue;
      const ids = words[at + WORD.ids];
      if ((ids & 0xffff) === vpid && (ids >>> 16 === pcid || (tag & TLB.GLOBAL) !== 0)) this.drop(at);
    }
  }

  /** INVPCID of an individual address: as `invalidatePage`, of another PCID and without the global translations. */
  invalidateLocalPage(low: number, high: number, vpid: number, pcid: number): void {
    const ids = (vpid | (pcid << 16)) >>> 0;
    this.dropWhere(
      (at) => this.words[at + WORD.ids] === ids && (this.words[at] & TLB.GLOBAL) === 0 && this.maps(at, low, high),
    );
  }

  /** Whether the page that an entry is of, or was fractured from, holds a linear address. */
  private maps(at: number, low: number, high: number): boolean {
    const { words } = this;
    const shift = words[at + WORD.shift] & ((1 << KEY_SHIFT) - 1);
    return words[at + WORD.tagHigh] === high && words[at] >>> shift === low >>> shift;
  }

  /** Non-global translations of one VPID and PCID. */
  flushLocal(vpid: number, pcid: number, allPcids: boolean): void {
    const { words } = this;
    if (vpid === 0 && allPcids) {
      this.nextEpoch(HEADER.epochLocal);
      return;
    }
    this.dropWhere((at) => {
      const ids = words[at + WORD.ids];
      return (ids & 0xffff) === vpid && (allPcids || ids >>> 16 === pcid) && (words[at] & TLB.GLOBAL) === 0;
    });
  }

  /** All translations of one VPID, or of all. */
  flushVpid(vpid: number | undefined): void {
    if (vpid === 0 || vpid === undefined) {
      this.nextEpoch(HEADER.epochAll);
      this.nextEpoch(HEADER.epochLocal);
    }
    if (vpid !== 0) {
      this.dropWhere((at) => {
        const own = this.words[at + WORD.ids] & 0xffff;
        return own !== 0 && (vpid === undefined || own === vpid);
      });
    }
  }

  /** Combined translations of one EPT pointer (bits 51:12 count), or of all. */
  flushEpt(eptpLow: number | undefined, eptpHigh: number): void {
    const { words } = this;
    this.dropWhere((at) => {
      const low = words[at + WORD.eptpLow];
      const high = words[at + WORD.eptpHigh];
      if (low === 0 && high === 0) return false;
      return eptpLow === undefined || (low >>> 12 === eptpLow >>> 12 && high === eptpHigh);
    });
  }

  private nextEpoch(header: number): void {
    const { words, start } = this;
    words[start + header] = words[start + header] + 1;
    // After 2^32 flushes an old epoch would come round again.
    if (words[start + header] === 0) this.dropWhere((at) => (words[at + WORD.ids] & 0xffff) === 0);
  }
}
