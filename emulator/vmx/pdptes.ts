import type { Processor } from '../cpu/processor';

const CR0_PG = 0x8000_0000n;
const CR4_PAE = 0x20n;

/** PAE paging: paged, CR4.PAE = 1, not IA-32e mode. */
export function usesPaePaging(cpu: Processor): boolean {
  return (cpu.cr0 & CR0_PG) !== 0n && (cpu.cr4 & CR4_PAE) !== 0n && !cpu.longMode;
}

/** Reserved bits of a PDPTE of PAE paging: 2:1, 8:5 and all above the physical-address width. */
export function reservedPdpteBits(cpu: Processor): bigint {
  const aboveWidth = (1n << 64n) - (1n << BigInt(cpu.model.physicalBits));
  return 0x1e6n | aboveWidth;
}
