import { FIELD } from '../../tables/vmcs-fields';
import { CR3_TARGETS } from '../../tables/vmx-capabilities';
import { addressCheck, controlFields, hexOf, implies, isOne, quoted, section, withinPhysical } from './check';
import type { CheckRow, EntryCheck } from './check';
import { reservedBits } from './control-words';
import type { VmcsReader } from './reader';

const secondary = isOne('primary.ACTIVATE_SECONDARY_CONTROLS');
const tertiary = isOne('primary.ACTIVATE_TERTIARY_CONTROLS');
const useTprShadow = isOne('primary.USE_TPR_SHADOW');
const apicAccesses = isOne('secondary.VIRTUALIZE_APIC_ACCESSES');
const interruptDelivery = isOne('secondary.VIRTUAL_INTERRUPT_DELIVERY');
const posted = isOne('pin.PROCESS_POSTED_INTERRUPTS');
const enableVpid = isOne('secondary.ENABLE_VPID');
const enableEpt = isOne('secondary.ENABLE_EPT');
const vmFunctions = isOne('secondary.ENABLE_VM_FUNCTIONS');
const tscScaling = isOne('secondary.USE_TSC_SCALING');
const hlat = isOne('tertiary.ENABLE_HLAT');

/** An address that is checked only where a control is 1. */
function address(id: string, encoding: number, alignment: number, key: Parameters<typeof isOne>[0]): CheckRow {
  return addressCheck(id, encoding, alignment, isOne(key), `If ${quoted(key)} is 1`, controlFields(key));
}

const EPTP = FIELD.EPT_POINTER;
const EPT_TYPE_BIT: readonly number[] = [8, -1, -1, -1, -1, -1, 14, -1];

function eptMemoryType(v: VmcsReader): boolean {
  const bit = EPT_TYPE_BIT[v.u32(EPTP) & 7];
  return bit >= 0 && ((v.limits.eptVpid.low >>> bit) & 1) === 1;
}

function eptWalkLength(v: VmcsReader): boolean {
  const length = (v.u32(EPTP) >>> 3) & 7;
  return (length === 3 && (v.limits.eptVpid.low & 0x40) !== 0) || (length === 4 && (v.limits.eptVpid.low & 0x80) !== 0);
}

const EPTP_ROWS: readonly CheckRow[] = [
  {
    id: 'eptp-memory-type',
    fields: [EPTP, ...controlFields('secondary.ENABLE_EPT')],
    holds: (v) => !enableEpt(v) || eptMemoryType(v),
    rule: 'If "enable EPT" is 1, the EPT memory type is one that IA32_VMX_EPT_VPID_CAP reports.',
    required: () => 'bits 2:0 of EPT_POINTER = 0 (uncacheable) or 6 (write-back)',
    actual: (v) => `bits 2:0 of EPT_POINTER = ${v.u32(EPTP) & 7}`,
    remedy: 'Set bits 2:0 of EPT_POINTER to 6 (write-back).',
  },
  {
    id: 'eptp-walk-length',
    fields: [EPTP, ...controlFields('secondary.ENABLE_EPT')],
    holds: (v) => !enableEpt(v) || eptWalkLength(v),
    rule: 'If "enable EPT" is 1, bits 5:3 of the EPTP are 1 less than a supported EPT page-walk length.',
    required: () => 'bits 5:3 of EPT_POINTER = 3 (page-walk length 4)',
    actual: (v) => `bits 5:3 of EPT_POINTER = ${(v.u32(EPTP) >>> 3) & 7}`,
    remedy: 'Set bits 5:3 of EPT_POINTER to 3.',
  },
  {
    id: 'eptp-accessed-dirty',
    fields: [EPTP, ...controlFields('secondary.ENABLE_EPT')],
    holds: (v) => !enableEpt(v) || (v.u32(EPTP) & 0x40) === 0 || (v.limits.eptVpid.low & 0x20_0000) !== 0,
    rule: 'If "enable EPT" is 1, bit 6 of the EPTP is 0 unless accessed and dirty flags for EPT are supported.',
    required: () => 'bit 6 of EPT_POINTER = 0',
    actual: () => 'bit 6 of EPT_POINTER = 1',
    remedy: 'Clear bit 6 of EPT_POINTER.',
  },
  {
    id: 'eptp-reserved',
    fields: [EPTP, ...controlFields('secondary.ENABLE_EPT')],
    holds: (v) =>
      !enableEpt(v) ||
      ((v.u32(EPTP) & ((v.limits.eptVpid.low & 0x80_0000) !== 0 ? 0xf00 : 0xf80)) === 0 && withinPhysical(v, EPTP)),
    rule: 'If "enable EPT" is 1, reserved bits of the EPTP and bits beyond the physical-address width are 0.',
    required: (v) => `bits 11:7 and 63:${v.limits.physicalBits} of EPT_POINTER = 0`,
    actual: (v) => `EPT_POINTER = ${hexOf(v, EPTP)}`,
    remedy:
      'Put the physical address of a 4-KByte-aligned PML4 table in bits N-1:12 of EPT_POINTER, and 0 in bits 11:7.',
  },
];

function tprThresholdReaches(v: VmcsReader): boolean {
  const page = v.high32(FIELD.VIRTUAL_APIC_PAGE_ADDR) * 2 ** 32 + v.u32(FIELD.VIRTUAL_APIC_PAGE_ADDR);
  const vtpr = page <= Number.MAX_SAFE_INTEGER ? v.physical32(page - (page % 4096) + 0x80) : undefined;
  return vtpr === undefined || (v.u32(FIELD.TPR_THRESHOLD) & 0xf) <= ((vtpr >>> 4) & 0xf);
}

/** SDM, "VM-Execution Control Fields" under "Checks on VMX Controls". */
export const CONTROLS_EXECUTION: readonly EntryCheck[] = section('VM-Execution Control Fields', [
  reservedBits('pin-reserved', 'pin', 'IA32_VMX_TRUE_PINBASED_CTLS'),
  reservedBits('primary-reserved', 'primary', 'IA32_VMX_TRUE_PROCBASED_CTLS'),
  reservedBits('secondary-reserved', 'secondary', 'IA32_VMX_PROCBASED_CTLS2', {
    test: secondary,
    fields: controlFields('primary.ACTIVATE_SECONDARY_CONTROLS'),
    words: 'If "activate secondary controls" is 1',
  }),
  reservedBits('tertiary-reserved', 'tertiary', 'IA32_VMX_PROCBASED_CTLS3', {
    test: tertiary,
    fields: controlFields('primary.ACTIVATE_TERTIARY_CONTROLS'),
    words: 'If "activate tertiary controls" is 1',
  }),
  {
    id: 'cr3-target-count',
    fields: [FIELD.CR3_TARGET_COUNT],
    holds: (v) => v.u32(FIELD.CR3_TARGET_COUNT) <= CR3_TARGETS,
    rule: 'The CR3-target count is not greater than the number of CR3-target values.',
    required: () => `CR3_TARGET_COUNT at most ${CR3_TARGETS}`,
    actual: (v) => `CR3_TARGET_COUNT = ${v.u32(FIELD.CR3_TARGET_COUNT)}`,
    remedy: `Set CR3_TARGET_COUNT to at most ${CR3_TARGETS}; 0 uses none.`,
  },
  address('io-bitmap-a', FIELD.IO_BITMAP_A, 4096, 'primary.USE_IO_BITMAPS'),
  address('io-bitmap-b', FIELD.IO_BITMAP_B, 4096, 'primary.USE_IO_BITMAPS'),
  address('msr-bitmap', FIELD.MSR_BITMAP, 4096, 'primary.USE_MSR_BITMAPS'),
  address('virtual-apic-page', FIELD.VIRTUAL_APIC_PAGE_ADDR, 4096, 'primary.USE_TPR_SHADOW'),
  {
    id: 'tpr-threshold-reserved',
    fields: [FIELD.TPR_THRESHOLD, ...controlFields('primary.USE_TPR_SHADOW', 'secondary.VIRTUAL_INTERRUPT_DELIVERY')],
    holds: (v) => !useTprShadow(v) || interruptDelivery(v) || v.u32(FIELD.TPR_THRESHOLD) < 16,
    rule: 'If "use TPR shadow" is 1 and "virtual-interrupt delivery" is 0, bits 31:4 of the TPR threshold are 0.',
    required: () => 'bits 31:4 of TPR_THRESHOLD = 0',
    remedy: 'Set TPR_THRESHOLD to a value from 0 to 15.',
  },
  {
    id: 'tpr-threshold-vtpr',
    fields: [
      FIELD.TPR_THRESHOLD,
      FIELD.VIRTUAL_APIC_PAGE_ADDR,
      ...controlFields(
        'primary.USE_TPR_SHADOW',
        'secondary.VIRTUALIZE_APIC_ACCESSES',
        'secondary.VIRTUAL_INTERRUPT_DELIVERY',
      ),
    ],
    volatile: true,
    holds: (v) => !useTprShadow(v) || apicAccesses(v) || interruptDelivery(v) || tprThresholdReaches(v),
    rule:
      'If "use TPR shadow" is 1 and both "virtualize APIC accesses" and "virtual-interrupt delivery" are 0, bits 3:0 of the ' +
      'TPR threshold are not greater than bits 7:4 of VTPR.',
    remedy: 'Lower TPR_THRESHOLD to bits 7:4 of offset 80H of the virtual-APIC page.',
  },
  implies('virtual-nmis-need-nmi-exiting', 'pin.VIRTUAL_NMIS', [['pin.NMI_EXITING', 1]]),
  implies('nmi-window-needs-virtual-nmis', 'primary.NMI_WINDOW_EXITING', [['pin.VIRTUAL_NMIS', 1]]),
  address('apic-access-page', FIELD.APIC_ACCESS_ADDR, 4096, 'secondary.VIRTUALIZE_APIC_ACCESSES'),
  implies('x2apic-needs-tpr-shadow', 'secondary.VIRTUALIZE_X2APIC_MODE', [['primary.USE_TPR_SHADOW', 1]]),
  implies('apic-registers-need-tpr-shadow', 'secondary.APIC_REGISTER_VIRTUALIZATION', [['primary.USE_TPR_SHADOW', 1]]),
  implies('interrupt-delivery-needs-tpr-shadow', 'secondary.VIRTUAL_INTERRUPT_DELIVERY', [
    ['primary.USE_TPR_SHADOW', 1],
  ]),
  implies('x2apic-excludes-apic-accesses', 'secondary.VIRTUALIZE_X2APIC_MODE', [
    ['secondary.VIRTUALIZE_APIC_ACCESSES', 0],
  ]),
  implies('interrupt-delivery-needs-exiting', 'secondary.VIRTUAL_INTERRUPT_DELIVERY', [
    ['pin.EXTERNAL_INTERRUPT_EXITING', 1],
  ]),
  implies('posted-interrupts-need', 'pin.PROCESS_POSTED_INTERRUPTS', [
    ['secondary.VIRTUAL_INTERRUPT_DELIVERY', 1],
    ['exit.ACKNOWLEDGE_INTERRUPT_ON_EXIT', 1],
  ]),
  {
    id: 'posted-interrupt-vector',
    fields: [FIELD.POSTED_INTR_NV, ...controlFields('pin.PROCESS_POSTED_INTERRUPTS')],
    holds: (v) => !posted(v) || (v.u32(FIELD.POSTED_INTR_NV) & 0xff00) === 0,
    rule: 'If "process posted interrupts" is 1, the posted-interrupt notification vector is from 0 to 255.',
    required: () => 'bits 15:8 of POSTED_INTR_NV = 0',
    remedy: 'Set POSTED_INTR_NV to a vector from 0 to 255.',
  },
  address('posted-interrupt-descriptor', FIELD.POSTED_INTR_DESC_ADDR, 64, 'pin.PROCESS_POSTED_INTERRUPTS'),
  {
    id: 'vpid-zero',
    fields: [FIELD.VPID, ...controlFields('secondary.ENABLE_VPID')],
    holds: (v) => !enableVpid(v) || v.u32(FIELD.VPID) !== 0,
    rule: 'If "enable VPID" is 1, the VPID is not 0000H.',
    required: () => 'VPID from 0x0001 to 0xffff',
    remedy: 'Give the guest a VPID other than 0, or clear "enable VPID".',
  },
  ...EPTP_ROWS,
  implies('pml-needs-ept', 'secondary.ENABLE_PML', [['secondary.ENABLE_EPT', 1]]),
  address('pml-address', FIELD.PML_ADDRESS, 4096, 'secondary.ENABLE_PML'),
  implies('unrestricted-guest-needs-ept', 'secondary.UNRESTRICTED_GUEST', [['secondary.ENABLE_EPT', 1]]),
  implies('mode-based-execute-needs-ept', 'secondary.MODE_BASED_EXECUTE_CONTROL', [['secondary.ENABLE_EPT', 1]]),
  implies('sub-page-needs-ept', 'secondary.SUB_PAGE_WRITE_PERMISSIONS', [['secondary.ENABLE_EPT', 1]]),
  address('sub-page-table', FIELD.SPP_TABLE_POINTER, 4096, 'secondary.SUB_PAGE_WRITE_PERMISSIONS'),
  reservedBits('vm-functions-reserved', 'vmfunc', 'IA32_VMX_VMFUNC', {
    test: vmFunctions,
    fields: controlFields('secondary.ENABLE_VM_FUNCTIONS'),
    words: 'If "enable VM functions" is 1',
  }),
  implies('eptp-switching-needs-ept', 'vmfunc.EPTP_SWITCHING', [['secondary.ENABLE_EPT', 1]]),
  address('eptp-list', FIELD.EPTP_LIST_ADDRESS, 4096, 'vmfunc.EPTP_SWITCHING'),
  address('vmread-bitmap', FIELD.VMREAD_BITMAP, 4096, 'secondary.VMCS_SHADOWING'),
  address('vmwrite-bitmap', FIELD.VMWRITE_BITMAP, 4096, 'secondary.VMCS_SHADOWING'),
  address('ve-information', FIELD.VE_INFORMATION_ADDRESS, 4096, 'secondary.EPT_VIOLATION_VE'),
  implies('pt-guest-physical-needs-ept', 'secondary.PT_USES_GUEST_PHYSICAL', [['secondary.ENABLE_EPT', 1]]),
  {
    id: 'tsc-multiplier-zero',
    fields: [FIELD.TSC_MULTIPLIER, ...controlFields('secondary.USE_TSC_SCALING')],
    holds: (v) => !tscScaling(v) || (v.u32(FIELD.TSC_MULTIPLIER) | v.high32(FIELD.TSC_MULTIPLIER)) !== 0,
    rule: 'If "use TSC scaling" is 1, the TSC multiplier is not 0.',
    required: () => 'TSC_MULTIPLIER other than 0',
    remedy: 'Set TSC_MULTIPLIER to 2^48 for no scaling.',
  },
  address('pasid-directory-low', FIELD.LOW_PASID_DIRECTORY, 4096, 'secondary.ENABLE_PASID_TRANSLATION'),
  address('pasid-directory-high', FIELD.HIGH_PASID_DIRECTORY, 4096, 'secondary.ENABLE_PASID_TRANSLATION'),
  implies('hlat-needs-ept', 'tertiary.ENABLE_HLAT', [['secondary.ENABLE_EPT', 1]]),
  {
    id: 'hlat-pointer',
    fields: [FIELD.HLAT_POINTER, ...controlFields('tertiary.ENABLE_HLAT')],
    holds: (v) => !hlat(v) || ((v.u32(FIELD.HLAT_POINTER) & 0xfe7) === 0 && withinPhysical(v, FIELD.HLAT_POINTER)),
    rule: 'If "enable HLAT" is 1, reserved bits of the HLATP and bits beyond the physical-address width are 0.',
    remedy: 'Leave only bits 4:3 and the address of a 4-KByte-aligned table in HLAT_POINTER.',
  },
  implies('paging-write-control-needs-ept', 'tertiary.EPT_PAGING_WRITE_CONTROL', [['secondary.ENABLE_EPT', 1]]),
  implies('paging-verification-needs-ept', 'tertiary.GUEST_PAGING_VERIFICATION', [['secondary.ENABLE_EPT', 1]]),
  implies('ipi-virtualization-needs-tpr-shadow', 'tertiary.IPI_VIRTUALIZATION', [['primary.USE_TPR_SHADOW', 1]]),
  address('pid-pointer-table', FIELD.PID_POINTER_TABLE, 8, 'tertiary.IPI_VIRTUALIZATION'),
]);
