import { GuestFault } from '../cpu/faults';
import { MSR_LIST_MAXIMUM } from '../tables/vmx-capabilities';
import type { VmxContext } from './vmx-context';

/**
 * An entry of the MSR areas, 16 bytes:
 *
 *     31:0 index   63:32 reserved   127:64 value
 */
const ENTRY_SIZE = 16;

const FS_BASE = 0xc000_0100;
const GS_BASE = 0xc000_0101;
const SMM_MONITOR_CTL = 0x9b;
const SMBASE = 0x9e;
const MICROCODE = [0x79, 0x8b] as const;
const EFER = 0xc000_0080;
const EFER_LMA = 0x400n;

const isX2Apic = (index: number): boolean => index >>> 8 === 8;

/** Entries no VM-entry or VM-exit load list may have (SDM, "Loading MSRs"). */
function mayLoad(index: number): boolean {
  if (index === FS_BASE || index === GS_BASE || index === SMM_MONITOR_CTL) return false;
  return !isX2Apic(index) && !MICROCODE.some((forbidden) => forbidden === index);
}

/** Entries no VM-exit store list may have (SDM, "Saving MSRs"). */
function mayStore(index: number): boolean {
  return !isX2Apic(index) && index !== SMBASE;
}

/** Runs `access`; false where it raised an exception. */
function attempt(access: () => void): boolean {
  try {
    access();
    return true;
  } catch (thrown) {
    if (thrown instanceof GuestFault) return false;
    throw thrown;
  }
}

/**
 * Loads MSRs from the list at a physical address. Beyond the recommended maximum the SDM leaves the behaviour undefined: here the
 * first entry too many cannot be loaded (or the list not be stored), so that a list as long as memory does not hold the machine.
 * @returns the number of the first entry that cannot be loaded, from 1; 0 when all were
 */
export function loadMsrs({ cpu, msrs }: VmxContext, address: bigint, count: number): number {
  const { memory } = cpu;
  for (let i = 0; i < count; i++) {
    if (i === MSR_LIST_MAXIMUM) return i + 1;
    const at = Number(address) + i * ENTRY_SIZE;
    if (!memory.isRam(at, ENTRY_SIZE)) return i + 1;
    const index = memory.read32(at);
    if (memory.read32(at + 4) !== 0 || !mayLoad(index)) return i + 1;
    const value = memory.read64(at + 8);
    // IA32_EFER.LMA is what the transition has made it, whatever the entry says.
    const wanted = index === EFER ? (value & ~EFER_LMA) | (cpu.efer & EFER_LMA) : value;
    if (!attempt(() => msrs.write(index, wanted))) return i + 1;
  }
  return 0;
}

/** Stores MSRs to the list at a physical address; false where one cannot be stored. */
export function storeMsrs({ cpu, msrs }: VmxContext, address: bigint, count: number): boolean {
  const { memory } = cpu;
  if (count > MSR_LIST_MAXIMUM) return false;
  for (let i = 0; i < count; i++) {
    const at = Number(address) + i * ENTRY_SIZE;
    if (!memory.isRam(at, ENTRY_SIZE)) return false;
    const index = memory.read32(at);
    if (memory.read32(at + 4) !== 0 || !mayStore(index)) return false;
    if (!attempt(() => memory.write64(at + 8, msrs.read(index)))) return false;
  }
  return true;
}
