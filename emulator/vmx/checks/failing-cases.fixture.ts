import type { FieldValues } from './baseline';
import type { EntryLimits } from './reader';

export interface FailingCase {
  /** Changes to `VALID_VMCS` that break the check. */
  readonly change: FieldValues;
  /** On a processor that allows every control. */
  readonly wide?: boolean;
  readonly longMode?: boolean;
  readonly pointer?: bigint;
  /** Dwords of physical memory. */
  readonly memory?: Readonly<Record<number, number>>;
  readonly limits?: Partial<EntryLimits>;
}

const UNCANONICAL = 0x100_0000_0000_0000n;
const BEYOND = 1n << 40n;
const PRIMARY = 0x8400_6172n;
const TERTIARY = PRIMARY | 0x2_0000n;
const EXIT = 0x3f_6ffbn;
const ENTRY = 0xd3fbn;
const PIN = 0x16n;
const ENTRY32 = ENTRY & ~0x200n;
const primary = (bit: number): FieldValues => ({ CPU_BASED_VM_EXEC_CONTROL: PRIMARY | (1n << BigInt(bit)) });
const secondary = (...bits: readonly number[]): FieldValues => ({
  SECONDARY_VM_EXEC_CONTROL: bits.reduce((value, bit) => value | (1n << BigInt(bit)), 0n),
});
const tertiary = (bit: number): FieldValues => ({
  CPU_BASED_VM_EXEC_CONTROL: TERTIARY,
  TERTIARY_VM_EXEC_CONTROL: 1n << BigInt(bit),
  SECONDARY_VM_EXEC_CONTROL: 0n,
});
const exit = (bit: number): FieldValues => ({ VM_EXIT_CONTROLS: EXIT | (1n << BigInt(bit)) });
const entry = (bit: number): FieldValues => ({ VM_ENTRY_CONTROLS: ENTRY | (1n << BigInt(bit)) });
const wide = (...changes: readonly FieldValues[]): FailingCase => ({
  change: Object.assign({}, ...changes) as FieldValues,
  wide: true,
});
const real = (change: FieldValues): FailingCase => ({ change });
const inject = (value: bigint, more: FieldValues = {}): FailingCase =>
  real({ VM_ENTRY_INTR_INFO: 0x8000_0000n | value, ...more });
const PAE_GUEST: FieldValues = { VM_ENTRY_CONTROLS: ENTRY32 };

const CONTROLS: Readonly<Record<string, FailingCase>> = {
  'pin-reserved': real({ PIN_BASED_VM_EXEC_CONTROL: 0n }),
  'primary-reserved': real({ CPU_BASED_VM_EXEC_CONTROL: PRIMARY | 1n }),
  'secondary-reserved': real(secondary(0)),
  'tertiary-reserved': real(tertiary(0)),
  'cr3-target-count': real({ CR3_TARGET_COUNT: 5n }),
  'io-bitmap-a': real({ ...primary(25), IO_BITMAP_A: 0x1001n }),
  'io-bitmap-b': real({ ...primary(25), IO_BITMAP_B: BEYOND }),
  'msr-bitmap': real({ ...primary(28), MSR_BITMAP: 0x800n }),
  'virtual-apic-page': wide(primary(21), { VIRTUAL_APIC_PAGE_ADDR: 1n }),
  'tpr-threshold-reserved': wide(primary(21), { TPR_THRESHOLD: 16n }),
  'tpr-threshold-vtpr': {
    ...wide(primary(21), { TPR_THRESHOLD: 5n, VIRTUAL_APIC_PAGE_ADDR: 0x3000n }),
    memory: { 0x3080: 0x40 },
  },
  'virtual-nmis-need-nmi-exiting': wide({ PIN_BASED_VM_EXEC_CONTROL: PIN | 0x20n }),
  'nmi-window-needs-virtual-nmis': wide(primary(22)),
  'apic-access-page': wide(secondary(0), { APIC_ACCESS_ADDR: 0x10n }),
  'x2apic-needs-tpr-shadow': wide(secondary(4)),
  'apic-registers-need-tpr-shadow': wide(secondary(8)),
  'interrupt-delivery-needs-tpr-shadow': wide(secondary(9)),
  'x2apic-excludes-apic-accesses': wide(secondary(0, 4)),
  'interrupt-delivery-needs-exiting': wide(secondary(9)),
  'posted-interrupts-need': wide({ PIN_BASED_VM_EXEC_CONTROL: PIN | 0x80n }),
  'posted-interrupt-vector': wide({ PIN_BASED_VM_EXEC_CONTROL: PIN | 0x80n, POSTED_INTR_NV: 256n }),
  'posted-interrupt-descriptor': wide({ PIN_BASED_VM_EXEC_CONTROL: PIN | 0x80n, POSTED_INTR_DESC_ADDR: 32n }),
  'vpid-zero': real({ VPID: 0n }),
  'eptp-memory-type': real({ EPT_POINTER: 0x10_0019n }),
  'eptp-walk-length': real({ EPT_POINTER: 0x10_0006n }),
  'eptp-accessed-dirty': { change: { EPT_POINTER: 0x10_005en }, limits: { eptVpid: { low: 0x4140, high: 0 } } },
  'eptp-reserved': real({ EPT_POINTER: 0x10_009en }),
  'pml-needs-ept': wide(secondary(17)),
  'pml-address': wide(secondary(1, 17), { PML_ADDRESS: 8n }),
  'unrestricted-guest-needs-ept': real(secondary(7)),
  'mode-based-execute-needs-ept': wide(secondary(22)),
  'sub-page-needs-ept': wide(secondary(23)),
  'sub-page-table': wide(secondary(1, 23), { SPP_TABLE_POINTER: 8n }),
  'vm-functions-reserved': real({ ...secondary(13), VM_FUNCTION_CONTROL: 1n }),
  'eptp-switching-needs-ept': wide(secondary(13), { VM_FUNCTION_CONTROL: 1n }),
  'eptp-list': wide(secondary(1, 13), { VM_FUNCTION_CONTROL: 1n, EPTP_LIST_ADDRESS: 8n }),
  'vmread-bitmap': wide(secondary(14), { VMREAD_BITMAP: 8n }),
  'vmwrite-bitmap': wide(secondary(14), { VMWRITE_BITMAP: 8n }),
  've-information': wide(secondary(18), { VE_INFORMATION_ADDRESS: 8n }),
  'pt-guest-physical-needs-ept': wide(secondary(24)),
  'tsc-multiplier-zero': wide(secondary(25)),
  'pasid-directory-low': wide(secondary(21), { LOW_PASID_DIRECTORY: 8n }),
  'pasid-directory-high': wide(secondary(21), { HIGH_PASID_DIRECTORY: 8n }),
  'hlat-needs-ept': wide(tertiary(1)),
  'hlat-pointer': wide(tertiary(1), { HLAT_POINTER: 1n }),
  'paging-write-control-needs-ept': wide(tertiary(2)),
  'paging-verification-needs-ept': wide(tertiary(3)),
  'ipi-virtualization-needs-tpr-shadow': wide(tertiary(4)),
  'pid-pointer-table': wide(tertiary(4), { PID_POINTER_TABLE: 4n }),
  'exit-reserved': real({ VM_EXIT_CONTROLS: 0n }),
  'exit2-reserved': real({ ...exit(31), SECONDARY_VM_EXIT_CONTROLS: 1n }),
  'save-timer-needs-timer': wide(exit(22)),
  'exit-msr-store': real({ VM_EXIT_MSR_STORE_COUNT: 1n, VM_EXIT_MSR_STORE_ADDR: 8n }),
  'exit-msr-load': real({ VM_EXIT_MSR_LOAD_COUNT: 2n, VM_EXIT_MSR_LOAD_ADDR: BEYOND - 16n }),
  'entry-reserved': real({ VM_ENTRY_CONTROLS: 0n }),
  'injection-type': inject(0x100n),
  'injection-vector': inject(0x203n),
  'injection-deliver-error-code': inject(0x30dn),
  'injection-reserved': inject(0x1000n),
  'injection-error-code-reserved': inject(0xb0dn, { VM_ENTRY_EXCEPTION_ERROR_CODE: 0x1_0000n }),
  'injection-instruction-length': inject(0x480n, { VM_ENTRY_INSTRUCTION_LEN: 16n }),
  'entry-msr-load': real({ VM_ENTRY_MSR_LOAD_COUNT: 1n, VM_ENTRY_MSR_LOAD_ADDR: 1n }),
  'entry-outside-smm': wide(entry(10)),
};

const HOST32: FieldValues = { VM_EXIT_CONTROLS: EXIT & ~0x200n };
const HOST: Readonly<Record<string, FailingCase>> = {
  'host-cr0-fixed': real({ HOST_CR0: 0x8005_0013n }),
  'host-cr4-fixed': real({ HOST_CR4: 0x20n }),
  'host-cr4-cet': wide({ HOST_CR4: 0x80_2020n, HOST_CR0: 0x8004_0033n }),
  'host-cr3-width': real({ HOST_CR3: BEYOND }),
  'host-sysenter-esp': real({ HOST_IA32_SYSENTER_ESP: UNCANONICAL }),
  'host-sysenter-eip': real({ HOST_IA32_SYSENTER_EIP: UNCANONICAL }),
  'host-pat': real({ HOST_IA32_PAT: 2n }),
  'host-efer-reserved': real({ HOST_IA32_EFER: 0xd03n }),
  'host-efer-mode': real({ HOST_IA32_EFER: 0x901n }),
  'host-s-cet-canonical': wide(exit(28), { HOST_S_CET: UNCANONICAL }),
  'host-s-cet-reserved': wide(exit(28), { HOST_S_CET: 0x40n }),
  'host-ssp-table': wide(exit(28), { HOST_INTR_SSP_TABLE: UNCANONICAL }),
  'host-ssp-canonical': wide(exit(28), { HOST_SSP: UNCANONICAL }),
  'host-ssp-aligned': wide(exit(28), { HOST_SSP: 2n }),
  'host-pkrs': wide(exit(29), { HOST_IA32_PKRS: 1n << 32n }),
  'host-es-selector': real({ HOST_ES_SELECTOR: 3n }),
  'host-cs-selector': real({ HOST_CS_SELECTOR: 0xbn }),
  'host-ss-selector': real({ HOST_SS_SELECTOR: 0x14n }),
  'host-ds-selector': real({ HOST_DS_SELECTOR: 1n }),
  'host-fs-selector': real({ HOST_FS_SELECTOR: 4n }),
  'host-gs-selector': real({ HOST_GS_SELECTOR: 2n }),
  'host-tr-selector': real({ HOST_TR_SELECTOR: 0x1bn }),
  'host-cs-null': real({ HOST_CS_SELECTOR: 0n }),
  'host-tr-null': real({ HOST_TR_SELECTOR: 0n }),
  'host-ss-null': real({ ...HOST32, HOST_SS_SELECTOR: 0n }),
  'host-fs-base': real({ HOST_FS_BASE: UNCANONICAL }),
  'host-gs-base': real({ HOST_GS_BASE: UNCANONICAL }),
  'host-gdtr-base': real({ HOST_GDTR_BASE: UNCANONICAL }),
  'host-idtr-base': real({ HOST_IDTR_BASE: UNCANONICAL }),
  'host-tr-base': real({ HOST_TR_BASE: UNCANONICAL }),
  'outside-ia32e-mode': { change: {}, longMode: false },
  'inside-ia32e-mode': real(HOST32),
  'host32-guest64': real(HOST32),
  'host32-pcide': real({ ...HOST32, HOST_CR4: 0x2_2020n }),
  'host32-rip': real(HOST32),
  'host64-pae': real({ HOST_CR4: 0x2000n }),
  'host64-rip': real({ HOST_RIP: UNCANONICAL }),
};

const GUEST: Readonly<Record<string, FailingCase>> = {
  'guest-cr0-fixed': real({ GUEST_CR0: 0x8005_0013n }),
  'guest-cr0-pg-pe': real({ GUEST_CR0: 0x8005_0032n }),
  'guest-cr4-fixed': real({ GUEST_CR4: 0x20n }),
  'guest-cr4-cet': wide({ GUEST_CR4: 0x80_2020n, GUEST_CR0: 0x8004_0033n }),
  'guest-debugctl': real({ ...entry(2), GUEST_IA32_DEBUGCTL: 0x8000n }),
  'guest-ia32e-paging': real({ GUEST_CR4: 0x2000n }),
  'guest-pcide': real({ VM_ENTRY_CONTROLS: ENTRY32, GUEST_CR4: 0x2_2020n }),
  'guest-cr3-width': real({ GUEST_CR3: BEYOND }),
  'guest-dr7': real({ ...entry(2), GUEST_DR7: 1n << 32n }),
  'guest-sysenter-esp': real({ GUEST_SYSENTER_ESP: UNCANONICAL }),
  'guest-sysenter-eip': real({ GUEST_SYSENTER_EIP: UNCANONICAL }),
  'guest-s-cet-canonical': wide(entry(20), { GUEST_S_CET: UNCANONICAL }),
  'guest-s-cet-reserved': wide(entry(20), { GUEST_S_CET: 0xc00n }),
  'guest-ssp-table': wide(entry(20), { GUEST_INTR_SSP_TABLE: UNCANONICAL }),
  'guest-pat': real({ GUEST_IA32_PAT: 0x0300_0000_0000_0000n }),
  'guest-efer-reserved': real({ GUEST_IA32_EFER: 1n << 32n }),
  'guest-efer-mode': real({ GUEST_IA32_EFER: 0xc01n }),
  'guest-bndcfgs-canonical': wide(entry(16), { GUEST_IA32_BNDCFGS: UNCANONICAL }),
  'guest-bndcfgs-reserved': wide(entry(16), { GUEST_IA32_BNDCFGS: 4n }),
  'guest-pkrs': wide(entry(22), { GUEST_IA32_PKRS: 1n << 32n }),
  'guest-uinv': wide(entry(19), { GUEST_UINV: 256n }),
  'guest-ssp-canonical': wide(entry(20), { GUEST_SSP: UNCANONICAL }),
  'guest-ssp-aligned': wide(entry(20), { GUEST_SSP: 1n }),
  'guest-tr-ti': real({ GUEST_TR_SELECTOR: 4n }),
  'guest-ldtr-ti': real({ GUEST_LDTR_SELECTOR: 4n }),
  'guest-ss-cs-rpl': real({ GUEST_SS_SELECTOR: 0x13n }),
  'guest-tr-base': real({ GUEST_TR_BASE: UNCANONICAL }),
  'guest-fs-base': real({ GUEST_FS_BASE: UNCANONICAL }),
  'guest-gs-base': real({ GUEST_GS_BASE: UNCANONICAL }),
  'guest-ldtr-base': real({ GUEST_LDTR_BASE: UNCANONICAL }),
  'guest-cs-type': real({ GUEST_CS_AR: 0xa093n }),
  'guest-cs-s': real({ GUEST_CS_AR: 0xa08bn }),
  'guest-cs-dpl': real({ GUEST_CS_AR: 0xa0fbn }),
  'guest-cs-l-d': real({ GUEST_CS_AR: 0xe09bn }),
  'guest-ss-type': real({ GUEST_SS_AR: 0xc091n }),
  'guest-ss-dpl': real({ GUEST_SS_AR: 0xc0f3n }),
  'guest-tr-type': real({ GUEST_TR_AR: 0x83n }),
  'guest-tr-s': real({ GUEST_TR_AR: 0x9bn }),
  'guest-tr-present': real({ GUEST_TR_AR: 0x0bn }),
  'guest-tr-reserved': real({ GUEST_TR_AR: 0x18bn }),
  'guest-tr-usable': real({ GUEST_TR_AR: 0x1_008bn }),
  'guest-tr-granularity': real({ GUEST_TR_AR: 0x808bn }),
  'guest-ldtr-type': real({ GUEST_LDTR_AR: 0x83n }),
  'guest-ldtr-s': real({ GUEST_LDTR_AR: 0x92n }),
  'guest-ldtr-present': real({ GUEST_LDTR_AR: 0x02n }),
  'guest-ldtr-reserved': real({ GUEST_LDTR_AR: 0x182n }),
  'guest-ldtr-granularity': real({ GUEST_LDTR_LIMIT: 0x10_0000n }),
  'guest-gdtr-base': real({ GUEST_GDTR_BASE: UNCANONICAL }),
  'guest-idtr-base': real({ GUEST_IDTR_BASE: UNCANONICAL }),
  'guest-gdtr-limit': real({ GUEST_GDTR_LIMIT: 0x1_0000n }),
  'guest-idtr-limit': real({ GUEST_IDTR_LIMIT: 0x1_0000n }),
  'guest-rip-32': real({ GUEST_RIP: 1n << 32n, GUEST_CS_AR: 0xc09bn }),
  'guest-rip-64': real({ GUEST_RIP: 1n << 57n }),
  'guest-rflags-reserved': real({ GUEST_RFLAGS: 0n }),
  'guest-rflags-vm': real({ GUEST_RFLAGS: 0x2_0002n }),
  'guest-rflags-if': inject(0x20n),
  'guest-activity-supported': real({ GUEST_ACTIVITY_STATE: 4n }),
  'guest-activity-hlt-dpl': real({ GUEST_ACTIVITY_STATE: 1n, GUEST_SS_AR: 0xc0f3n }),
  'guest-activity-blocking': real({ GUEST_ACTIVITY_STATE: 1n, GUEST_INTERRUPTIBILITY_STATE: 2n }),
  'guest-activity-injection': inject(0xb0dn, { GUEST_ACTIVITY_STATE: 1n }),
  'guest-interruptibility-reserved': real({ GUEST_INTERRUPTIBILITY_STATE: 32n }),
  'guest-sti-and-mov-ss': real({ GUEST_INTERRUPTIBILITY_STATE: 3n }),
  'guest-sti-if': real({ GUEST_INTERRUPTIBILITY_STATE: 1n }),
  'guest-blocking-external-interrupt': inject(0x20n, { GUEST_INTERRUPTIBILITY_STATE: 2n }),
  'guest-blocking-nmi': inject(0x202n, { GUEST_INTERRUPTIBILITY_STATE: 2n }),
  'guest-blocking-nmi-sti': inject(0x202n, { GUEST_INTERRUPTIBILITY_STATE: 1n, GUEST_RFLAGS: 0x202n }),
  'guest-blocking-smi': real({ GUEST_INTERRUPTIBILITY_STATE: 4n }),
  'guest-blocking-virtual-nmi': wide({
    VM_ENTRY_INTR_INFO: 0x8000_0202n,
    PIN_BASED_VM_EXEC_CONTROL: PIN | 0x28n,
    GUEST_INTERRUPTIBILITY_STATE: 8n,
  }),
  'guest-enclave-interruption': real({ GUEST_INTERRUPTIBILITY_STATE: 16n }),
  'guest-pending-debug-reserved': real({ GUEST_PENDING_DBG_EXCEPTIONS: 0x10n }),
  'guest-pending-debug-bs': real({ GUEST_RFLAGS: 0x102n, GUEST_INTERRUPTIBILITY_STATE: 2n }),
  'guest-pending-debug-rtm': real({ GUEST_PENDING_DBG_EXCEPTIONS: 0x1_0000n }),
  'guest-link-pointer-address': real({ VMCS_LINK_POINTER: 0x123n }),
  'guest-link-pointer-revision': { change: { VMCS_LINK_POINTER: 0x5000n }, memory: { 0x5000: 1 } },
  'guest-link-pointer-current': { change: { VMCS_LINK_POINTER: 0x5000n }, pointer: 0x5000n },
  'guest-pdpte0': real({ ...PAE_GUEST, GUEST_PDPTE0: 3n }),
  'guest-pdpte1': real({ ...PAE_GUEST, GUEST_PDPTE1: BEYOND | 1n }),
  'guest-pdpte2': real({ ...PAE_GUEST, GUEST_PDPTE2: 0x21n }),
  'guest-pdpte3': real({ ...PAE_GUEST, GUEST_PDPTE3: 0x101n }),
  'guest-pdptes-in-memory': {
    change: { ...PAE_GUEST, SECONDARY_VM_EXEC_CONTROL: 0n },
    memory: { 0x2008: 3, 0x200c: 0 },
  },
};

/** Rules that are the same for several segment registers. */
function segmentCases(): Readonly<Record<string, FailingCase>> {
  const cases: Record<string, FailingCase> = {};
  const v8086 = { GUEST_RFLAGS: 0x2_0002n, VM_ENTRY_CONTROLS: ENTRY32 };
  for (const segment of ['CS', 'SS', 'DS', 'ES', 'FS', 'GS'] as const) {
    const id = `guest-${segment.toLowerCase()}`;
    const rights = segment === 'CS' ? 0xa09bn : 0xc093n;
    cases[`${id}-v8086-base`] = real({ ...v8086, [`GUEST_${segment}_BASE`]: 1n });
    cases[`${id}-v8086-limit`] = real(v8086);
    cases[`${id}-v8086-access`] = real(v8086);
    cases[`${id}-present`] = real({ [`GUEST_${segment}_AR`]: rights & ~0x80n });
    cases[`${id}-reserved`] = real({ [`GUEST_${segment}_AR`]: rights | 0x100n });
    cases[`${id}-granularity`] = real({ [`GUEST_${segment}_AR`]: rights & ~0x8000n });
    if (segment !== 'CS') cases[`${id}-s`] = real({ [`GUEST_${segment}_AR`]: rights & ~0x10n });
    if (segment !== 'FS' && segment !== 'GS') cases[`${id}-base`] = real({ [`GUEST_${segment}_BASE`]: 1n << 32n });
    if (segment === 'CS' || segment === 'SS') continue;
    cases[`${id}-type`] = real({ [`GUEST_${segment}_AR`]: 0xc099n });
    cases[`${id}-dpl`] = real({ [`GUEST_${segment}_SELECTOR`]: 3n });
  }
  return cases;
}

/** For every check, by id, a VMCS that breaks it. */
export const FAILING: Readonly<Record<string, FailingCase>> = { ...CONTROLS, ...HOST, ...GUEST, ...segmentCases() };
