import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, CONTROL, FLAGS } from '../state/layout';
import { BLOCKING } from '../tables/boundary-state';
import { ARITHMETIC_FLAGS, CR4, RFLAGS } from '../tables/control-registers';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import { hasVirtualInterrupts, ioPrivilege, isVirtual8086 } from './modes';
import type { Processor } from './processor';
import { RSP } from './registers';
import { currentStack, setStackPointer, StackReader, StackWriter } from './stack';

/** Which interrupt flag CLI and STI mean; #GP(0) where none. SDM "CLI", table of the decision. */
function interruptFlag(cpu: Processor): 'IF' | 'VIF' {
  if (isVirtual8086(cpu)) {
    if (ioPrivilege(cpu) === 3) return 'IF';
    return hasVirtualInterrupts(cpu) ? 'VIF' : raise(VECTOR.GP, 0);
  }
  if (cpu.cpl <= ioPrivilege(cpu)) return 'IF';
  return cpu.cpl === 3 && (cpu.field32(CONTROL.cr4) & CR4.PVI) !== 0 ? 'VIF' : raise(VECTOR.GP, 0);
}

function cli(cpu: Processor): ColdResult {
  const flag = interruptFlag(cpu);
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) & ~RFLAGS[flag]);
  return COLD.LEAVE;
}

function sti(cpu: Processor): ColdResult {
  const flag = interruptFlag(cpu);
  const system = cpu.field32(FLAGS.system);
  if (flag === 'VIF') {
    if (system & RFLAGS.VIP) raise(VECTOR.GP, 0);
    cpu.setField32(FLAGS.system, system | RFLAGS.VIF);
  } else if ((system & RFLAGS.IF) === 0) {
    cpu.setField32(FLAGS.system, system | RFLAGS.IF);
    cpu.setField32(BOUNDARY.interruptibility, cpu.field32(BOUNDARY.interruptibility) | BLOCKING.STI);
  }
  return COLD.LEAVE;
}

/** Bits POPF and IRET may change at a privilege level. */
export function changeableFlags(cpu: Processor, size: 2 | 4 | 8): number {
  let mask: number = ARITHMETIC_FLAGS | RFLAGS.TF | RFLAGS.DF | RFLAGS.NT;
  if (size !== 2) mask |= RFLAGS.AC | RFLAGS.ID;
  if (cpu.cpl <= ioPrivilege(cpu)) mask |= RFLAGS.IF;
  if (cpu.cpl === 0) mask |= RFLAGS.IOPL;
  return mask;
}

/** Merges popped flags into RFLAGS; RF is 0 unless the mask names it. */
export function mergeFlags(cpu: Processor, value: number, mask: number): void {
  cpu.rflags = ((cpu.rflags & ~mask & ~RFLAGS.RF) | (value & mask)) >>> 0;
}

/**
 * Merges the 16 flags that POPF or IRET popped in virtual-8086 mode below IOPL 3: VIF stands for IF. SDM "Interrupt and Exception
 * Handling in Virtual-8086 Mode": #GP(0) where an interrupt waits for VIF, for TF, for other sizes and without VME.
 */
export function mergeVirtualFlags(cpu: Processor, value: number, size: 2 | 4 | 8): void {
  if (size !== 2 || !hasVirtualInterrupts(cpu)) raise(VECTOR.GP, 0);
  checkVirtualFlags(cpu, value);
  const virtual = value & RFLAGS.IF ? RFLAGS.VIF : 0;
  mergeFlags(cpu, (value & ~RFLAGS.VIF) | virtual, ARITHMETIC_FLAGS | RFLAGS.TF | RFLAGS.DF | RFLAGS.NT | RFLAGS.VIF);
}

/** The part of `mergeVirtualFlags` that may fault once the flags are known. */
export function checkVirtualFlags(cpu: Processor, value: number): void {
  const pending = (value & RFLAGS.IF) !== 0 && (cpu.field32(FLAGS.system) & RFLAGS.VIP) !== 0;
  if (pending || (value & RFLAGS.TF) !== 0) raise(VECTOR.GP, 0);
}

function popf(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 1 ? 2 : insn.size;
  const virtual = isVirtual8086(cpu) && ioPrivilege(cpu) < 3;
  if (virtual && (size !== 2 || !hasVirtualInterrupts(cpu))) raise(VECTOR.GP, 0);
  const stack = new StackReader(cpu, size);
  const value = Number(stack.pop() & 0xffff_ffffn);
  if (virtual) checkVirtualFlags(cpu, value);
  setStackPointer(cpu, stack.pointer);
  if (virtual) mergeVirtualFlags(cpu, value, size);
  else mergeFlags(cpu, value, changeableFlags(cpu, size));
  cpu.mmu.contextChanged();
  return COLD.LEAVE;
}

/** PUSHF in virtual-8086 mode: IOPL 3, or CR4.VME and 16 bits, where VIF stands for IF and IOPL reads as 3. */
function pushVirtualFlags(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 1 ? 2 : insn.size;
  let image = cpu.rflags & ~(RFLAGS.VM | RFLAGS.RF);
  if (ioPrivilege(cpu) < 3) {
    if (size !== 2 || !hasVirtualInterrupts(cpu)) raise(VECTOR.GP, 0);
    image = (image & ~RFLAGS.IF) | RFLAGS.IOPL | (image & RFLAGS.VIF ? RFLAGS.IF : 0);
  }
  const stack = new StackWriter(cpu, currentStack(cpu), cpu.gpr(RSP), size);
  stack.push(image >>> 0);
  stack.check(true, () => raise(VECTOR.SS, 0));
  stack.commit();
  setStackPointer(cpu, stack.pointer);
  return COLD.NEXT;
}

export const FLAG_ASSISTS: Readonly<Record<string, ColdInstruction>> = { pushf: pushVirtualFlags };

export const FLAG_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = { cli, sti, popf };
