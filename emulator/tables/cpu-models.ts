import { CPU_FEATURES, cpuFeature, type CpuFeature } from './cpuid-features';

const words = (text: string): readonly CpuFeature[] => text.trim().split(/\s+/) as CpuFeature[];

/**
 * What the machine implements. A room adds its feature's name here when its instructions (rows of the instruction table with that
 * `feature`) or its mechanism (a line of `MECHANISM_OF` in `cpu-models.spec.ts`) have landed, and no sooner: every model whose part has the
 * feature reports it from then on. Order is free. `npx tsx scripts/processor-doc.ts` then brings docs/processor.md up to date.
 */
export const IMPLEMENTED: ReadonlySet<CpuFeature> = new Set(
  words(`
    htt arat epb erms fsrm perfmon pdcm ibrs stibp ssbd l1d_flush md_clear arch_capabilities
    rdrand rdseed rdpid monitor waitpkg clflush clflushopt clwb cldemote prefetchw wbnoinvd movdiri movdir64b serialize wrmsrns
    vme umip de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36
    vmx cx16 x2apic tsc_deadline fpu fdp_excptn_only fcs_fds_deprecated fxsr xsave xsaveopt xsavec xsaves xgetbv1
    fsgsbase tsc_adjust smep smap pcid invpcid la57 pku pks lam
    mmx sse sse2 sse3 ssse3 sse4.1 sse4.2 avx avx2 f16c fma
    popcnt lzcnt bmi1 bmi2 adx movbe aes pclmulqdq sha vaes vpclmulqdq
    lahf syscall nx pdpe1gb rdtscp lm invariant_tsc
  `),
);

/** What every processor with Intel 64 and VMX has had since the first ones. */
const BASE = words(`
  fpu vme de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36 clflush ds acpi mmx fxsr sse sse2 ss htt tm pbe
  sse3 dtes64 monitor ds-cpl vmx tm2 ssse3 cx16 xtpr pdcm
  lahf syscall nx lm perfmon invariant_tsc
`);

/** Xeon E5 v3, "Haswell-EP". */
const HASWELL_EP = [
  ...BASE,
  ...words(`
    pclmulqdq smx eist sdbg fma pcid dca sse4.1 sse4.2 x2apic movbe popcnt tsc_deadline aes xsave avx f16c rdrand
    dts turbo arat pln ecmd ptm aperfmperf epb
    fsgsbase tsc_adjust bmi1 avx2 smep bmi2 erms invpcid rdt-m fcs_fds_deprecated
    md_clear ibrs stibp l1d_flush ssbd xsaveopt lzcnt pdpe1gb rdtscp
  `),
];

/** Xeon Scalable, first generation, "Skylake-SP". */
const SKYLAKE_SP = [
  ...HASWELL_EP,
  ...words(`
    fdp_excptn_only hle rtm mpx rdt-a avx512f avx512dq rdseed adx smap clflushopt clwb intel_pt avx512cd avx512bw avx512vl pku hwp
    xsavec xgetbv1 xsaves prefetchw
  `),
];

/** Xeon Scalable, fourth generation, "Sapphire Rapids". */
const SAPPHIRE_RAPIDS = [
  ...SKYLAKE_SP.filter((name) => name !== 'mpx' && name !== 'hle' && name !== 'dca'),
  ...words(`
    avx512_ifma sha avx512_vbmi umip waitpkg avx512_vbmi2 gfni vaes vpclmulqdq avx512_vnni tme_en avx512_bitalg avx512_vpopcntdq la57
    rdpid bus_lock_detect cldemote movdiri movdir64b enqcmd sgx sgx_lc cet_ss cet_ibt fsrm uintr serialize tsxldtrk pconfig arch_lbr
    amx-bf16 avx512_fp16 amx-tile amx-int8 arch_capabilities core_capabilities avx-vnni avx512_bf16 fzrm fsrs fsrc xfd wbnoinvd
  `),
];

const ALL_NAMES = CPU_FEATURES.map(({ name }) => name);

/** One level of cache, as leaf 4 counts it. */
export interface CacheLevel {
  readonly level: 1 | 2 | 3;
  readonly type: 'data' | 'instruction' | 'unified';
  readonly sets: number;
  readonly ways: number;
  /** Logical processors that share one of them, at most; a power of 2. */
  readonly sharedBy: number;
  readonly inclusive: boolean;
}

interface ModelRow {
  readonly title: string;
  /** At most 47 characters. */
  readonly brand: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly physicalBits: number;
  /** Highest basic CPUID leaf. */
  readonly lastLeaf: number;
  /** What the real part has; reported is what of it the machine implements. */
  readonly part: readonly CpuFeature[];
  readonly caches: readonly CacheLevel[];
  /** General-purpose performance counters. */
  readonly counters: number;
  /** Microcode revision in IA32_BIOS_SIGN_ID. */
  readonly microcode: number;
}

const LINE = 64;
const cache = (
  level: 1 | 2 | 3,
  type: CacheLevel['type'],
  kilobytes: number,
  ways: number,
  sharedBy = 1,
  inclusive = false,
): CacheLevel => ({ level, type, sets: (kilobytes * 1024) / (LINE * ways), ways, sharedBy, inclusive });

// prettier-ignore
const ROWS = {
  strata: {
    title: 'everything the machine implements',
    brand: 'Strata virtual processor at 1.00 GHz',
    family: 6, model: 0x5e, stepping: 3, lastLeaf: 0x1f, physicalBits: 40, part: ALL_NAMES, counters: 8, microcode: 1,
    caches: [cache(1, 'data', 32, 8), cache(1, 'instruction', 32, 8), cache(2, 'unified', 1024, 16), cache(3, 'unified', 8192, 16, 8, true)],
  },
  classic: {
    title: 'a modest processor of the kind VMX first came in: no instruction sets beyond SSSE3',
    brand: 'Strata classic processor at 1.00 GHz',
    family: 6, model: 0x0f, stepping: 11, lastLeaf: 0xd, physicalBits: 40, part: [...BASE, 'x2apic', 'tsc_deadline', 'fsgsbase', 'tsc_adjust', 'smep', 'smap', 'pdpe1gb', 'rdtscp'], counters: 4, microcode: 1,
    caches: [cache(1, 'data', 32, 8), cache(1, 'instruction', 32, 8), cache(2, 'unified', 4096, 16, 8)],
  },
  'haswell-ep': {
    title: 'Xeon E5 v3 (2014)',
    brand: 'Intel(R) Xeon(R) CPU E5-2680 v3 @ 2.50GHz',
    family: 6, model: 0x3f, stepping: 2, lastLeaf: 0xf, physicalBits: 46, part: HASWELL_EP, counters: 8, microcode: 0x49,
    caches: [cache(1, 'data', 32, 8), cache(1, 'instruction', 32, 8), cache(2, 'unified', 256, 8), cache(3, 'unified', 30720, 20, 8, true)],
  },
  'skylake-sp': {
    title: 'Xeon Scalable, first generation (2017), without AVX-512',
    brand: 'Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz',
    family: 6, model: 0x55, stepping: 4, lastLeaf: 0x16, physicalBits: 46, part: SKYLAKE_SP, counters: 8, microcode: 0x200_0065,
    caches: [cache(1, 'data', 32, 8), cache(1, 'instruction', 32, 8), cache(2, 'unified', 1024, 16), cache(3, 'unified', 28160, 11, 8)],
  },
  'sapphire-rapids': {
    title: 'Xeon Scalable, fourth generation (2023), without AVX-512 and AMX',
    brand: 'Intel(R) Xeon(R) Platinum 8480+',
    family: 6, model: 0x8f, stepping: 8, lastLeaf: 0x20, physicalBits: 46, part: SAPPHIRE_RAPIDS, counters: 8, microcode: 0x2b00_0461,
    caches: [cache(1, 'data', 48, 12), cache(1, 'instruction', 32, 8), cache(2, 'unified', 2048, 16), cache(3, 'unified', 107520, 15, 8)],
  },
} as const satisfies Readonly<Record<string, ModelRow>>;

export type CpuModelName = keyof typeof ROWS;
export const CPU_MODEL_NAMES = Object.keys(ROWS) as readonly CpuModelName[];

/** A processor model as data. */
export interface CpuModel extends Omit<ModelRow, 'part'> {
  readonly name: CpuModelName;
  /** Linear-address width in bits with CR4.LA57 = 0; CPUID reports 57 where the model has `la57`. */
  readonly linearBits: number;
  /** What it reports and executes: of what the real part has, that which the machine implements. */
  readonly features: ReadonlySet<CpuFeature>;
  /** What the real part has beyond, which is neither reported nor executed. */
  readonly beyond: readonly CpuFeature[];
}

/** Features that are implemented, and all they need too. */
function implemented(part: readonly CpuFeature[]): ReadonlySet<CpuFeature> {
  const features = new Set(part.filter((name) => IMPLEMENTED.has(name)));
  for (let size = -1; size !== features.size;) {
    size = features.size;
    for (const name of features) if (!cpuFeature(name).needs.every((need) => features.has(need))) features.delete(name);
  }
  return features;
}

function build(name: CpuModelName): CpuModel {
  const { part, ...row }: ModelRow = ROWS[name];
  const features = implemented(part);
  const beyond = name === 'strata' ? [] : part.filter((feature) => !features.has(feature));
  return { ...row, name, linearBits: 48, features, beyond };
}

export const CPU_MODELS: Readonly<Record<CpuModelName, CpuModel>> = {
  strata: build('strata'),
  classic: build('classic'),
  'haswell-ep': build('haswell-ep'),
  'skylake-sp': build('skylake-sp'),
  'sapphire-rapids': build('sapphire-rapids'),
};
