import { FIELD } from '../../tables/vmcs-fields';
import { canonicalCheck, section } from './check';
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

const none = (): number => 0;
const cet = whenOne('exit.LOAD_CET_STATE');
const efer = whenOne('exit.LOAD_IA32_EFER');

/** SDM, "Checks on Host Control Registers, MSRs, and SSP". */
export const HOST_CONTROL_REGISTERS: readonly EntryCheck[] = section(
  'Checks on Host Control Registers, MSRs, and SSP',
  [
    fixedBits('host-cr0-fixed', FIELD.HOST_CR0, 'CR0', none, []),
    fixedBits('host-cr4-fixed', FIELD.HOST_CR4, 'CR4', none, []),
    cetNeedsWp('host-cr4-cet', FIELD.HOST_CR0, FIELD.HOST_CR4),
    cr3Width('host-cr3-width', FIELD.HOST_CR3),
    canonicalCheck('host-sysenter-esp', FIELD.HOST_IA32_SYSENTER_ESP),
    canonicalCheck('host-sysenter-eip', FIELD.HOST_IA32_SYSENTER_EIP),
    patCheck('host-pat', FIELD.HOST_IA32_PAT, whenOne('exit.LOAD_IA32_PAT')),
    reservedZero('host-efer-reserved', FIELD.HOST_IA32_EFER, 'EFER', (v) => v.limits.efer, efer),
    eferMode('host-efer-mode', FIELD.HOST_IA32_EFER, efer, valueOf('exit.HOST_ADDRESS_SPACE_SIZE'), {
      test: () => true,
      words: '',
      fields: [],
    }),
    canonicalCheck('host-s-cet-canonical', FIELD.HOST_S_CET, cet),
    cetState('host-s-cet-reserved', FIELD.HOST_S_CET, cet),
    canonicalCheck('host-ssp-table', FIELD.HOST_INTR_SSP_TABLE, cet),
    canonicalCheck('host-ssp-canonical', FIELD.HOST_SSP, cet),
    alignedSsp('host-ssp-aligned', FIELD.HOST_SSP, cet),
    upperZero('host-pkrs', FIELD.HOST_IA32_PKRS, whenOne('exit.LOAD_PKRS')),
  ],
);
