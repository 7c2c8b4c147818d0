import { COLD, type ColdInstruction } from '../cpu/cold';
import { raise, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import { RAX } from '../cpu/registers';
import { requireCpl0 } from '../cpu/operands';
import type { DecodedRecord } from '../decode/decoded-record';
import { CONTROL, MSRS, MXCSR, PKRU, YMM, YMM_SIZE } from '../state/layout';
import { CR4 } from '../tables/control-registers';
import {
  compactedLayout,
  standardSize,
  XSAVE_COMPONENTS,
  XSAVE_EXTENDED,
  XSAVE_LEGACY_SIZE,
} from '../tables/xsave-components';
import {
  initializeX87,
  loadX87,
  loadXmm,
  MXCSR_INITIAL,
  readMxcsr,
  SaveArea,
  storeMxcsr,
  storeX87,
  storeXmm,
  vectorCount,
} from './save-image';
import { BIT, inUse } from './xsave-in-use';

/** The header behind the legacy region. */
const HEADER = { xstateBv: XSAVE_LEGACY_SIZE, xcompBv: XSAVE_LEGACY_SIZE + 8, end: XSAVE_EXTENDED } as const;
const COMPACTED = 1n << 63n;
const ALIGNMENT = 64;

const upperHalf = (number: number): number => YMM + number * YMM_SIZE + 16;

/** Components in the extended region: how each is moved and what it is at first. */
interface Extended {
  readonly store: (cpu: Processor, area: SaveArea, offset: number) => void;
  readonly load: (cpu: Processor, area: SaveArea, offset: number) => void;
  readonly initialize: (cpu: Processor) => void;
}

const EXTENDED_COMPONENTS: ReadonlyMap<number, Extended> = new Map([
  [
    BIT.AVX,
    {
      store: (cpu, area, offset) => {
        for (let i = 0; i < vectorCount(cpu); i++) area.store(offset + i * 16, upperHalf(i), 16);
      },
      load: (cpu, area, offset) => {
        for (let i = 0; i < vectorCount(cpu); i++) area.load(offset + i * 16, upperHalf(i), 16);
      },
      initialize: (cpu) => {
        for (let i = 0; i < vectorCount(cpu); i++) cpu.memory.u8.fill(0, upperHalf(i), upperHalf(i) + 16);
      },
    },
  ],
  [
    BIT.PKRU,
    {
      store: (cpu, area, offset) => {
        area.write(offset, 8, BigInt(cpu.field32(PKRU)));
      },
      load: (cpu, area, offset) => {
        setPkru(cpu, Number(area.read(offset, 4)));
      },
      initialize: (cpu) => {
        setPkru(cpu, 0);
      },
    },
  ],
] satisfies readonly (readonly [number, Extended])[]);

function setPkru(cpu: Processor, value: number): void {
  cpu.setField32(PKRU, value);
  cpu.mmu.contextChanged();
}

const STANDARD_OFFSETS: ReadonlyMap<number, number> = new Map(XSAVE_COMPONENTS.map(({ bit, offset }) => [bit, offset]));

const has = (mask: number, bit: number): boolean => (mask & (1 << bit)) !== 0;

function requireEnabled(cpu: Processor): void {
  if ((cpu.field32(CONTROL.cr4) & CR4.OSXSAVE) === 0) raise(VECTOR.UD);
}

/** Requested-feature bitmap: EDX:EAX and what is enabled; every component there is lies in the low half. */
const requested = (cpu: Processor, enabled: number): number => cpu.gpr32(RAX) & enabled;

const userEnabled = (cpu: Processor): number => cpu.field32(CONTROL.xcr0);
const allEnabled = (cpu: Processor): number => cpu.field32(CONTROL.xcr0) | cpu.field32(MSRS.xss);

/** Stores components `saved` where `offsets` has those of the extended region. */
function storeComponents(cpu: Processor, area: SaveArea, saved: number, offsets: ReadonlyMap<number, number>): void {
  if (has(saved, BIT.X87)) storeX87(cpu, area);
  if (has(saved, BIT.SSE)) storeXmm(cpu, area);
  for (const [bit, { store }] of EXTENDED_COMPONENTS) {
    if (has(saved, bit)) store(cpu, area, offsets.get(bit) ?? 0);
  }
}

/** XSAVE and XSAVEOPT: the standard format. */
const saveStandard =
  (optimizes: boolean): ColdInstruction =>
  (cpu, insn) => {
    requireEnabled(cpu);
    const mask = requested(cpu, userEnabled(cpu));
    const area = new SaveArea(cpu, insn, standardSize(mask), ALIGNMENT, true);
    const used = inUse(cpu) & mask;
    const old = area.read(HEADER.xstateBv, 8);
    storeComponents(cpu, area, optimizes ? used : mask, STANDARD_OFFSETS);
    if (has(mask, BIT.SSE) || has(mask, BIT.AVX)) storeMxcsr(cpu, area);
    area.write(HEADER.xstateBv, 8, (old & ~BigInt(mask)) | BigInt(used));
    return COLD.NEXT;
  };

/** XSAVEC and XSAVES: the compacted format, initial components left out. */
function saveCompacted(cpu: Processor, insn: DecodedRecord, enabled: number): void {
  const mask = requested(cpu, enabled);
  const { offsets, size } = compactedLayout(mask);
  const area = new SaveArea(cpu, insn, size, ALIGNMENT, true);
  // MXCSR counts as part of the SSE state here.
  const unusual = cpu.field32(MXCSR) !== MXCSR_INITIAL ? 1 << BIT.SSE : 0;
  const used = (inUse(cpu) | unusual) & mask;
  storeComponents(cpu, area, used, offsets);
  if (has(used, BIT.SSE)) storeMxcsr(cpu, area);
  area.write(HEADER.xstateBv, 8, BigInt(used));
  area.write(HEADER.xcompBv, 8, BigInt(mask) | COMPACTED);
}

/** Loads or initializes the components of `mask`, by what XSTATE_BV says is in the area. */
function loadComponents(
  cpu: Processor,
  area: SaveArea,
  mask: number,
  present: number,
  offsets: ReadonlyMap<number, number>,
): void {
  if (has(mask, BIT.X87)) {
    if (has(present, BIT.X87)) loadX87(cpu, area);
    else initializeX87(cpu);
  }
  if (has(mask, BIT.SSE)) {
    if (has(present, BIT.SSE)) loadXmm(cpu, area);
    else for (let i = 0; i < vectorCount(cpu); i++) cpu.memory.u8.fill(0, YMM + i * YMM_SIZE, YMM + i * YMM_SIZE + 16);
  }
  for (const [bit, { load, initialize }] of EXTENDED_COMPONENTS) {
    if (!has(mask, bit)) continue;
    if (has(present, bit)) load(cpu, area, offsets.get(bit) ?? 0);
    else initialize(cpu);
  }
}

/** The header's fields, checked as far as both formats have it in common; raises #GP(0). */
function readHeader(area: SaveArea, enabled: number): { readonly present: bigint; readonly layout: bigint } {
  const present = area.read(HEADER.xstateBv, 8);
  const layout = area.read(HEADER.xcompBv, 8);
  const compacted = (layout & COMPACTED) !== 0n;
  const allowed = compacted ? layout & ~COMPACTED : BigInt(enabled);
  if ((allowed & ~BigInt(enabled)) !== 0n || (present & ~allowed) !== 0n) raise(VECTOR.GP, 0);
  if (!compacted && layout !== 0n) raise(VECTOR.GP, 0);
  // Of the standard format bytes 23:8 are looked at, of the compacted one all.
  for (let at = HEADER.xcompBv + 8; at < (compacted ? HEADER.end : HEADER.xcompBv + 16); at += 8)
    if (area.read(at, 8) !== 0n) raise(VECTOR.GP, 0);
  return { present, layout };
}

function restore(cpu: Processor, insn: DecodedRecord, enabled: number, onlyCompacted: boolean): void {
  const mask = requested(cpu, enabled);
  const area = new SaveArea(cpu, insn, XSAVE_EXTENDED, ALIGNMENT, false);
  const { present: bits, layout } = readHeader(area, enabled);
  const compacted = (layout & COMPACTED) !== 0n;
  const { features } = cpu.model;
  if (compacted ? !features.has('xsavec') : onlyCompacted) raise(VECTOR.GP, 0);
  const present = Number(bits) & mask;
  const { offsets, size } = compacted
    ? compactedLayout(Number(layout & 0x7fff_ffffn))
    : { offsets: STANDARD_OFFSETS, size: standardSize(present) };
  // Everything is read once before anything is loaded: a fault leaves the state as it was.
  for (const { bit, size: length } of XSAVE_COMPONENTS)
    if (bit >= 2 && has(present, bit)) area.touch(Math.min(offsets.get(bit) ?? 0, size), length);
  if (has(present, BIT.X87) || has(present, BIT.SSE)) area.touch(0, XSAVE_LEGACY_SIZE);
  const mxcsr = restoredMxcsr(cpu, area, mask, present, compacted);
  loadComponents(cpu, area, mask, present, offsets);
  cpu.setField32(MXCSR, mxcsr);
}

/** The standard format has MXCSR whatever XSTATE_BV says; in the compacted one it is part of the SSE state. */
function restoredMxcsr(cpu: Processor, area: SaveArea, mask: number, present: number, compacted: boolean): number {
  if (!compacted) return has(mask, BIT.SSE) || has(mask, BIT.AVX) ? readMxcsr(area) : cpu.field32(MXCSR);
  if (!has(mask, BIT.SSE)) return cpu.field32(MXCSR);
  return has(present, BIT.SSE) ? readMxcsr(area) : MXCSR_INITIAL;
}

/** SDM "XSAVE-Supported Features and State-Component Bitmaps" and what follows it. EDX selects no component there is. */
export const XSAVE_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  xsave: saveStandard(false),
  xsaveopt: saveStandard(true),
  xsavec: (cpu, insn) => {
    requireEnabled(cpu);
    saveCompacted(cpu, insn, userEnabled(cpu));
    return COLD.NEXT;
  },
  xsaves: (cpu, insn) => {
    requireEnabled(cpu);
    cpu.vmx.requireEnabled('XSAVES');
    requireCpl0(cpu);
    saveCompacted(cpu, insn, allEnabled(cpu));
    return COLD.NEXT;
  },
  xrstor: (cpu, insn) => {
    requireEnabled(cpu);
    restore(cpu, insn, userEnabled(cpu), false);
    return COLD.NEXT;
  },
  xrstors: (cpu, insn) => {
    requireEnabled(cpu);
    cpu.vmx.requireEnabled('XSAVES');
    requireCpl0(cpu);
    restore(cpu, insn, allEnabled(cpu), true);
    return COLD.NEXT;
  },
};
