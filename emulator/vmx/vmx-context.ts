import type { Processor } from '../cpu/processor';
import { RECORD } from '../decode/record';
import { SCRATCH, VMX } from '../state/layout';
import type { ChecksMemo } from './checks/evaluate';
import type { RegionReader } from './checks/reader';
import type { LayerTable } from './layers';
import type { StateMovement } from './movement';
import type { TransitionLog } from './transitions';
import type { Vmcs } from './vmcs';
import { VMX_MODE } from './vmcs';

/** Model-specific registers as RDMSR and WRMSR reach them; both raise #GP where those would. */
export interface MsrAccess {
  read(index: number): bigint;
  write(index: number, value: bigint): void;
}

/** Bits a control register must and may have. */
export interface FixedBits {
  readonly mustBeOne: bigint;
  readonly mayBeOne: bigint;
}

/** Everything the functions of `vmx/` work on. */
export interface VmxContext {
  readonly cpu: Processor;
  readonly vmcs: Vmcs;
  readonly movement: StateMovement;
  readonly log: TransitionLog;
  readonly layers: LayerTable;
  readonly checks: ChecksMemo;
  /** Reads the working copy. */
  readonly reader: RegionReader;
  readonly capabilities: ReadonlyMap<number, bigint>;
  /** CR0's and CR4's fixed bits, from the capabilities. */
  readonly fixedBits: Readonly<Record<0 | 4, FixedBits>>;
  /** IA32_VMX_MISC bit 29: VMWRITE may write any field. */
  readonly writesReadOnlyFields: boolean;
  readonly msrs: MsrAccess;
}

export function inGuest(cpu: Processor): boolean {
  return cpu.field32(VMX.mode) === VMX_MODE.NON_ROOT;
}

/** Instructions retired since MACHINE.time was brought up to date: the interpreter does that when it leaves. */
export function elapsedInSlice(cpu: Processor): number {
  if (cpu.sliceBudget === 0) return 0;
  const record = cpu.field32(SCRATCH.record);
  const before = record === 0 ? 0 : cpu.memory.u16[(record + RECORD.before) >> 1];
  return cpu.retiredInSlice(before);
}
