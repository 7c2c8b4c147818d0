import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, CONTROL, GPR } from '../state/layout';
import { ACTIVITY } from '../tables/boundary-state';
import { CR4 } from '../tables/control-registers';
import { DR6, DR7 } from '../tables/debug-bits';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { writeCr0, writeCr3, writeCr4 } from './control-registers';
import { raise, VECTOR } from './faults';
import {
  operandLinear,
  readRegister,
  readSource,
  requireCpl0,
  requireVisible,
  writeDestination,
  writeRegister,
} from './operands';
import type { Processor } from './processor';

const refuse = (): never => raise(VECTOR.GP, 0);

const widthOf = (cpu: Processor): 4 | 8 => (cpu.is64Bit ? 8 : 4);

const registerNumber = (insn: DecodedRecord): number => Number(insn.imm & 0xffn);
const gprNumber = (address: number): number => (address - GPR) >> 3;

function movToCr(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const register = registerNumber(insn);
  const value = readRegister(cpu, insn.s, widthOf(cpu));
  if (register === 0 || register === 3 || register === 4 || register === 8) {
    cpu.vmx.controlWrite(register, gprNumber(insn.s), value, insn);
  }
  switch (register) {
    case 0:
      writeCr0(cpu, value);
      break;
    case 2:
      cpu.setField(CONTROL.cr2, value);
      break;
    case 3:
      writeCr3(cpu, value);
      break;
    case 4:
      writeCr4(cpu, value);
      break;
    case 8:
      if (value > 15n) refuse();
      cpu.taskPriority.write(Number(value));
      break;
    default:
      raise(VECTOR.UD);
  }
  return COLD.LEAVE;
}

function readCr(cpu: Processor, register: number): bigint {
  switch (register) {
    case 0:
      return cpu.vmx.readControl(0, cpu.cr0);
    case 2:
      return cpu.field(CONTROL.cr2);
    case 3:
      return cpu.cr3;
    case 4:
      return cpu.vmx.readControl(4, cpu.cr4);
    case 8:
      return BigInt(cpu.taskPriority.read());
    default:
      return raise(VECTOR.UD);
  }
}

function movFromCr(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const register = registerNumber(insn);
  if (register === 3 || register === 8) cpu.vmx.controlRead(register, gprNumber(insn.d), insn);
  writeRegister(cpu, insn.d, widthOf(cpu), readCr(cpu, register));
  return COLD.NEXT;
}

/** Checks of a debug-register access; returns the register it means. */
function debugRegister(cpu: Processor, insn: DecodedRecord, gpr: number, read: boolean): number {
  const named = registerNumber(insn);
  if ((named === 4 || named === 5) && (cpu.cr4 & BigInt(CR4.DE)) !== 0n) raise(VECTOR.UD);
  requireCpl0(cpu);
  cpu.vmx.debugRegister(named, gprNumber(gpr), read, insn);
  if (cpu.field(CONTROL.dr + 56) & BigInt(DR7.GD)) raise(VECTOR.DB, undefined, BigInt(DR6.BD));
  return named === 4 || named === 5 ? named + 2 : named;
}

function movToDr(cpu: Processor, insn: DecodedRecord): ColdResult {
  const register = debugRegister(cpu, insn, insn.s, false);
  const value = readRegister(cpu, insn.s, widthOf(cpu));
  if (register >= 6 && value >> 32n) refuse();
  const kept =
    register === 6 ? (value & 0xe00fn) | 0xffff_0ff0n : register === 7 ? (value & 0xffff_2bffn) | 0x400n : value;
  cpu.setField(CONTROL.dr + register * 8, kept);
  return COLD.LEAVE;
}

function movFromDr(cpu: Processor, insn: DecodedRecord): ColdResult {
  const register = debugRegister(cpu, insn, insn.d, true);
  writeRegister(cpu, insn.d, widthOf(cpu), cpu.field(CONTROL.dr + register * 8));
  return COLD.NEXT;
}

function clts(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  if (cpu.vmx.clts(insn) === 'execute') cpu.setField(CONTROL.cr0, cpu.cr0 & ~8n);
  return COLD.LEAVE;
}

function lmsw(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const linear = insn.isRegister ? undefined : operandLinear(cpu, insn, 2, false);
  const word = readSource(cpu, insn, 2);
  cpu.vmx.lmsw(Number(word), linear, insn);
  // LMSW can set PE but not clear it.
  const old = cpu.vmx.readControl(0, cpu.cr0);
  writeCr0(cpu, (old & ~0xen) | (word & 0xfn));
  return COLD.LEAVE;
}

function smsw(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireVisible(cpu);
  writeDestination(cpu, insn, cpu.vmx.readControl(0, cpu.cr0), 2);
  return COLD.NEXT;
}

function hlt(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  if (cpu.vmx.plainExits('HLT', insn)) return COLD.EXITED;
  cpu.setField32(BOUNDARY.activity, ACTIVITY.HLT);
  return COLD.LEAVE;
}

export const CONTROL_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  mov_to_cr: movToCr,
  mov_from_cr: movFromCr,
  mov_to_dr: movToDr,
  mov_from_dr: movFromDr,
  clts,
  lmsw,
  smsw,
  hlt,
};
