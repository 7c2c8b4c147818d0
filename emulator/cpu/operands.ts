import type { DecodedRecord } from '../decode/decoded-record';
import { CONTROL } from '../state/layout';
import { CR4 } from '../tables/control-registers';
import { raise, VECTOR } from './faults';
import { isProtected } from './modes';
import type { Processor } from './processor';

type Size = 1 | 2 | 4 | 8;

/** Offset of a record's memory operand in its segment. */
export function operandOffset(cpu: Processor, insn: DecodedRecord): bigint {
  const { view } = cpu.memory;
  const base = view.getBigUint64(insn.base, true);
  const index = view.getBigUint64(insn.index, true) << BigInt(insn.scale);
  return BigInt.asUintN(insn.addressSize * 8, base + index + insn.disp);
}

/** Linear address of a record's memory operand, checked. `at` bytes into it. */
export function operandLinear(cpu: Processor, insn: DecodedRecord, size: number, write: boolean, at = 0n): bigint {
  return cpu.mmu.linear(insn.segment, operandOffset(cpu, insn) + at, size, write, insn.addressSize);
}

/** A register by state address. */
export function readRegister(cpu: Processor, address: number, size: Size): bigint {
  const { view } = cpu.memory;
  if (size === 8) return view.getBigUint64(address, true);
  if (size === 4) return BigInt(view.getUint32(address, true));
  return BigInt(size === 2 ? view.getUint16(address, true) : view.getUint8(address));
}

/** Writes a register as instructions do: 32-bit results clear the high half. */
export function writeRegister(cpu: Processor, address: number, size: Size, value: bigint): void {
  const { view } = cpu.memory;
  if (size === 8) view.setBigUint64(address, BigInt.asUintN(64, value), true);
  else if (size === 4) view.setBigUint64(address, value & 0xffff_ffffn, true);
  else if (size === 2) view.setUint16(address, Number(value & 0xffffn), true);
  else view.setUint8(address, Number(value & 0xffn));
}

/** State address of the ModRM register operand, whichever side the decoder put it on. */
export function readSource(cpu: Processor, insn: DecodedRecord, size: Size): bigint {
  if (insn.isRegister) return readRegister(cpu, insn.s, size);
  return cpu.mmu.read(operandLinear(cpu, insn, size, false), size);
}

/** Writes a register or memory destination; memory takes `memorySize` bytes. */
export function writeDestination(cpu: Processor, insn: DecodedRecord, value: bigint, memorySize: Size): void {
  if (insn.isRegister) writeRegister(cpu, insn.d, insn.size, value);
  else cpu.mmu.write(operandLinear(cpu, insn, memorySize, true), memorySize, value);
}

/** Instructions for privilege level 0 only. */
export function requireCpl0(cpu: Processor): void {
  if (cpu.cpl !== 0) raise(VECTOR.GP, 0);
}

/** Instructions that real mode and virtual-8086 mode do not have. */
export function requireProtected(cpu: Processor): void {
  if (!isProtected(cpu)) raise(VECTOR.UD);
}

/** With CR4.UMIP only privilege level 0 may see the system registers that SGDT, SIDT, SLDT, SMSW and STR store. */
export function requireVisible(cpu: Processor): void {
  if (cpu.cpl !== 0 && (cpu.field32(CONTROL.cr4) & CR4.UMIP) !== 0) raise(VECTOR.GP, 0);
}
