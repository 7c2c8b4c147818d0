import type { CpuFeature } from './cpuid-features';

/** Bits of the control registers and of EFER; all lie in the low 32 bits. */
export const CR0 = {
  PE: 1,
  MP: 2,
  EM: 4,
  TS: 8,
  ET: 0x10,
  NE: 0x20,
  WP: 0x1_0000,
  AM: 0x4_0000,
  NW: 0x2000_0000,
  CD: 0x4000_0000,
  PG: 0x8000_0000,
} as const;
export const CR4 = {
  VME: 1,
  PVI: 2,
  TSD: 4,
  DE: 8,
  PSE: 0x10,
  PAE: 0x20,
  MCE: 0x40,
  PGE: 0x80,
  PCE: 0x100,
  OSFXSR: 0x200,
  OSXMMEXCPT: 0x400,
  UMIP: 0x800,
  LA57: 0x1000,
  VMXE: 0x2000,
  SMXE: 0x4000,
  FSGSBASE: 0x1_0000,
  PCIDE: 0x2_0000,
  OSXSAVE: 0x4_0000,
  SMEP: 0x10_0000,
  SMAP: 0x20_0000,
  PKE: 0x40_0000,
  PKS: 0x100_0000,
  LAM_SUP: 0x1000_0000,
} as const;
export const XCR0 = { X87: 1, SSE: 2, AVX: 4, PKRU: 0x200 } as const;
export const EFER = { SCE: 1, LME: 0x100, LMA: 0x400, NXE: 0x800 } as const;

/** Bits of RFLAGS. */
export const RFLAGS = {
  CF: 1,
  PF: 4,
  AF: 0x10,
  ZF: 0x40,
  SF: 0x80,
  TF: 0x100,
  IF: 0x200,
  DF: 0x400,
  OF: 0x800,
  IOPL: 0x3000,
  NT: 0x4000,
  RF: 0x1_0000,
  VM: 0x2_0000,
  AC: 0x4_0000,
  VIF: 0x8_0000,
  VIP: 0x10_0000,
  ID: 0x20_0000,
} as const;

/** The arithmetic flags. */
export const ARITHMETIC_FLAGS = RFLAGS.CF | RFLAGS.PF | RFLAGS.AF | RFLAGS.ZF | RFLAGS.SF | RFLAGS.OF;

/** Bits of CR0 that are there; the others read as 0 and ignore writes. */
export const CR0_DEFINED = 0xe005_003fn;
/** Each bit of CR4 with the CPUID feature that brings it; without one, every processor has it. */
const CR4_FEATURES: Readonly<Record<keyof typeof CR4, CpuFeature | undefined>> = {
  VME: 'vme',
  PVI: 'vme',
  TSD: 'tsc',
  DE: 'de',
  PSE: 'pse',
  PAE: 'pae',
  MCE: 'mce',
  PGE: 'pge',
  PCE: undefined,
  OSFXSR: 'fxsr',
  OSXMMEXCPT: 'sse',
  UMIP: 'umip',
  LA57: 'la57',
  VMXE: 'vmx',
  SMXE: 'smx',
  FSGSBASE: 'fsgsbase',
  PCIDE: 'pcid',
  OSXSAVE: 'xsave',
  SMEP: 'smep',
  SMAP: 'smap',
  PKE: 'pku',
  PKS: 'pks',
  LAM_SUP: 'lam',
};

/** Answers of `cr4Implemented` given before. */
const cr4BitsOf = new WeakMap<ReadonlySet<CpuFeature>, bigint>();

/** Bits of CR4 that a processor with these features has; setting another raises #GP(0). */
export function cr4Implemented(features: ReadonlySet<CpuFeature>): bigint {
  const known = cr4BitsOf.get(features);
  if (known !== undefined) return known;
  let bits = 0;
  for (const name of Object.keys(CR4) as (keyof typeof CR4)[]) {
    const feature = CR4_FEATURES[name];
    if (feature === undefined || features.has(feature)) bits |= CR4[name];
  }
  const implemented = BigInt(bits >>> 0);
  cr4BitsOf.set(features, implemented);
  return implemented;
}
