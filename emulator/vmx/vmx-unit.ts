import type { CheckFailure, StopMask, Transition } from '../api';
import { raise, VECTOR } from '../cpu/faults';
import { readMsr, writeMsr } from '../cpu/msr-access';
import type { Processor } from '../cpu/processor';
import { MACHINE, VMCS_WORKING, VMX } from '../state/layout';
import { capabilities, VMX_MSR } from '../tables/vmx-capabilities';
import { ChecksMemo } from './checks/evaluate';
import { entryLimits, RegionReader } from './checks/reader';
import { VMX_ABORTED } from './exit';
import { VmxIntercepts } from './intercepts';
import { LayerTable } from './layers';
import { createMovement } from './movement';
import { TransitionLog } from './transitions';
import { Vmcs } from './vmcs';
import { VmcsAccess } from './vmcs-access';
import { elapsedInSlice } from './vmx-context';
import type { FixedBits, MsrAccess, VmxContext } from './vmx-context';

const MISC_WRITES_READ_ONLY = 1n << 29n;

/** VMX of the active processor, as the machine around it sees it. */
export class VmxUnit {
  private readonly vmcsData: VmcsAccess;

  constructor(
    readonly context: VmxContext,
    readonly intercepts: VmxIntercepts,
  ) {
    this.vmcsData = new VmcsAccess(context);
  }

  get capabilities(): ReadonlyMap<number, bigint> {
    return this.context.capabilities;
  }
  get layers(): LayerTable {
    return this.context.layers;
  }
  get log(): TransitionLog {
    return this.context.log;
  }
  get transitions(): readonly Transition[] {
    return this.context.log.all();
  }
  get lastTransition(): Transition | undefined {
    return this.context.log.last;
  }
  get exitCounts(): ReadonlyMap<number, number> {
    return this.context.layers.exitCounts();
  }
  /** The processor is in shutdown because of a VMX abort. */
  get aborted(): boolean {
    return (this.context.cpu.field32(VMX.flags) & VMX_ABORTED) !== 0;
  }

  /** State after power-up; the processor's reset has cleared the rest. */
  reset(): void {
    this.context.cpu.setField32(VMX.flags, 0);
    this.context.vmcs.forget();
    this.context.layers.reset();
  }

  /** See `Machine.readVmcs`. */
  readVmcs(pointer: bigint, encoding: number): bigint | undefined {
    return this.vmcsData.read(pointer, encoding);
  }
  /** See `Machine.writeVmcs`. */
  writeVmcs(pointer: bigint, encoding: number, value: bigint): string | undefined {
    const refusal = this.vmcsData.write(pointer, encoding, value);
    // A field of the VMCS in force may change translation.
    if (refusal === undefined && this.intercepts.inGuest) {
      this.context.cpu.mmu.flushVpid(undefined);
      this.context.cpu.mmu.contextChanged();
    }
    return refusal;
  }
  /** See `Machine.checkVmcs`. */
  checkVmcs(pointer: bigint): readonly CheckFailure[] {
    return this.vmcsData.check(pointer);
  }
}

/** The processor's own MSRs, at the time of the instruction under way. */
function msrsOf(cpu: Processor): MsrAccess {
  const now = (): bigint => cpu.field(MACHINE.time) + BigInt(elapsedInSlice(cpu));
  return {
    read: (index) => readMsr(cpu, index, now()),
    write: (index, value) => writeMsr(cpu, index, value, now()),
  };
}

/** Connects VMX to a processor: `cpu.vmx` and the capability MSRs. The processor is to be reset afterwards. */
export function createVmx(cpu: Processor, stopMask: StopMask, msrs: MsrAccess = msrsOf(cpu)): VmxUnit {
  const { memory, model } = cpu;
  const values = capabilities(model);
  const physical32 = (address: number): number | undefined =>
    memory.isRam(address, 4) ? memory.read32(address) : undefined;
  const fixed = (zero: number, one: number): FixedBits => ({
    mustBeOne: values.get(zero) ?? 0n,
    mayBeOne: values.get(one) ?? 0n,
  });
  const context: VmxContext = {
    cpu,
    vmcs: new Vmcs(memory),
    movement: createMovement(memory),
    log: new TransitionLog(memory, stopMask),
    layers: new LayerTable(memory),
    checks: new ChecksMemo(),
    reader: new RegionReader(memory.u32, VMCS_WORKING, entryLimits(model, values), physical32),
    capabilities: values,
    fixedBits: {
      0: fixed(VMX_MSR.CR0_FIXED0, VMX_MSR.CR0_FIXED1),
      4: fixed(VMX_MSR.CR4_FIXED0, VMX_MSR.CR4_FIXED1),
    },
    writesReadOnlyFields: ((values.get(VMX_MSR.MISC) ?? 0n) & MISC_WRITES_READ_ONLY) !== 0n,
    msrs,
  };
  const unit = new VmxUnit(context, new VmxIntercepts(context));
  cpu.vmx = unit.intercepts;
  cpu.msrHooks.push({
    handles: (index) => values.has(index),
    read: (index) => values.get(index) ?? 0n,
    write: () => raise(VECTOR.GP, 0),
  });
  unit.reset();
  return unit;
}
