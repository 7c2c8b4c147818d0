import { MACHINE, MSRS, PMU } from '../state/layout';
import { counterBits, DEBUGCTL, type PerformanceMsr } from '../tables/msrs';
import {
  COUNTER_BITS,
  type CountedEvent,
  FIXED_COUNTERS,
  FIXED_EVENTS,
  selectedEvent,
} from '../tables/performance-events';
import { raise, VECTOR } from './faults';
import type { Processor } from './processor';

/**
 * SDM "Architectural Performance Monitoring", version 2, over what the machine really counts: an instruction retires a cycle, and branches are
 * told by their rows. The outer loop reports what has retired (`countRetired`), and asks how far it may run (`instructionsToOverflow`), only
 * while `isCounting`; a counter that is read or changed inside a slice is first brought up to the instruction that does so.
 */

/** Bits of IA32_PERFEVTSELx. */
const SELECT = { USR: 1 << 16, OS: 1 << 17, EDGE: 1 << 18, INT: 1 << 20, EN: 1 << 22, INV: 1 << 23 } as const;
/** Bits of each counter's four in IA32_FIXED_CTR_CTRL. */
const FIXED = { OS: 1, USR: 2, PMI: 8 } as const;
/** Where fixed counters begin in IA32_PERF_GLOBAL_CTRL and IA32_PERF_GLOBAL_STATUS. */
const FIXED_SHIFT = 32;
/** Where they begin in PMU.asserted. */
const FIXED_ASSERTED = 16;
const RDPMC_FIXED = 1 << 30;

const MODULUS = 1n << BigInt(COUNTER_BITS);

/** A counter that counts now, with its programming. */
interface ActiveCounter {
  /** State address of its value. */
  readonly field: number;
  readonly statusBit: number;
  readonly assertedBit: number;
  readonly event: CountedEvent;
  readonly user: boolean;
  readonly system: boolean;
  readonly interrupts: boolean;
  readonly edge: boolean;
  readonly invert: boolean;
  readonly mask: number;
}

function generalCounter(cpu: Processor, number: number): ActiveCounter | undefined {
  const select = cpu.field32(PMU.eventSelect + number * 8);
  const event = selectedEvent(select & 0xff, (select >>> 8) & 0xff);
  if ((select & SELECT.EN) === 0 || event === undefined) return undefined;
  const mask = select >>> 24;
  return {
    field: PMU.general + number * 8,
    statusBit: number,
    assertedBit: number,
    event,
    user: (select & SELECT.USR) !== 0,
    system: (select & SELECT.OS) !== 0,
    interrupts: (select & SELECT.INT) !== 0,
    edge: (select & SELECT.EDGE) !== 0,
    invert: (select & SELECT.INV) !== 0 && mask !== 0,
    mask,
  };
}

function fixedCounter(cpu: Processor, number: number): ActiveCounter | undefined {
  const control = (cpu.field32(PMU.fixedControl) >>> (4 * number)) & 15;
  if ((control & (FIXED.OS | FIXED.USR)) === 0) return undefined;
  return {
    field: PMU.fixed + number * 8,
    statusBit: FIXED_SHIFT + number,
    assertedBit: FIXED_ASSERTED + number,
    event: FIXED_EVENTS[number],
    user: (control & FIXED.USR) !== 0,
    system: (control & FIXED.OS) !== 0,
    interrupts: (control & FIXED.PMI) !== 0,
    edge: false,
    invert: false,
    mask: 0,
  };
}

function activeCounters(cpu: Processor): readonly ActiveCounter[] {
  const enabled = cpu.field(PMU.globalControl);
  const general = Array.from({ length: cpu.model.counters }, (_, i) => generalCounter(cpu, i));
  const fixed = Array.from({ length: FIXED_COUNTERS }, (_, i) => fixedCounter(cpu, i));
  return [...general, ...fixed]
    .filter((counter) => counter !== undefined)
    .filter(({ statusBit, user, system }) => ((enabled >> BigInt(statusBit)) & 1n) !== 0n && (user || system));
}

/** Whether any counter counts. */
export const isCounting = (cpu: Processor): boolean => cpu.memory.u32[PMU.active >> 2] !== 0;

/** Whether the outer loop has to stop at each branch. */
export const countsBranches = (cpu: Processor): boolean =>
  isCounting(cpu) && activeCounters(cpu).some(({ event }) => event === 'branches');

/** Instructions after which the first counter may overflow, at the earliest. */
export function instructionsToOverflow(cpu: Processor): number {
  return activeCounters(cpu).reduce(
    (least, { field }) => Math.min(least, Number(MODULUS - cpu.field(field))),
    Infinity,
  );
}

/**
 * `instructions` more of the slice have retired at privilege level `cpl`; of them the last was a branch if `branch`. Overflows raise their
 * interrupts.
 */
function count(cpu: Processor, instructions: number, branch: boolean, cpl: number): void {
  for (const counter of activeCounters(cpu)) {
    if (cpl === 0 ? !counter.system : !counter.user) continue;
    const ones = counter.event === 'branches' ? (branch ? 1 : 0) : instructions;
    const added = increments(cpu, counter, instructions - ones, ones);
    if (added === 0) continue;
    const value = cpu.field(counter.field) + BigInt(added);
    cpu.setField(counter.field, value % MODULUS);
    if (value >= MODULUS) overflow(cpu, counter);
  }
}

/** What a run of `zeros` cycles without the event and then `ones` cycles with it adds to a counter. */
function increments(cpu: Processor, counter: ActiveCounter, zeros: number, ones: number): number {
  const { edge, invert, mask, assertedBit } = counter;
  if (!edge && mask === 0) return ones;
  const onOne = mask <= 1 !== invert;
  const onZero = invert;
  if (!edge) return (onOne ? ones : 0) + (onZero ? zeros : 0);
  let asserted = (cpu.field32(PMU.asserted) & (1 << assertedBit)) !== 0;
  let edges = 0;
  for (const [cycles, condition] of [[zeros, onZero] as const, [ones, onOne] as const]) {
    if (cycles === 0) continue;
    if (condition && !asserted) edges++;
    asserted = condition;
  }
  const rest = cpu.field32(PMU.asserted) & ~(1 << assertedBit);
  cpu.setField32(PMU.asserted, (rest | (asserted ? 1 << assertedBit : 0)) >>> 0);
  return edges;
}

function overflow(cpu: Processor, { statusBit, interrupts }: ActiveCounter): void {
  cpu.setField(PMU.globalStatus, cpu.field(PMU.globalStatus) | (1n << BigInt(statusBit)));
  if (!interrupts) return;
  // SDM "Freezing LBR and Performance Counters on PMI", as version 2 does it.
  if ((cpu.field(MSRS.debugctl) & DEBUGCTL.FREEZE_PERFMON_ON_PMI) !== 0n) {
    cpu.setField(PMU.globalControl, 0n);
    programmed(cpu);
  }
  cpu.performanceInterrupt();
}

/** To be called when a register that says what counts has changed. */
function programmed(cpu: Processor): void {
  cpu.setField32(PMU.active, activeCounters(cpu).length > 0 ? 1 : 0);
}

/** A slice of which `retired` instructions have retired is over; `branch`: the last was one. To be called only while `isCounting`. */
export function countRetired(cpu: Processor, retired: number, branch: boolean, cpl: number): void {
  const rest = retired - cpu.countedInSlice;
  cpu.countedInSlice = 0;
  if (rest > 0) count(cpu, rest, branch, cpl);
}

/** Brings the counters up to the instruction at machine time `time`, which is executing. */
function synchronise(cpu: Processor, time: bigint): void {
  if (!isCounting(cpu)) {
    cpu.countedInSlice = Number(time - cpu.field(MACHINE.time));
    return;
  }
  const before = Number(time - cpu.field(MACHINE.time));
  const rest = before - cpu.countedInSlice;
  cpu.countedInSlice = before;
  // A branch ends its slice, so that none has retired in this one.
  if (rest > 0) count(cpu, rest, false, cpu.cpl);
}

const widened = (value: bigint): bigint => BigInt.asUintN(COUNTER_BITS, BigInt.asIntN(32, value));

export function readPerformanceMsr(cpu: Processor, { register, number }: PerformanceMsr, time: bigint): bigint {
  synchronise(cpu, time);
  switch (register) {
    case 'event-select':
      return cpu.field(PMU.eventSelect + number * 8);
    case 'counter':
    case 'full-width-counter':
      return cpu.field(PMU.general + number * 8);
    case 'fixed-counter':
      return cpu.field(PMU.fixed + number * 8);
    case 'fixed-control':
      return cpu.field(PMU.fixedControl);
    case 'global-control':
      return cpu.field(PMU.globalControl);
    case 'global-status':
      return cpu.field(PMU.globalStatus);
    case 'global-overflow-control':
      return 0n;
  }
}

/** Writes a value without reserved bits. The instruction that writes counts by the new programming. */
export function writePerformanceMsr(
  cpu: Processor,
  { register, number }: PerformanceMsr,
  value: bigint,
  time: bigint,
): void {
  synchronise(cpu, time);
  switch (register) {
    case 'event-select':
      cpu.setField(PMU.eventSelect + number * 8, value);
      cpu.setField32(PMU.asserted, cpu.field32(PMU.asserted) & ~(1 << number));
      break;
    case 'counter':
      cpu.setField(PMU.general + number * 8, widened(value));
      break;
    case 'full-width-counter':
      cpu.setField(PMU.general + number * 8, value);
      break;
    case 'fixed-counter':
      cpu.setField(PMU.fixed + number * 8, value);
      break;
    case 'fixed-control':
      cpu.setField(PMU.fixedControl, value);
      break;
    case 'global-control':
      cpu.setField(PMU.globalControl, value);
      break;
    case 'global-status':
      break;
    case 'global-overflow-control':
      cpu.setField(PMU.globalStatus, cpu.field(PMU.globalStatus) & ~value);
      break;
  }
  programmed(cpu);
}

/** RDPMC after its privilege checks: the counter ECX selects at machine time `time`; #GP(0) if there is none. */
export function readPerformanceCounter(cpu: Processor, selection: number, time: bigint): bigint {
  const { features, counters } = cpu.model;
  const number = selection & ~RDPMC_FIXED;
  const fixed = (selection & RDPMC_FIXED) !== 0;
  const exists = features.has('perfmon') && number >= 0 && number < (fixed ? FIXED_COUNTERS : counters);
  if (!exists) raise(VECTOR.GP, 0);
  synchronise(cpu, time);
  return cpu.field((fixed ? PMU.fixed : PMU.general) + number * 8);
}

/** State after power-up: every general counter enabled in IA32_PERF_GLOBAL_CTRL, and none programmed. */
export function resetPerformanceMonitoring(cpu: Processor): void {
  const last = PMU.globalStatus;
  for (let at = PMU.eventSelect; at <= last; at += 8) cpu.setField(at, 0n);
  cpu.setField(PMU.globalControl, cpu.model.features.has('perfmon') ? counterBits(cpu.model) & 0xffn : 0n);
  cpu.setField32(PMU.asserted, 0);
  cpu.setField32(PMU.active, 0);
}
