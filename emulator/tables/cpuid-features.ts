/**
 * Every feature bit CPUID reports, by the SDM's name in lower case: where it stands and what it needs. Which of them a processor
 * has is in `tables/cpu-models.ts`: a room whose instructions or mechanism have landed adds the name to `IMPLEMENTED` there, and every
 * model whose part has the feature reports it from then on. Bits that mirror a control register (OSXSAVE, OSPKE) are not features.
 */

export type CpuidRegister = 'eax' | 'ebx' | 'ecx' | 'edx';

/** Where a feature bit stands. */
export interface FeaturePlace {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bit: number;
}

/** Bits of one register of one leaf, by feature name. */
interface RegisterBits<Bits> {
  readonly leaf: number;
  readonly subleaf: number;
  readonly register: CpuidRegister;
  readonly bits: Bits;
}

const at = <Bits extends Readonly<Record<string, number>>>(
  leaf: number,
  subleaf: number,
  register: CpuidRegister,
  bits: Bits,
): RegisterBits<Bits> => ({ leaf, subleaf, register, bits });

// prettier-ignore
const REGISTERS = [
  at(0x1, 0, 'edx', {
    fpu: 0, vme: 1, de: 2, pse: 3, tsc: 4, msr: 5, pae: 6, mce: 7, cx8: 8, apic: 9, sep: 11, mtrr: 12, pge: 13, mca: 14, cmov: 15,
    pat: 16, pse36: 17, psn: 18, clflush: 19, ds: 21, acpi: 22, mmx: 23, fxsr: 24, sse: 25, sse2: 26, ss: 27, htt: 28, tm: 29, pbe: 31,
  }),
  at(0x1, 0, 'ecx', {
    sse3: 0, pclmulqdq: 1, dtes64: 2, monitor: 3, 'ds-cpl': 4, vmx: 5, smx: 6, eist: 7, tm2: 8, ssse3: 9, 'cnxt-id': 10, sdbg: 11,
    fma: 12, cx16: 13, xtpr: 14, pdcm: 15, pcid: 17, dca: 18, 'sse4.1': 19, 'sse4.2': 20, x2apic: 21, movbe: 22, popcnt: 23,
    tsc_deadline: 24, aes: 25, xsave: 26, avx: 28, f16c: 29, rdrand: 30,
  }),
  at(0x6, 0, 'eax', { dts: 0, turbo: 1, arat: 2, pln: 4, ecmd: 5, ptm: 6, hwp: 7 }),
  at(0x6, 0, 'ecx', { aperfmperf: 0, epb: 3 }),
  at(0x7, 0, 'ebx', {
    fsgsbase: 0, tsc_adjust: 1, sgx: 2, bmi1: 3, hle: 4, avx2: 5, fdp_excptn_only: 6, smep: 7, bmi2: 8, erms: 9, invpcid: 10, rtm: 11,
    'rdt-m': 12, fcs_fds_deprecated: 13, mpx: 14, 'rdt-a': 15, avx512f: 16, avx512dq: 17, rdseed: 18, adx: 19, smap: 20,
    avx512_ifma: 21, clflushopt: 23, clwb: 24, intel_pt: 25, avx512cd: 28, sha: 29, avx512bw: 30, avx512vl: 31,
  }),
  at(0x7, 0, 'ecx', {
    avx512_vbmi: 1, umip: 2, pku: 3, waitpkg: 5, avx512_vbmi2: 6, cet_ss: 7, gfni: 8, vaes: 9, vpclmulqdq: 10, avx512_vnni: 11,
    avx512_bitalg: 12, tme_en: 13, avx512_vpopcntdq: 14, la57: 16, rdpid: 22, kl: 23, bus_lock_detect: 24, cldemote: 25, movdiri: 27,
    movdir64b: 28, enqcmd: 29, sgx_lc: 30, pks: 31,
  }),
  at(0x7, 0, 'edx', {
    fsrm: 4, uintr: 5, md_clear: 10, serialize: 14, tsxldtrk: 16, pconfig: 18, arch_lbr: 19, cet_ibt: 20, 'amx-bf16': 22,
    avx512_fp16: 23, 'amx-tile': 24, 'amx-int8': 25, ibrs: 26, stibp: 27, l1d_flush: 28, arch_capabilities: 29,
    core_capabilities: 30, ssbd: 31,
  }),
  at(0x7, 1, 'eax', {
    'avx-vnni': 4, avx512_bf16: 5, fzrm: 10, fsrs: 11, fsrc: 12, fred: 17, lkgs: 18, wrmsrns: 19, 'avx-ifma': 23, lam: 26, msrlist: 27,
  }),
  // Version 2 of architectural performance monitoring, as a bit of the version's number.
  at(0xa, 0, 'eax', { perfmon: 1 }),
  at(0xd, 1, 'eax', { xsaveopt: 0, xsavec: 1, xgetbv1: 2, xsaves: 3, xfd: 4 }),
  at(0x8000_0001, 0, 'ecx', { lahf: 0, lzcnt: 5, prefetchw: 8 }),
  at(0x8000_0001, 0, 'edx', { syscall: 11, nx: 20, pdpe1gb: 26, rdtscp: 27, lm: 29 }),
  at(0x8000_0007, 0, 'edx', { invariant_tsc: 8 }),
  at(0x8000_0008, 0, 'ebx', { wbnoinvd: 9 }),
] as const;

type Names<T> = T extends RegisterBits<infer Bits> ? Extract<keyof Bits, string> : never;

/** A feature, by the SDM's name in lower case. */
export type CpuFeature = Names<(typeof REGISTERS)[number]>;

/** Feature to the features it cannot be without. */
// prettier-ignore
const NEEDS: Readonly<Partial<Record<CpuFeature, readonly CpuFeature[]>>> = {
  pse36: ['pse'], mca: ['mce', 'msr'], mtrr: ['msr'], pat: ['msr'], sep: ['msr'], apic: ['msr'], x2apic: ['apic'],
  tsc_deadline: ['apic', 'tsc'], tsc_adjust: ['tsc', 'msr'], rdtscp: ['tsc', 'msr'], rdpid: ['msr'], waitpkg: ['tsc', 'msr'],
  invariant_tsc: ['tsc'], perfmon: ['msr', 'apic'], pdcm: ['perfmon'], wrmsrns: ['msr'], msrlist: ['msr', 'lm'], vmx: ['msr', 'pae'],
  mmx: ['fpu'], fxsr: ['fpu'], sse: ['fxsr', 'mmx'], sse2: ['sse'], sse3: ['sse2'], ssse3: ['sse3'], 'sse4.1': ['ssse3'],
  'sse4.2': ['sse4.1', 'popcnt'], aes: ['sse2'], pclmulqdq: ['sse2'], sha: ['sse2'], gfni: ['sse2'], xsave: ['fxsr'],
  xsaveopt: ['xsave'], xsavec: ['xsave'], xgetbv1: ['xsave'], xsaves: ['xsavec', 'msr'], xfd: ['xsave'],
  avx: ['xsave', 'sse4.2'], f16c: ['avx'], fma: ['avx'], avx2: ['avx'], vaes: ['avx', 'aes'], vpclmulqdq: ['avx', 'pclmulqdq'],
  'avx-vnni': ['avx2'], 'avx-ifma': ['avx2'], avx512f: ['avx2', 'fma', 'f16c'], avx512dq: ['avx512f'], avx512cd: ['avx512f'],
  avx512bw: ['avx512f'], avx512vl: ['avx512f'], avx512_ifma: ['avx512f'], avx512_vbmi: ['avx512bw'], avx512_vbmi2: ['avx512bw'],
  avx512_vnni: ['avx512f'], avx512_bitalg: ['avx512bw'], avx512_vpopcntdq: ['avx512f'], avx512_bf16: ['avx512bw'],
  avx512_fp16: ['avx512bw'], 'amx-tile': ['xsave'], 'amx-bf16': ['amx-tile'], 'amx-int8': ['amx-tile'],
  nx: ['pae'], pcid: ['lm'], invpcid: ['pcid'], smep: ['nx'], pdpe1gb: ['lm'], la57: ['lm'], lam: ['lm'], pku: ['lm'], pks: ['lm', 'msr'],
  lm: ['pae', 'nx', 'msr'], syscall: ['lm'], lahf: ['lm'], cx16: ['lm'], fsgsbase: ['lm'], lkgs: ['lm'], uintr: ['lm'],
  clflushopt: ['clflush'], clwb: ['clflush'], movdir64b: ['movdiri'], fsrm: ['erms'], fzrm: ['erms'], ibrs: ['msr'], stibp: ['msr'],
  ssbd: ['msr'], arch_capabilities: ['msr'], core_capabilities: ['msr'], l1d_flush: ['msr'], dtes64: ['ds'], 'ds-cpl': ['ds'],
};

export interface CpuFeatureRow {
  readonly name: CpuFeature;
  readonly place: FeaturePlace;
  /** Features it cannot be without. */
  readonly needs: readonly CpuFeature[];
}

/** In the order of leaf, register and bit. */
export const CPU_FEATURES: readonly CpuFeatureRow[] = REGISTERS.flatMap(({ bits, ...register }) =>
  Object.entries(bits).map(([key, bit]): CpuFeatureRow => {
    const name = key as CpuFeature;
    return { name, place: { ...register, bit }, needs: NEEDS[name] ?? [] };
  }),
);

const BY_NAME: ReadonlyMap<string, CpuFeatureRow> = new Map(CPU_FEATURES.map((row) => [row.name, row]));

/** Whether there is a feature of this name. */
export const isCpuFeature = (name: string): name is CpuFeature => BY_NAME.has(name);

/** The row of a feature; throws for a name that is not in the table. */
export function cpuFeature(name: CpuFeature): CpuFeatureRow {
  const row = BY_NAME.get(name);
  if (row === undefined) throw new Error(`no CPU feature ${name}`);
  return row;
}
