import { isLoadablePdpte } from '../../tables/pdptes';
import { FIELD } from '../../tables/vmcs-fields';
import { controlFields, hexOf, isOne, section } from './check';
import type { CheckRow, EntryCheck } from './check';
import type { VmcsReader } from './reader';

const ept = isOne('secondary.ENABLE_EPT');
const guest64 = isOne('entry.IA32E_MODE_GUEST');
const { GUEST_CR0, GUEST_CR3, GUEST_CR4 } = FIELD;
const MODE_FIELDS = [GUEST_CR0, GUEST_CR4, ...controlFields('secondary.ENABLE_EPT', 'entry.IA32E_MODE_GUEST')];

function usesPae(v: VmcsReader): boolean {
  return !guest64(v) && (v.u32(GUEST_CR0) & 0x8000_0000) !== 0 && (v.u32(GUEST_CR4) & 0x20) !== 0;
}

/** What no RAM answers for reads as all ones. */
const NO_RAM = 0xffff_ffff;

/** Without EPT the PDPTEs come from the table at CR3. */
function inMemory(v: VmcsReader): boolean {
  const table = v.u32(GUEST_CR3) & ~31;
  for (let n = 0; n < 4; n++) {
    const at = (table >>> 0) + n * 8;
    const low = v.physical32(at) ?? NO_RAM;
    const high = v.physical32(at + 4) ?? NO_RAM;
    if (!isLoadablePdpte(low, high, v.limits.physicalBits)) return false;
  }
  return true;
}

const FROM_FIELDS = ([0, 1, 2, 3] as const).map((n): CheckRow => {
  const encoding = FIELD[`GUEST_PDPTE${n}`];
  return {
    id: `guest-pdpte${n}`,
    qualification: 2,
    fields: [encoding, ...MODE_FIELDS],
    holds: (v) => !ept(v) || !usesPae(v) || isLoadablePdpte(v.u32(encoding), v.high32(encoding), v.limits.physicalBits),
    rule: `If "enable EPT" is 1 and the guest will use PAE paging, reserved bits of GUEST_PDPTE${n} are 0 if it is present.`,
    required: (v) => `bits 2:1, 8:5 and 63:${v.limits.physicalBits} of GUEST_PDPTE${n} = 0`,
    actual: (v) => `GUEST_PDPTE${n} = ${hexOf(v, encoding)}`,
    remedy: `Write the guest's PDPTE to GUEST_PDPTE${n}, or 0 for an absent one.`,
  };
});

/** SDM, "Checks on Guest Page-Directory-Pointer-Table Entries". */
export const GUEST_PDPTES: readonly EntryCheck[] = section('Checks on Guest Page-Directory-Pointer-Table Entries', [
  ...FROM_FIELDS,
  {
    id: 'guest-pdptes-in-memory',
    qualification: 2,
    fields: [GUEST_CR3, ...MODE_FIELDS],
    volatile: true,
    holds: (v) => ept(v) || !usesPae(v) || inMemory(v),
    rule: 'If "enable EPT" is 0 and the guest will use PAE paging, reserved bits of the present PDPTEs at CR3 are 0.',
    required: (v) => `bits 2:1, 8:5 and 63:${v.limits.physicalBits} of each present PDPTE = 0`,
    actual: (v) => `GUEST_CR3 = ${hexOf(v, GUEST_CR3)}`,
    remedy: 'Correct the page-directory-pointer table that GUEST_CR3 refers to.',
  },
]);
