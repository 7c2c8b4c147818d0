import type { SegmentName } from '../state/layout';
import type { LinearWatch } from './data-watch';

/** The types of INVPCID: 0 to 3. */
export type PcidInvalidation = 'address' | 'context' | 'all' | 'all-but-global';

export type { SegmentName };

/**
 * Memory as cold code uses it: linear addresses, all checks, faults by `raise`. Implemented in `mmu/access.ts`.
 * The user/supervisor side of an access is the current privilege level unless the name says `system` (descriptor tables, TSS, IDT: always supervisor).
 */
export interface Mmu {
  /** Who is told of accesses to pages with an armed data breakpoint; nobody at first. */
  watch?: LinearWatch | undefined;

  read(linear: bigint, size: 1 | 2 | 4 | 8): bigint;
  /** Loads a byte, and gives its physical address; -1 where it is not RAM. */
  loadPhysical(linear: bigint): number;
  write(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void;
  readSystem(linear: bigint, size: 1 | 2 | 4 | 8): bigint;
  writeSystem(linear: bigint, size: 1 | 2 | 4 | 8, value: bigint): void;
  /** Faults now if the whole range could not be written; changes nothing but A/D bits. */
  probeWrite(linear: bigint, size: number): void;

  /** The same for a privilege level about to be entered, of an address as two words. */
  probeWriteAs(low: number, high: number, size: number, user: boolean): void;

  // Addresses as two words, and host addresses to find the data at

  /** Host address of up to 64 bytes read as by `readSystem`; good until the next access. */
  loadSystem(low: number, high: number, size: number): number;
  /**
   * Host address of RAM from which the rest of the page may be read too; 0 where each access has to be made by itself (two pages, a
   * device, an armed data breakpoint, alignment checks).
   */
  loadPage(low: number, high: number, size: number): number;
  /**
   * Host address of RAM to write `size` bytes to before anything is executed; 0 where each access has to be made by itself. A page fault is
   * of the byte `first` of them.
   */
  storePage(low: number, high: number, size: number, first: number, user: boolean): number;

  /** Segment-checked linear address of an offset; raises #GP or #SS. `segment` is an index in SEGMENT_ORDER. */
  linear(segment: number, offset: bigint, size: number, write: boolean, addressSize: 2 | 4 | 8): bigint;

  /** INVLPG. */
  invalidatePage(linear: bigint): void;
  /** INVPCID, of the current VPID; types that need no PCID or no address ignore them. */
  invalidatePcid(type: PcidInvalidation, pcid: number, linear: bigint): void;
  /** MOV to CR3, task switch: non-global entries of the current context; with `global`, all of them (CR0.PG, CR4 changes). */
  flush(global: boolean): void;
  /** INVVPID, INVEPT, VM entry and exit without VPID. `undefined` is every VPID / every EPTP. */
  flushVpid(vpid: number | undefined): void;
  flushEpt(eptp: bigint | undefined): void;
  /**
   * CR0, CR3, CR4, EFER, CPL, RFLAGS.AC, PKRU, IA32_PKRS, debug registers, VPID, EPTP or the active processor changed: chooses the inline
   * bank of the new context. Until it is called, accesses go by the old one.
   */
  contextChanged(): void;
}
