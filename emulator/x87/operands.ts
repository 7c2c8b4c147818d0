import { COLD, type ColdInstruction } from '../cpu/cold';
import { operandOffset } from '../cpu/operands';
import type { Processor } from '../cpu/processor';
import { Fpu } from './fpu';

/** Linear address `distance` bytes after one: wraps at 4 GBytes outside 64-bit mode. */
export const later = (cpu: Processor, linear: bigint, distance: number): bigint =>
  cpu.is64Bit ? linear + BigInt(distance) : (linear + BigInt(distance)) & 0xffff_ffffn;

/** Notes where the memory operand is, for FDP; gives its offset. */
export function noteOperand(fpu: Fpu): bigint {
  const offset = operandOffset(fpu.cpu, fpu.insn);
  fpu.operandAt(fpu.insn.segment, offset);
  return offset;
}

/** Linear address of the memory operand, checked, and noted for FDP. */
export function address(fpu: Fpu, size: number, write: boolean): bigint {
  const { cpu, insn } = fpu;
  const offset = noteOperand(fpu);
  return cpu.mmu.linear(insn.segment, offset, size, write, insn.addressSize);
}

/** The memory operand, of 2, 4, 8 or 10 bytes. */
export function readOperand(fpu: Fpu, size: 2 | 4 | 8 | 10): bigint {
  const linear = address(fpu, size, false);
  const { cpu } = fpu;
  if (size !== 10) return cpu.mmu.read(linear, size);
  return cpu.mmu.read(linear, 8) | (cpu.mmu.read(later(cpu, linear, 8), 2) << 64n);
}

export function writeOperand(fpu: Fpu, size: 2 | 4 | 8 | 10, value: bigint): void {
  const linear = address(fpu, size, true);
  const { cpu } = fpu;
  if (size !== 10) {
    cpu.mmu.write(linear, size, value);
    return;
  }
  cpu.mmu.probeWrite(linear, size);
  cpu.mmu.write(linear, 8, BigInt.asUintN(64, value));
  cpu.mmu.write(later(cpu, linear, 8), 2, value >> 64n);
}

/** A waiting instruction: a pending exception comes first. */
export const waiting =
  (execute: (fpu: Fpu) => void): ColdInstruction =>
  (cpu, insn) => {
    const fpu = new Fpu(cpu, insn);
    if (fpu.stopsForPending()) return COLD.REPEAT;
    execute(fpu);
    return COLD.NEXT;
  };

/** A control instruction that does not look for pending exceptions. */
export const notWaiting =
  (execute: (fpu: Fpu) => void): ColdInstruction =>
  (cpu, insn) => {
    execute(new Fpu(cpu, insn));
    return COLD.NEXT;
  };
