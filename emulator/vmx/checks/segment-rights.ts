import { FIELD } from '../../tables/vmcs-fields';
import type { VmcsReader } from './reader';

/**
 * Access rights in the VMCS:
 *
 *     31         17 16 15 14  13 12  11    8 7  6   5 4 3    0
 *     | reserved | U | G | D | L | A | rsvd | P | DPL | S | type |
 */
export const AR_UNUSABLE = 0x1_0000;
const RFLAGS_VM = 0x2_0000;

type Name = 'ES' | 'CS' | 'SS' | 'DS' | 'FS' | 'GS' | 'LDTR' | 'TR';

/** Encodings of a segment register's four fields. */
export function addressesOf(segment: Name): {
  readonly selector: number;
  readonly base: number;
  readonly limit: number;
  readonly rights: number;
} {
  return {
    selector: FIELD[`GUEST_${segment}_SELECTOR`],
    base: FIELD[`GUEST_${segment}_BASE`],
    limit: FIELD[`GUEST_${segment}_LIMIT`],
    rights: FIELD[`GUEST_${segment}_AR`],
  };
}

export function isUsable(v: VmcsReader, rights: number): boolean {
  return (v.u32(rights) & AR_UNUSABLE) === 0;
}

/** The guest will be in virtual-8086 mode. */
export function isVirtual8086(v: VmcsReader): boolean {
  return (v.u32(FIELD.GUEST_RFLAGS) & RFLAGS_VM) !== 0;
}

/** The limit can be written with the granularity the access rights say. */
export function limitFits(limit: number, rights: number): boolean {
  const pages = (rights & 0x8000) !== 0;
  if ((limit & 0xfff) !== 0xfff && pages) return false;
  return limit <= 0xf_ffff || pages;
}

/** Access rights in words. */
export function describeRights(rights: number): string {
  const flag = (bit: number): number => (rights >>> bit) & 1;
  const parts = [
    `type ${rights & 15}`,
    `S ${flag(4)}`,
    `DPL ${(rights >>> 5) & 3}`,
    `P ${flag(7)}`,
    `L ${flag(13)}`,
    `D/B ${flag(14)}`,
    `G ${flag(15)}`,
  ];
  return flag(16) === 1 ? `unusable, ${parts.join(', ')}` : parts.join(', ');
}
