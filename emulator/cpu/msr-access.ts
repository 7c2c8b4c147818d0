import { CONTROL, MACHINE, MSRS, VMX } from '../state/layout';
import { EFER } from '../tables/control-registers';
import { APIC_BASE, type ComputedMsr, FEATURE_CONTROL, MISC_ENABLE, msrsOf, type StoredMsr } from '../tables/msrs';
import { raise, VECTOR } from './faults';
import { readPerformanceMsr, writePerformanceMsr } from './pmu';
import { type Processor, SEG } from './processor';

/** MSRs implemented by another unit. */
export interface MsrHook {
  handles(index: number): boolean;
  /** May raise #GP(0). */
  read(index: number, processor: number): bigint;
  write(index: number, value: bigint, processor: number): void;
}

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

const refuse = (): never => raise(VECTOR.GP, 0);

/** Time-stamp counter at machine time `time`, with the offset of VMX non-root operation. */
export function timeStamp(cpu: Processor, time: bigint): bigint {
  return BigInt.asUintN(64, time + cpu.field(MSRS.tscAdjust) + cpu.field(VMX.tscOffset));
}

/** RDMSR after its privilege and intercept checks; raises #GP(0) for an MSR that is not there. */
export function readMsr(cpu: Processor, index: number, time = cpu.field(MACHINE.time)): bigint {
  for (const hook of cpu.msrHooks) if (hook.handles(index)) return hook.read(index, cpu.number);
  const msr = msrsOf(cpu.model).get(index);
  if (msr === undefined) return refuse();
  switch (msr.kind) {
    case 'constant':
      return msr.value;
    case 'stored':
      return cpu.field(msr.field);
    case 'command':
      return refuse();
    case 'performance':
      return readPerformanceMsr(cpu, msr, time);
    case 'computed':
      if (msr.computation === 'tsc') return timeStamp(cpu, time);
      if (msr.computation === 'tsc-adjust') return cpu.field(MSRS.tscAdjust);
      return cpu.base(msr.computation === 'fs-base' ? SEG.FS : SEG.GS);
  }
}

/** WRMSR after its privilege and intercept checks. */
export function writeMsr(cpu: Processor, index: number, value: bigint, time = cpu.field(MACHINE.time)): void {
  for (const hook of cpu.msrHooks) {
    if (hook.handles(index)) {
      hook.write(index, value, cpu.number);
      return;
    }
  }
  const msr = msrsOf(cpu.model).get(index);
  if (msr === undefined) return refuse();
  switch (msr.kind) {
    case 'constant':
      return refuse();
    case 'command':
      if ((value & ~msr.writable) !== 0n) refuse();
      return;
    case 'stored':
      if ((value & ~msr.writable) !== 0n) refuse();
      writeStored(cpu, msr, (value & ~msr.readOnly) | (cpu.field(msr.field) & msr.readOnly));
      return;
    case 'performance':
      if ((value & ~msr.writable) !== 0n || msr.writable === 0n) refuse();
      writePerformanceMsr(cpu, msr, value, time);
      return;
    case 'computed':
      writeComputed(cpu, msr.computation, value, time);
  }
}

function writeComputed(cpu: Processor, computation: ComputedMsr['computation'], value: bigint, time: bigint): void {
  switch (computation) {
    case 'tsc':
      // A write moves the counter by moving its adjustment.
      cpu.setField(MSRS.tscAdjust, BigInt.asUintN(64, value - time));
      return;
    case 'tsc-adjust':
      cpu.setField(MSRS.tscAdjust, value);
      return;
    case 'fs-base':
    case 'gs-base':
      if (!cpu.isCanonicalBase(value)) refuse();
      cpu.setBase(computation === 'fs-base' ? SEG.FS : SEG.GS, value);
  }
}

/** Memory types PAT and MTRRs may name. */
const PAT_TYPES = new Set([0, 1, 4, 5, 6, 7]);
const MTRR_TYPES = new Set([0, 1, 4, 5, 6]);

const bytesIn = (value: bigint, allowed: ReadonlySet<number>): boolean => {
  for (let i = 0n; i < 64n; i += 8n) if (!allowed.has(Number((value >> i) & 0xffn))) return false;
  return true;
};

function writeStored(cpu: Processor, { rule, field }: StoredMsr, value: bigint): void {
  switch (rule) {
    case undefined:
      break;
    case 'canonical':
      if (!cpu.isCanonicalBase(value)) refuse();
      break;
    case 'pat':
      if (!bytesIn(value, PAT_TYPES)) refuse();
      break;
    case 'memory-types':
      if (!bytesIn(value, MTRR_TYPES)) refuse();
      break;
    case 'memory-type':
      if (!MTRR_TYPES.has(Number(value & 0xffn))) refuse();
      break;
    case 'zero-only':
      if (value !== 0n) refuse();
      break;
    case 'all-or-none':
      if (value !== 0n && value !== ALL_ONES) refuse();
      break;
    case 'lock':
      if (cpu.field(field) & FEATURE_CONTROL.locked) refuse();
      break;
    case 'apic-base': {
      const old = cpu.field(field);
      if (!mayChangeApicMode(old, value)) refuse();
      cpu.setField(field, value);
      cpu.apicBaseChanged(old, value);
      // The page moves under every context's inline maps.
      if (old !== value) cpu.mmu.flushVpid(undefined);
      return;
    }
    case 'efer':
      writeEfer(cpu, value);
      return;
    case 'translation':
      break;
  }
  cpu.setField(field, value);
  if (rule === 'translation') cpu.mmu.contextChanged();
}

/** SDM "x2APIC State Transitions": in only from xAPIC mode, out only by disabling, and never x2APIC without the enable bit. */
function mayChangeApicMode(old: bigint, value: bigint): boolean {
  const { enable, x2apic } = APIC_BASE;
  if ((value & x2apic) === 0n) return (old & x2apic) === 0n || (value & enable) === 0n;
  return (value & enable) !== 0n && (old & enable) !== 0n;
}

function writeEfer(cpu: Processor, value: bigint): void {
  const old = cpu.efer;
  // "XD Bit Disable" takes the feature away.
  if ((value & BigInt(EFER.NXE)) !== 0n && (cpu.field(MSRS.miscEnable) & MISC_ENABLE.XD_DISABLE) !== 0n) refuse();
  const paging = (cpu.cr0 & 0x8000_0000n) !== 0n;
  if (paging && ((old ^ value) & BigInt(EFER.LME)) !== 0n) refuse();
  // LMA is the processor's own.
  cpu.setField(CONTROL.efer, (value & ~BigInt(EFER.LMA)) | (old & BigInt(EFER.LMA)));
  if ((old ^ value) & BigInt(EFER.NXE)) cpu.mmu.flush(true);
  cpu.mmu.contextChanged();
}
