import { COLD, type ColdInstruction, type ColdResult } from '../cpu/cold';
import { raise, TRANSITION_MADE, VECTOR } from '../cpu/faults';
import type { Processor } from '../cpu/processor';
import type { DecodedRecord } from '../decode/decoded-record';
import { MSRS, VMCS_WORKING, VMX } from '../state/layout';
import { EXIT_REASON } from '../tables/exit-reasons';
import { VM_ERROR } from '../tables/vm-instruction-errors';
import { fieldType, fieldWidth, isHighAccess, slotOf, VMCS_LAYOUT } from '../tables/vmcs-fields';
import { fieldExists, VMCS_REVISION } from '../tables/vmx-capabilities';
import { vmEntry } from './entry';
import { vmExit } from './exit';
import { VmxIntercepts } from './intercepts';
import { invalidateEpt, invalidateVpid } from './invalidate';
import {
  displacementQualification,
  memoryInformation,
  memoryLinear,
  operandInformation,
  readWord,
  registerNumber,
  requireVmxMode,
  wordSize,
} from './operand';
import { vmFail, vmFailInvalid, vmFailValid, vmSucceed } from './vm-results';
import { NO_VMCS, VMX_MODE } from './vmcs';
import type { VmxContext } from './vmx-context';

const CR4_VMXE = 0x2000n;
const CR4_SMXE = 0x4000n;
const FEATURE_CONTROL = { LOCK: 1n, VMX_OUTSIDE_SMX: 4n } as const;
const PAGE_OFFSET = 0xfffn;

/** The VMX unit of a processor. A machine without one has no VMX instructions: #UD. */
function contextOf(cpu: Processor): VmxContext {
  if (!(cpu.vmx instanceof VmxIntercepts)) raise(VECTOR.UD);
  return cpu.vmx.context;
}

interface GuestExit {
  readonly reason: number;
  readonly operand?: (insn: DecodedRecord) => number;
}

/**
 * What all VMX instructions but VMXON and VMCALL begin with: #UD outside VMX operation and outside the modes that have them; VM exit
 * in the guest; #GP(0) where CPL is not 0.
 */
function begin(cpu: Processor, insn: DecodedRecord, { reason, operand }: GuestExit): VmxContext {
  const vmx = contextOf(cpu);
  if (cpu.field32(VMX.mode) === VMX_MODE.OFF) raise(VECTOR.UD);
  requireVmxMode(cpu);
  if (cpu.field32(VMX.mode) === VMX_MODE.NON_ROOT) exitInstruction(vmx, insn, { reason, operand });
  if (cpu.cpl > 0) raise(VECTOR.GP, 0);
  return vmx;
}

function exitInstruction(vmx: VmxContext, insn: DecodedRecord, exit: GuestExit): never {
  makeExit(vmx, insn, exit);
  throw TRANSITION_MADE;
}
function makeExit(vmx: VmxContext, insn: DecodedRecord, { reason, operand }: GuestExit): void {
  vmExit(vmx, reason, {
    qualification: operand === undefined ? undefined : displacementQualification(vmx.cpu, insn),
    instructionLength: insn.length,
    instructionInformation: operand === undefined ? undefined : operand(insn) >>> 0,
    resume: false,
  });
}

/** Reads a 64-bit VMCS pointer operand. */
function readPointer(cpu: Processor, insn: DecodedRecord): bigint {
  return cpu.mmu.read(memoryLinear(cpu, insn, 8, false), 8);
}

/** A VMCS pointer: 4-KByte aligned, within the physical-address width, and in memory that can hold a VMCS. */
function isVmcsAddress({ model, memory }: Processor, pointer: bigint): boolean {
  if ((pointer & PAGE_OFFSET) !== 0n || pointer >> BigInt(model.physicalBits) !== 0n) return false;
  return memory.isRam(Number(pointer), VMCS_LAYOUT.size);
}

function vmxon(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = contextOf(cpu);
  requireVmxMode(cpu);
  if ((cpu.cr4 & CR4_VMXE) === 0n) raise(VECTOR.UD);
  if (cpu.field32(VMX.mode) === VMX_MODE.NON_ROOT) {
    exitInstruction(vmx, insn, { reason: EXIT_REASON.VMXON, operand: memoryInformation });
  }
  if (cpu.cpl > 0) raise(VECTOR.GP, 0);
  if (cpu.field32(VMX.mode) === VMX_MODE.ROOT) {
    // The operand is accessed, so that its faults come first, but not used.
    readPointer(cpu, insn);
    return vmFail(vmx, VM_ERROR.VMXON_IN_ROOT);
  }
  if (!mayEnterVmx(vmx)) raise(VECTOR.GP, 0);
  const pointer = readPointer(cpu, insn);
  if (!isVmcsAddress(cpu, pointer) || cpu.memory.read32(Number(pointer)) !== VMCS_REVISION) return vmFailInvalid(vmx);
  cpu.setField32(VMX.mode, VMX_MODE.ROOT);
  cpu.setField(VMX.vmxonPointer, pointer);
  vmx.vmcs.forget();
  return vmSucceed(vmx);
}

/** Conditions of VMXON that raise #GP(0): fixed CR0 and CR4 bits, IA32_FEATURE_CONTROL. */
function mayEnterVmx({ cpu, fixedBits }: VmxContext): boolean {
  const feature = cpu.field(MSRS.featureControl);
  const needed = FEATURE_CONTROL.LOCK | FEATURE_CONTROL.VMX_OUTSIDE_SMX;
  if ((feature & needed) !== needed) return false;
  return ([0, 4] as const).every((register) => {
    const value = register === 0 ? cpu.cr0 : cpu.cr4;
    const { mustBeOne, mayBeOne } = fixedBits[register];
    return (value & mustBeOne) === mustBeOne && (value & ~mayBeOne) === 0n;
  });
}

function vmxoff(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = begin(cpu, insn, { reason: EXIT_REASON.VMXOFF });
  // The current VMCS's data must not be lost with the working copy.
  vmx.vmcs.flush();
  vmx.vmcs.forget();
  cpu.setField32(VMX.mode, VMX_MODE.OFF);
  cpu.setField(VMX.vmxonPointer, NO_VMCS);
  return vmSucceed(vmx);
}

function vmclear(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = begin(cpu, insn, { reason: EXIT_REASON.VMCLEAR, operand: memoryInformation });
  const pointer = readPointer(cpu, insn);
  if (!isVmcsAddress(cpu, pointer)) return vmFail(vmx, VM_ERROR.VMCLEAR_ADDRESS);
  if (pointer === cpu.field(VMX.vmxonPointer)) return vmFail(vmx, VM_ERROR.VMCLEAR_VMXON_POINTER);
  const { vmcs } = vmx;
  if (vmcs.isCurrent && vmcs.pointer === pointer) {
    vmcs.launched = false;
    vmcs.flush();
    vmcs.forget();
  } else {
    cpu.memory.write32(Number(pointer) + VMCS_LAYOUT.launchState, 0);
  }
  return vmSucceed(vmx);
}

function vmptrld(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = begin(cpu, insn, { reason: EXIT_REASON.VMPTRLD, operand: memoryInformation });
  const pointer = readPointer(cpu, insn);
  if (!isVmcsAddress(cpu, pointer)) return vmFail(vmx, VM_ERROR.VMPTRLD_ADDRESS);
  if (pointer === cpu.field(VMX.vmxonPointer)) return vmFail(vmx, VM_ERROR.VMPTRLD_VMXON_POINTER);
  if (cpu.memory.read32(Number(pointer)) !== VMCS_REVISION) return vmFail(vmx, VM_ERROR.VMPTRLD_REVISION);
  vmx.vmcs.load(pointer);
  return vmSucceed(vmx);
}

function vmptrst(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = begin(cpu, insn, { reason: EXIT_REASON.VMPTRST, operand: memoryInformation });
  cpu.mmu.write(memoryLinear(cpu, insn, 8, true), 8, vmx.vmcs.pointer);
  return vmSucceed(vmx);
}

/**
 * The slot a VMREAD or VMWRITE names by `encoding`, or undefined where there is no such component. Outside 64-bit mode the upper
 * half of a 64-bit field is a component of its own.
 */
function componentSlot(vmx: VmxContext, encoding: bigint): number | undefined {
  if (encoding > 0x7fffn || !fieldExists(Number(encoding), vmx.capabilities)) return undefined;
  const slot = slotOf(Number(encoding));
  return slot < 0 ? undefined : VMCS_WORKING + slot;
}

function vmread(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = begin(cpu, insn, {
    reason: EXIT_REASON.VMREAD,
    operand: () => operandInformation(insn, insn.d) | (registerNumber(insn.s) << 28),
  });
  if (!vmx.vmcs.isCurrent) return vmFailInvalid(vmx);
  const encoding = readWord(cpu, insn.s);
  const at = componentSlot(vmx, encoding);
  if (at === undefined) return vmFailValid(vmx, VM_ERROR.UNSUPPORTED_COMPONENT);
  const size = wordSize(cpu);
  const high = isHighAccess(Number(encoding));
  const value = high ? BigInt(vmx.vmcs.get32(at + 4)) : vmx.vmcs.get(at);
  const word = BigInt.asUintN(size * 8, value);
  if (insn.isRegister) cpu.setField(insn.d, word);
  else cpu.mmu.write(memoryLinear(cpu, insn, size, true), size, word);
  return vmSucceed(vmx);
}

function vmwrite(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = begin(cpu, insn, {
    reason: EXIT_REASON.VMWRITE,
    operand: () => operandInformation(insn, insn.s) | (registerNumber(insn.d) << 28),
  });
  if (!vmx.vmcs.isCurrent) return vmFailInvalid(vmx);
  const size = wordSize(cpu);
  const value = insn.isRegister ? readWord(cpu, insn.s) : cpu.mmu.read(memoryLinear(cpu, insn, size, false), size);
  const encoding = readWord(cpu, insn.d);
  const at = componentSlot(vmx, encoding);
  if (at === undefined) return vmFailValid(vmx, VM_ERROR.UNSUPPORTED_COMPONENT);
  if (fieldType(Number(encoding)) === 'read-only' && !vmx.writesReadOnlyFields) {
    return vmFailValid(vmx, VM_ERROR.READ_ONLY_COMPONENT);
  }
  storeComponent(vmx, Number(encoding), at, value);
  return vmSucceed(vmx);
}

/** Writes a component as wide as its encoding says, leaving nothing above it. */
function storeComponent({ vmcs }: VmxContext, encoding: number, at: number, value: bigint): void {
  if (isHighAccess(encoding)) {
    vmcs.set(at, (value << 32n) | BigInt(vmcs.get32(at)));
    return;
  }
  const width = fieldWidth(encoding);
  vmcs.set(at, BigInt.asUintN(width === 'u16' ? 16 : width === 'u32' ? 32 : 64, value));
}

function launchOrResume(cpu: Processor, insn: DecodedRecord, launch: boolean): ColdResult {
  const vmx = begin(cpu, insn, { reason: launch ? EXIT_REASON.VMLAUNCH : EXIT_REASON.VMRESUME });
  return vmx.vmcs.isCurrent ? vmEntry(vmx, launch) : vmFailInvalid(vmx);
}

function vmcall(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vmx = contextOf(cpu);
  const mode = cpu.field32(VMX.mode);
  if (mode === VMX_MODE.OFF) raise(VECTOR.UD);
  if (mode === VMX_MODE.NON_ROOT) {
    makeExit(vmx, insn, { reason: EXIT_REASON.VMCALL });
    return COLD.EXITED;
  }
  requireVmxMode(cpu);
  if (cpu.cpl > 0) raise(VECTOR.GP, 0);
  return vmFail(vmx, VM_ERROR.VMCALL_IN_ROOT);
}

function vmfunc(cpu: Processor): ColdResult {
  contextOf(cpu);
  // No VM function is implemented, so "enable VM functions" is always 0.
  return raise(VECTOR.UD);
}

function getsec(cpu: Processor, insn: DecodedRecord): ColdResult {
  if ((cpu.cr4 & CR4_SMXE) === 0n) raise(VECTOR.UD);
  cpu.vmx.plain('GETSEC', insn);
  return raise(VECTOR.GP, 0);
}

function invept(cpu: Processor, insn: DecodedRecord): ColdResult {
  const operand = (record: DecodedRecord): number => memoryInformation(record) | (registerNumber(record.d) << 28);
  return invalidateEpt(begin(cpu, insn, { reason: EXIT_REASON.INVEPT, operand }), insn);
}

function invvpid(cpu: Processor, insn: DecodedRecord): ColdResult {
  const operand = (record: DecodedRecord): number => memoryInformation(record) | (registerNumber(record.d) << 28);
  return invalidateVpid(begin(cpu, insn, { reason: EXIT_REASON.INVVPID, operand }), insn);
}

/** The VMX instructions, by key of the instruction table. */
export const VMX_COLD: Readonly<Record<string, ColdInstruction>> = {
  vmxon,
  vmxoff,
  vmclear,
  vmptrld,
  vmptrst,
  vmread,
  vmwrite,
  vmlaunch: (cpu, insn) => launchOrResume(cpu, insn, true),
  vmresume: (cpu, insn) => launchOrResume(cpu, insn, false),
  vmcall,
  vmfunc,
  getsec,
  invept,
  invvpid,
};
