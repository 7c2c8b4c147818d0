import { BLOCKING as BLOCKED_BY } from '../../tables/boundary-state';
import { PENDING_DEBUG } from '../../tables/debug-bits';
import { FIELD } from '../../tables/vmcs-fields';
import { ACTIVITY_STATES } from '../../tables/vmx-capabilities';
import { bitNames } from '../../tables/vmx/register-bits';
import { controlFields, hexOf, isOne, section, withinPhysical } from './check';
import type { CheckRow, EntryCheck } from './check';
import type { VmcsReader } from './reader';

const ACTIVITY = FIELD.GUEST_ACTIVITY_STATE;
const BLOCKING = FIELD.GUEST_INTERRUPTIBILITY_STATE;
const PENDING = FIELD.GUEST_PENDING_DBG_EXCEPTIONS;
const INFO = FIELD.VM_ENTRY_INTR_INFO;
const LINK = FIELD.VMCS_LINK_POINTER;
const { GUEST_SS_AR, GUEST_RFLAGS, GUEST_IA32_DEBUGCTL } = FIELD;

const { STI, MOV_SS, SMI, NMI, ENCLAVE } = BLOCKED_BY;

const virtualNmis = isOne('pin.VIRTUAL_NMIS');
const shadowing = isOne('secondary.VMCS_SHADOWING');
const blocking = (v: VmcsReader, bits: number): boolean => (v.u32(BLOCKING) & bits) !== 0;
const injects = (v: VmcsReader): boolean => v.u32(INFO) >>> 31 === 1;
const injectedType = (v: VmcsReader): number => (injects(v) ? (v.u32(INFO) >>> 8) & 7 : -1);
const stateName = (value: number): string => ACTIVITY_STATES.find((row) => row.value === value)?.name ?? `${value}`;
const blockingNow = (v: VmcsReader): string =>
  `GUEST_INTERRUPTIBILITY_STATE = ${hexOf(v, BLOCKING)}: ${bitNames('INTERRUPTIBILITY', v.field(BLOCKING))}`;

/** Events that may be injected into each activity state (HLT, shutdown, wait-for-SIPI). */
function injectable(v: VmcsReader): boolean {
  const state = v.u32(ACTIVITY);
  const type = injectedType(v);
  const vector = v.u32(INFO) & 0xff;
  if (type < 0 || state === 0) return true;
  const exception = type === 3;
  if (state === 1) return type === 0 || type === 2 || (exception && (vector === 1 || vector === 18)) || type === 7;
  if (state === 2) return type === 2 || (exception && vector === 18);
  return state !== 3;
}

const ACTIVITY_ROWS: readonly CheckRow[] = [
  {
    id: 'guest-activity-supported',
    fields: [ACTIVITY],
    holds: (v) => {
      const state = v.u32(ACTIVITY);
      return state === 0 || (state <= 3 && ((v.limits.misc >>> (5 + state)) & 1) === 1);
    },
    rule: 'The activity state is active or one that IA32_VMX_MISC reports as supported.',
    required: (v) =>
      `one of ${ACTIVITY_STATES.filter(({ value }) => value === 0 || ((v.limits.misc >>> (5 + value)) & 1) === 1)
        .map(({ value, name }) => `${value} (${name})`)
        .join(', ')}`,
    actual: (v) => `GUEST_ACTIVITY_STATE = ${v.u32(ACTIVITY)}`,
    remedy: 'Write 0 (active) to GUEST_ACTIVITY_STATE.',
  },
  {
    id: 'guest-activity-hlt-dpl',
    fields: [ACTIVITY, GUEST_SS_AR],
    holds: (v) => v.u32(ACTIVITY) !== 1 || (v.u32(GUEST_SS_AR) & 0x60) === 0,
    rule: 'The activity state is not HLT if the DPL of SS is not 0.',
    required: () => 'DPL of SS = 0',
    actual: (v) => `DPL of SS = ${(v.u32(GUEST_SS_AR) >>> 5) & 3}`,
    remedy: 'Write 0 (active) to GUEST_ACTIVITY_STATE.',
  },
  {
    id: 'guest-activity-blocking',
    fields: [ACTIVITY, BLOCKING],
    holds: (v) => v.u32(ACTIVITY) === 0 || !blocking(v, STI | MOV_SS),
    rule: 'The activity state is active if there is blocking by STI or by MOV SS.',
    required: () => 'GUEST_ACTIVITY_STATE = 0 (active)',
    actual: (v) => `GUEST_ACTIVITY_STATE = ${v.u32(ACTIVITY)} (${stateName(v.u32(ACTIVITY))}), ${blockingNow(v)}`,
    remedy: 'Clear bits 1:0 of GUEST_INTERRUPTIBILITY_STATE, or make the guest active.',
  },
  {
    id: 'guest-activity-injection',
    fields: [ACTIVITY, INFO],
    holds: injectable,
    rule:
      'An injected event can be delivered in the activity state: HLT takes external interrupts, NMI, #DB, #MC and other events; ' +
      'shutdown takes NMI and #MC; wait-for-SIPI takes none.',
    actual: (v) =>
      `GUEST_ACTIVITY_STATE = ${v.u32(ACTIVITY)} (${stateName(v.u32(ACTIVITY))}), VM_ENTRY_INTR_INFO = ${hexOf(v, INFO)}`,
    remedy: 'Write 0 (active) to GUEST_ACTIVITY_STATE when injecting an event.',
  },
];

/** A rule on interruptibility that fails with bits named. */
function interruptibility(
  id: string,
  extra: readonly number[],
  holds: (v: VmcsReader) => boolean,
  rule: string,
  required: string,
  remedy: string,
  qualification?: 3,
): CheckRow {
  const fields = [BLOCKING, ...extra];
  const words = { id, fields, holds, rule, required: () => required, actual: blockingNow, remedy };
  return qualification === undefined ? words : { ...words, qualification };
}

const INTERRUPTIBILITY_ROWS: readonly CheckRow[] = [
  interruptibility(
    'guest-interruptibility-reserved',
    [],
    (v) => v.u32(BLOCKING) < 32,
    'Bits 31:5 of the interruptibility state are 0.',
    'bits 31:5 = 0',
    'Clear the reserved bits of GUEST_INTERRUPTIBILITY_STATE.',
  ),
  interruptibility(
    'guest-sti-and-mov-ss',
    [],
    (v) => (v.u32(BLOCKING) & 3) !== 3,
    'Blocking by STI and blocking by MOV SS are not both 1.',
    'bits 1:0 not 3',
    'Clear bit 0 or bit 1 of GUEST_INTERRUPTIBILITY_STATE.',
  ),
  interruptibility(
    'guest-sti-if',
    [GUEST_RFLAGS],
    (v) => !blocking(v, STI) || (v.u32(GUEST_RFLAGS) & 0x200) !== 0,
    'Blocking by STI is 0 if bit 9 of GUEST_RFLAGS (IF) is 0.',
    'bit 0 (blocking by STI) = 0',
    'Clear bit 0 of GUEST_INTERRUPTIBILITY_STATE when clearing IF.',
  ),
  interruptibility(
    'guest-blocking-external-interrupt',
    [INFO],
    (v) => injectedType(v) !== 0 || !blocking(v, STI | MOV_SS),
    'If an external interrupt is injected, there is no blocking by STI or by MOV SS.',
    'bits 1:0 = 0',
    'Inject when the interrupt window is open, or clear bits 1:0.',
  ),
  interruptibility(
    'guest-blocking-nmi',
    [INFO],
    (v) => injectedType(v) !== 2 || !blocking(v, MOV_SS),
    'If an NMI is injected, there is no blocking by MOV SS.',
    'bit 1 (blocking by MOV SS) = 0',
    'Clear bit 1 of GUEST_INTERRUPTIBILITY_STATE, or inject later.',
  ),
  interruptibility(
    'guest-blocking-nmi-sti',
    [INFO],
    (v) => injectedType(v) !== 2 || !blocking(v, STI),
    'If an NMI is injected, there is no blocking by STI.',
    'bit 0 (blocking by STI) = 0',
    'Clear bit 0 of GUEST_INTERRUPTIBILITY_STATE, or inject later.',
    3,
  ),
  interruptibility(
    'guest-blocking-smi',
    [],
    (v) => !blocking(v, SMI),
    'Outside SMM, blocking by SMI is 0.',
    'bit 2 (blocking by SMI) = 0',
    'Clear bit 2 of GUEST_INTERRUPTIBILITY_STATE.',
  ),
  interruptibility(
    'guest-blocking-virtual-nmi',
    [INFO, ...controlFields('pin.VIRTUAL_NMIS')],
    (v) => injectedType(v) !== 2 || !virtualNmis(v) || !blocking(v, NMI),
    'If "virtual NMIs" is 1 and an NMI is injected, blocking by NMI is 0.',
    'bit 3 (blocking by NMI) = 0',
    'Wait with "NMI-window exiting" until virtual-NMI blocking ends.',
  ),
  interruptibility(
    'guest-enclave-interruption',
    [],
    (v) => !blocking(v, ENCLAVE),
    'Enclave interruption is 0 on a processor without SGX.',
    'bit 4 (enclave interruption) = 0',
    'Clear bit 4 of GUEST_INTERRUPTIBILITY_STATE.',
  ),
];

/** Bits 31:17, 15, 13 and 11:4 (BLD included: bus-lock #DB is not supported). */
const PENDING_RESERVED = 0xfffe_aff0;

function singleStep(v: VmcsReader): boolean {
  if (!blocking(v, STI | MOV_SS) && v.u32(ACTIVITY) !== 1) return true;
  const stepping = (v.u32(GUEST_RFLAGS) & 0x100) !== 0 && (v.u32(GUEST_IA32_DEBUGCTL) & 2) === 0;
  return ((v.u32(PENDING) & PENDING_DEBUG.BS) !== 0) === stepping;
}

const PENDING_ROWS: readonly CheckRow[] = [
  {
    id: 'guest-pending-debug-reserved',
    fields: [PENDING],
    holds: (v) => (v.u32(PENDING) & PENDING_RESERVED) === 0 && v.high32(PENDING) === 0,
    rule: 'Bits 63:17, 15, 13 and 11:4 of the pending debug exceptions are 0.',
    required: (v) => `${bitNames('PENDING_DEBUG', v.field(PENDING) & ~0x1_500fn)} = 0`,
    actual: (v) => `GUEST_PENDING_DBG_EXCEPTIONS = ${hexOf(v, PENDING)}`,
    remedy: 'Write 0 to GUEST_PENDING_DBG_EXCEPTIONS.',
  },
  {
    id: 'guest-pending-debug-bs',
    fields: [PENDING, BLOCKING, ACTIVITY, GUEST_RFLAGS, GUEST_IA32_DEBUGCTL],
    holds: singleStep,
    rule:
      'With blocking by STI or MOV SS, or in the HLT state, BS (bit 14) of the pending debug exceptions is 1 exactly if ' +
      'RFLAGS.TF is 1 and IA32_DEBUGCTL.BTF is 0.',
    required: (v) => `BS = ${(v.u32(PENDING) & PENDING_DEBUG.BS) === 0 ? 1 : 0}`,
    actual: (v) =>
      `GUEST_PENDING_DBG_EXCEPTIONS = ${hexOf(v, PENDING)}: BS = ${(v.u32(PENDING) & PENDING_DEBUG.BS) === 0 ? 0 : 1}`,
    remedy: 'Set BS when the guest single-steps into such a state, clear it otherwise.',
  },
  {
    id: 'guest-pending-debug-rtm',
    fields: [PENDING],
    holds: (v) => (v.u32(PENDING) & 0x1_0000) === 0,
    rule: 'RTM (bit 16) of the pending debug exceptions is 0 on a processor without RTM.',
    required: () => 'RTM = 0',
    actual: (v) => `GUEST_PENDING_DBG_EXCEPTIONS = ${hexOf(v, PENDING)}: RTM = 1`,
    remedy: 'Clear bit 16 of GUEST_PENDING_DBG_EXCEPTIONS.',
  },
];

const linked = (v: VmcsReader): boolean => (v.u32(LINK) & v.high32(LINK)) >>> 0 !== 0xffff_ffff;
const SHADOWING_FIELDS = controlFields('secondary.VMCS_SHADOWING');

function revisionFits(v: VmcsReader): boolean {
  if ((v.u32(LINK) & 3) !== 0 || !withinPhysical(v, LINK)) return true;
  const found = v.physical32(v.high32(LINK) * 2 ** 32 + v.u32(LINK));
  const expected = (v.limits.revision | (shadowing(v) ? 0x8000_0000 : 0)) >>> 0;
  // Where there is no RAM, reads give all ones.
  return (found ?? 0xffff_ffff) === expected;
}

const LINK_ROWS: readonly CheckRow[] = [
  {
    id: 'guest-link-pointer-address',
    qualification: 4,
    fields: [LINK],
    holds: (v) => !linked(v) || ((v.u32(LINK) & 0xfff) === 0 && withinPhysical(v, LINK)),
    rule: 'The VMCS link pointer is all ones, or a 4-KByte-aligned address within the physical-address width.',
    required: () => 'VMCS_LINK_POINTER = 0xffffffffffffffff, or bits 11:0 and the bits beyond the address width = 0',
    actual: (v) => `VMCS_LINK_POINTER = ${hexOf(v, LINK)}`,
    remedy: 'Write 0xffffffffffffffff to VMCS_LINK_POINTER (both halves in 32-bit mode).',
  },
  {
    id: 'guest-link-pointer-revision',
    qualification: 4,
    fields: [LINK, ...SHADOWING_FIELDS],
    volatile: true,
    holds: (v) => !linked(v) || revisionFits(v),
    rule:
      'The first 4 bytes that the VMCS link pointer refers to hold the VMCS revision identifier, with bit 31 equal to "VMCS ' +
      'shadowing".',
    required: (v) => `revision identifier 0x${v.limits.revision.toString(16)}`,
    actual: (v) => `VMCS_LINK_POINTER = ${hexOf(v, LINK)}`,
    remedy: 'Write 0xffffffffffffffff to VMCS_LINK_POINTER, or point it to an initialised shadow VMCS.',
  },
  {
    id: 'guest-link-pointer-current',
    qualification: 4,
    fields: [LINK],
    volatile: true,
    holds: (v) => !linked(v) || v.pointer === undefined || v.field(LINK) !== v.pointer,
    rule: 'The VMCS link pointer is not the current-VMCS pointer.',
    required: () => 'another address, or 0xffffffffffffffff',
    actual: (v) => `VMCS_LINK_POINTER = ${hexOf(v, LINK)}`,
    remedy: 'Write 0xffffffffffffffff to VMCS_LINK_POINTER.',
  },
];

/** SDM, "Checks on Guest Non-Register State". */
export const GUEST_NON_REGISTER_STATE: readonly EntryCheck[] = section('Checks on Guest Non-Register State', [
  ...ACTIVITY_ROWS,
  ...INTERRUPTIBILITY_ROWS,
  ...PENDING_ROWS,
  ...LINK_ROWS,
]);
