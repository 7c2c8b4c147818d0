import { FIELD } from '../../tables/vmcs-fields';
import { controlFields, controlsNow, hexOf, isCanonical, isOne, section } from './check';
import type { EntryCheck } from './check';

const HOST64 = 'exit.HOST_ADDRESS_SPACE_SIZE';
const GUEST64 = 'entry.IA32E_MODE_GUEST';
const host64 = isOne(HOST64);
const guest64 = isOne(GUEST64);
const both = controlFields(HOST64, GUEST64);

/** SDM, "Checks Related to Address-Space Size". */
export const ADDRESS_SPACE_SIZE: readonly EntryCheck[] = section('Checks Related to Address-Space Size', [
  {
    id: 'outside-ia32e-mode',
    fields: both,
    volatile: true,
    holds: (v) => v.longMode || (!host64(v) && !guest64(v)),
    rule: 'Outside IA-32e mode (IA32_EFER.LMA = 0), "IA-32e mode guest" and "host address-space size" are 0.',
    required: () => '"IA-32e mode guest" = 0, "host address-space size" = 0',
    actual: (v) => controlsNow(v, [GUEST64, HOST64]),
    remedy: 'Enter IA-32e mode in the VMM before a VM entry that uses these controls, or clear both.',
  },
  {
    id: 'inside-ia32e-mode',
    fields: controlFields(HOST64),
    volatile: true,
    holds: (v) => !v.longMode || host64(v),
    rule: 'In IA-32e mode (IA32_EFER.LMA = 1), "host address-space size" is 1.',
    required: () => '"host address-space size" = 1',
    actual: (v) => controlsNow(v, [HOST64]),
    remedy: 'Set bit 9 of VM_EXIT_CONTROLS.',
  },
  {
    id: 'host32-guest64',
    fields: both,
    holds: (v) => host64(v) || !guest64(v),
    rule: 'If "host address-space size" is 0, "IA-32e mode guest" is 0.',
    required: () => '"IA-32e mode guest" = 0',
    actual: (v) => controlsNow(v, [HOST64, GUEST64]),
    remedy: 'Set "host address-space size", or clear "IA-32e mode guest".',
  },
  {
    id: 'host32-pcide',
    fields: [FIELD.HOST_CR4, ...controlFields(HOST64)],
    holds: (v) => host64(v) || (v.u32(FIELD.HOST_CR4) & 0x2_0000) === 0,
    rule: 'If "host address-space size" is 0, bit 17 of HOST_CR4 (PCIDE) is 0.',
    required: () => 'HOST_CR4.PCIDE = 0',
    actual: (v) => `HOST_CR4 = ${hexOf(v, FIELD.HOST_CR4)}: PCIDE = 1`,
    remedy: 'Clear PCIDE in HOST_CR4.',
  },
  {
    id: 'host32-rip',
    fields: [FIELD.HOST_RIP, ...controlFields(HOST64)],
    holds: (v) => host64(v) || v.high32(FIELD.HOST_RIP) === 0,
    rule: 'If "host address-space size" is 0, bits 63:32 of HOST_RIP are 0.',
    required: () => 'bits 63:32 of HOST_RIP = 0',
    remedy: 'Write a 32-bit address to HOST_RIP.',
  },
  {
    id: 'host64-pae',
    fields: [FIELD.HOST_CR4, ...controlFields(HOST64)],
    holds: (v) => !host64(v) || (v.u32(FIELD.HOST_CR4) & 0x20) !== 0,
    rule: 'If "host address-space size" is 1, bit 5 of HOST_CR4 (PAE) is 1.',
    required: () => 'HOST_CR4.PAE = 1',
    actual: (v) => `HOST_CR4 = ${hexOf(v, FIELD.HOST_CR4)}: PAE = 0`,
    remedy: 'Store the host CR4 that is in force: 64-bit paging has PAE = 1.',
  },
  {
    id: 'host64-rip',
    fields: [FIELD.HOST_RIP, ...controlFields(HOST64)],
    holds: (v) => !host64(v) || isCanonical(v, FIELD.HOST_RIP),
    rule: 'If "host address-space size" is 1, HOST_RIP contains a canonical address.',
    required: (v) => `bits 63:${v.limits.linearBits - 1} of HOST_RIP all equal`,
    actual: (v) => `HOST_RIP = ${hexOf(v, FIELD.HOST_RIP)}`,
    remedy: 'Write the address of the exit handler to HOST_RIP.',
  },
]);
