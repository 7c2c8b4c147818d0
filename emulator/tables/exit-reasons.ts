import { bits, decodeBits, flag } from './vmx/bit-layout';
import type { BitField, DecodedBits } from './vmx/bit-layout';
import { EXCEPTION_QUALIFICATIONS, QUALIFICATIONS } from './vmx/qualifications';

/** In which order layered monitors are asked whether they want the event. */
export type ExitClass = 'top-down' | 'bottom-up' | 'induced' | 'addressed';

export interface ExitReason {
  readonly number: number;
  /** Name in conditions and traces. */
  readonly name: ExitReasonName;
  /** SDM wording. */
  readonly title: string;
  readonly class: ExitClass;
  readonly qualification: readonly BitField[];
}

type Row = readonly [number: number, name: string, title: string, order?: ExitClass];

/** Basic exit reasons (SDM appendix "VMX Basic Exit Reasons"). Top-down where nothing is said. */
const ROWS = [
  [0, 'EXCEPTION_OR_NMI', 'Exception or non-maskable interrupt (NMI)'],
  [1, 'EXTERNAL_INTERRUPT', 'External interrupt', 'bottom-up'],
  [2, 'TRIPLE_FAULT', 'Triple fault'],
  [3, 'INIT_SIGNAL', 'INIT signal', 'bottom-up'],
  [4, 'SIPI', 'Start-up IPI (SIPI)', 'bottom-up'],
  [5, 'IO_SMI', 'I/O system-management interrupt (SMI)', 'bottom-up'],
  [6, 'OTHER_SMI', 'Other SMI', 'bottom-up'],
  [7, 'INTERRUPT_WINDOW', 'Interrupt window', 'bottom-up'],
  [8, 'NMI_WINDOW', 'NMI window', 'bottom-up'],
  [9, 'TASK_SWITCH', 'Task switch'],
  [10, 'CPUID', 'CPUID'],
  [11, 'GETSEC', 'GETSEC'],
  [12, 'HLT', 'HLT'],
  [13, 'INVD', 'INVD'],
  [14, 'INVLPG', 'INVLPG'],
  [15, 'RDPMC', 'RDPMC'],
  [16, 'RDTSC', 'RDTSC'],
  [17, 'RSM', 'RSM'],
  [18, 'VMCALL', 'VMCALL'],
  [19, 'VMCLEAR', 'VMCLEAR'],
  [20, 'VMLAUNCH', 'VMLAUNCH'],
  [21, 'VMPTRLD', 'VMPTRLD'],
  [22, 'VMPTRST', 'VMPTRST'],
  [23, 'VMREAD', 'VMREAD'],
  [24, 'VMRESUME', 'VMRESUME'],
  [25, 'VMWRITE', 'VMWRITE'],
  [26, 'VMXOFF', 'VMXOFF'],
  [27, 'VMXON', 'VMXON'],
  [28, 'CR_ACCESS', 'Control-register accesses'],
  [29, 'DR_ACCESS', 'MOV DR'],
  [30, 'IO_INSTRUCTION', 'I/O instruction'],
  [31, 'RDMSR', 'RDMSR'],
  [32, 'WRMSR', 'WRMSR'],
  [33, 'INVALID_GUEST_STATE', 'VM-entry failure due to invalid guest state', 'addressed'],
  [34, 'MSR_LOADING', 'VM-entry failure due to MSR loading', 'addressed'],
  [36, 'MWAIT', 'MWAIT'],
  [37, 'MONITOR_TRAP_FLAG', 'Monitor trap flag', 'bottom-up'],
  [39, 'MONITOR', 'MONITOR'],
  [40, 'PAUSE', 'PAUSE'],
  [41, 'MACHINE_CHECK', 'VM-entry failure due to machine-check event', 'addressed'],
  [43, 'TPR_BELOW_THRESHOLD', 'TPR below threshold'],
  [44, 'APIC_ACCESS', 'APIC access'],
  [45, 'VIRTUALIZED_EOI', 'Virtualized EOI'],
  [46, 'GDTR_IDTR_ACCESS', 'Access to GDTR or IDTR'],
  [47, 'LDTR_TR_ACCESS', 'Access to LDTR or TR'],
  [48, 'EPT_VIOLATION', 'EPT violation', 'addressed'],
  [49, 'EPT_MISCONFIGURATION', 'EPT misconfiguration', 'addressed'],
  [50, 'INVEPT', 'INVEPT'],
  [51, 'RDTSCP', 'RDTSCP'],
  [52, 'PREEMPTION_TIMER', 'VMX-preemption timer expired', 'bottom-up'],
  [53, 'INVVPID', 'INVVPID'],
  [54, 'WBINVD', 'WBINVD or WBNOINVD'],
  [55, 'XSETBV', 'XSETBV'],
  [56, 'APIC_WRITE', 'APIC write'],
  [57, 'RDRAND', 'RDRAND'],
  [58, 'INVPCID', 'INVPCID'],
  [59, 'VMFUNC', 'VMFUNC'],
  [60, 'ENCLS', 'ENCLS'],
  [61, 'RDSEED', 'RDSEED'],
  [62, 'PML_FULL', 'Page-modification log full', 'addressed'],
  [63, 'XSAVES', 'XSAVES'],
  [64, 'XRSTORS', 'XRSTORS'],
  [65, 'PCONFIG', 'PCONFIG'],
  [66, 'SPP_EVENT', 'SPP-related event', 'addressed'],
  [67, 'UMWAIT', 'UMWAIT'],
  [68, 'TPAUSE', 'TPAUSE'],
  [69, 'LOADIWKEY', 'LOADIWKEY'],
  [70, 'ENCLV', 'ENCLV'],
  [72, 'ENQCMD', 'ENQCMD PASID translation failure'],
  [73, 'ENQCMDS', 'ENQCMDS PASID translation failure'],
  [74, 'BUS_LOCK', 'Bus lock'],
  [75, 'INSTRUCTION_TIMEOUT', 'Instruction timeout', 'bottom-up'],
  [76, 'SEAMCALL', 'SEAMCALL'],
  [77, 'TDCALL', 'TDCALL'],
  [78, 'RDMSRLIST', 'RDMSRLIST'],
  [79, 'WRMSRLIST', 'WRMSRLIST'],
] as const satisfies readonly Row[];

export type ExitReasonName = (typeof ROWS)[number][1];

export const EXIT_REASONS: readonly ExitReason[] = (ROWS as readonly Row[]).map(([number, name, title, order]) => ({
  number,
  name: name as ExitReasonName,
  title,
  class: order ?? 'top-down',
  qualification: QUALIFICATIONS.get(number) ?? [],
}));

/** Numbers by name: `EXIT_REASON.CPUID` is 10. */
export const EXIT_REASON = Object.fromEntries(ROWS.map(([number, name]) => [name, number])) as Readonly<
  Record<ExitReasonName, number>
>;

const byNumber = new Map(EXIT_REASONS.map((reason) => [reason.number, reason]));
const byName = new Map<string, ExitReason>(EXIT_REASONS.map((reason) => [reason.name, reason]));

export function exitReason(number: number): ExitReason | undefined {
  return byNumber.get(number);
}

export function exitReasonByName(name: string): ExitReason | undefined {
  return byName.get(name.toUpperCase());
}

/** Name of a basic exit reason, known or not. */
export function exitReasonName(number: number): string {
  return byNumber.get(number)?.name ?? `REASON_${number}`;
}

/** The exit-reason field (SDM, "Format of Exit Reason"). */
export const EXIT_REASON_FIELD: readonly BitField[] = [
  bits(15, 0, 'basic', Object.fromEntries(ROWS.map(([number, name]) => [number, name]))),
  flag(25, 'busySupervisorShadowStack'),
  flag(26, 'busLock'),
  flag(27, 'enclave'),
  flag(28, 'pendingMtf'),
  flag(29, 'fromRoot'),
  flag(31, 'entryFailure'),
];

/**
 * The fields an exit qualification has. Exceptions need the vector from the VM-exit interruption information: only #DB and #PF
 * save one.
 */
export function qualificationFields(reason: number, vector?: number): readonly BitField[] {
  if (reason === EXIT_REASON.EXCEPTION_OR_NMI) {
    return vector === undefined ? [] : (EXCEPTION_QUALIFICATIONS.get(vector) ?? []);
  }
  return byNumber.get(reason)?.qualification ?? [];
}

/** An exit qualification taken apart; empty where the reason saves none. */
export function describeQualification(reason: number, value: bigint, vector?: number): readonly DecodedBits[] {
  return decodeBits(qualificationFields(reason, vector), value);
}
