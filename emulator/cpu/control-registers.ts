import { CONTROL } from '../state/layout';
import { CR0, CR0_DEFINED, CR4, cr4Implemented, EFER } from '../tables/control-registers';
import { raise, VECTOR } from './faults';
import { loadPdptes, pdpteTable, usesPaePaging } from './pdptes';
import { type Processor, SEG } from './processor';

const PE = BigInt(CR0.PE);
const PG = BigInt(CR0.PG);
const CD = BigInt(CR0.CD);
const NW = BigInt(CR0.NW);
const ET = BigInt(CR0.ET);
const LMA = BigInt(EFER.LMA);
const LME = BigInt(EFER.LME);
const PAE = BigInt(CR4.PAE);
const PCIDE = BigInt(CR4.PCIDE);
const LA57 = BigInt(CR4.LA57);

/** CR3: PCID with CR4.PCIDE, else PWT, PCD and ignored bits. */
const PCID_MASK = 0xfffn;
/** CR3 bits 62 and 61, LAM_U48 and LAM_U57. */
const LAM_USER = 3n << 61n;
/** Bit 63 of the value MOV to CR3 is given: translations of the PCID are kept. */
const KEEP = 1n << 63n;
/** Access rights of a code segment: 64-bit mode. */
const LONG_CODE = 0x2000;
/** Access rights of a TSS: 32 or 64 bits. */
const WIDE_TSS = 8;

const refuse = (): never => raise(VECTOR.GP, 0);

/** In VMX operation some bits are fixed, SDM "Restrictions on VMX Operation". */
function checkFixed(cpu: Processor, register: 0 | 4, value: bigint): void {
  const fixed = cpu.vmx.fixedBits(register);
  if (fixed && ((value & fixed.mustBeOne) !== fixed.mustBeOne || (value & ~fixed.mayBeOne) !== 0n)) refuse();
}

/** Loads the PDPTEs of PAE paging; #GP(0) and no change if one has reserved bits set. */
function reloadPdptes(cpu: Processor, cr3: bigint): void {
  let table = pdpteTable(cr3);
  if (cpu.vmx.ept) {
    const access = { read: true, write: false, fetch: false, linear: undefined, pagingStructure: true };
    const { physical } = cpu.vmx.translate(table, access);
    table = physical - (physical % 4096) + (table % 4096);
  }
  if (!loadPdptes(cpu, table)) refuse();
}

/**
 * EFER as setting or clearing CR0.PG makes it. SDM "IA-32e Mode System Environment", "Consistency checks".
 * @param cr4 as it is
 */
function togglePaging(cpu: Processor, paging: boolean): bigint {
  const { cr4, efer } = cpu;
  if (paging) {
    if ((efer & LME) === 0n) return efer;
    if ((cr4 & PAE) === 0n || (cpu.access(SEG.CS) & LONG_CODE) !== 0 || (cpu.access(SEG.TR) & WIDE_TSS) === 0) refuse();
    return efer | LMA;
  }
  if (cpu.is64Bit || (cr4 & PCIDE) !== 0n) refuse();
  return efer & ~LMA;
}

/** MOV to CR0 with all its consistency rules, SDM "Control Registers"; host-owned bits keep their real value. */
export function writeCr0(cpu: Processor, written: bigint): void {
  const old = cpu.cr0;
  if (written >> 32n) refuse();
  const value = (cpu.vmx.mergeControl(0, written, old) & CR0_DEFINED) | ET;
  const paging = (value & PG) !== 0n;
  if ((paging && (value & PE) === 0n) || (value & (NW | CD)) === NW) refuse();
  checkFixed(cpu, 0, value);
  const toggled = ((old ^ value) & PG) !== 0n;
  const efer = toggled ? togglePaging(cpu, paging) : cpu.efer;
  const pae = usesPaePaging({ cr0: value, cr4: cpu.cr4, efer });
  if (pae && ((old ^ value) & (PG | NW | CD)) !== 0n) reloadPdptes(cpu, cpu.cr3);
  cpu.setField(CONTROL.cr0, value);
  cpu.setField(CONTROL.efer, efer);
  if (toggled) cpu.mmu.flush(true);
  cpu.mmu.contextChanged();
}

/** MOV to CR3; task switches load it by the same rules. Reserved bits in IA-32e mode: those beyond the physical-address width. */
export function writeCr3(cpu: Processor, written: bigint): void {
  const keep = (cpu.cr4 & PCIDE) !== 0n && (written & KEEP) !== 0n;
  const value = keep ? written & ~KEEP : written;
  if (cpu.longMode) {
    const address = cpu.model.features.has('lam') ? value & ~LAM_USER : value;
    if (address >> BigInt(cpu.model.physicalBits)) refuse();
  }
  if (usesPaePaging(cpu)) reloadPdptes(cpu, value);
  cpu.setField(CONTROL.cr3, value);
  // PCID is a tag of the context to be flushed.
  cpu.mmu.contextChanged();
  if (!keep) cpu.mmu.flush(false);
}

/** Bits of CR4 whose change reloads the PDPTEs. */
const RELOADING = BigInt(CR4.PAE | CR4.PGE | CR4.PSE | CR4.SMEP);

/** Whether a change of CR4 invalidates translations: SDM "Operations that Invalidate TLBs and Paging-Structure Caches". */
function flushes(old: number, value: number): boolean {
  const changed = old ^ value;
  if ((changed & (CR4.PGE | CR4.PSE | CR4.PAE | CR4.LA57)) !== 0) return true;
  return (changed & ((value & CR4.SMEP) | (old & CR4.PCIDE))) !== 0;
}

/** MOV to CR4. */
export function writeCr4(cpu: Processor, written: bigint): void {
  const old = cpu.cr4;
  const value = cpu.vmx.mergeControl(4, written, old);
  if (value & ~cr4Implemented(cpu.model.features)) refuse();
  checkFixed(cpu, 4, value);
  const changed = old ^ value;
  if (cpu.longMode) {
    if ((value & PAE) === 0n || (changed & LA57) !== 0n) refuse();
    if ((changed & value & PCIDE) !== 0n && (cpu.cr3 & PCID_MASK) !== 0n) refuse();
  } else if ((value & PCIDE) !== 0n) refuse();
  const pae = usesPaePaging({ cr0: cpu.cr0, cr4: value, efer: cpu.efer });
  if (pae && (changed & RELOADING) !== 0n) reloadPdptes(cpu, cpu.cr3);
  cpu.setField(CONTROL.cr4, value);
  if (flushes(Number(old), Number(value))) cpu.mmu.flush(true);
  cpu.mmu.contextChanged();
}
