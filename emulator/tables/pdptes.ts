/** Bits 2:1 and 8:5, reserved in a PDPTE of PAE paging that is present. */
const RESERVED_LOW = 0x1e6;

/**
 * Whether a PDPTE of PAE paging may be loaded: it is absent, or bits 2:1, 8:5 and those beyond the physical-address width are 0. SDM "PDPTE
 * Registers".
 */
export function isLoadablePdpte(low: number, high: number, physicalBits: number): boolean {
  return (low & 1) === 0 || ((low & RESERVED_LOW) === 0 && high >>> (physicalBits - 32) === 0);
}
