import type { Processor } from '../cpu/processor';
import { CONTROL } from '../state/layout';
import { fromWords, highWord, lowWord } from '../state/words';
import { CR4 } from '../tables/control-registers';

const TWO_32 = 2 ** 32;

/** SDM "Canonical Addressing": bits 63 down to the top linear-address bit are all equal. */
export function isCanonical(address: bigint, linearBits: number): boolean {
  return isCanonicalHigh(highWord(address), linearBits);
}

/** The same of an address's high word, which decides. */
export function isCanonicalHigh(high: number, linearBits: number): boolean {
  const above = 64 - linearBits;
  return (high << above) >> above === (high | 0);
}

/**
 * Whether each byte of an access has a canonical address. Addresses are computed modulo 2^64, so an access may begin at the top of the
 * address space and end at its bottom.
 */
export function isCanonicalAccess(low: number, high: number, size: number, linearBits: number): boolean {
  if (!isCanonicalHigh(high, linearBits)) return false;
  return low + size - 1 < TWO_32 || isCanonicalHigh((high + 1) >>> 0, linearBits);
}

/** Linear-address width in a CR4: 57 with 5-level paging. */
export const linearBitsOf = (cr4: number): 48 | 57 => ((cr4 & CR4.LA57) !== 0 ? 57 : 48);

/** Linear-address masking, by a CR3's high word and CR4: how far left the high word of a pointer is shifted to have its top bit in bit 31. */
export type MaskShift = 0 | 7 | 16;

/** CR3 bits 61 and 62, in its high word. */
const LAM_U57 = 1 << 29;
const LAM_U48 = 1 << 30;

/** For user pointers, bit 63 = 0; 0 where none are masked. */
export const userMaskShift = (cr3High: number): MaskShift => (cr3High & LAM_U57 ? 7 : cr3High & LAM_U48 ? 16 : 0);

/** For supervisor pointers, bit 63 = 1. */
export const supervisorMaskShift = (cr4: number): MaskShift =>
  (cr4 & CR4.LAM_SUP) === 0 ? 0 : (cr4 & CR4.LA57) !== 0 ? 7 : 16;

/**
 * High word of a data pointer without its metadata: the address's top bit, which must equal bit 63, takes its place. SDM "Linear-Address
 * Masking"; undefined where they differ, which is not canonical.
 */
export function maskHigh(high: number, shift: MaskShift): number | undefined {
  if (shift === 0) return high;
  const extended = (high << shift) >> shift;
  return (extended ^ high) < 0 ? undefined : extended >>> 0;
}

/** High word of the linear address that a data access in 64-bit mode is made to, masked where LAM is on; undefined unless all of it is canonical. */
export function dataAddressHigh(cpu: Processor, low: number, high: number, size: number): number | undefined {
  const cr4 = cpu.field32(CONTROL.cr4);
  const shift = high < 0x8000_0000 ? userMaskShift(cpu.field32(CONTROL.cr3 + 4)) : supervisorMaskShift(cr4);
  const masked = maskHigh(high, shift);
  return masked !== undefined && isCanonicalAccess(low, masked, size, linearBitsOf(cr4)) ? masked : undefined;
}

/** The whole linear address, likewise. */
export function dataAddress(cpu: Processor, address: bigint, size: number): bigint | undefined {
  const low = lowWord(address);
  const high = highWord(address);
  const masked = dataAddressHigh(cpu, low, high, size);
  if (masked === undefined) return undefined;
  return masked === high ? address : fromWords(low, masked);
}
