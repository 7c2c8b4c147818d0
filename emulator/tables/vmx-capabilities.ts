import { ACTIVITY } from './boundary-state';
import { cr4Implemented } from './control-registers';
import type { CpuModel } from './cpu-models';
import { fieldAt, fieldIndex, VMCS_FIELDS, VMCS_LAYOUT } from './vmcs-fields';
import { control, CONTROL_WORDS, implementedMask } from './vmx-controls';
import type { ControlKey, ControlWord } from './vmx-controls';

/** The VMX capability MSRs (SDM appendix "VMX Capability Reporting Facility"). */
export const VMX_MSR = {
  BASIC: 0x480,
  PINBASED_CTLS: 0x481,
  PROCBASED_CTLS: 0x482,
  EXIT_CTLS: 0x483,
  ENTRY_CTLS: 0x484,
  MISC: 0x485,
  CR0_FIXED0: 0x486,
  CR0_FIXED1: 0x487,
  CR4_FIXED0: 0x488,
  CR4_FIXED1: 0x489,
  VMCS_ENUM: 0x48a,
  PROCBASED_CTLS2: 0x48b,
  EPT_VPID_CAP: 0x48c,
  TRUE_PINBASED_CTLS: 0x48d,
  TRUE_PROCBASED_CTLS: 0x48e,
  TRUE_EXIT_CTLS: 0x48f,
  TRUE_ENTRY_CTLS: 0x490,
  VMFUNC: 0x491,
  PROCBASED_CTLS3: 0x492,
  EXIT_CTLS2: 0x493,
} as const;

/** VMCS revision identifier; differs whenever the layout of the region does. */
export const VMCS_REVISION = 0x53_54_52_01;

const WRITE_BACK = 6n;

/** IA32_VMX_BASIC beyond the revision identifier. */
const BASIC =
  (BigInt(VMCS_LAYOUT.size) << 32n) | // region size
  (WRITE_BACK << 50n) | // memory type of VMCS accesses
  (1n << 54n) | // instruction information on INS and OUTS
  (1n << 55n); // the TRUE capability MSRs exist

/** Activity states other than active, by VMCS encoding: bit 6 + n - 1 of IA32_VMX_MISC. */
export const ACTIVITY_STATES = [
  { value: ACTIVITY.ACTIVE, name: 'active', implemented: true },
  { value: ACTIVITY.HLT, name: 'HLT', implemented: true },
  { value: ACTIVITY.SHUTDOWN, name: 'shutdown', implemented: false },
  { value: ACTIVITY.WAIT_FOR_SIPI, name: 'wait-for-SIPI', implemented: false },
] as const;

export const CR3_TARGETS = 4;
/** Recommended maximum number of entries in each MSR list. */
export const MSR_LIST_MAXIMUM = 512;

const MISC =
  (1n << 5n) | // VM exits store EFER.LMA into "IA-32e mode guest"
  ACTIVITY_STATES.reduce(
    (bits, { value, implemented }) => bits | (implemented && value > 0 ? 1n << BigInt(5 + value) : 0n),
    0n,
  ) |
  (BigInt(CR3_TARGETS) << 16n) |
  (1n << 30n); // software events may be injected with instruction length 0

/** IA32_VMX_EPT_VPID_CAP, bit by bit. */
const EPT_VPID_CAPABILITIES = [
  { bit: 0, name: 'execute-only translations', implemented: true },
  { bit: 6, name: 'page-walk length 4', implemented: true },
  { bit: 7, name: 'page-walk length 5', implemented: false },
  { bit: 8, name: 'uncacheable EPT paging structures', implemented: true },
  { bit: 14, name: 'write-back EPT paging structures', implemented: true },
  { bit: 16, name: '2-MByte pages', implemented: true },
  { bit: 17, name: '1-GByte pages', implemented: true },
  { bit: 20, name: 'INVEPT', implemented: true },
  { bit: 21, name: 'accessed and dirty flags for EPT', implemented: true },
  { bit: 22, name: 'advanced VM-exit information for EPT violations', implemented: false },
  { bit: 23, name: 'supervisor shadow-stack control', implemented: false },
  { bit: 25, name: 'single-context INVEPT', implemented: true },
  { bit: 26, name: 'all-context INVEPT', implemented: true },
  { bit: 32, name: 'INVVPID', implemented: true },
  { bit: 40, name: 'individual-address INVVPID', implemented: true },
  { bit: 41, name: 'single-context INVVPID', implemented: true },
  { bit: 42, name: 'all-context INVVPID', implemented: true },
  { bit: 43, name: 'single-context-retaining-globals INVVPID', implemented: true },
] as const;

/** PE, NE and PG must be 1 in VMX operation. */
const CR0_FIXED0 = 0x8000_0021n;
const CR0_FIXED1 = 0xffff_ffffn;
const CR4_VMXE = 1n << 13n;

/** Where a control word's capability MSRs are. `truth` is the TRUE MSR; words without one have the same there. */
const WORD_MSRS: Readonly<
  Record<Exclude<ControlWord, 'exceptions'>, { readonly msr: number; readonly truth: number }>
> = {
  pin: { msr: VMX_MSR.PINBASED_CTLS, truth: VMX_MSR.TRUE_PINBASED_CTLS },
  primary: { msr: VMX_MSR.PROCBASED_CTLS, truth: VMX_MSR.TRUE_PROCBASED_CTLS },
  exit: { msr: VMX_MSR.EXIT_CTLS, truth: VMX_MSR.TRUE_EXIT_CTLS },
  entry: { msr: VMX_MSR.ENTRY_CTLS, truth: VMX_MSR.TRUE_ENTRY_CTLS },
  secondary: { msr: VMX_MSR.PROCBASED_CTLS2, truth: VMX_MSR.PROCBASED_CTLS2 },
  tertiary: { msr: VMX_MSR.PROCBASED_CTLS3, truth: VMX_MSR.PROCBASED_CTLS3 },
  exit2: { msr: VMX_MSR.EXIT_CTLS2, truth: VMX_MSR.EXIT_CTLS2 },
  vmfunc: { msr: VMX_MSR.VMFUNC, truth: VMX_MSR.VMFUNC },
};

/** All capability MSRs of a processor model, by index. The models differ in what CR4 may be. */
export function capabilities(model: CpuModel): ReadonlyMap<number, bigint> {
  const msrs = new Map<number, bigint>();
  msrs.set(VMX_MSR.BASIC, BigInt(VMCS_REVISION) | BASIC);
  for (const info of CONTROL_WORDS) {
    if (info.word === 'exceptions') continue;
    const { msr, truth } = WORD_MSRS[info.word];
    const implemented = implementedMask(info.word);
    if (info.width === 64) {
      if (implemented !== 0n) msrs.set(msr, implemented);
      continue;
    }
    const allowed1 = (implemented | BigInt(info.default1)) << 32n;
    msrs.set(msr, allowed1 | BigInt(info.default1));
    msrs.set(truth, allowed1 | BigInt(info.default1 - info.mayBeZero));
  }
  msrs.set(VMX_MSR.MISC, MISC);
  msrs.set(VMX_MSR.CR0_FIXED0, CR0_FIXED0);
  msrs.set(VMX_MSR.CR0_FIXED1, CR0_FIXED1);
  msrs.set(VMX_MSR.CR4_FIXED0, CR4_VMXE);
  msrs.set(VMX_MSR.CR4_FIXED1, cr4Implemented(model.features));
  msrs.set(
    VMX_MSR.EPT_VPID_CAP,
    EPT_VPID_CAPABILITIES.reduce((bits, { bit, implemented }) => bits | (implemented ? 1n << BigInt(bit) : 0n), 0n),
  );
  const highest = VMCS_FIELDS.reduce(
    (index, { encoding }) => (fieldExists(encoding, msrs) ? Math.max(index, fieldIndex(encoding)) : index),
    0,
  );
  msrs.set(VMX_MSR.VMCS_ENUM, BigInt(highest << 1));
  return msrs;
}

export interface AllowedSettings {
  /** Controls that must be 1. */
  readonly mustBeOne: bigint;
  /** Controls that may be 1. */
  readonly mayBeOne: bigint;
}

/** What the TRUE capability MSRs allow a control word to be. */
export function allowedSettings(word: ControlWord, msrs: ReadonlyMap<number, bigint>): AllowedSettings {
  if (word === 'exceptions') return { mustBeOne: 0n, mayBeOne: 0xffff_ffffn };
  const value = msrs.get(WORD_MSRS[word].truth) ?? 0n;
  const wide = CONTROL_WORDS.some((info) => info.word === word && info.width === 64);
  return wide ? { mustBeOne: 0n, mayBeOne: value } : { mustBeOne: value & 0xffff_ffffn, mayBeOne: value >> 32n };
}

/** Whether a processor allows a control to be 1. */
function controlAllowed(key: ControlKey, msrs: ReadonlyMap<number, bigint>): boolean {
  const { word, bit } = control(key);
  return ((allowedSettings(word, msrs).mayBeOne >> BigInt(bit)) & 1n) === 1n;
}

/** Whether VMREAD and VMWRITE know an encoding (full or high access) on a processor with these capabilities. */
export function fieldExists(encoding: number, msrs: ReadonlyMap<number, bigint>): boolean {
  const field = fieldAt(encoding);
  if (field === undefined) return false;
  return field.requires.length === 0 || field.requires.some((key) => controlAllowed(key, msrs));
}
