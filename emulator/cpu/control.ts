import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, CONTROL, GPR } from '../state/layout';
import { ACTIVITY } from '../tables/boundary-state';
import { CR0_DEFINED, CR4, CR4_IMPLEMENTED, EFER } from '../tables/control-registers';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import {
  operandLinear,
  operandOffset,
  readRegister,
  readSource,
  requireCpl0,
  writeDestination,
  writeRegister,
} from './operands';
import { loadPdptes, pdpteTable, usesPaePaging } from './pdptes';
import { type Processor, SEG } from './processor';

const PE = 1n;
const PG = 0x8000_0000n;
const LMA = BigInt(EFER.LMA);
const LME = BigInt(EFER.LME);
const PAE = BigInt(CR4.PAE);

const refuse = (): never => raise(VECTOR.GP, 0);

const widthOf = (cpu: Processor): 4 | 8 => (cpu.is64Bit ? 8 : 4);

/** In VMX operation some bits are fixed, SDM "Restrictions on VMX Operation". */
function checkFixed(cpu: Processor, register: 0 | 4, value: bigint): void {
  const fixed = cpu.vmx.fixedBits(register);
  if (fixed && ((value & fixed.mustBeOne) !== fixed.mustBeOne || (value & ~fixed.mayBeOne) !== 0n)) refuse();
}

/** Loads the PDPTEs of PAE paging; #GP(0) and no change if one has reserved bits set. */
function reloadPdptes(cpu: Processor, cr3: bigint): void {
  let table = pdpteTable(cr3);
  if (cpu.vmx.ept) {
    const access = { read: true, write: false, fetch: false, linear: undefined, pagingStructure: true };
    const { physical } = cpu.vmx.translate(table, access);
    table = physical - (physical % 4096) + (table % 4096);
  }
  if (!loadPdptes(cpu, table)) refuse();
}

/** MOV to CR0 with all its consistency rules, SDM "Control Registers"; host-owned bits keep their real value. */
function writeCr0(cpu: Processor, written: bigint): void {
  const old = cpu.cr0;
  if (written >> 32n) refuse();
  const value = (cpu.vmx.mergeControl(0, written, old) & CR0_DEFINED) | 0x10n;
  const paging = (value & PG) !== 0n;
  if ((paging && (value & PE) === 0n) || (value & 0x6000_0000n) === 0x2000_0000n) refuse();
  checkFixed(cpu, 0, value);
  const toggled = ((old ^ value) & PG) !== 0n;
  let { efer } = cpu;
  if (toggled && paging && (efer & LME) !== 0n) {
    if ((cpu.cr4 & PAE) === 0n || (cpu.access(SEG.CS) & 0x2000) !== 0) refuse();
    efer |= LMA;
  } else if (toggled && !paging && (efer & LMA) !== 0n) {
    if (cpu.is64Bit || (cpu.cr4 & BigInt(CR4.PCIDE)) !== 0n) refuse();
    efer &= ~LMA;
  }
  const pae = usesPaePaging({ cr0: value, cr4: cpu.cr4, efer });
  if (pae && ((old ^ value) & (PG | 0x6000_0000n)) !== 0n) reloadPdptes(cpu, cpu.cr3);
  cpu.setField(CONTROL.cr0, value);
  cpu.setField(CONTROL.efer, efer);
  if (toggled) cpu.mmu.flush(true);
  cpu.mmu.contextChanged();
}

function writeCr3(cpu: Processor, written: bigint): void {
  let value = written;
  const pcids = (cpu.cr4 & BigInt(CR4.PCIDE)) !== 0n;
  const keep = pcids && value >> 63n !== 0n;
  if (keep) value &= ~(1n << 63n);
  if (cpu.longMode && value >> BigInt(cpu.model.physicalBits)) refuse();
  if (usesPaePaging(cpu)) reloadPdptes(cpu, value);
  cpu.setField(CONTROL.cr3, value);
  // PCID is a tag of the context to be flushed.
  cpu.mmu.contextChanged();
  if (!keep) cpu.mmu.flush(false);
}

const FLUSHING = BigInt(CR4.PGE | CR4.PSE | CR4.PAE | CR4.SMEP | CR4.PCIDE);

function writeCr4(cpu: Processor, written: bigint): void {
  const old = cpu.cr4;
  const value = cpu.vmx.mergeControl(4, written, old);
  if (value & ~CR4_IMPLEMENTED) refuse();
  checkFixed(cpu, 4, value);
  if (cpu.longMode && (value & PAE) === 0n) refuse();
  const changed = (old ^ value) & FLUSHING;
  const pae = usesPaePaging({ cr0: cpu.cr0, cr4: value, efer: cpu.efer });
  if (pae && changed !== 0n) reloadPdptes(cpu, cpu.cr3);
  cpu.setField(CONTROL.cr4, value);
  if (changed !== 0n) cpu.mmu.flush(true);
  cpu.mmu.contextChanged();
}

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

const DR7_GD = 0x2000n;
const DB_BD = 0x2000n;

/** Checks of a debug-register access; returns the register it means. */
function debugRegister(cpu: Processor, insn: DecodedRecord, gpr: number, read: boolean): number {
  const named = registerNumber(insn);
  if ((named === 4 || named === 5) && (cpu.cr4 & BigInt(CR4.DE)) !== 0n) raise(VECTOR.UD);
  requireCpl0(cpu);
  cpu.vmx.debugRegister(named, gprNumber(gpr), read, insn);
  if (cpu.field(CONTROL.dr + 56) & DR7_GD) raise(VECTOR.DB, undefined, DB_BD);
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
  writeDestination(cpu, insn, cpu.vmx.readControl(0, cpu.cr0), 2);
  return COLD.NEXT;
}

function invlpg(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireCpl0(cpu);
  const based = !cpu.is64Bit || insn.segment >= SEG.FS;
  const base = based ? cpu.base(insn.segment) : 0n;
  const linear = BigInt.asUintN(widthOf(cpu) * 8, operandOffset(cpu, insn) + base);
  cpu.vmx.invlpg(linear, insn);
  cpu.mmu.invalidatePage(linear);
  return COLD.LEAVE;
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
  invlpg,
  hlt,
};
