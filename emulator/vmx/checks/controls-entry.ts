import { EVENT_TYPE } from '../../tables/interruption-info';
import { FIELD } from '../../tables/vmcs-fields';
import { controlFields, hexOf, isOne, section } from './check';
import type { CheckRow, EntryCheck } from './check';
import { reservedBits } from './control-words';
import { msrList } from './msr-list';
import type { VmcsReader } from './reader';

const INFO = FIELD.VM_ENTRY_INTR_INFO;
const LENGTH = FIELD.VM_ENTRY_INSTRUCTION_LEN;
const ERROR = FIELD.VM_ENTRY_EXCEPTION_ERROR_CODE;
const unrestricted = isOne('secondary.UNRESTRICTED_GUEST');
const trapFlagAllowed = (v: VmcsReader): boolean => (v.limits.controls.primary.mayBeOne.low & (1 << 27)) !== 0;

/** Vectors of hardware exceptions that deliver an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC. */
const WITH_ERROR_CODE = 0x2_7d00;
const CONTROL_PROTECTION = 21;

const valid = (v: VmcsReader): boolean => (v.u32(INFO) & 0x8000_0000) !== 0;
const vector = (v: VmcsReader): number => v.u32(INFO) & 0xff;
const type = (v: VmcsReader): number => (v.u32(INFO) >>> 8) & 7;
const delivers = (v: VmcsReader): boolean => (v.u32(INFO) & 0x800) !== 0;

function isSoftware(v: VmcsReader): boolean {
  const now = type(v);
  return (
    now === EVENT_TYPE.SOFTWARE_INTERRUPT ||
    now === EVENT_TYPE.PRIVILEGED_SOFTWARE_EXCEPTION ||
    now === EVENT_TYPE.SOFTWARE_EXCEPTION
  );
}

function vectorFits(v: VmcsReader): boolean {
  switch (type(v)) {
    case EVENT_TYPE.NMI:
      return vector(v) === 2;
    case EVENT_TYPE.HARDWARE_EXCEPTION:
      return vector(v) <= 31;
    case EVENT_TYPE.OTHER_EVENT:
      return vector(v) === 0;
    default:
      return true;
  }
}

/** 1 the error code must be delivered, 0 it must not, -1 either. */
function errorCodeExpected(v: VmcsReader): number {
  if (type(v) !== EVENT_TYPE.HARDWARE_EXCEPTION) return 0;
  if (unrestricted(v) && (v.u32(FIELD.GUEST_CR0) & 1) === 0) return 0;
  const number = vector(v);
  if (number === CONTROL_PROTECTION) return (v.limits.cr4.mayBeOne.low & 0x80_0000) !== 0 ? 1 : 0;
  return number < 32 && ((WITH_ERROR_CODE >>> number) & 1) === 1 ? 1 : 0;
}

const INJECTION: readonly CheckRow[] = [
  {
    id: 'injection-type',
    fields: [INFO],
    holds: (v) => !valid(v) || (type(v) !== 1 && (type(v) !== EVENT_TYPE.OTHER_EVENT || trapFlagAllowed(v))),
    rule: 'The type of an injected event is not a reserved value; type 7 needs support of "monitor trap flag".',
    required: () => 'bits 10:8 of VM_ENTRY_INTR_INFO = 0, 2, 3, 4, 5 or 6',
    actual: (v) => `bits 10:8 of VM_ENTRY_INTR_INFO = ${type(v)}`,
    remedy: 'Use 0 external interrupt, 2 NMI, 3 hardware exception, 4 software interrupt, 5 INT1, 6 INT3 or INTO.',
  },
  {
    id: 'injection-vector',
    fields: [INFO],
    holds: (v) => !valid(v) || vectorFits(v),
    rule: 'The vector fits the type: 2 for an NMI, at most 31 for a hardware exception, 0 for other events.',
    required: (v) =>
      `bits 7:0 of VM_ENTRY_INTR_INFO ${type(v) === EVENT_TYPE.NMI ? '= 2' : type(v) === EVENT_TYPE.HARDWARE_EXCEPTION ? 'at most 31' : '= 0'}`,
    actual: (v) => `vector = ${vector(v)}, type = ${type(v)}`,
    remedy: 'Correct the vector, or inject an external interrupt (type 0) if that was meant.',
  },
  {
    id: 'injection-deliver-error-code',
    fields: [INFO, FIELD.GUEST_CR0, ...controlFields('secondary.UNRESTRICTED_GUEST')],
    holds: (v) => !valid(v) || errorCodeExpected(v) === (delivers(v) ? 1 : 0),
    rule:
      'The deliver-error-code bit is 1 exactly for hardware exceptions that have an error code (#DF, #TS, #NP, #SS, #GP, #PF, ' +
      '#AC), and only where the guest is in protected mode.',
    required: (v) => `bit 11 of VM_ENTRY_INTR_INFO = ${errorCodeExpected(v)}`,
    actual: (v) => `bit 11 = ${delivers(v) ? 1 : 0}, vector = ${vector(v)}, type = ${type(v)}`,
    remedy: 'Set bit 11 for an exception that pushes an error code, clear it otherwise.',
  },
  {
    id: 'injection-reserved',
    fields: [INFO],
    holds: (v) => !valid(v) || (v.u32(INFO) & 0x7fff_f000) === 0,
    rule: 'Reserved bits of the VM-entry interruption-information field are 0.',
    required: () => 'bits 30:12 of VM_ENTRY_INTR_INFO = 0',
    actual: (v) => `VM_ENTRY_INTR_INFO = ${hexOf(v, INFO)}`,
    remedy: "Clear bits 30:12; bit 12 of an exit's information (NMI unblocking) must not be copied.",
  },
  {
    id: 'injection-error-code-reserved',
    fields: [INFO, ERROR],
    holds: (v) => !valid(v) || !delivers(v) || v.u32(ERROR) < 0x1_0000,
    rule: 'If an error code is delivered, bits 31:16 of the VM-entry exception error code are 0.',
    required: () => 'bits 31:16 of VM_ENTRY_EXCEPTION_ERROR_CODE = 0',
    remedy: 'Write an error code of at most 16 bits.',
  },
  {
    id: 'injection-instruction-length',
    fields: [INFO, LENGTH],
    holds: (v) =>
      !valid(v) ||
      !isSoftware(v) ||
      (v.u32(LENGTH) <= 15 && (v.u32(LENGTH) > 0 || (v.limits.misc & 0x4000_0000) !== 0)),
    rule: 'For software interrupts and exceptions, the VM-entry instruction length is from 0 or 1 to 15.',
    required: (v) => `VM_ENTRY_INSTRUCTION_LEN from ${(v.limits.misc & 0x4000_0000) !== 0 ? 0 : 1} to 15`,
    actual: (v) => `VM_ENTRY_INSTRUCTION_LEN = ${v.u32(LENGTH)}`,
    remedy: 'Write the length of the instruction that causes the event, 2 for INT n.',
  },
];

/** SDM, "VM-Entry Control Fields" under "Checks on VMX Controls". */
export const CONTROLS_ENTRY: readonly EntryCheck[] = section('VM-Entry Control Fields', [
  reservedBits('entry-reserved', 'entry', 'IA32_VMX_TRUE_ENTRY_CTLS'),
  ...INJECTION,
  ...msrList('entry-msr-load', FIELD.VM_ENTRY_MSR_LOAD_ADDR, FIELD.VM_ENTRY_MSR_LOAD_COUNT),
  {
    id: 'entry-outside-smm',
    fields: controlFields('entry.ENTRY_TO_SMM'),
    holds: (v) => (v.u32(FIELD.VM_ENTRY_CONTROLS) & 0xc00) === 0,
    rule: 'Outside SMM, "entry to SMM" and "deactivate dual-monitor treatment" are 0.',
    required: () => 'bits 11:10 of VM_ENTRY_CONTROLS = 0',
    actual: (v) => `VM_ENTRY_CONTROLS = ${hexOf(v, FIELD.VM_ENTRY_CONTROLS)}`,
    remedy: 'Clear bits 10 and 11 of VM_ENTRY_CONTROLS.',
  },
]);
