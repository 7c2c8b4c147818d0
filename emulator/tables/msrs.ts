import { CONTROL, MSRS } from '../state/layout';

/** What a write to an MSR must satisfy beyond its reserved bits, by #GP(0). */
export type MsrRule = 'canonical' | 'pat' | 'efer' | 'apic-base' | 'mtrr-type' | 'lock';

interface MsrCommon {
  readonly index: number;
  /** SDM name. */
  readonly name: string;
}

/** An MSR kept in a field of the state window. */
export interface StoredMsr extends MsrCommon {
  readonly kind: 'stored';
  readonly field: number;
  /** Bits that may be written as 1; others raise #GP(0). */
  readonly writable: bigint;
  readonly rule?: MsrRule;
}

/** An MSR with a fixed value; writes raise #GP(0), or are ignored where the SDM says so. */
export interface ConstantMsr extends MsrCommon {
  readonly kind: 'constant';
  readonly value: bigint;
  readonly writes: 'fault' | 'ignored';
}

/** An MSR whose reads and writes are code in `cpu/msr-access.ts`. */
export interface ComputedMsr extends MsrCommon {
  readonly kind: 'computed';
  readonly computation: 'tsc' | 'fs-base' | 'gs-base';
}

export type Msr = StoredMsr | ConstantMsr | ComputedMsr;

const ALL = 0xffff_ffff_ffff_ffffn;
const LOW = 0xffff_ffffn;

export const APIC_BASE = {
  reset: 0xfee0_0800n,
  bootstrap: 0x100n,
  enable: 0x800n,
  x2apic: 0x400n,
} as const;
export const FEATURE_CONTROL = { locked: 1n, vmxInSmx: 2n, vmxOutsideSmx: 4n } as const;
/** Write-back, write-through, uncached-minus, uncacheable, twice. */
export const PAT_RESET = 0x0007_0406_0007_0406n;
/** Bits of IA32_MISC_ENABLE. */
export const MISC_ENABLE = {
  FAST_STRINGS: 1n,
  THERMAL_CONTROL: 1n << 3n,
  /** Read-only. */ PERFMON_AVAILABLE: 1n << 7n,
  /** Read-only. */ BTS_UNAVAILABLE: 1n << 11n,
  /** Read-only. */ PEBS_UNAVAILABLE: 1n << 12n,
  SPEEDSTEP: 1n << 16n,
  MONITOR: 1n << 18n,
  LIMIT_CPUID: 1n << 22n,
  XTPR_DISABLE: 1n << 23n,
  XD_DISABLE: 1n << 34n,
} as const;
/** Fast strings, MONITOR; BTS and PEBS unavailable. */
export const MISC_ENABLE_RESET =
  MISC_ENABLE.FAST_STRINGS | MISC_ENABLE.BTS_UNAVAILABLE | MISC_ENABLE.PEBS_UNAVAILABLE | MISC_ENABLE.MONITOR;

/** Eight variable ranges, fixed ranges, write combining. */
const MTRR_CAP = 0x508n;
const VARIABLE_MTRRS = 8;

const stored = (index: number, name: string, field: number, writable: bigint, rule?: MsrRule): StoredMsr => ({
  kind: 'stored',
  index,
  name,
  field,
  writable,
  rule,
});
const constant = (index: number, name: string, value: bigint, writes: 'fault' | 'ignored' = 'fault'): ConstantMsr => ({
  kind: 'constant',
  index,
  name,
  value,
  writes,
});

const FIXED_MTRRS = [0x250, 0x258, 0x259, 0x268, 0x269, 0x26a, 0x26b, 0x26c, 0x26d, 0x26e, 0x26f] as const;

/** SDM volume 4, "Model-Specific Registers": those there are, beside the ranges other units implement. */
const MSR_TABLE: readonly Msr[] = [
  { kind: 'computed', index: 0x10, name: 'IA32_TIME_STAMP_COUNTER', computation: 'tsc' },
  constant(0x17, 'IA32_PLATFORM_ID', 0n),
  stored(0x1b, 'IA32_APIC_BASE', MSRS.apicBase, ALL, 'apic-base'),
  stored(0x3a, 'IA32_FEATURE_CONTROL', MSRS.featureControl, 7n, 'lock'),
  stored(0x3b, 'IA32_TSC_ADJUST', MSRS.tscAdjust, ALL),
  constant(0x79, 'IA32_BIOS_UPDT_TRIG', 0n, 'ignored'),
  stored(0x8b, 'IA32_BIOS_SIGN_ID', MSRS.biosSignature, ALL),
  constant(0xfe, 'IA32_MTRRCAP', MTRR_CAP),
  stored(0x174, 'IA32_SYSENTER_CS', MSRS.sysenterCs, LOW),
  stored(0x175, 'IA32_SYSENTER_ESP', MSRS.sysenterEsp, ALL, 'canonical'),
  stored(0x176, 'IA32_SYSENTER_EIP', MSRS.sysenterEip, ALL, 'canonical'),
  constant(0x179, 'IA32_MCG_CAP', 0n),
  constant(0x17a, 'IA32_MCG_STATUS', 0n, 'ignored'),
  stored(0x1a0, 'IA32_MISC_ENABLE', MSRS.miscEnable, 0x4_0005_1c89n),
  stored(0x1d9, 'IA32_DEBUGCTL', MSRS.debugctl, 3n),
  ...Array.from({ length: VARIABLE_MTRRS }, (_, i): readonly Msr[] => [
    stored(0x200 + 2 * i, `IA32_MTRR_PHYSBASE${i}`, MSRS.mtrrVariable + 16 * i, 0xff_ffff_f0ffn),
    stored(0x201 + 2 * i, `IA32_MTRR_PHYSMASK${i}`, MSRS.mtrrVariable + 16 * i + 8, 0xff_ffff_f800n),
  ]).flat(),
  ...FIXED_MTRRS.map((index, i) => stored(index, `IA32_MTRR_FIX_${i}`, MSRS.mtrrFixed + 8 * i, ALL, 'mtrr-type')),
  stored(0x277, 'IA32_PAT', MSRS.pat, ALL, 'pat'),
  stored(0x2ff, 'IA32_MTRR_DEF_TYPE', MSRS.mtrrDefType, 0xcffn),
  stored(0xc000_0080, 'IA32_EFER', CONTROL.efer, 0xd01n, 'efer'),
  stored(0xc000_0081, 'IA32_STAR', MSRS.star, ALL),
  stored(0xc000_0082, 'IA32_LSTAR', MSRS.lstar, ALL, 'canonical'),
  stored(0xc000_0083, 'IA32_CSTAR', MSRS.cstar, ALL, 'canonical'),
  stored(0xc000_0084, 'IA32_FMASK', MSRS.fmask, LOW),
  { kind: 'computed', index: 0xc000_0100, name: 'IA32_FS_BASE', computation: 'fs-base' },
  { kind: 'computed', index: 0xc000_0101, name: 'IA32_GS_BASE', computation: 'gs-base' },
  stored(0xc000_0102, 'IA32_KERNEL_GS_BASE', MSRS.kernelGsBase, ALL, 'canonical'),
  stored(0xc000_0103, 'IA32_TSC_AUX', MSRS.tscAux, LOW),
];

export const MSR_BY_INDEX: ReadonlyMap<number, Msr> = new Map(MSR_TABLE.map((msr) => [msr.index, msr]));
