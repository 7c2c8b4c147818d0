import { FIELD } from '../../tables/vmcs-fields';
import { canonicalCheck, controlFields, hexOf, isOne, section } from './check';
import type { EntryCheck } from './check';
import { valueOf, whenOne } from './conditions';
import {
  alignedSsp,
  cetNeedsWp,
  cetState,
  cr3Width,
  eferMode,
  fixedBits,
  patCheck,
  reservedZero,
  upperZero,
} from './register-checks';

const PE_PG = 0x8000_0001;
const unrestricted = isOne('secondary.UNRESTRICTED_GUEST');
const guest64 = isOne('entry.IA32E_MODE_GUEST');
const loadsBndcfgs = isOne('entry.LOAD_IA32_BNDCFGS');
const loadsUinv = isOne('entry.LOAD_UINV');
const debug = whenOne('entry.LOAD_DEBUG_CONTROLS');
const efer = whenOne('entry.LOAD_IA32_EFER');
const cet = whenOne('entry.LOAD_CET_STATE');
const { GUEST_CR0, GUEST_CR4 } = FIELD;

/** SDM, "Checks on Guest Control Registers, Debug Registers, and MSRs". */
export const GUEST_CONTROL_REGISTERS: readonly EntryCheck[] = section(
  'Checks on Guest Control Registers, Debug Registers, and MSRs',
  [
    fixedBits(
      'guest-cr0-fixed',
      GUEST_CR0,
      'CR0',
      (v) => (unrestricted(v) ? PE_PG : 0),
      controlFields('secondary.UNRESTRICTED_GUEST'),
    ),
    {
      id: 'guest-cr0-pg-pe',
      fields: [GUEST_CR0],
      holds: (v) => (v.u32(GUEST_CR0) & PE_PG) >>> 0 !== 0x8000_0000,
      rule: 'If bit 31 of GUEST_CR0 (PG) is 1, bit 0 (PE) is 1.',
      required: () => 'GUEST_CR0.PE = 1',
      actual: (v) => `GUEST_CR0 = ${hexOf(v, GUEST_CR0)}: PG = 1, PE = 0`,
      remedy: 'Set PE, or clear PG (an unrestricted guest may run unpaged).',
    },
    fixedBits('guest-cr4-fixed', GUEST_CR4, 'CR4', () => 0, []),
    cetNeedsWp('guest-cr4-cet', GUEST_CR0, GUEST_CR4),
    reservedZero('guest-debugctl', FIELD.GUEST_IA32_DEBUGCTL, 'DEBUGCTL', (v) => v.limits.debugctl, debug),
    {
      id: 'guest-ia32e-paging',
      fields: [GUEST_CR0, GUEST_CR4, ...controlFields('entry.IA32E_MODE_GUEST')],
      holds: (v) => !guest64(v) || ((v.u32(GUEST_CR0) & 0x8000_0000) !== 0 && (v.u32(GUEST_CR4) & 0x20) !== 0),
      rule: 'If "IA-32e mode guest" is 1, bit 31 of GUEST_CR0 (PG) and bit 5 of GUEST_CR4 (PAE) are 1.',
      required: () => 'GUEST_CR0.PG = 1, GUEST_CR4.PAE = 1',
      actual: (v) =>
        `GUEST_CR0 = ${hexOf(v, GUEST_CR0)}: PG = ${v.u32(GUEST_CR0) >>> 31}; GUEST_CR4 = ${hexOf(v, GUEST_CR4)}: PAE = ${(v.u32(GUEST_CR4) >>> 5) & 1}`,
      remedy: 'Set PG and PAE, or clear "IA-32e mode guest" for a guest that is not in IA-32e mode.',
    },
    {
      id: 'guest-pcide',
      fields: [GUEST_CR4, ...controlFields('entry.IA32E_MODE_GUEST')],
      holds: (v) => guest64(v) || (v.u32(GUEST_CR4) & 0x2_0000) === 0,
      rule: 'If "IA-32e mode guest" is 0, bit 17 of GUEST_CR4 (PCIDE) is 0.',
      required: () => 'GUEST_CR4.PCIDE = 0',
      actual: (v) => `GUEST_CR4 = ${hexOf(v, GUEST_CR4)}: PCIDE = 1`,
      remedy: 'Clear PCIDE in GUEST_CR4, or set "IA-32e mode guest".',
    },
    cr3Width('guest-cr3-width', FIELD.GUEST_CR3),
    upperZero('guest-dr7', FIELD.GUEST_DR7, debug),
    canonicalCheck('guest-sysenter-esp', FIELD.GUEST_SYSENTER_ESP),
    canonicalCheck('guest-sysenter-eip', FIELD.GUEST_SYSENTER_EIP),
    canonicalCheck('guest-s-cet-canonical', FIELD.GUEST_S_CET, cet),
    cetState('guest-s-cet-reserved', FIELD.GUEST_S_CET, cet),
    canonicalCheck('guest-ssp-table', FIELD.GUEST_INTR_SSP_TABLE, cet),
    patCheck('guest-pat', FIELD.GUEST_IA32_PAT, whenOne('entry.LOAD_IA32_PAT')),
    reservedZero('guest-efer-reserved', FIELD.GUEST_IA32_EFER, 'EFER', (v) => v.limits.efer, efer),
    eferMode('guest-efer-mode', FIELD.GUEST_IA32_EFER, efer, valueOf('entry.IA32E_MODE_GUEST'), {
      test: (v) => (v.u32(GUEST_CR0) & 0x8000_0000) !== 0,
      words: ' if bit 31 of GUEST_CR0 (PG) is 1',
      fields: [GUEST_CR0],
    }),
    canonicalCheck('guest-bndcfgs-canonical', FIELD.GUEST_IA32_BNDCFGS, whenOne('entry.LOAD_IA32_BNDCFGS')),
    {
      id: 'guest-bndcfgs-reserved',
      fields: [FIELD.GUEST_IA32_BNDCFGS, ...controlFields('entry.LOAD_IA32_BNDCFGS')],
      holds: (v) => !loadsBndcfgs(v) || (v.u32(FIELD.GUEST_IA32_BNDCFGS) & 0xffc) === 0,
      rule: 'If "load IA32_BNDCFGS" is 1, bits 11:2 of GUEST_IA32_BNDCFGS are 0.',
      required: () => 'bits 11:2 of GUEST_IA32_BNDCFGS = 0',
      remedy: 'Clear bits 11:2 of GUEST_IA32_BNDCFGS.',
    },
    upperZero('guest-pkrs', FIELD.GUEST_IA32_PKRS, whenOne('entry.LOAD_PKRS')),
    {
      id: 'guest-uinv',
      fields: [FIELD.GUEST_UINV, ...controlFields('entry.LOAD_UINV')],
      holds: (v) => !loadsUinv(v) || (v.u32(FIELD.GUEST_UINV) & 0xff00) === 0,
      rule: 'If "load UINV" is 1, bits 15:8 of GUEST_UINV are 0.',
      required: () => 'bits 15:8 of GUEST_UINV = 0',
      remedy: 'Write a vector from 0 to 255 to GUEST_UINV.',
    },
    canonicalCheck('guest-ssp-canonical', FIELD.GUEST_SSP, cet),
    alignedSsp('guest-ssp-aligned', FIELD.GUEST_SSP, cet),
  ],
);
