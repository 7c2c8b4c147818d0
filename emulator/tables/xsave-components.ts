import type { CpuFeature } from './cpuid-features';

/** SDM "XSAVE-Supported Features and State-Component Bitmaps". */
export interface XsaveComponent {
  /** Its bit in XCR0, or in IA32_XSS if `supervisor`. */
  readonly bit: number;
  readonly name: string;
  readonly feature: CpuFeature;
  /** Bytes; of x87 and SSE state, which share the legacy region, 160 and 256 with MXCSR apart. */
  readonly size: number;
  /** Offset in the standard format. */
  readonly offset: number;
  /** In the compacted format it starts at a multiple of 64. */
  readonly aligned: boolean;
  readonly supervisor: boolean;
}

/** Legacy region, in FXSAVE's layout, and the header behind it. */
export const XSAVE_LEGACY_SIZE = 512;
export const XSAVE_HEADER_SIZE = 64;
export const XSAVE_EXTENDED = XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE;

/** In the order of their bits. */
// prettier-ignore
export const XSAVE_COMPONENTS: readonly XsaveComponent[] = [
  { bit: 0, name: 'x87', feature: 'fpu', size: 160, offset: 0, aligned: false, supervisor: false },
  { bit: 1, name: 'SSE', feature: 'sse', size: 256, offset: 160, aligned: false, supervisor: false },
  { bit: 2, name: 'AVX', feature: 'avx', size: 256, offset: 576, aligned: false, supervisor: false },
  { bit: 9, name: 'PKRU', feature: 'pku', size: 8, offset: 2688, aligned: false, supervisor: false },
];

const maskOf = (components: readonly XsaveComponent[], features: ReadonlySet<CpuFeature>): number =>
  components.reduce((mask, { bit, feature }) => (features.has(feature) ? mask | (1 << bit) : mask), 0);

/** Bits XCR0 may have on a processor with these features; all lie in the low 32. */
export function supportedXcr0(features: ReadonlySet<CpuFeature>): number {
  return features.has('xsave')
    ? maskOf(
        XSAVE_COMPONENTS.filter(({ supervisor }) => !supervisor),
        features,
      )
    : 0;
}

/** Bits IA32_XSS may have. */
export function supportedXss(features: ReadonlySet<CpuFeature>): number {
  return features.has('xsaves')
    ? maskOf(
        XSAVE_COMPONENTS.filter(({ supervisor }) => supervisor),
        features,
      )
    : 0;
}

/** Bytes of an XSAVE area in the standard format for the components of `mask`. */
export function standardSize(mask: number): number {
  return XSAVE_COMPONENTS.reduce(
    (size, { bit, offset, size: own }) => ((mask & (1 << bit)) !== 0 ? Math.max(size, offset + own) : size),
    XSAVE_EXTENDED,
  );
}

/** Where each component stands in the compacted format whose XCOMP_BV has the components of `mask`, and the whole area's size in bytes. */
export function compactedLayout(mask: number): {
  readonly offsets: ReadonlyMap<number, number>;
  readonly size: number;
} {
  const offsets = new Map<number, number>();
  let size = XSAVE_EXTENDED;
  for (const component of XSAVE_COMPONENTS) {
    if (component.bit < 2 || (mask & (1 << component.bit)) === 0) continue;
    const offset = component.aligned ? Math.ceil(size / 64) * 64 : size;
    offsets.set(component.bit, offset);
    size = offset + component.size;
  }
  return { offsets, size };
}
