import type { Processor } from '../cpu/processor';
import { CONTROL, FLAGS, MSRS, PKRU } from '../state/layout';
import { CR0, CR4, RFLAGS } from '../tables/control-registers';
import { TLB } from './tlb';

/** Kinds of access, as bits. */
export const KIND = {
  READ: 0,
  WRITE: 1,
  FETCH: 2,
  USER: 4,
  /** descriptor tables and other accesses SMAP's AC does not excuse */ IMPLICIT: 8,
} as const;

/**
 * Whether a translation allows an access in the processor's present mode (dirty bits apart).
 * @param flags TLB flags of the translation
 * @param key its protection key
 */
export function permits(cpu: Processor, flags: number, key: number, kind: number): boolean {
  const ept = kind & KIND.FETCH ? TLB.EPT_EXECUTE : kind & KIND.WRITE ? TLB.EPT_WRITE : TLB.EPT_READ;
  return (flags & ept) !== 0 && rightsPermit(cpu, flags, kind) && keyPermits(cpu, flags, key, kind);
}

/** The part of `permits` that the U/S, R/W and XD bits decide: SDM "Determination of Access Rights". */
export function rightsPermit(cpu: Processor, flags: number, kind: number): boolean {
  const userPage = (flags & TLB.USER) !== 0;
  const cr4 = cpu.field32(CONTROL.cr4);
  if (kind & KIND.FETCH) {
    if ((flags & TLB.EXECUTABLE) === 0) return false;
    return kind & KIND.USER ? userPage : !(userPage && (cr4 & CR4.SMEP) !== 0);
  }
  const writable = (flags & TLB.WRITABLE) !== 0;
  if (kind & KIND.USER) return userPage && (writable || (kind & KIND.WRITE) === 0);
  if (
    userPage &&
    (cr4 & CR4.SMAP) !== 0 &&
    ((kind & KIND.IMPLICIT) !== 0 || (cpu.field32(FLAGS.system) & RFLAGS.AC) === 0)
  )
    return false;
  return (kind & KIND.WRITE) === 0 || writable || (cpu.field32(CONTROL.cr0) & CR0.WP) === 0;
}

/**
 * The part that protection keys decide: SDM "Protection Keys". Data accesses only, in IA-32e mode only. User accesses to supervisor pages
 * fail without a look at IA32_PKRS.
 */
export function keyPermits(cpu: Processor, flags: number, key: number, kind: number): boolean {
  const userPage = (flags & TLB.USER) !== 0;
  if ((cpu.field32(CONTROL.cr4) & (userPage ? CR4.PKE : CR4.PKS)) === 0) return true;
  if ((kind & KIND.FETCH) !== 0 || !cpu.longMode || (!userPage && (kind & KIND.USER) !== 0)) return true;
  const rights = cpu.field32(userPage ? PKRU : MSRS.pkrs) >>> (2 * key);
  // Bit 0 disables access, bit 1 writes.
  if ((rights & 1) !== 0) return false;
  if ((rights & 2) === 0 || (kind & KIND.WRITE) === 0) return true;
  return (kind & KIND.USER) === 0 && (cpu.field32(CONTROL.cr0) & CR0.WP) === 0;
}
