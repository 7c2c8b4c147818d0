import { FIELD } from '../../tables/vmcs-fields';
import { bitNames } from '../../tables/vmx/register-bits';
import { controlFields, hexOf, isOne, section } from './check';
import type { EntryCheck } from './check';
import type { VmcsReader } from './reader';

const { GUEST_RIP, GUEST_RFLAGS, GUEST_CS_AR, GUEST_CR0, VM_ENTRY_INTR_INFO } = FIELD;
const guest64 = isOne('entry.IA32E_MODE_GUEST');
const GUEST64_FIELDS = controlFields('entry.IA32E_MODE_GUEST');
const code64 = (v: VmcsReader): boolean => guest64(v) && (v.u32(GUEST_CS_AR) & 0x2000) !== 0;

/** Bits 31:22, 15, 5 and 3. */
const RESERVED = 0xffc0_8028;

function sameUpperBits(v: VmcsReader): boolean {
  const top = (v.high32(GUEST_RIP) | 0) >> (v.limits.linearBits - 32);
  return top === 0 || top === -1;
}

/** SDM, "Checks on Guest RIP, RFLAGS, and SSP". */
export const GUEST_RIP_RFLAGS: readonly EntryCheck[] = section('Checks on Guest RIP, RFLAGS, and SSP', [
  {
    id: 'guest-rip-32',
    fields: [GUEST_RIP, GUEST_CS_AR, ...GUEST64_FIELDS],
    holds: (v) => v.high32(GUEST_RIP) === 0 || code64(v),
    rule: 'If "IA-32e mode guest" is 0 or L (bit 13) of GUEST_CS_AR is 0, bits 63:32 of GUEST_RIP are 0.',
    required: () => 'bits 63:32 of GUEST_RIP = 0',
    actual: (v) => `GUEST_RIP = ${hexOf(v, GUEST_RIP)}`,
    remedy: 'Write a 32-bit address, or make the guest 64-bit: "IA-32e mode guest" = 1 and CS.L = 1.',
  },
  {
    id: 'guest-rip-64',
    fields: [GUEST_RIP, GUEST_CS_AR, ...GUEST64_FIELDS],
    holds: (v) => !code64(v) || sameUpperBits(v),
    rule: 'If "IA-32e mode guest" is 1 and L of GUEST_CS_AR is 1, bits of GUEST_RIP beyond the linear-address width are all equal.',
    required: (v) => `bits 63:${v.limits.linearBits} of GUEST_RIP all equal`,
    actual: (v) => `GUEST_RIP = ${hexOf(v, GUEST_RIP)}`,
    remedy: 'Write a canonical address to GUEST_RIP.',
  },
  {
    id: 'guest-rflags-reserved',
    fields: [GUEST_RFLAGS],
    holds: (v) =>
      (v.u32(GUEST_RFLAGS) & RESERVED) === 0 && (v.u32(GUEST_RFLAGS) & 2) !== 0 && v.high32(GUEST_RFLAGS) === 0,
    rule: 'Bits 63:22, 15, 5 and 3 of GUEST_RFLAGS are 0, and bit 1 is 1.',
    required: () => 'bits 63:22, 15, 5, 3 = 0; bit 1 = 1',
    actual: (v) => `GUEST_RFLAGS = ${hexOf(v, GUEST_RFLAGS)}: ${bitNames('RFLAGS', v.field(GUEST_RFLAGS))}`,
    remedy: 'Write 0x2 for a fresh guest; otherwise keep bit 1 set and the reserved bits clear.',
  },
  {
    id: 'guest-rflags-vm',
    fields: [GUEST_RFLAGS, GUEST_CR0, ...GUEST64_FIELDS],
    holds: (v) => (v.u32(GUEST_RFLAGS) & 0x2_0000) === 0 || (!guest64(v) && (v.u32(GUEST_CR0) & 1) !== 0),
    rule: 'If "IA-32e mode guest" is 1 or bit 0 of GUEST_CR0 (PE) is 0, bit 17 of GUEST_RFLAGS (VM) is 0.',
    required: () => 'GUEST_RFLAGS.VM = 0',
    actual: (v) =>
      `GUEST_RFLAGS.VM = 1, "IA-32e mode guest" = ${guest64(v) ? 1 : 0}, GUEST_CR0.PE = ${v.u32(GUEST_CR0) & 1}`,
    remedy: 'Clear VM in GUEST_RFLAGS.',
  },
  {
    id: 'guest-rflags-if',
    fields: [GUEST_RFLAGS, VM_ENTRY_INTR_INFO],
    holds: (v) =>
      (v.u32(VM_ENTRY_INTR_INFO) & 0x8000_0700) >>> 0 !== 0x8000_0000 || (v.u32(GUEST_RFLAGS) & 0x200) !== 0,
    rule: 'If an external interrupt is injected, bit 9 of GUEST_RFLAGS (IF) is 1.',
    required: () => 'GUEST_RFLAGS.IF = 1',
    actual: (v) => `VM_ENTRY_INTR_INFO = ${hexOf(v, VM_ENTRY_INTR_INFO)}, GUEST_RFLAGS.IF = 0`,
    remedy: 'Wait with "interrupt-window exiting" until the guest can take the interrupt.',
  },
]);
