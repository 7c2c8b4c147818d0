import { CONTROL } from '../state/layout';
import { CR0, CR4, EFER } from '../tables/control-registers';
import { isLoadablePdpte } from '../tables/pdptes';
import type { Processor } from './processor';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;
const ENTRIES = [0, 1, 2, 3] as const;

/** Registers that decide the paging mode. */
export interface PagingRegisters {
  readonly cr0: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
}

/** PAE paging: paged, CR4.PAE = 1, not IA-32e mode. */
export function usesPaePaging({ cr0, cr4, efer }: PagingRegisters): boolean {
  return (cr0 & BigInt(CR0.PG)) !== 0n && (cr4 & BigInt(CR4.PAE)) !== 0n && (efer & BigInt(EFER.LMA)) === 0n;
}

/** Address of the page-directory-pointer table that CR3 refers to. */
export const pdpteTable = (cr3: bigint): number => Number(cr3 & 0xffff_ffe0n);

/**
 * Loads the PDPTE registers from a table at a physical address; what is not RAM reads as all ones.
 * @returns false, and nothing is loaded, where an entry has reserved bits set
 */
export function loadPdptes(cpu: Processor, table: number): boolean {
  const { memory, model } = cpu;
  const entries = ENTRIES.map((i) => (memory.isRam(table + i * 8, 8) ? memory.read64(table + i * 8) : ALL_ONES));
  const loadable = (entry: bigint): boolean =>
    isLoadablePdpte(Number(entry & 0xffff_ffffn), Number(entry >> 32n), model.physicalBits);
  if (!entries.every(loadable)) return false;
  for (const i of ENTRIES) cpu.setField(CONTROL.pdpte + i * 8, entries[i]);
  return true;
}
