import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CPU_MODEL_NAMES, CPU_MODELS, IMPLEMENTED } from './cpu-models';
import { cpuid, type CpuidDynamics, type CpuidResult, processorSignature } from './cpuid';
import { CPU_FEATURES, cpuFeature, type CpuFeature, isCpuFeature } from './cpuid-features';
import { INSTRUCTIONS } from './instructions';
import { msrsOf } from './msrs';

/** What implements a feature that brings no instruction of its own, or whose instructions are there without it. */
// prettier-ignore
const MECHANISM_OF: Readonly<Partial<Record<CpuFeature, string>>> = {
  fpu: 'the x87 unit', de: 'CR4.DE and I/O breakpoints', vme: 'CR4.VME', pse: 'large pages', pse36: '36-bit large pages', pae: 'PAE paging',
  tsc: 'RDTSC', msr: 'RDMSR and WRMSR', mce: 'CR4.MCE', mca: 'machine-check banks', cx8: 'CMPXCHG8B', cx16: 'CMPXCHG16B', cmov: 'CMOVcc',
  apic: 'the local APIC', x2apic: 'x2APIC mode', tsc_deadline: 'the timer mode', arat: 'the APIC timer never stops', htt: 'several processors',
  sep: 'SYSENTER and SYSEXIT', mtrr: 'the MTRRs are kept', pge: 'global pages', pat: 'IA32_PAT is kept', vmx: 'the VMX unit', nx: 'EFER.NXE',
  pdpe1gb: '1-GByte pages', lm: '64-bit mode', lahf: 'LAHF and SAHF in 64-bit mode', syscall: 'SYSCALL and SYSRET',
  tsc_adjust: 'IA32_TSC_ADJUST', invariant_tsc: 'the TSC is machine time', smep: 'CR4.SMEP', smap: 'CR4.SMAP, CLAC and STAC', umip: 'CR4.UMIP',
  pcid: 'CR4.PCIDE', invpcid: 'INVPCID', pku: 'CR4.PKE', pks: 'CR4.PKS and IA32_PKRS', la57: 'CR4.LA57', lam: 'masked addresses',
  fdp_excptn_only: 'the x87 data pointer moves with unmasked exceptions only', fcs_fds_deprecated: 'FCS and FDS are saved as 0',
  perfmon: 'the performance counters', pdcm: 'IA32_PERF_CAPABILITIES', epb: 'the hint is kept; there is one speed',
  ibrs: 'nothing runs speculatively', stibp: 'nothing runs speculatively', ssbd: 'nothing runs speculatively', l1d_flush: 'there is no cache to flush',
  md_clear: 'there are no buffers to clear', arch_capabilities: 'IA32_ARCH_CAPABILITIES', erms: 'string instructions', fsrm: 'string instructions',
  cldemote: 'a hint, whose opcode is a NOP', prefetchw: 'a hint, whose opcode is a NOP', wbnoinvd: 'WBINVD, which has no cache to invalidate either',
  xgetbv1: 'XGETBV with ECX = 1',
};

const DYNAMICS: CpuidDynamics = {
  processor: 3,
  processors: 4,
  cr4: { osxsave: true, pke: true },
  apicEnabled: true,
  is64Bit: true,
  xcr0: 7,
  xss: 0,
  limited: false,
  xdDisabled: false,
  monitorEnabled: true,
};

const LEAVES_WITH_FEATURES = [
  ...new Map(CPU_FEATURES.map(({ place }) => [`${place.leaf}.${place.subleaf}`, place])).values(),
];
const REGISTERS = ['eax', 'ebx', 'ecx', 'edx'] as const;

test('no two features stand at the same bit, and all that one needs is in the table', () => {
  const places = CPU_FEATURES.map(({ place }) => `${place.leaf}.${place.subleaf}.${place.register}.${place.bit}`);
  assert.equal(new Set(places).size, places.length);
  for (const { needs } of CPU_FEATURES) for (const need of needs) assert.ok(isCpuFeature(need), need);
});

test('every row of the instruction table names a feature there is', () => {
  for (const { feature, mnemonic } of INSTRUCTIONS)
    if (feature !== undefined) assert.ok(isCpuFeature(feature), mnemonic);
});

test('what a model reports it has all of: instructions of that feature, or a mechanism', () => {
  const withRows = new Set(INSTRUCTIONS.map(({ feature }) => feature));
  for (const name of CPU_MODEL_NAMES) {
    const missing = [...CPU_MODELS[name].features].filter(
      (one) => !withRows.has(one) && MECHANISM_OF[one] === undefined,
    );
    assert.deepEqual(missing, [], name);
  }
});

test('everything implemented is reported by strata: nothing it needs is missing', () => {
  assert.deepEqual(
    [...IMPLEMENTED].filter((name) => !CPU_MODELS.strata.features.has(name)),
    [],
  );
});

test('a model reports no feature without those it needs, and nothing that strata has not', () => {
  for (const name of CPU_MODEL_NAMES) {
    const { features } = CPU_MODELS[name];
    for (const feature of features) {
      assert.ok(CPU_MODELS.strata.features.has(feature), `${name}: ${feature}`);
      for (const need of cpuFeature(feature).needs) assert.ok(features.has(need), `${name}: ${feature} needs ${need}`);
    }
  }
});

test('each feature bit of CPUID is 1 exactly where the model has the feature', () => {
  for (const name of CPU_MODEL_NAMES) {
    const model = CPU_MODELS[name];
    for (const { leaf, subleaf } of LEAVES_WITH_FEATURES) {
      if (leaf === 0xa) continue;
      if (leaf < 0x8000_0000 && leaf > model.lastLeaf) continue;
      const result = cpuid(model, leaf, subleaf, DYNAMICS);
      for (const { name: feature, place } of CPU_FEATURES) {
        if (place.leaf !== leaf || place.subleaf !== subleaf) continue;
        const bit = (result[place.register] >>> place.bit) & 1;
        assert.equal(bit, model.features.has(feature) ? 1 : 0, `${name}: ${feature}`);
      }
    }
  }
});

test('CPUID has no other bits in the registers of features than those that mirror CR4', () => {
  // EAX and EBX of leaf 1, EAX of leaves 7 and 0AH, EAX of leaf 80000001H, and sizes are numbers.
  const numbers = new Set([
    '1.0.eax',
    '1.0.ebx',
    '7.0.eax',
    '10.0.eax',
    '10.0.ebx',
    '10.0.edx',
    '13.1.ebx',
    '2147483656.0.eax',
  ]);
  const mirrors: Readonly<Record<string, number>> = { '1.0.ecx': 1 << 27, '7.0.ecx': 1 << 4 };
  for (const name of CPU_MODEL_NAMES) {
    for (const { leaf, subleaf } of LEAVES_WITH_FEATURES) {
      const result = cpuid(CPU_MODELS[name], leaf, subleaf, DYNAMICS);
      if (leaf < 0x8000_0000 && leaf > CPU_MODELS[name].lastLeaf) continue;
      for (const register of REGISTERS) {
        const key = `${leaf}.${subleaf}.${register}`;
        if (numbers.has(key)) continue;
        const known = CPU_FEATURES.filter(
          ({ place }) => place.leaf === leaf && place.subleaf === subleaf && place.register === register,
        ).reduce((mask, { place }) => mask | (1 << place.bit), mirrors[key] ?? 0);
        assert.equal(result[register] & ~known, 0, `${name}: ${key}`);
      }
    }
  }
});

test('bits of CPUID that mirror state follow it', () => {
  const { strata } = CPU_MODELS;
  const at = (leaf: number, dynamics: Partial<CpuidDynamics>): CpuidResult =>
    cpuid(strata, leaf, 0, { ...DYNAMICS, ...dynamics });
  const bit = (word: number, number: number): number => (word >>> number) & 1;
  assert.equal(bit(at(1, { apicEnabled: false }).edx, 9), 0);
  assert.equal(bit(at(1, { processors: 1 }).edx, 28), 0);
  assert.equal(bit(at(1, { cr4: { osxsave: false, pke: false } }).ecx, 27), 0);
  assert.equal(bit(at(7, { cr4: { osxsave: false, pke: false } }).ecx, 4), 0);
  assert.equal(bit(at(1, { monitorEnabled: false }).ecx, 3), 0);
  assert.equal(bit(at(0x8000_0001, { xdDisabled: true }).edx, 20), 0);
  assert.equal(bit(at(0x8000_0001, { is64Bit: false }).edx, 11), 0);
  assert.equal(bit(at(1, {}).ecx, 31), 0, 'hypervisor present');
});

test('a leaf beyond the last answers as the last basic one; "Limit CPUID Maxval" makes that leaf 2', () => {
  for (const name of CPU_MODEL_NAMES) {
    const model = CPU_MODELS[name];
    const last = cpuid(model, model.lastLeaf, 0, DYNAMICS);
    for (const leaf of [model.lastLeaf + 1, 0x4000_0000, 0x7fff_ffff, 0x8000_0009, 0xffff_ffff]) {
      assert.deepEqual(cpuid(model, leaf, 0, DYNAMICS), last, `${name}: ${leaf.toString(16)}`);
    }
    const limited = { ...DYNAMICS, limited: true };
    assert.equal(cpuid(model, 0, 0, limited).eax, 2);
    assert.deepEqual(cpuid(model, 7, 0, limited), cpuid(model, 2, 0, limited));
  }
});

test('topology leaves number the processors of one package', () => {
  const { strata } = CPU_MODELS;
  const one = cpuid(strata, 1, 0, DYNAMICS);
  assert.equal(one.ebx >>> 24, 3);
  assert.equal((one.ebx >>> 16) & 0xff, 4);
  assert.deepEqual(cpuid(strata, 0xb, 0, DYNAMICS), { eax: 0, ebx: 1, ecx: 0x100, edx: 3 });
  assert.deepEqual(cpuid(strata, 0xb, 1, DYNAMICS), { eax: 2, ebx: 4, ecx: 0x201, edx: 3 });
  assert.deepEqual(cpuid(strata, 0xb, 2, DYNAMICS), { eax: 0, ebx: 0, ecx: 2, edx: 3 });
  assert.equal(cpuid(strata, 4, 0, DYNAMICS).eax >>> 26, 3);
});

test('deterministic cache leaves multiply to the sizes of the parts', () => {
  const sizes = (name: (typeof CPU_MODEL_NAMES)[number]): readonly number[] =>
    [0, 1, 2, 3]
      .map((subleaf) => cpuid(CPU_MODELS[name], 4, subleaf, DYNAMICS))
      .filter(({ eax }) => (eax & 31) !== 0)
      .map(
        ({ ebx, ecx }) => (((ebx >>> 22) + 1) * (((ebx >>> 12) & 0x3ff) + 1) * ((ebx & 0xfff) + 1) * (ecx + 1)) / 1024,
      );
  assert.deepEqual(sizes('haswell-ep'), [32, 32, 256, 30720]);
  assert.deepEqual(sizes('skylake-sp'), [32, 32, 1024, 28160]);
  assert.deepEqual(sizes('sapphire-rapids'), [48, 32, 2048, 107520]);
});

test('signatures are those of the parts', () => {
  assert.equal(processorSignature(CPU_MODELS['haswell-ep']), 0x306f2);
  assert.equal(processorSignature(CPU_MODELS['skylake-sp']), 0x50654);
  assert.equal(processorSignature(CPU_MODELS['sapphire-rapids']), 0x806f8);
  assert.equal(processorSignature(CPU_MODELS.classic), 0x006fb);
});

test('the XSAVE leaf reports sizes and offsets of the components there are', () => {
  const { strata } = CPU_MODELS;
  const main = cpuid(strata, 0xd, 0, { ...DYNAMICS, xcr0: 3 });
  assert.equal(main.ebx, 576);
  if (strata.features.has('avx')) {
    assert.deepEqual(cpuid(strata, 0xd, 2, DYNAMICS), { eax: 256, ebx: 576, ecx: 0, edx: 0 });
    assert.equal(cpuid(strata, 0xd, 0, { ...DYNAMICS, xcr0: 7 }).ebx, 832);
  }
  if (strata.features.has('pku'))
    assert.deepEqual(cpuid(strata, 0xd, 9, DYNAMICS), { eax: 8, ebx: 2688, ecx: 0, edx: 0 });
});

test('brand strings fit and end', () => {
  for (const name of CPU_MODEL_NAMES) assert.ok(CPU_MODELS[name].brand.length < 48, name);
});

test("every MSR's reset value is one that may be written to it, save its read-only bits", () => {
  for (const name of CPU_MODEL_NAMES) {
    for (const msr of msrsOf(CPU_MODELS[name]).values()) {
      if (msr.kind !== 'stored') continue;
      assert.equal(msr.reset & ~msr.writable, 0n, `${name}: ${msr.name}`);
      assert.equal(msr.readOnly & ~msr.writable, 0n, `${name}: ${msr.name}`);
    }
  }
});
