import type { CacheLevel, CpuModel } from './cpu-models';
import { type CpuFeature, cpuFeature, type CpuidRegister } from './cpuid-features';
import { APIC_TIMER_HZ as CRYSTAL_HZ, TSC_HZ } from './clock';
import { FIXED_COUNTERS, COUNTER_BITS, UNAVAILABLE_EVENTS, ARCHITECTURAL_EVENT_COUNT } from './performance-events';
import {
  compactedLayout,
  standardSize,
  supportedXcr0,
  supportedXss,
  XSAVE_COMPONENTS,
  XSAVE_EXTENDED,
} from './xsave-components';

/** Registers of a leaf, as unsigned numbers. */
export type CpuidResult = Readonly<Record<CpuidRegister, number>>;

/** What leaves mirror of the processor's state and of its place in the machine. */
export interface CpuidDynamics {
  /** Number of the processor, which is its APIC ID. */
  readonly processor: number;
  readonly processors: number;
  readonly cr4: { readonly osxsave: boolean; readonly pke: boolean };
  readonly apicEnabled: boolean;
  readonly is64Bit: boolean;
  /** XCR0 and IA32_XSS, low halves. */
  readonly xcr0: number;
  readonly xss: number;
  /** IA32_MISC_ENABLE: "Limit CPUID Maxval", "XD Bit Disable", "Enable Monitor FSM". */
  readonly limited: boolean;
  readonly xdDisabled: boolean;
  readonly monitorEnabled: boolean;
}

type Leaf = (model: CpuModel, subleaf: number, dynamics: CpuidDynamics) => CpuidResult;

const NOTHING: CpuidResult = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
const EXTENDED = 0x8000_0000;
const LAST_EXTENDED = 0x8000_0008;
const LIMITED_LAST = 2;
const LINE_SIZE = 64;

const OSXSAVE = 1 << 27;
const OSPKE = 1 << 4;

/** Family, model and stepping, as in EAX of leaf 1 and in EDX after reset. */
export function processorSignature({ family, model, stepping }: CpuModel): number {
  const extended = family > 15 ? family - 15 : 0;
  return ((extended << 20) | ((model >> 4) << 16) | (Math.min(family, 15) << 8) | ((model & 15) << 4) | stepping) >>> 0;
}

/** Four characters a register. */
const text = (value: string): number =>
  [...value].reduce((word, character, i) => word | (character.charCodeAt(0) << (8 * i)), 0) >>> 0;

type Bits = Record<CpuidRegister, number>;

/** Feature bits stand in subleaves 0 and 1. */
const keyOf = (leaf: number, subleaf: number): number => (subleaf > 1 ? -1 : leaf * 2 + subleaf);

/** Feature bits of each leaf, by leaf and subleaf, of each model asked for so far. */
const featureBitsOf = new WeakMap<CpuModel, ReadonlyMap<number, CpuidResult>>();

function collectFeatureBits(model: CpuModel): ReadonlyMap<number, CpuidResult> {
  const leaves = new Map<number, Bits>();
  for (const feature of model.features) {
    const { leaf, subleaf, register, bit } = cpuFeature(feature).place;
    const key = keyOf(leaf, subleaf);
    const bits = leaves.get(key) ?? { ...NOTHING };
    bits[register] = (bits[register] | (1 << bit)) >>> 0;
    leaves.set(key, bits);
  }
  featureBitsOf.set(model, leaves);
  return leaves;
}

/** A leaf's feature bits, whatever state says. */
function featureBits(model: CpuModel, leaf: number, subleaf: number): CpuidResult {
  return (featureBitsOf.get(model) ?? collectFeatureBits(model)).get(keyOf(leaf, subleaf)) ?? NOTHING;
}

/** Without the bits of features that state takes away. */
const less = (bits: number, gone: readonly (readonly [feature: CpuFeature, isGone: boolean])[]): number =>
  gone.reduce((left, [feature, isGone]) => (isGone ? left & ~(1 << cpuFeature(feature).place.bit) : left), bits) >>> 0;

/** Bits of an APIC ID below the package's: enough to number the processors. */
const idBits = (processors: number): number => 32 - Math.clz32(processors - 1);

const CACHE_TYPE = { data: 1, instruction: 2, unified: 3 } as const;

/** SDM "Deterministic Cache Parameters". */
function cacheLeaf({ level, type, sets, ways, sharedBy, inclusive }: CacheLevel, processors: number): CpuidResult {
  const cores = (1 << idBits(processors)) - 1;
  const selfInitialising = 1 << 8;
  return {
    eax: (CACHE_TYPE[type] | (level << 5) | selfInitialising | ((sharedBy - 1) << 14) | (cores << 26)) >>> 0,
    ebx: (((ways - 1) << 22) | (LINE_SIZE - 1)) >>> 0,
    ecx: sets - 1,
    edx: inclusive ? 2 : 0,
  };
}

/** SDM "Extended Topology Enumeration": one thread a core, one package. */
const topology: Leaf = (_model, subleaf, { processor, processors }) => {
  const edx = processor;
  if (subleaf === 0) return { eax: 0, ebx: 1, ecx: 0x100, edx };
  if (subleaf === 1) return { eax: idBits(processors), ebx: processors, ecx: 0x201, edx };
  return { eax: 0, ebx: 0, ecx: subleaf & 0xff, edx };
};

/** SDM "Processor Extended State Enumeration". */
const extendedState: Leaf = (model, subleaf, dynamics) => {
  const { features } = model;
  if (!features.has('xsave')) return NOTHING;
  const user = supportedXcr0(features);
  const supervisor = supportedXss(features);
  if (subleaf === 0) return { eax: user, ebx: standardSize(dynamics.xcr0), ecx: standardSize(user), edx: 0 };
  if (subleaf === 1) {
    const { eax } = featureBits(model, 0xd, 1);
    const compacts = features.has('xsavec') || features.has('xsaves');
    const { size } = compactedLayout(dynamics.xcr0 | dynamics.xss);
    return { eax, ebx: compacts ? size : 0, ecx: supervisor, edx: 0 };
  }
  const component = XSAVE_COMPONENTS.find(({ bit }) => bit === subleaf);
  if (component === undefined || (((user | supervisor) >>> subleaf) & 1) === 0) return NOTHING;
  const { size, offset, aligned, supervisor: isSupervisor } = component;
  return {
    eax: size,
    ebx: isSupervisor ? 0 : Math.max(offset, XSAVE_EXTENDED),
    ecx: (isSupervisor ? 1 : 0) | (aligned ? 2 : 0),
    edx: 0,
  };
};

const brandString =
  (part: number): Leaf =>
  ({ brand }) => {
    const padded = brand.padEnd(48, '\0');
    const word = (i: number): number => text(padded.slice(part * 16 + 4 * i, part * 16 + 4 * i + 4));
    return { eax: word(0), ebx: word(1), ecx: word(2), edx: word(3) };
  };

/** How leaf 80000006H encodes the number of ways. */
const ASSOCIATIVITY: Readonly<Record<number, number>> = { 4: 4, 8: 6, 16: 8 };

const MEGAHERTZ = 1_000_000n;

/** Every leaf that is not all zeros; SDM "CPUID - CPU Identification". */
const LEAVES: Readonly<Record<number, Leaf>> = {
  0: ({ lastLeaf }, _subleaf, { limited }) => ({
    eax: limited ? Math.min(lastLeaf, LIMITED_LAST) : lastLeaf,
    ebx: text('Genu'),
    edx: text('ineI'),
    ecx: text('ntel'),
  }),
  1: (model, _subleaf, dynamics) => {
    const { ecx, edx } = featureBits(model, 1, 0);
    const flushable = model.features.has('clflush') ? (LINE_SIZE / 8) << 8 : 0;
    const logical = 1 << idBits(dynamics.processors);
    return {
      eax: processorSignature(model),
      // No brand index: the brand string says it.
      ebx: ((dynamics.processor << 24) | (logical << 16) | flushable) >>> 0,
      ecx: (less(ecx, [['monitor', !dynamics.monitorEnabled]]) | (dynamics.cr4.osxsave ? OSXSAVE : 0)) >>> 0,
      edx: less(edx, [
        ['apic', !dynamics.apicEnabled],
        ['htt', dynamics.processors === 1],
      ]),
    };
  },
  // "CPUID leaf 2 does not report cache descriptor information; use leaf 4."
  2: () => ({ eax: 0x0000_ff01, ebx: 0, ecx: 0, edx: 0 }),
  4: ({ caches }, subleaf, { processors }) =>
    subleaf < caches.length ? cacheLeaf(caches[subleaf], processors) : NOTHING,
  5: ({ features }) =>
    // Extensions are enumerated, interrupts break a wait though IF = 0; C0 and one kind of C1.
    features.has('monitor') ? { eax: LINE_SIZE, ebx: LINE_SIZE, ecx: 3, edx: 0x10 } : NOTHING,
  6: (model) => featureBits(model, 6, 0),
  7: (model, subleaf, dynamics) => {
    const last = featureBits(model, 7, 1) === NOTHING ? 0 : 1;
    const { eax, ebx, ecx, edx } = featureBits(model, 7, subleaf);
    return {
      eax: subleaf === 0 ? last : eax,
      ebx,
      ecx: subleaf === 0 && dynamics.cr4.pke ? (ecx | OSPKE) >>> 0 : ecx,
      edx,
    };
  },
  0xa: ({ features, counters }) => {
    if (!features.has('perfmon')) return NOTHING;
    return {
      eax: (2 | (counters << 8) | (COUNTER_BITS << 16) | (ARCHITECTURAL_EVENT_COUNT << 24)) >>> 0,
      ebx: UNAVAILABLE_EVENTS,
      ecx: 0,
      edx: FIXED_COUNTERS | (COUNTER_BITS << 5),
    };
  },
  0xb: topology,
  0xd: extendedState,
  // TSC = crystal x EBX / EAX.
  0x15: () => ({ eax: 1, ebx: Number(TSC_HZ / CRYSTAL_HZ), ecx: Number(CRYSTAL_HZ), edx: 0 }),
  0x16: () => ({
    eax: Number(TSC_HZ / MEGAHERTZ),
    ebx: Number(TSC_HZ / MEGAHERTZ),
    ecx: Number(CRYSTAL_HZ / MEGAHERTZ),
    edx: 0,
  }),
  0x1f: topology,
  [EXTENDED]: () => ({ eax: LAST_EXTENDED, ebx: 0, ecx: 0, edx: 0 }),
  0x8000_0001: (model, _subleaf, { xdDisabled, is64Bit }) => {
    const { ecx, edx } = featureBits(model, 0x8000_0001, 0);
    // SYSCALL: "always enumerated as 0 outside 64-bit mode".
    const gone = [['nx', xdDisabled] as const, ['syscall', !is64Bit] as const];
    return { eax: 0, ebx: 0, ecx, edx: less(edx, gone) };
  },
  0x8000_0002: brandString(0),
  0x8000_0003: brandString(1),
  0x8000_0004: brandString(2),
  0x8000_0006: ({ caches }) => {
    const second = caches.find(({ level }) => level === 2);
    if (second === undefined) return NOTHING;
    const kilobytes = (second.sets * second.ways * LINE_SIZE) / 1024;
    return {
      eax: 0,
      ebx: 0,
      ecx: ((kilobytes << 16) | ((ASSOCIATIVITY[second.ways] ?? 0) << 12) | LINE_SIZE) >>> 0,
      edx: 0,
    };
  },
  0x8000_0007: (model) => featureBits(model, 0x8000_0007, 0),
  0x8000_0008: (model) => {
    const linear = model.features.has('la57') ? 57 : model.linearBits;
    const { ebx } = featureBits(model, 0x8000_0008, 0);
    return { eax: model.physicalBits | (linear << 8), ebx, ecx: 0, edx: 0 };
  },
};

/** What leaves mirror, as one number; undefined where it is not of the usual kind. */
function signatureOf(state: CpuidDynamics): number | undefined {
  if (state.xss !== 0 || state.xcr0 > 0xfff) return undefined;
  const flags =
    (state.cr4.osxsave ? 1 : 0) |
    (state.cr4.pke ? 2 : 0) |
    (state.apicEnabled ? 4 : 0) |
    (state.is64Bit ? 8 : 0) |
    (state.limited ? 0x10 : 0) |
    (state.xdDisabled ? 0x20 : 0) |
    (state.monitorEnabled ? 0x40 : 0);
  return state.xcr0 | (flags << 12) | (state.processor << 19) | (state.processors << 24);
}

/** Answers given before, by what leaves mirror, leaf and subleaf: a guest asks the same again and again. */
const answers = new WeakMap<CpuModel, Map<number, Map<number, CpuidResult>>>();
/** Kept at most: of so many states, and subleaves below this. */
const STATES = 64;
const SUBLEAVES = 16;

function remembered(model: CpuModel, signature: number): Map<number, CpuidResult> {
  let states = answers.get(model);
  if (states === undefined || states.size > STATES) {
    states = new Map();
    answers.set(model, states);
  }
  let leaves = states.get(signature);
  if (leaves === undefined) {
    leaves = new Map();
    states.set(signature, leaves);
  }
  return leaves;
}

/** Registers CPUID returns: of a leaf beyond the last of its range those of the last basic leaf; of a gap in it, zeros. */
export function cpuid(model: CpuModel, leaf: number, subleaf: number, dynamics: CpuidDynamics): CpuidResult {
  const last = dynamics.limited ? Math.min(model.lastLeaf, LIMITED_LAST) : model.lastLeaf;
  const exists = leaf <= last || (leaf >= EXTENDED && leaf <= LAST_EXTENDED);
  const chosen = exists ? leaf : last;
  const signature = subleaf < SUBLEAVES ? signatureOf(dynamics) : undefined;
  const known = signature === undefined ? undefined : remembered(model, signature);
  const before = known?.get(chosen * SUBLEAVES + subleaf);
  if (before !== undefined) return before;
  const answer = LEAVES[chosen]?.(model, subleaf, dynamics) ?? NOTHING;
  known?.set(chosen * SUBLEAVES + subleaf, answer);
  return answer;
}
