import type { DecodedRecord } from '../decode/decoded-record';
import { raise, VECTOR } from '../cpu/faults';
import { operandOffset } from '../cpu/operands';
import type { Processor } from '../cpu/processor';
import { CONTROL, FLAGS, GPR, PSEUDO } from '../state/layout';

/** Number of the general register at a state address. */
export function registerNumber(stateAddress: number): number {
  return (stateAddress - GPR) >> 3;
}

/** Linear address of the memory operand; raises #GP or #SS as an access of `size` bytes would. */
export function memoryLinear(cpu: Processor, insn: DecodedRecord, size: number, write: boolean): bigint {
  return cpu.mmu.linear(insn.segment, operandOffset(cpu, insn), size, write, insn.addressSize);
}

/** Reads a 16-byte descriptor operand (INVEPT, INVVPID). */
export function readDescriptor(cpu: Processor, insn: DecodedRecord): readonly [bigint, bigint] {
  const linear = memoryLinear(cpu, insn, 16, false);
  return [cpu.mmu.read(linear, 8), cpu.mmu.read(linear + 8n, 8)];
}

/** Width of VMREAD's, VMWRITE's, INVEPT's and INVVPID's register operands: 64 bits in 64-bit mode, else 32. */
export function wordSize(cpu: Processor): 4 | 8 {
  return cpu.is64Bit ? 8 : 4;
}

/** A register operand of that width. */
export function readWord(cpu: Processor, stateAddress: number): bigint {
  const value = cpu.field(stateAddress);
  return cpu.is64Bit ? value : value & 0xffff_ffffn;
}

const ADDRESS_SIZE_CODE = { 2: 0, 4: 1, 8: 2 } as const;

/**
 * VM-exit instruction information of a memory operand (SDM, "Information for VM Exits Due to Instruction Execution"):
 *
 *     1:0 scale   9:7 address size   17:15 segment   21:18 index   22 no index   26:23 base   27 no base
 */
export function memoryInformation(insn: DecodedRecord): number {
  const hasIndex = insn.index !== PSEUDO.ZERO;
  const hasBase = insn.base !== PSEUDO.ZERO && insn.base !== PSEUDO.RIP_PAGE;
  return (
    (hasIndex ? insn.scale & 3 : 0) |
    (ADDRESS_SIZE_CODE[insn.addressSize] << 7) |
    (insn.segment << 15) |
    (hasIndex ? registerNumber(insn.index) << 18 : 1 << 22) |
    (hasBase ? registerNumber(insn.base) << 23 : 1 << 27)
  );
}

/** Bit 10: the operand is a register, whose number is in bits 6:3. */
export function operandInformation(insn: DecodedRecord, operand: number): number {
  return insn.isRegister ? (1 << 10) | (registerNumber(operand) << 3) : memoryInformation(insn);
}

/**
 * Exit qualification of an instruction with a memory operand: its displacement, sign-extended; for a RIP-relative operand the
 * address. Register operands and instructions without an operand give 0.
 */
export function displacementQualification(cpu: Processor, insn: DecodedRecord): bigint {
  if (insn.isRegister) return 0n;
  const displacement = insn.base === PSEUDO.RIP_PAGE ? cpu.field(PSEUDO.RIP_PAGE) + insn.disp : insn.disp;
  return BigInt.asUintN(64, displacement);
}

/** #UD of every VMX instruction outside protected mode, in virtual-8086 mode and in compatibility mode. */
export function requireVmxMode(cpu: Processor): void {
  const virtual8086 = (cpu.field32(FLAGS.system) & 0x2_0000) !== 0;
  if ((cpu.field32(CONTROL.cr0) & 1) === 0 || virtual8086 || (cpu.longMode && !cpu.is64Bit)) raise(VECTOR.UD);
}
