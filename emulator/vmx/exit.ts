import type { DeliveredEvent } from '../cpu/exceptions';
import { loadPdptes, pdpteTable, usesPaePaging } from '../cpu/pdptes';
import type { Processor } from '../cpu/processor';
import { BOUNDARY, CONTROL, VMX } from '../state/layout';
import { ACTIVITY, BLOCKING } from '../tables/boundary-state';
import { CR0 } from '../tables/control-registers';
import { EVENT_TYPE } from '../tables/interruption-info';
import { EXIT_REASON } from '../tables/exit-reasons';
import { VMCS_LAYOUT } from '../tables/vmcs-fields';
import { controlMask } from '../tables/vmx-controls';
import { VMX_ABORT } from '../tables/vmx-abort';
import type { CheckFailure } from '../api';
import { loadMsrs, storeMsrs } from './msr-lists';
import { TRANSITION_KIND } from './transitions';
import { AT, VMX_MODE } from './vmcs';
import { elapsedInSlice } from './vmx-context';
import type { VmxContext } from './vmx-context';

/** What a VM exit reports besides its reason; what is left out is stored as 0. */
export interface ExitInformation {
  readonly qualification?: bigint;
  readonly instructionLength?: number;
  readonly instructionInformation?: number;
  readonly guestLinear?: bigint;
  readonly guestPhysical?: bigint;
  /** Interruption information of the event that exits. */
  readonly interruption?: number;
  readonly interruptionErrorCode?: number;
  /** Event whose delivery the exit ended. */
  readonly vectoring?: DeliveredEvent;
  /** RFLAGS.RF as saved: instructions that exit save 0, faults 1, the rest keep it. */
  readonly resume?: boolean;
}

const NOTHING: ExitInformation = {};
const VALID = 0x8000_0000;
const ERROR_CODE_VALID = 0x800;
const RF = 0x1_0000;
const NMI_UNBLOCKED = 0x1000;
const ENTRY_FAILURE = 0x8000_0000;
const NMI_INFORMATION = 2 | (EVENT_TYPE.NMI << 8);
const RFLAGS_AFTER_EXIT = 2;
/** VMX.flags: the processor is in shutdown because of a VMX abort. */
export const VMX_ABORTED = 2;

const IA32E_MODE_GUEST = controlMask('entry.IA32E_MODE_GUEST');

/** Interruption information of an event, valid. In real-address mode no event has an error code. */
export function interruptionInformation(cpu: Processor, vector: number, type: number, errorCode?: number): number {
  const delivers = errorCode !== undefined && (cpu.field32(CONTROL.cr0) & CR0.PE) !== 0;
  return (VALID | vector | (type << 8) | (delivers ? ERROR_CODE_VALID : 0)) >>> 0;
}

/**
 * Whether the exit is by a fault of an IRET that has removed blocking by NMI: bit 12 of the interruption information, and of the
 * qualification of EPT violations. Undefined, and 0 here, for exits during the delivery of an event.
 */
export function unblockedNmis(cpu: Processor): boolean {
  const by = cpu.nmiUnblockedBy;
  cpu.nmiUnblockedBy = undefined;
  return by !== undefined && by === cpu.rip;
}

/** Writes the VM-exit information fields. */
function writeInformation({ cpu, vmcs }: VmxContext, reason: number, info: ExitInformation): void {
  const unblocking =
    info.interruption !== undefined && info.vectoring === undefined && unblockedNmis(cpu) ? NMI_UNBLOCKED : 0;
  vmcs.set32(AT.VM_EXIT_REASON, reason);
  if (info.qualification === undefined) vmcs.set32(AT.EXIT_QUALIFICATION, 0);
  else vmcs.set(AT.EXIT_QUALIFICATION, info.qualification);
  if (info.guestLinear === undefined) vmcs.set32(AT.GUEST_LINEAR_ADDRESS, 0);
  else vmcs.set(AT.GUEST_LINEAR_ADDRESS, info.guestLinear);
  if (info.guestPhysical === undefined) vmcs.set32(AT.GUEST_PHYSICAL_ADDRESS, 0);
  else vmcs.set(AT.GUEST_PHYSICAL_ADDRESS, info.guestPhysical);
  vmcs.set32(AT.VM_EXIT_INTR_INFO, (info.interruption ?? 0) | unblocking);
  vmcs.set32(AT.VM_EXIT_INTR_ERROR_CODE, info.interruptionErrorCode ?? 0);
  const { vectoring } = info;
  const software = vectoring !== undefined && vectoring.type >= EVENT_TYPE.SOFTWARE_INTERRUPT;
  vmcs.set32(AT.VM_EXIT_INSTRUCTION_LEN, info.instructionLength ?? (software ? vectoring.instructionLength : 0));
  vmcs.set32(AT.VMX_INSTRUCTION_INFO, info.instructionInformation ?? 0);
  if (vectoring === undefined) {
    vmcs.set32(AT.IDT_VECTORING_INFO, 0);
    return;
  }
  const { vector, type, errorCode } = vectoring;
  vmcs.set32(AT.IDT_VECTORING_INFO, interruptionInformation(cpu, vector, type, errorCode));
  vmcs.set32(AT.IDT_VECTORING_ERROR_CODE, errorCode ?? 0);
}

/** Saves the guest-state area (SDM, "Saving Guest State"). */
function saveGuestState({ cpu, vmcs, movement }: VmxContext, info: ExitInformation): void {
  const flags = cpu.rflags;
  const rflags = info.resume === undefined ? flags : info.resume ? flags | RF : flags & ~RF;
  movement.saveGuest();
  vmcs.set32(AT.GUEST_RFLAGS, rflags >>> 0);
  const entryControls = vmcs.get32(AT.VM_ENTRY_CONTROLS) & ~IA32E_MODE_GUEST;
  vmcs.set32(AT.VM_ENTRY_CONTROLS, (entryControls | (cpu.longMode ? IA32E_MODE_GUEST : 0)) >>> 0);
  vmcs.set32(AT.VM_ENTRY_INTR_INFO, vmcs.get32(AT.VM_ENTRY_INTR_INFO) & ~VALID);
  if (vmcs.on('secondary.ENABLE_EPT') && usesPaePaging(cpu)) {
    for (const [index, at] of PDPTE_SLOTS) vmcs.set(at, cpu.field(CONTROL.pdpte + index * 8));
  }
}

const PDPTE_SLOTS = [
  [0, AT.GUEST_PDPTE0],
  [1, AT.GUEST_PDPTE1],
  [2, AT.GUEST_PDPTE2],
  [3, AT.GUEST_PDPTE3],
] as const;

/**
 * Loads the host-state area (SDM, "Loading Host State") and the exit's MSR list.
 * @returns the indicator of a VMX abort, or 0
 */
function loadHostState(vmx: VmxContext, beginsNmi: boolean): number {
  const { cpu, vmcs, movement } = vmx;
  if (cpu.longMode && !vmcs.on('exit.HOST_ADDRESS_SPACE_SIZE')) return VMX_ABORT.HOST_NOT_64_BIT;
  const withoutVpid = !vmcs.on('secondary.ENABLE_VPID');
  movement.loadHost();
  cpu.rflags = RFLAGS_AFTER_EXIT;
  const nmi = beginsNmi ? BLOCKING.NMI : cpu.field32(BOUNDARY.interruptibility) & BLOCKING.NMI;
  cpu.setField32(BOUNDARY.interruptibility, nmi);
  cpu.setField32(VMX.mode, VMX_MODE.ROOT);
  if (usesPaePaging(cpu) && !loadPdptes(cpu, pdpteTable(cpu.cr3))) return VMX_ABORT.HOST_PDPTES;
  const count = vmcs.get32(AT.VM_EXIT_MSR_LOAD_COUNT);
  if (count > 0 && loadMsrs(vmx, vmcs.get(AT.VM_EXIT_MSR_LOAD_ADDR), count) !== 0) return VMX_ABORT.LOAD_HOST_MSRS;
  if (withoutVpid) cpu.mmu.flushVpid(0);
  cpu.mmu.contextChanged();
  return 0;
}

/** A VMX abort: the indicator goes to the region, the processor to shutdown. */
function abort({ cpu, vmcs, log, layers }: VmxContext, indicator: number): void {
  const region = Number(vmcs.pointer);
  vmcs.flush();
  cpu.memory.write32(region + VMCS_LAYOUT.abort, indicator);
  cpu.setField32(BOUNDARY.activity, ACTIVITY.SHUTDOWN);
  cpu.setField32(VMX.mode, VMX_MODE.ROOT);
  cpu.setField32(VMX.flags, cpu.field32(VMX.flags) | VMX_ABORTED);
  log.append({
    kind: TRANSITION_KIND.ABORT,
    reason: indicator,
    fromLevel: layers.currentLevel,
    toLevel: 0,
    fromGuest: true,
    toGuest: false,
    elapsed: elapsedInSlice(cpu),
  });
  cpu.mmu.contextChanged();
}

/**
 * Makes a VM exit, completely: when it returns, the processor is in root operation at the host's RIP (or, after a VMX abort,
 * in shutdown). RIP must be the guest's RIP to be saved. The caller throws `TRANSITION_MADE` where it abandons an instruction.
 */
export function vmExit(vmx: VmxContext, reason: number, info: ExitInformation = NOTHING): void {
  const { cpu, vmcs, layers, log } = vmx;
  const elapsed = elapsedInSlice(cpu);
  writeInformation(vmx, reason, info);
  saveGuestState(vmx, info);
  cpu.delivering = undefined;
  const level = layers.leave(reason);
  const stores = vmcs.get32(AT.VM_EXIT_MSR_STORE_COUNT);
  // A stored time-stamp counter is the processor's own, without the guest's offset.
  if (stores > 0) cpu.setField(VMX.tscOffset, 0n);
  if (stores > 0 && !storeMsrs(vmx, vmcs.get(AT.VM_EXIT_MSR_STORE_ADDR), stores)) {
    return abort(vmx, VMX_ABORT.SAVE_GUEST_MSRS);
  }
  const isNmi = reason === EXIT_REASON.EXCEPTION_OR_NMI && ((info.interruption ?? 0) & 0x7ff) === NMI_INFORMATION;
  const indicator = loadHostState(vmx, isNmi);
  if (indicator !== 0) return abort(vmx, indicator);
  log.append({
    kind: TRANSITION_KIND.EXIT,
    reason,
    fromLevel: level,
    toLevel: 0,
    fromGuest: true,
    toGuest: false,
    elapsed,
  });
}

/**
 * A VM entry that failed after the checks on controls and host state (SDM, "VM-Entry Failures During or After Loading Guest
 * State"): the host state is loaded as by a VM exit, nothing of the guest is saved.
 */
export function failEntry(
  vmx: VmxContext,
  reason: number,
  qualification: bigint,
  failures: readonly CheckFailure[],
): void {
  const { cpu, vmcs, log, layers } = vmx;
  const elapsed = elapsedInSlice(cpu);
  vmcs.set32(AT.VM_EXIT_REASON, (ENTRY_FAILURE | reason) >>> 0);
  vmcs.set(AT.EXIT_QUALIFICATION, qualification);
  const indicator = loadHostState(vmx, false);
  if (indicator !== 0) return abort(vmx, indicator);
  log.append(
    {
      kind: TRANSITION_KIND.ENTRY_FAILURE,
      reason,
      fromLevel: 0,
      toLevel: layers.currentLevel,
      fromGuest: false,
      toGuest: true,
      elapsed,
    },
    failures,
  );
}
