import type { EptTranslation } from '../cpu/intercepts';
import type { Processor } from '../cpu/processor';
import { RAM_BASE } from '../state/layout';

/** Bits of the low half of an EPT paging-structure entry. */
const EPT = {
  READ: 1,
  WRITE: 2,
  EXECUTE: 4,
  RWX: 7,
  MEMORY_TYPE_SHIFT: 3,
  LARGE: 0x80,
  ACCESSED: 0x100,
  DIRTY: 0x200,
} as const;

/** EPTP bit 6: accessed and dirty flags. */
const EPTP_ACCESSED_DIRTY = 0x40n;
const ADDRESS_MASK = 0xf_ffff_ffff_f000n;
const TWO_32 = 2 ** 32;

/** log2 of what one entry maps, by level: PML4E, PDPTE, PDE, PTE. */
const LEVEL_SHIFTS = [39, 30, 21, 12] as const;

/** Memory types a leaf may have: UC, WC, WT, WP, WB; 2, 3 and 7 are reserved. */
const VALID_MEMORY_TYPES = 0b0111_0011;

/** What an access wants of an EPT walk. */
export interface EptAccess {
  readonly read: boolean;
  readonly write: boolean;
  readonly fetch: boolean;
}

export type EptWalk =
  | { readonly kind: 'mapped'; readonly translation: EptTranslation; readonly memoryType: number }
  /** `granted`: bits 2:0 are the logical AND of the read, write and execute bits met on the way. */
  | { readonly kind: 'violation'; readonly granted: number }
  | { readonly kind: 'misconfiguration' };

/** Whether an entry that is present breaks a rule of "EPT Misconfigurations". `low` and `high` are its halves. */
function isMisconfigured(low: number, high: number, level: number, physicalBits: number): boolean {
  // Write without read; execute-only translations are supported.
  if ((low & (EPT.READ | EPT.WRITE)) === EPT.WRITE) return true;
  const addressBitsHigh = physicalBits > 32 ? (1 << (physicalBits - 32)) - 1 : 0;
  if ((high & 0xf_ffff & ~addressBitsHigh) !== 0) return true;
  const large = level > 0 && level < 3 && (low & EPT.LARGE) !== 0;
  if (level === 0) return (low & 0xf8) !== 0;
  if (level < 3 && !large) return (low & 0x78) !== 0;
  if (large && (low & (level === 1 ? 0x3fff_f000 : 0x1f_f000)) !== 0) return true;
  return ((VALID_MEMORY_TYPES >> ((low >> EPT.MEMORY_TYPE_SHIFT) & 7)) & 1) === 0;
}

/**
 * Walks the extended page tables (SDM, "EPT Translation Mechanism"). With `mark`, sets accessed and dirty flags if EPTP bit 6
 * asks for them; without, nothing changes, whatever the outcome.
 */
export function walkEpt(
  cpu: Processor,
  eptp: bigint,
  guestPhysical: number | bigint,
  access: EptAccess,
  mark: boolean,
): EptWalk {
  const { physicalBits } = cpu.model;
  const { memory } = cpu;
  const flags = (eptp & EPTP_ACCESSED_DIRTY) !== 0n;
  const address = Number(guestPhysical);
  const pageLow = address >>> 0;
  const pageHigh = Math.floor(address / TWO_32);
  let table = Number(eptp & ADDRESS_MASK);
  let granted: number = EPT.RWX;
  // The walk has four levels: bits 47 and below select entries, so what lies above is not mapped.
  if (address >= 2 ** 48) return { kind: 'violation', granted: 0 };
  for (let level = 0; ; level++) {
    const shift = LEVEL_SHIFTS[level];
    const index = level === 0 ? pageHigh >>> 7 : level === 1 ? (pageHigh << 2) | (pageLow >>> 30) : pageLow >>> shift;
    const at = table + (index & 0x1ff) * 8;
    const inRam = memory.isRam(at, 8);
    const low = inRam ? memory.u32[(RAM_BASE + at) >>> 2] | 0 : readHalf(cpu, at, mark);
    const high = inRam ? memory.u32[(RAM_BASE + at + 4) >>> 2] | 0 : readHalf(cpu, at + 4, mark);
    if ((low & EPT.RWX) === 0) return { kind: 'violation', granted: 0 };
    if (isMisconfigured(low, high, level, physicalBits)) return { kind: 'misconfiguration' };
    granted &= low;
    PATH[level] = at;
    const target = (high & 0xf_ffff) * TWO_32 + ((low & 0xffff_f000) >>> 0);
    const leaf = level === 3 || (low & EPT.LARGE) !== 0;
    if (!leaf) {
      table = target;
      continue;
    }
    if (!allows(granted, access)) return { kind: 'violation', granted };
    const dirty = (low & EPT.DIRTY) !== 0 || access.write;
    if (mark && flags) markPath(cpu, level, access.write);
    const size = 2 ** shift;
    return {
      kind: 'mapped',
      memoryType: (low >> EPT.MEMORY_TYPE_SHIFT) & 7,
      translation: {
        physical: target - (target % size) + (address % size),
        read: (granted & EPT.READ) !== 0,
        write: (granted & EPT.WRITE) !== 0,
        execute: (granted & EPT.EXECUTE) !== 0,
        pageShift: shift,
        needsDirty: flags && !dirty,
      },
    };
  }
}

function allows(granted: number, access: EptAccess): boolean {
  if (access.read && (granted & EPT.READ) === 0) return false;
  if (access.write && (granted & EPT.WRITE) === 0) return false;
  return !access.fetch || (granted & EPT.EXECUTE) !== 0;
}

/** Four bytes of a paging structure outside RAM: a walk with side effects asks the bus, a peek finds nothing mapped. */
function readHalf(cpu: Processor, physical: number, mark: boolean): number {
  return mark ? Number(cpu.bus.read(physical, 4)) | 0 : 0;
}

/** Physical addresses of the entries of the walk under way, by level. */
const PATH = new Float64Array(LEVEL_SHIFTS.length);

/** Sets the accessed flag in every entry used, and the dirty flag in the leaf for a write. */
function markPath({ memory }: Processor, leaf: number, write: boolean): void {
  for (let level = 0; level <= leaf; level++) {
    const at = PATH[level];
    if (!memory.isRam(at, 4)) continue;
    const low = memory.read32(at);
    const wanted = EPT.ACCESSED | (write && level === leaf ? EPT.DIRTY : 0);
    if ((low & wanted) !== wanted) memory.write32(at, (low | wanted) >>> 0);
  }
}

/** Exit qualification bits for EPT violations (SDM, "Exit Qualification for EPT Violations"). */
export const VIOLATION = {
  READ: 1,
  WRITE: 2,
  FETCH: 4,
  /** Bits 5:3: what the entries met allow. */
  GRANTED_SHIFT: 3,
  LINEAR_VALID: 0x80,
  /** The access was to the translation of the linear address, not to a paging-structure entry on the way. */
  FINAL: 0x100,
  NMI_UNBLOCKED: 0x1000,
} as const;
