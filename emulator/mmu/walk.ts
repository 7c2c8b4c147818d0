import type { GuestPhysicalAccess } from '../cpu/intercepts';
import { raise, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import { CONTROL, RAM_BASE } from '../state/layout';
import { CR0, CR4, EFER } from '../tables/control-registers';
import { KIND, keyPermits, rightsPermit } from './access-rights';
import { TLB } from './tlb';

const PTE = { P: 1, W: 2, U: 4, A: 0x20, D: 0x40, PS: 0x80, G: 0x100 } as const;
const NX_HIGH = 0x8000_0000;
/** Protection key of an entry that maps a page: bits 62:59. */
const KEY_SHIFT = 27;
const PF = { PRESENT: 1, WRITE: 2, USER: 4, RESERVED: 8, FETCH: 0x10, KEY: 0x20 } as const;

/** A walk's answer; one object is reused. */
export interface WalkResult {
  /** Physical page number. */
  frame: number;
  /** TLB flags. */
  flags: number;
  /** Protection key. */
  key: number;
  /** log2 of the page size. */
  shift: number;
}

/** The access being translated, reused by all: the linear address is put together only for an exit that reports it. */
class WalkAccess implements GuestPhysicalAccess {
  read = false;
  write = false;
  fetch = false;
  pagingStructure = false;
  private low = 0;
  private high = 0;

  of(read: boolean, write: boolean, fetch: boolean, low: number, high: number, pagingStructure: boolean): this {
    this.read = read;
    this.write = write;
    this.fetch = fetch;
    this.low = low;
    this.high = high;
    this.pagingStructure = pagingStructure;
    return this;
  }
  get linear(): bigint {
    return (BigInt(this.high) << 32n) | BigInt(this.low);
  }
}

/** Index that the bits of a linear address from `shift` upwards make. */
function longIndex(low: number, high: number, shift: number): number {
  if (shift >= 39) return (high >>> (shift - 32)) & 0x1ff;
  return (shift === 30 ? (high << 2) | (low >>> 30) : low >>> shift) & 0x1ff;
}

/**
 * Page walks, SDM "Paging": 32-bit, PAE, 4-level and 5-level. Every access to a paging structure and the final one go through EPT where
 * it is in use. Accessed and dirty bits are written only once nothing can fault any more.
 */
export class PageWalker {
  private readonly result: WalkResult = { frame: 0, flags: 0, key: 0, shift: 12 };
  // Entries passed on the way: physical address and low word as read.
  private readonly at = [0, 0, 0, 0, 0];
  private readonly guestAt = [0, 0, 0, 0, 0];
  private readonly value = [0, 0, 0, 0, 0];
  private readonly access = new WalkAccess();
  private entryLow = 0;
  private entryHigh = 0;
  /** Protection key of the walk's page. */
  private key = 0;

  /** Bits of an address's high word within the physical-address width. */
  private readonly physicalHigh: number;
  /** log2 of the largest page of 4-level paging. */
  private readonly largestShift: number;
  /** Bits 21:13 of a 4-MByte page's entry that are no address bits: PSE-36 has 40 at most. */
  private readonly pse36Reserved: number;

  constructor(private readonly cpu: Processor) {
    const { physicalBits, features } = cpu.model;
    this.physicalHigh = 2 ** (physicalBits - 32) - 1;
    this.largestShift = features.has('pdpe1gb') ? 30 : 21;
    const pse36Bits = features.has('pse36') ? Math.min(physicalBits, 40) - 32 : 0;
    this.pse36Reserved = 0x3f_e000 & ~((2 ** pse36Bits - 1) << 13);
  }

  /** Translates, or raises #PF, or makes an EPT exit. */
  walk(low: number, high: number, kind: number): WalkResult {
    const { cpu } = this;
    const cr0 = cpu.field32(CONTROL.cr0);
    this.key = 0;
    if ((cr0 & CR0.PG) === 0)
      return this.finish(low, high, kind, low, TLB.WRITABLE | TLB.USER | TLB.EXECUTABLE | TLB.DIRTY, 12);
    const cr4 = cpu.field32(CONTROL.cr4);
    const efer = cpu.field32(CONTROL.efer);
    if (efer & EFER.LMA) return this.walkLong(low, high, kind, efer);
    if (cr4 & CR4.PAE) return this.walkPae(low, kind, efer);
    return this.walk32(low, kind, cr4);
  }

  private fault(low: number, high: number, kind: number, bits: number): never {
    const { cpu } = this;
    const fetchBit =
      (kind & KIND.FETCH) !== 0 &&
      ((cpu.field32(CONTROL.cr4) & CR4.SMEP) !== 0 ||
        ((cpu.field32(CONTROL.efer) & EFER.NXE) !== 0 && (cpu.field32(CONTROL.cr4) & CR4.PAE) !== 0));
    const code =
      bits | (kind & KIND.WRITE ? PF.WRITE : 0) | (kind & KIND.USER ? PF.USER : 0) | (fetchBit ? PF.FETCH : 0);
    raise(VECTOR.PF, code, (BigInt(high) << 32n) | BigInt(low));
  }

  /** Physical address of a guest-physical one that holds a paging-structure entry. */
  private structure(guestPhysical: number, low: number, high: number, write: boolean): number {
    const { vmx } = this.cpu;
    if (!vmx.ept) return guestPhysical;
    const { physical } = vmx.translate(guestPhysical, this.access.of(true, write, false, low, high, true));
    return physical - (physical % 4096) + (guestPhysical % 4096);
  }

  /** Reads an entry of `size` bytes into entryLow and entryHigh and notes it as the level-th of the walk. */
  private read(level: number, guestPhysical: number, size: 4 | 8, low: number, high: number): void {
    const { memory, bus } = this.cpu;
    const at = this.structure(guestPhysical, low, high, false);
    if (memory.isRam(at, size)) {
      const word = (RAM_BASE + at) >>> 2;
      this.entryLow = memory.u32[word];
      this.entryHigh = size === 8 ? memory.u32[word + 1] : 0;
    } else {
      this.entryLow = Number(bus.read(at, 4));
      this.entryHigh = size === 8 ? Number(bus.read(at + 4, 4)) : 0;
    }
    this.guestAt[level] = guestPhysical;
    this.at[level] = at;
    this.value[level] = this.entryLow;
  }

  private walkLong(low: number, high: number, kind: number, efer: number): WalkResult {
    const { cpu } = this;
    const { physicalHigh } = this;
    const reservedHigh = (0x000f_ffff & ~physicalHigh) | (efer & EFER.NXE ? 0 : NX_HIGH);
    let table = (cpu.field32(CONTROL.cr3) & ~0xfff) >>> 0;
    table += (cpu.field32(CONTROL.cr3 + 4) & physicalHigh) * 2 ** 32;
    let all = PTE.W | PTE.U;
    let noExecute = false;
    let shift = (cpu.field32(CONTROL.cr4) & CR4.LA57) !== 0 ? 48 : 39;
    for (let level = 0; ; level++, shift -= 9) {
      this.read(level, table + longIndex(low, high, shift) * 8, 8, low, high);
      const lowWord = this.entryLow;
      const highWord = this.entryHigh;
      if ((lowWord & PTE.P) === 0) this.fault(low, high, kind, 0);
      const large = shift > 12 && (lowWord & PTE.PS) !== 0;
      if ((highWord & reservedHigh) !== 0 || (large && shift > this.largestShift)) {
        this.fault(low, high, kind, PF.PRESENT | PF.RESERVED);
      }
      all &= lowWord;
      noExecute ||= (highWord & NX_HIGH) !== 0;
      if (shift > 12 && !large) {
        table = ((lowWord & ~0xfff) >>> 0) + (highWord & physicalHigh) * 2 ** 32;
        continue;
      }
      // Below the address only bit 12 (PAT) of a large page may be set.
      const within = (1 << shift) - 1;
      if (large && (lowWord & within & ~0x1fff) !== 0) this.fault(low, high, kind, PF.PRESENT | PF.RESERVED);
      const base = ((lowWord & ~within & ~0xfff) >>> 0) + (highWord & physicalHigh) * 2 ** 32;
      this.key = (highWord >>> KEY_SHIFT) & 0xf;
      return this.leaf(level, low, high, kind, base + ((low & within) >>> 0), all, noExecute, shift);
    }
  }

  private walkPae(low: number, kind: number, efer: number): WalkResult {
    const { cpu } = this;
    const { physicalHigh } = this;
    const reservedHigh = (0x7fff_ffff & ~physicalHigh) | (efer & EFER.NXE ? 0 : NX_HIGH);
    const pdpte = (CONTROL.pdpte >> 2) + (low >>> 30) * 2;
    if ((cpu.memory.u32[pdpte] & PTE.P) === 0) this.fault(low, 0, kind, 0);
    let table = ((cpu.memory.u32[pdpte] & ~0xfff) >>> 0) + (cpu.memory.u32[pdpte + 1] & physicalHigh) * 2 ** 32;
    let all = PTE.W | PTE.U;
    let noExecute = false;
    for (let level = 0; ; level++) {
      this.read(level, table + ((low >>> (level === 0 ? 21 : 12)) & 0x1ff) * 8, 8, low, 0);
      const lowWord = this.entryLow;
      const highWord = this.entryHigh;
      if ((lowWord & PTE.P) === 0) this.fault(low, 0, kind, 0);
      if ((highWord & reservedHigh) !== 0) this.fault(low, 0, kind, PF.PRESENT | PF.RESERVED);
      all &= lowWord;
      noExecute ||= (highWord & NX_HIGH) !== 0;
      if (level === 0 && (lowWord & PTE.PS) === 0) {
        table = ((lowWord & ~0xfff) >>> 0) + (highWord & physicalHigh) * 2 ** 32;
        continue;
      }
      const shift = level === 0 ? 21 : 12;
      const within = (1 << shift) - 1;
      if (shift > 12 && (lowWord & within & ~0x1fff) !== 0) this.fault(low, 0, kind, PF.PRESENT | PF.RESERVED);
      const base = ((lowWord & ~within & ~0xfff) >>> 0) + (highWord & physicalHigh) * 2 ** 32;
      return this.leaf(level, low, 0, kind, base + (low & within), all, noExecute, shift);
    }
  }

  private walk32(low: number, kind: number, cr4: number): WalkResult {
    const { cpu } = this;
    const directory = (cpu.field32(CONTROL.cr3) & ~0xfff) >>> 0;
    this.read(0, directory + (low >>> 22) * 4, 4, low, 0);
    const entry = this.entryLow;
    if ((entry & PTE.P) === 0) this.fault(low, 0, kind, 0);
    if ((entry & PTE.PS) !== 0 && (cr4 & CR4.PSE) !== 0) {
      // PSE-36: bits 20:13 are physical address bits 39:32.
      if (entry & this.pse36Reserved) this.fault(low, 0, kind, PF.PRESENT | PF.RESERVED);
      const base = ((entry & ~0x3f_ffff) >>> 0) + ((entry >>> 13) & 0xff) * 2 ** 32;
      return this.leaf(0, low, 0, kind, base + (low & 0x3f_ffff), entry, false, 22);
    }
    this.read(1, ((entry & ~0xfff) >>> 0) + ((low >>> 12) & 0x3ff) * 4, 4, low, 0);
    const page = this.entryLow;
    if ((page & PTE.P) === 0) this.fault(low, 0, kind, 0);
    return this.leaf(1, low, 0, kind, ((page & ~0xfff) >>> 0) + (low & 0xfff), entry & page, false, 12);
  }

  /** Checks the rights, translates the final address, and only then sets accessed and dirty bits. */
  private leaf(
    level: number,
    low: number,
    high: number,
    kind: number,
    guestPhysical: number,
    all: number,
    noExecute: boolean,
    shift: number,
  ): WalkResult {
    const { cpu } = this;
    const last = this.value[level];
    const write = (kind & KIND.WRITE) !== 0;
    const flags =
      (all & PTE.W ? TLB.WRITABLE : 0) |
      (all & PTE.U ? TLB.USER : 0) |
      (noExecute ? 0 : TLB.EXECUTABLE) |
      (write || (last & PTE.D) !== 0 ? TLB.DIRTY : 0) |
      ((last & PTE.G) !== 0 && (cpu.field32(CONTROL.cr4) & CR4.PGE) !== 0 ? TLB.GLOBAL : 0);
    const keyed = keyPermits(cpu, flags, this.key, kind);
    if (!keyed || !rightsPermit(cpu, flags, kind)) this.fault(low, high, kind, PF.PRESENT | (keyed ? 0 : PF.KEY));
    for (let i = 0; i <= level; i++) {
      if (this.wanted(i, level, write) !== this.value[i]) this.structure(this.guestAt[i], low, high, true);
    }
    const result = this.finish(low, high, kind, guestPhysical, flags, shift);
    for (let i = 0; i <= level; i++) {
      const wanted = this.wanted(i, level, write);
      if (wanted === this.value[i]) continue;
      if (cpu.memory.isRam(this.at[i], 4)) cpu.memory.write32(this.at[i], wanted);
      else cpu.bus.write(this.at[i], 4, BigInt(wanted >>> 0));
    }
    return result;
  }

  /** The low word of an entry with its accessed and dirty bits as this walk leaves them. */
  private wanted(i: number, leaf: number, write: boolean): number {
    return (this.value[i] | PTE.A | (i === leaf && write ? PTE.D : 0)) >>> 0;
  }

  private finish(
    low: number,
    high: number,
    kind: number,
    guestPhysical: number,
    flags: number,
    shift: number,
  ): WalkResult {
    const { vmx } = this.cpu;
    const { result } = this;
    result.shift = shift;
    result.key = this.key;
    if (!vmx.ept) {
      result.frame = Math.floor(guestPhysical / 4096);
      result.flags = flags | TLB.EPT_READ | TLB.EPT_WRITE | TLB.EPT_EXECUTE;
      return result;
    }
    const write = (kind & KIND.WRITE) !== 0;
    const fetch = (kind & KIND.FETCH) !== 0;
    const ept = vmx.translate(guestPhysical, this.access.of(!write && !fetch, write, fetch, low, high, false));
    result.frame = Math.floor(ept.physical / 4096);
    result.flags =
      (ept.needsDirty ? flags & ~TLB.DIRTY : flags) |
      (ept.read ? TLB.EPT_READ : 0) |
      (ept.write ? TLB.EPT_WRITE : 0) |
      (ept.execute ? TLB.EPT_EXECUTE : 0);
    return result;
  }
}
