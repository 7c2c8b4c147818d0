import type { GuestOptional, PlainIntercept } from '../cpu/intercepts';
import { raise, VECTOR } from '../cpu/faults';
import type { DecodedRecord } from '../decode/decoded-record';
import { EXIT_REASON } from '../tables/exit-reasons';
import type { ControlKey } from '../tables/vmx-controls';
import type { ExitInformation } from './exit';
import { displacementQualification, memoryInformation, operandInformation } from './operand';
import type { VmxContext } from './vmx-context';

interface PlainRule {
  readonly reason: number;
  /** The control that makes it exit; absent: it always does. */
  readonly control?: ControlKey;
}

const RULES: Readonly<Record<Exclude<PlainIntercept, 'RSM' | DescriptorInstruction>, PlainRule>> = {
  CPUID: { reason: EXIT_REASON.CPUID },
  GETSEC: { reason: EXIT_REASON.GETSEC },
  INVD: { reason: EXIT_REASON.INVD },
  XSETBV: { reason: EXIT_REASON.XSETBV },
  HLT: { reason: EXIT_REASON.HLT, control: 'primary.HLT_EXITING' },
  WBINVD: { reason: EXIT_REASON.WBINVD, control: 'secondary.WBINVD_EXITING' },
  RDPMC: { reason: EXIT_REASON.RDPMC, control: 'primary.RDPMC_EXITING' },
  RDTSC: { reason: EXIT_REASON.RDTSC, control: 'primary.RDTSC_EXITING' },
  RDTSCP: { reason: EXIT_REASON.RDTSCP, control: 'primary.RDTSC_EXITING' },
  MWAIT: { reason: EXIT_REASON.MWAIT, control: 'primary.MWAIT_EXITING' },
  MONITOR: { reason: EXIT_REASON.MONITOR, control: 'primary.MONITOR_EXITING' },
  PAUSE: { reason: EXIT_REASON.PAUSE, control: 'primary.PAUSE_EXITING' },
  RDRAND: { reason: EXIT_REASON.RDRAND, control: 'secondary.RDRAND_EXITING' },
  RDSEED: { reason: EXIT_REASON.RDSEED, control: 'secondary.RDSEED_EXITING' },
  INVPCID: { reason: EXIT_REASON.INVPCID, control: 'primary.INVLPG_EXITING' },
};

const ENABLED_BY: Readonly<Record<GuestOptional, ControlKey>> = {
  RDTSCP: 'secondary.ENABLE_RDTSCP',
  INVPCID: 'secondary.ENABLE_INVPCID',
  WAITPKG: 'secondary.ENABLE_USER_WAIT_AND_PAUSE',
  // Of XRSTORS too. IA32_XSS has no bits, so that neither exits by the XSS-exiting bitmap.
  XSAVES: 'secondary.ENABLE_XSAVES_XRSTORS',
};

type DescriptorInstruction = 'SGDT' | 'SIDT' | 'LGDT' | 'LIDT' | 'SLDT' | 'STR' | 'LLDT' | 'LTR';

/** Instruction identity, bits 29:28 of the instruction information. */
const DESCRIPTOR: Readonly<Record<DescriptorInstruction, { readonly reason: number; readonly identity: number }>> = {
  SGDT: { reason: EXIT_REASON.GDTR_IDTR_ACCESS, identity: 0 },
  SIDT: { reason: EXIT_REASON.GDTR_IDTR_ACCESS, identity: 1 },
  LGDT: { reason: EXIT_REASON.GDTR_IDTR_ACCESS, identity: 2 },
  LIDT: { reason: EXIT_REASON.GDTR_IDTR_ACCESS, identity: 3 },
  SLDT: { reason: EXIT_REASON.LDTR_TR_ACCESS, identity: 0 },
  STR: { reason: EXIT_REASON.LDTR_TR_ACCESS, identity: 1 },
  LLDT: { reason: EXIT_REASON.LDTR_TR_ACCESS, identity: 2 },
  LTR: { reason: EXIT_REASON.LDTR_TR_ACCESS, identity: 3 },
};

const isDescriptor = (instruction: PlainIntercept): instruction is DescriptorInstruction => instruction in DESCRIPTOR;
const stores = (instruction: DescriptorInstruction): boolean => instruction === 'SLDT' || instruction === 'STR';

interface FoundExit {
  readonly reason: number;
  readonly info?: ExitInformation;
}

/** #UD of an instruction whose enabling control is 0. */
export function requireEnabled(vmx: VmxContext, instruction: GuestOptional): void {
  if (!vmx.vmcs.on(ENABLED_BY[instruction])) raise(VECTOR.UD);
}

/** The exit an instruction makes in the guest, or undefined. */
export function plainExit(vmx: VmxContext, instruction: PlainIntercept, insn: DecodedRecord): FoundExit | undefined {
  // RSM outside SMM is #UD before anything else.
  if (instruction === 'RSM') return undefined;
  if (isDescriptor(instruction)) return descriptorExit(vmx, instruction, insn);
  const { reason, control } = RULES[instruction];
  if (control !== undefined && !vmx.vmcs.on(control)) return undefined;
  return { reason };
}

function descriptorExit(
  { cpu, vmcs }: VmxContext,
  instruction: DescriptorInstruction,
  insn: DecodedRecord,
): FoundExit | undefined {
  if (!vmcs.on('secondary.DESCRIPTOR_TABLE_EXITING')) return undefined;
  const { reason, identity } = DESCRIPTOR[instruction];
  const operand =
    reason === EXIT_REASON.GDTR_IDTR_ACCESS
      ? memoryInformation(insn) | (insn.size === 2 ? 0 : 1 << 11)
      : operandInformation(insn, stores(instruction) ? insn.d : insn.s);
  return {
    reason,
    info: {
      qualification: displacementQualification(cpu, insn),
      instructionInformation: (operand | (identity << 28)) >>> 0,
    },
  };
}
