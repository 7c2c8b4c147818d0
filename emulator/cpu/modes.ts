import { CONTROL, FLAGS } from '../state/layout';
import { CR0, CR4, RFLAGS } from '../tables/control-registers';
import { ACCESS_RIGHTS } from './descriptors';
import type { Processor } from './processor';

/** What segments of virtual-8086 mode are: present, accessed, writable data of privilege level 3. */
const VIRTUAL_8086_ACCESS = 0xf3;
/** The same at level 0: what real mode makes of a segment register that was not usable. */
const REAL_ACCESS = 0x93;
const REAL_LIMIT = 0xffff;

/** CR0.PE, whether or not in virtual-8086 mode. */
export const hasProtection = (cpu: Processor): boolean => (cpu.field32(CONTROL.cr0) & CR0.PE) !== 0;

export const isVirtual8086 = (cpu: Processor): boolean => (cpu.field32(FLAGS.system) & RFLAGS.VM) !== 0;

/** Protected mode in the narrow sense: selectors name descriptors. */
export const isProtected = (cpu: Processor): boolean => hasProtection(cpu) && !isVirtual8086(cpu);

export const ioPrivilege = (cpu: Processor): number => (cpu.field32(FLAGS.system) >> 12) & 3;

/** Whether CR4.VME lets virtual-8086 code below IOPL 3 have a virtual interrupt flag. */
export const hasVirtualInterrupts = (cpu: Processor): boolean => (cpu.field32(CONTROL.cr4) & CR4.VME) !== 0;

/**
 * Whether an interrupt waits for VIF that is there: VIF and VIP with IF virtualized, in virtual-8086 mode or by CR4.PVI. No instruction begins so
 * (SDM "Class 2 - Maskable Hardware Interrupt Handling in Virtual-8086 Mode Using the Virtual Interrupt Mechanism").
 */
export function isVirtualInterruptDue(cpu: Processor): boolean {
  const both = RFLAGS.VIF | RFLAGS.VIP;
  if ((cpu.field32(FLAGS.system) & both) !== both || cpu.cpl !== 3 || ioPrivilege(cpu) === 3) return false;
  const control = isVirtual8086(cpu) ? CR4.VME : CR4.PVI;
  return isProtected(cpu) || isVirtual8086(cpu) ? (cpu.field32(CONTROL.cr4) & control) !== 0 : false;
}

/**
 * Loads a segment register as real mode and virtual-8086 mode do. Real mode changes nothing but selector and base: limit and rights
 * stay what protected mode left ("big real" mode).
 */
export function loadRealSegment(cpu: Processor, index: number, selector: number): void {
  const base = BigInt(selector << 4);
  const access = cpu.access(index);
  if (isVirtual8086(cpu)) cpu.setSegment(index, selector, base, REAL_LIMIT, VIRTUAL_8086_ACCESS);
  else if (access & ACCESS_RIGHTS.UNUSABLE) cpu.setSegment(index, selector, base, REAL_LIMIT, REAL_ACCESS);
  else cpu.setSegment(index, selector, base, cpu.limit(index), access);
}
