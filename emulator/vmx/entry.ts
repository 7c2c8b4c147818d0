import type { CheckFailure } from '../api';
import { COLD } from '../cpu/cold';
import type { ColdResult } from '../cpu/cold';
import { injectEvent } from '../cpu/exceptions';
import type { EventType } from '../cpu/exceptions';
import { loadPdptes, pdpteTable, usesPaePaging } from '../cpu/pdptes';
import { BOUNDARY, CONTROL, VMX } from '../state/layout';
import { BLOCKING } from '../tables/boundary-state';
import { EVENT_TYPE, decodeInterruption } from '../tables/interruption-info';
import { EXIT_REASON } from '../tables/exit-reasons';
import { VM_ERROR } from '../tables/vm-instruction-errors';
import { evaluateChecks } from './checks/evaluate';
import type { EntryCheck } from './checks/check';
import { failEntry } from './exit';
import { loadMsrs } from './msr-lists';
import { TRANSITION_KIND } from './transitions';
import { AT, VMX_MODE } from './vmcs';
import { vmFailValid } from './vm-results';
import { elapsedInSlice } from './vmx-context';
import type { VmxContext } from './vmx-context';

/** Every check that fails now, the one the processor reports first. */
export function allFailures({ reader }: Pick<VmxContext, 'reader'>): readonly CheckFailure[] {
  return [
    ...evaluateChecks(reader, 'controls', true),
    ...evaluateChecks(reader, 'host', true),
    ...evaluateChecks(reader, 'guest', true),
  ];
}

/** VMLAUNCH and VMRESUME in root operation with a current VMCS (SDM, "VM Entries"). */
export function vmEntry(vmx: VmxContext, launch: boolean): ColdResult {
  const { cpu, vmcs, checks, reader } = vmx;
  if ((cpu.field32(BOUNDARY.interruptibility) & BLOCKING.MOV_SS) !== 0) {
    return vmFailValid(vmx, VM_ERROR.ENTRY_MOV_SS);
  }
  if (launch && vmcs.launched) return vmFailValid(vmx, VM_ERROR.VMLAUNCH_NOT_CLEAR);
  if (!launch && !vmcs.launched) return vmFailValid(vmx, VM_ERROR.VMRESUME_NOT_LAUNCHED);
  reader.longMode = cpu.longMode;
  reader.pointer = vmcs.pointer;
  if (checks.firstFailure(reader, 'controls') !== undefined) {
    return vmFailValid(vmx, VM_ERROR.ENTRY_CONTROLS, allFailures(vmx));
  }
  if (checks.firstFailure(reader, 'host') !== undefined) {
    return vmFailValid(vmx, VM_ERROR.ENTRY_HOST_STATE, allFailures(vmx));
  }
  const failed = checks.firstFailure(reader, 'guest');
  return failed === undefined ? enterGuest(vmx) : failGuestChecks(vmx, failed);
}

function failGuestChecks(vmx: VmxContext, failed: EntryCheck): ColdResult {
  const failures = allFailures(vmx);
  failEntry(vmx, EXIT_REASON.INVALID_GUEST_STATE, BigInt(failed.qualification ?? 0), failures);
  return COLD.JUMPED;
}

function enterGuest(vmx: VmxContext): ColdResult {
  const { cpu, vmcs, layers, log, movement } = vmx;
  const elapsed = elapsedInSlice(cpu);
  const level = layers.enter();
  const withoutVpid = !vmcs.on('secondary.ENABLE_VPID');
  movement.loadGuest();
  cpu.rflags = vmcs.get32(AT.GUEST_RFLAGS);
  cpu.setField32(VMX.mode, VMX_MODE.NON_ROOT);
  if (usesPaePaging(cpu)) loadGuestPdptes(vmx);
  const loads = vmcs.get32(AT.VM_ENTRY_MSR_LOAD_COUNT);
  if (loads > 0) {
    const failed = loadMsrs(vmx, vmcs.get(AT.VM_ENTRY_MSR_LOAD_ADDR), loads);
    if (failed !== 0) {
      failEntry(vmx, EXIT_REASON.MSR_LOADING, BigInt(failed), []);
      return COLD.JUMPED;
    }
  }
  vmcs.launched = true;
  if (withoutVpid) cpu.mmu.flushVpid(0);
  cpu.mmu.contextChanged();
  log.append({
    kind: TRANSITION_KIND.ENTRY,
    reason: 0,
    fromLevel: 0,
    toLevel: level,
    fromGuest: false,
    toGuest: true,
    elapsed,
  });
  if (vmcs.get32(AT.VM_ENTRY_INTR_INFO) >>> 31 === 1) injectFromVmcs(vmx);
  return COLD.JUMPED;
}

/** From the fields where EPT is on; else from the table at CR3, which the checks have found loadable. */
function loadGuestPdptes({ cpu, vmcs }: VmxContext): void {
  if (!vmcs.on('secondary.ENABLE_EPT')) {
    loadPdptes(cpu, pdpteTable(cpu.cr3));
    return;
  }
  const fields = [AT.GUEST_PDPTE0, AT.GUEST_PDPTE1, AT.GUEST_PDPTE2, AT.GUEST_PDPTE3];
  fields.forEach((at, index) => cpu.setField(CONTROL.pdpte + index * 8, vmcs.get(at)));
}

/**
 * Delivers the event of the VM-entry interruption information (SDM, "Event Injection"). It may lead straight to a VM exit; the
 * entry is complete nevertheless, and its instruction has retired.
 */
function injectFromVmcs({ cpu, vmcs }: VmxContext): void {
  const { vector, type, hasErrorCode } = decodeInterruption(vmcs.get32(AT.VM_ENTRY_INTR_INFO));
  // The checks have refused the types that are no interruption types (1 and 7).
  const eventType = type as EventType;
  const blocking = cpu.field32(BOUNDARY.interruptibility);
  cpu.setField32(BOUNDARY.interruptibility, blocking & ~BLOCKING.SHADOW);
  injectEvent(cpu, {
    vector,
    type: eventType,
    errorCode: hasErrorCode ? vmcs.get32(AT.VM_ENTRY_EXCEPTION_ERROR_CODE) : undefined,
    instructionLength: type >= EVENT_TYPE.SOFTWARE_INTERRUPT ? vmcs.get32(AT.VM_ENTRY_INSTRUCTION_LEN) : 0,
  });
}
