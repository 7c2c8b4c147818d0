import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, FLAGS } from '../state/layout';
import { BLOCKING } from '../tables/boundary-state';
import { RFLAGS } from '../tables/control-registers';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { softwareInterrupt } from './exceptions';
import { checkRealTarget, enterReal, returnTo } from './far-transfers';
import { raise, TRANSITION_MADE, VECTOR } from './faults';
import { changeableFlags, checkVirtualFlags, mergeFlags, mergeVirtualFlags } from './flag-instructions';
import { hasVirtualInterrupts, ioPrivilege, isProtected, isVirtual8086, loadRealSegment } from './modes';
import { type Processor, SEG } from './processor';
import { RSP } from './registers';
import { setStackPointer, StackReader } from './stack';
import { returnFromTask } from './task-switch';
import { deliverRedirected, isRedirected } from './virtual-8086';

/** IRET unblocks NMIs, whatever becomes of it afterwards. */
function unblockNmi(cpu: Processor, insn: DecodedRecord): void {
  const blocking = cpu.field32(BOUNDARY.interruptibility);
  cpu.nmiUnblockedBy = (blocking & BLOCKING.NMI) !== 0 ? cpu.ripOf(insn) : undefined;
  cpu.setField32(BOUNDARY.interruptibility, blocking & ~BLOCKING.NMI);
}

function iret(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 1 ? 2 : insn.size;
  const virtual = isVirtual8086(cpu) && ioPrivilege(cpu) < 3;
  if (virtual && (size !== 2 || !hasVirtualInterrupts(cpu))) raise(VECTOR.GP, 0);
  unblockNmi(cpu, insn);
  const protection = isProtected(cpu);
  if (protection && (cpu.field32(FLAGS.system) & RFLAGS.NT) !== 0) {
    if (cpu.longMode) raise(VECTOR.GP, 0);
    returnFromTask(cpu, cpu.nextRipOf(insn), insn.length);
    cpu.nmiUnblockedBy = undefined;
    return COLD.JUMPED;
  }
  const stack = new StackReader(cpu, size);
  if (protection) stack.meet(2);
  const offset = stack.pop();
  const selector = stack.popSelector();
  stack.popWords();
  const flags = stack.low;
  let mask = changeableFlags(cpu, size);
  if (size !== 2) mask |= RFLAGS.RF;
  if (!protection) {
    checkRealTarget(cpu, offset);
    if (virtual) checkVirtualFlags(cpu, flags);
    setStackPointer(cpu, stack.pointer);
    enterReal(cpu, selector, offset);
  } else if (!cpu.longMode && cpu.cpl === 0 && size === 4 && (flags & RFLAGS.VM) !== 0) {
    enterVirtual8086(cpu, stack, selector, offset);
    mask |= RFLAGS.VM | RFLAGS.VIF | RFLAGS.VIP;
  } else {
    if (cpu.cpl === 0 && size !== 2) mask |= RFLAGS.VIF | RFLAGS.VIP;
    returnTo(cpu, stack, selector, offset, 0, cpu.is64Bit);
  }
  cpu.nmiUnblockedBy = undefined;
  if (virtual) mergeVirtualFlags(cpu, flags, size);
  else mergeFlags(cpu, flags, mask);
  cpu.mmu.contextChanged();
  return COLD.JUMPED;
}

/** IRET to virtual-8086 mode: the rest of the frame. SDM "Entering Virtual-8086 Mode"; the flags are the caller's to load. */
function enterVirtual8086(cpu: Processor, stack: StackReader, selector: number, offset: bigint): void {
  const pointer = stack.pop();
  const order = [SEG.SS, SEG.ES, SEG.DS, SEG.FS, SEG.GS];
  const selectors = order.map((index) => ({ index, value: Number(stack.pop() & 0xffffn) }));
  if (offset > 0xffffn) raise(VECTOR.GP, 0);
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) | RFLAGS.VM);
  for (const { index, value } of selectors) loadRealSegment(cpu, index, value);
  enterReal(cpu, selector, offset);
  cpu.setGpr(RSP, pointer);
}

/** INT n, which virtual-8086 code may have only at IOPL 3, or with CR4.VME where the redirection bitmap says so. */
function interrupt(cpu: Processor, insn: DecodedRecord): ColdResult {
  const vector = Number(insn.imm & 0xffn);
  if (isVirtual8086(cpu)) {
    if (hasVirtualInterrupts(cpu) && isRedirected(cpu, vector)) {
      deliverRedirected(cpu, vector, cpu.nextRipOf(insn));
      cpu.trapSuppressed = true;
      return COLD.JUMPED;
    }
    if (ioPrivilege(cpu) < 3) raise(VECTOR.GP, 0);
  }
  softwareInterrupt(cpu, 4, vector, cpu.nextRipOf(insn), insn.length);
  return COLD.JUMPED;
}

/** INT3, INTO and INT1: exceptions, which the exception bitmap sees. */
const softwareException =
  (vector: number, type: 5 | 6): ColdInstruction =>
  (cpu, insn) => {
    if (vector === VECTOR.OF && (cpu.rflags & RFLAGS.OF) === 0) return COLD.NEXT;
    cpu.rip = cpu.ripOf(insn);
    if (cpu.vmx.exception(vector, undefined, 0n, true, insn.length)) throw TRANSITION_MADE;
    softwareInterrupt(cpu, type, vector, cpu.nextRipOf(insn), insn.length);
    return COLD.JUMPED;
  };

export const INTERRUPT_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  iret,
  int: interrupt,
  int3: softwareException(VECTOR.BP, 6),
  into: softwareException(VECTOR.OF, 6),
  int1: softwareException(VECTOR.DB, 5),
};
