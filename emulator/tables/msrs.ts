import { CONTROL, MSRS } from '../state/layout';
import type { CpuModel } from './cpu-models';
import type { CpuFeature } from './cpuid-features';
import { COUNTER_BITS, FIXED_COUNTERS } from './performance-events';
import { supportedXss } from './xsave-components';

/** What a write to an MSR must satisfy beyond its reserved bits, by #GP(0), or does beyond being kept. */
export type MsrRule =
  | 'canonical'
  | 'pat'
  | 'efer'
  | 'apic-base'
  | 'memory-types'
  | 'memory-type'
  | 'lock'
  | 'zero-only'
  | 'all-or-none'
  | 'translation';

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
  /** Of those, the ones a write leaves as they are. */
  readonly readOnly: bigint;
  readonly reset: bigint;
  readonly rule?: MsrRule;
}

/** An MSR with a fixed value; writes raise #GP(0). */
export interface ConstantMsr extends MsrCommon {
  readonly kind: 'constant';
  readonly value: bigint;
}

/** A command to parts the machine does not have: writes do nothing, reads raise #GP(0). */
export interface CommandMsr extends MsrCommon {
  readonly kind: 'command';
  readonly writable: bigint;
}

/** An MSR whose reads and writes are code in `cpu/msr-access.ts`. */
export interface ComputedMsr extends MsrCommon {
  readonly kind: 'computed';
  readonly computation: 'tsc' | 'tsc-adjust' | 'fs-base' | 'gs-base';
}

/** Registers of performance monitoring; their reads and writes are code in `cpu/pmu.ts`. */
export type PerformanceRegister =
  | 'event-select'
  | 'counter'
  | 'full-width-counter'
  | 'fixed-counter'
  | 'fixed-control'
  | 'global-control'
  | 'global-status'
  | 'global-overflow-control';

export interface PerformanceMsr extends MsrCommon {
  readonly kind: 'performance';
  readonly register: PerformanceRegister;
  /** Of several alike, which. */
  readonly number: number;
  readonly writable: bigint;
}

export type Msr = StoredMsr | ConstantMsr | CommandMsr | ComputedMsr | PerformanceMsr;

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
const PAT_RESET = 0x0007_0406_0007_0406n;
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
/** Bits of IA32_DEBUGCTL. */
export const DEBUGCTL = { LBR: 1n, BTF: 2n, FREEZE_PERFMON_ON_PMI: 1n << 12n } as const;
/** Bits of IA32_SPEC_CTRL and the features that bring them. */
const SPEC_CTRL = { ibrs: 1n, stibp: 2n, ssbd: 4n } as const;
/**
 * IA32_ARCH_CAPABILITIES: nothing is executed speculatively here, so every weakness with a bit that denies it is denied (RDCL, SSB, MDS,
 * page-size change, TAA, SBDR, FBSDP, PSDP, BHI, PBRSB, GDS, RFDS), and IBRS may stay on.
 */
const ARCH_CAPABILITIES = [0n, 1n, 3n, 4n, 5n, 6n, 8n, 13n, 14n, 15n, 20n, 24n, 26n, 27n].reduce(
  (value, bit) => value | (1n << bit),
  0n,
);
/** IA32_PERF_CAPABILITIES: full-width writes of counters. */
const FULL_WIDTH_WRITES = 1n << 13n;

export const VARIABLE_MTRRS = 10;
/** Variable ranges, fixed ranges, write combining. */
const MTRR_CAP = BigInt(VARIABLE_MTRRS) | 0x500n;
export const MACHINE_CHECK_BANKS = 4;

const FIXED_MTRRS: readonly (readonly [index: number, name: string])[] = [
  [0x250, '64K_00000'],
  [0x258, '16K_80000'],
  [0x259, '16K_A0000'],
  ...['C0000', 'C8000', 'D0000', 'D8000', 'E0000', 'E8000', 'F0000', 'F8000'].map(
    (base, i) => [0x268 + i, `4K_${base}`] as const,
  ),
];

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** MSRs of one model that stand or fall with a feature. */
interface MsrGroup {
  /** One of these is enough; none: every processor has them. */
  readonly features: readonly CpuFeature[];
  readonly msrs: (model: CpuModel) => readonly Msr[];
}

type StoredOptions = Partial<Pick<StoredMsr, 'readOnly' | 'reset' | 'rule'>>;

const stored = (
  index: number,
  name: string,
  field: number,
  writable: bigint,
  { readOnly = 0n, reset = 0n, rule }: StoredOptions = {},
): StoredMsr => ({ kind: 'stored', index, name, field, writable, readOnly, reset, rule });
const constant = (index: number, name: string, value: bigint): ConstantMsr => ({
  kind: 'constant',
  index,
  name,
  value,
});
const command = (index: number, name: string, writable: bigint): CommandMsr => ({
  kind: 'command',
  index,
  name,
  writable,
});
const computed = (index: number, name: string, computation: ComputedMsr['computation']): ComputedMsr => ({
  kind: 'computed',
  index,
  name,
  computation,
});
const performance = (
  index: number,
  name: string,
  register: PerformanceRegister,
  writable: bigint,
  number = 0,
): PerformanceMsr => ({ kind: 'performance', index, name, register, number, writable });

const group = (features: string, msrs: (model: CpuModel) => readonly Msr[]): MsrGroup => ({
  features: features === '' ? [] : (features.split(' ') as CpuFeature[]),
  msrs,
});

const CANONICAL: StoredOptions = { rule: 'canonical' };
const has = (model: CpuModel, feature: CpuFeature, bits: bigint): bigint => (model.features.has(feature) ? bits : 0n);

/** Bits 51:12 that a physical address may have. */
const physicalPages = ({ physicalBits }: CpuModel): bigint => (1n << BigInt(physicalBits)) - 0x1000n;

/** Bits of the counters in IA32_PERF_GLOBAL_CTRL and its kin. */
export const counterBits = ({ counters }: CpuModel): bigint =>
  ((1n << BigInt(counters)) - 1n) | (((1n << BigInt(FIXED_COUNTERS)) - 1n) << 32n);

/** IA32_PERFEVTSELx: all but ANY (bit 21), which version 2 has not, and 63:32. */
const EVENT_SELECT = 0xffdf_ffffn;
/** IA32_FIXED_CTR_CTRL: enable and PMI of each; no ANY. */
const FIXED_CONTROL = range(FIXED_COUNTERS).reduce((bits, i) => bits | (0xbn << BigInt(4 * i)), 0n);
/** OvfBuf and CondChgd. */
const OVERFLOW_EXTRAS = 3n << 62n;
const COUNTER = (1n << BigInt(COUNTER_BITS)) - 1n;

/** SDM volume 4, "Architectural MSRs": those there are, beside the ranges other units implement (x2APIC, TSC deadline, VMX capabilities). */
const GROUPS: readonly MsrGroup[] = [
  group('', (model) => [
    constant(0x17, 'IA32_PLATFORM_ID', 0n),
    command(0x79, 'IA32_BIOS_UPDT_TRIG', ALL),
    stored(0x8b, 'IA32_BIOS_SIGN_ID', MSRS.biosSignature, ALL, { reset: BigInt(model.microcode) << 32n }),
    // 100 MHz times 10, whichever way.
    constant(0xce, 'MSR_PLATFORM_INFO', (10n << 8n) | (10n << 40n)),
    stored(
      0x1a0,
      'IA32_MISC_ENABLE',
      MSRS.miscEnable,
      Object.values(MISC_ENABLE).reduce((bits, bit) => bits | bit, 0n) &
        ~(model.features.has('nx') ? 0n : MISC_ENABLE.XD_DISABLE),
      {
        readOnly: MISC_ENABLE.PERFMON_AVAILABLE | MISC_ENABLE.BTS_UNAVAILABLE | MISC_ENABLE.PEBS_UNAVAILABLE,
        reset:
          MISC_ENABLE.FAST_STRINGS |
          MISC_ENABLE.BTS_UNAVAILABLE |
          MISC_ENABLE.PEBS_UNAVAILABLE |
          MISC_ENABLE.MONITOR |
          has(model, 'perfmon', MISC_ENABLE.PERFMON_AVAILABLE),
      },
    ),
    stored(
      0x1d9,
      'IA32_DEBUGCTL',
      MSRS.debugctl,
      DEBUGCTL.LBR | DEBUGCTL.BTF | has(model, 'perfmon', DEBUGCTL.FREEZE_PERFMON_ON_PMI),
    ),
  ]),
  group('tsc', () => [computed(0x10, 'IA32_TIME_STAMP_COUNTER', 'tsc')]),
  group('tsc_adjust', () => [computed(0x3b, 'IA32_TSC_ADJUST', 'tsc-adjust')]),
  group('apic', (model) => [
    stored(
      0x1b,
      'IA32_APIC_BASE',
      MSRS.apicBase,
      APIC_BASE.bootstrap | APIC_BASE.enable | has(model, 'x2apic', APIC_BASE.x2apic) | physicalPages(model),
      { reset: APIC_BASE.reset, rule: 'apic-base' },
    ),
  ]),
  group('vmx', () => [
    stored(0x3a, 'IA32_FEATURE_CONTROL', MSRS.featureControl, FEATURE_CONTROL.locked | FEATURE_CONTROL.vmxOutsideSmx, {
      reset: FEATURE_CONTROL.locked | FEATURE_CONTROL.vmxOutsideSmx,
      rule: 'lock',
    }),
  ]),
  group('ibrs stibp ssbd', (model) => [
    stored(
      0x48,
      'IA32_SPEC_CTRL',
      MSRS.specCtrl,
      has(model, 'ibrs', SPEC_CTRL.ibrs) | has(model, 'stibp', SPEC_CTRL.stibp) | has(model, 'ssbd', SPEC_CTRL.ssbd),
    ),
  ]),
  group('ibrs', () => [command(0x49, 'IA32_PRED_CMD', 1n)]),
  group('l1d_flush', () => [command(0x10b, 'IA32_FLUSH_CMD', 1n)]),
  group('arch_capabilities', () => [constant(0x10a, 'IA32_ARCH_CAPABILITIES', ARCH_CAPABILITIES)]),
  group('waitpkg', () => [stored(0xe1, 'IA32_UMWAIT_CONTROL', MSRS.umwaitControl, LOW & ~2n)]),
  group('epb', () => [stored(0x1b0, 'IA32_ENERGY_PERF_BIAS', MSRS.energyBias, 0xfn, { reset: 6n })]),
  group('mtrr', (model) => [
    constant(0xfe, 'IA32_MTRRCAP', MTRR_CAP),
    ...range(VARIABLE_MTRRS).flatMap((i): readonly Msr[] => [
      stored(0x200 + 2 * i, `IA32_MTRR_PHYSBASE${i}`, MSRS.mtrrVariable + 16 * i, physicalPages(model) | 0xffn, {
        rule: 'memory-type',
      }),
      stored(0x201 + 2 * i, `IA32_MTRR_PHYSMASK${i}`, MSRS.mtrrVariable + 16 * i + 8, physicalPages(model) | 0x800n),
    ]),
    ...FIXED_MTRRS.map(([index, name], i) =>
      stored(index, `IA32_MTRR_FIX${name}`, MSRS.mtrrFixed + 8 * i, ALL, { rule: 'memory-types' }),
    ),
    stored(0x2ff, 'IA32_MTRR_DEF_TYPE', MSRS.mtrrDefType, 0xcffn, { rule: 'memory-type' }),
  ]),
  group('pat', () => [stored(0x277, 'IA32_PAT', MSRS.pat, ALL, { reset: PAT_RESET, rule: 'pat' })]),
  group('mca', () => [
    constant(0x0, 'IA32_P5_MC_ADDR', 0n),
    constant(0x1, 'IA32_P5_MC_TYPE', 0n),
    constant(0x179, 'IA32_MCG_CAP', BigInt(MACHINE_CHECK_BANKS)),
    // RIPV, EIPV, MCIP
    stored(0x17a, 'IA32_MCG_STATUS', MSRS.mcgStatus, 7n),
    ...range(MACHINE_CHECK_BANKS).flatMap((i): readonly Msr[] => [
      stored(0x400 + 4 * i, `IA32_MC${i}_CTL`, MSRS.mcBanks + 32 * i, ALL, { rule: 'all-or-none' }),
      stored(0x401 + 4 * i, `IA32_MC${i}_STATUS`, MSRS.mcBanks + 32 * i + 8, ALL, { rule: 'zero-only' }),
      stored(0x402 + 4 * i, `IA32_MC${i}_ADDR`, MSRS.mcBanks + 32 * i + 16, ALL),
      stored(0x403 + 4 * i, `IA32_MC${i}_MISC`, MSRS.mcBanks + 32 * i + 24, ALL),
    ]),
  ]),
  group('sep', () => [
    // Bits 63:32 are "not used".
    stored(0x174, 'IA32_SYSENTER_CS', MSRS.sysenterCs, ALL, { readOnly: ALL - LOW }),
    stored(0x175, 'IA32_SYSENTER_ESP', MSRS.sysenterEsp, ALL, CANONICAL),
    stored(0x176, 'IA32_SYSENTER_EIP', MSRS.sysenterEip, ALL, CANONICAL),
  ]),
  group('perfmon', (model) => [
    ...range(model.counters).flatMap((i): readonly Msr[] => [
      // 31:0 are sign-extended, and what stands above is not looked at.
      performance(0xc1 + i, `IA32_PMC${i}`, 'counter', ALL, i),
      performance(0x186 + i, `IA32_PERFEVTSEL${i}`, 'event-select', EVENT_SELECT, i),
    ]),
    ...range(FIXED_COUNTERS).map((i) => performance(0x309 + i, `IA32_FIXED_CTR${i}`, 'fixed-counter', COUNTER, i)),
    performance(0x38d, 'IA32_FIXED_CTR_CTRL', 'fixed-control', FIXED_CONTROL),
    performance(0x38e, 'IA32_PERF_GLOBAL_STATUS', 'global-status', 0n),
    performance(0x38f, 'IA32_PERF_GLOBAL_CTRL', 'global-control', counterBits(model)),
    performance(0x390, 'IA32_PERF_GLOBAL_OVF_CTRL', 'global-overflow-control', counterBits(model) | OVERFLOW_EXTRAS),
  ]),
  group('pdcm', (model) => [
    constant(0x345, 'IA32_PERF_CAPABILITIES', FULL_WIDTH_WRITES),
    ...range(model.counters).map((i) => performance(0x4c1 + i, `IA32_A_PMC${i}`, 'full-width-counter', COUNTER, i)),
  ]),
  group('xsaves', ({ features }) => [stored(0xda0, 'IA32_XSS', MSRS.xss, BigInt(supportedXss(features)))]),
  group('pks', () => [stored(0x6e1, 'IA32_PKRS', MSRS.pkrs, LOW, { rule: 'translation' })]),
  group('nx lm syscall', (model) => [
    stored(
      0xc000_0080,
      'IA32_EFER',
      CONTROL.efer,
      has(model, 'syscall', 1n) | has(model, 'lm', 0x500n) | has(model, 'nx', 0x800n),
      { rule: 'efer' },
    ),
  ]),
  group('syscall', () => [
    stored(0xc000_0081, 'IA32_STAR', MSRS.star, ALL),
    stored(0xc000_0082, 'IA32_LSTAR', MSRS.lstar, ALL, CANONICAL),
    stored(0xc000_0083, 'IA32_CSTAR', MSRS.cstar, ALL, CANONICAL),
    stored(0xc000_0084, 'IA32_FMASK', MSRS.fmask, LOW),
  ]),
  group('lm', () => [
    computed(0xc000_0100, 'IA32_FS_BASE', 'fs-base'),
    computed(0xc000_0101, 'IA32_GS_BASE', 'gs-base'),
    stored(0xc000_0102, 'IA32_KERNEL_GS_BASE', MSRS.kernelGsBase, ALL, CANONICAL),
  ]),
  group('rdtscp rdpid', () => [stored(0xc000_0103, 'IA32_TSC_AUX', MSRS.tscAux, LOW)]),
];

const tables = new WeakMap<CpuModel, ReadonlyMap<number, Msr>>();

/** The MSRs of a processor model, by index. */
export function msrsOf(model: CpuModel): ReadonlyMap<number, Msr> {
  let table = tables.get(model);
  if (table === undefined) {
    const present = GROUPS.filter(
      ({ features }) => features.length === 0 || features.some((one) => model.features.has(one)),
    );
    table = new Map(present.flatMap(({ msrs }) => msrs(model)).map((msr) => [msr.index, msr]));
    tables.set(model, table);
  }
  return table;
}
