import type { DecodedRecord } from '../decode/decoded-record';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import {
  ACCESS_RIGHTS,
  accessed,
  type Descriptor,
  isCode,
  isConforming,
  isNull,
  isWritableData,
  loadNull,
  loadSegment,
  markAccessed,
  readDescriptor,
  readUpperHalf,
  systemType,
  SYSTEM_TYPE,
} from './descriptors';
import { raise, VECTOR } from './faults';
import { rspFromTss, stackFromTss } from './gates';
import { isProtected, loadRealSegment } from './modes';
import { operandLinear } from './operands';
import { type Processor, SEG } from './processor';
import { RSP } from './registers';
import { dropInnerSegments } from './segments';
import { currentStack, setStackPointer, StackReader, StackWriter } from './stack';
import { isTaskTarget, transferToTask } from './task-switch';

type Size = 2 | 4 | 8;
const sizeOf = (insn: DecodedRecord): Size => (insn.size === 1 ? 2 : insn.size);

const isLongCode = (cpu: Processor, access: number): boolean => cpu.longMode && (access & ACCESS_RIGHTS.LONG) !== 0;

/** #GP(0) unless an offset may be executed in a code segment. */
function checkTarget(cpu: Processor, code: Descriptor, offset: bigint): void {
  if (isLongCode(cpu, code.access) ? !cpu.isCanonical(offset) : offset > code.limit) raise(VECTOR.GP, 0);
}

/** Code descriptor that a far jump, call or return names; `#GP(selector)` where there is none. */
function codeDescriptor(cpu: Processor, selector: number): Descriptor {
  if (isNull(selector)) raise(VECTOR.GP, 0);
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor) raise(VECTOR.GP, selector & 0xfffc);
  return descriptor;
}

function checkLongBits(cpu: Processor, access: number, selector: number): void {
  const both = ACCESS_RIGHTS.LONG | ACCESS_RIGHTS.BIG;
  if (cpu.longMode && (access & both) === both) raise(VECTOR.GP, selector & 0xfffc);
}

/** Checks of a direct far jump or call to a code segment. */
function checkDirect(cpu: Processor, selector: number, code: Descriptor): void {
  const { cpl } = cpu;
  const error = selector & 0xfffc;
  if (isConforming(code.access)) {
    if (code.dpl > cpl) raise(VECTOR.GP, error);
  } else if ((selector & 3) > cpl || code.dpl !== cpl) raise(VECTOR.GP, error);
  checkLongBits(cpu, code.access, selector);
  if (!code.present) raise(VECTOR.NP, error);
}

function enterCode(cpu: Processor, selector: number, cpl: number, code: Descriptor, offset: bigint): void {
  loadSegment(cpu, SEG.CS, (selector & 0xfffc) | cpl, accessed(cpu, code));
  cpu.rip = offset;
  cpu.mmu.contextChanged();
}

/** #GP(0) unless an offset may be executed in real or virtual-8086 mode. */
export function checkRealTarget(cpu: Processor, offset: bigint): void {
  if (offset > BigInt(cpu.limit(SEG.CS))) raise(VECTOR.GP, 0);
}

export function enterReal(cpu: Processor, selector: number, offset: bigint): void {
  loadRealSegment(cpu, SEG.CS, selector);
  cpu.rip = offset;
}

/** A call gate's target. */
interface CallGate {
  readonly selector: number;
  readonly offset: bigint;
  readonly parameters: number;
  readonly size: Size;
}

function readCallGate(cpu: Processor, selector: number, gate: Descriptor): CallGate {
  const error = selector & 0xfffc;
  const type = systemType(gate.access);
  const gateTypes: readonly number[] = cpu.longMode ? [SYSTEM_TYPE.CALL32] : [SYSTEM_TYPE.CALL32, SYSTEM_TYPE.CALL16];
  if (!gateTypes.includes(type)) raise(VECTOR.GP, error);
  if (gate.dpl < cpu.cpl || gate.dpl < (selector & 3)) raise(VECTOR.GP, error);
  if (!gate.present) raise(VECTOR.NP, error);
  const low = BigInt(((gate.high & 0xffff_0000) | (gate.low & 0xffff)) >>> 0);
  const upper = cpu.longMode ? (readUpperHalf(cpu, selector, gate) ?? raise(VECTOR.GP, error)) << 32n : 0n;
  return {
    selector: gate.low >>> 16,
    offset: type === SYSTEM_TYPE.CALL16 ? low & 0xffffn : low | upper,
    parameters: cpu.longMode ? 0 : gate.high & 0x1f,
    size: cpu.longMode ? 8 : type === SYSTEM_TYPE.CALL32 ? 4 : 2,
  };
}

/** The code segment behind a call gate; only calls may go to an inner privilege level. */
function gateCode(cpu: Processor, gate: CallGate, calls: boolean): Descriptor {
  const error = gate.selector & 0xfffc;
  const code = codeDescriptor(cpu, gate.selector);
  if (!isCode(code.access) || code.dpl > cpu.cpl) raise(VECTOR.GP, error);
  if (!calls && !isConforming(code.access) && code.dpl !== cpu.cpl) raise(VECTOR.GP, error);
  if (cpu.longMode && (code.access & (ACCESS_RIGHTS.LONG | ACCESS_RIGHTS.BIG)) !== ACCESS_RIGHTS.LONG) {
    raise(VECTOR.GP, error);
  }
  if (!code.present) raise(VECTOR.NP, error);
  return code;
}

/** The instruction that makes a far transfer, as a task switch has to know it. */
interface Transfer {
  readonly returnRip: bigint;
  readonly length: number;
}
const transferOf = (cpu: Processor, insn: DecodedRecord): Transfer => ({
  returnRip: cpu.nextRipOf(insn),
  length: insn.length,
});

function farJump(cpu: Processor, selector: number, offset: bigint, transfer: Transfer): ColdResult {
  if (!isProtected(cpu)) {
    checkRealTarget(cpu, offset);
    enterReal(cpu, selector, offset);
    return COLD.JUMPED;
  }
  const descriptor = codeDescriptor(cpu, selector);
  if (isCode(descriptor.access)) {
    checkDirect(cpu, selector, descriptor);
    checkTarget(cpu, descriptor, offset);
    enterCode(cpu, selector, cpu.cpl, descriptor, offset);
    return COLD.JUMPED;
  }
  if (!cpu.longMode && isTaskTarget(descriptor.access)) {
    transferToTask(cpu, { selector, descriptor }, 'jmp', transfer.returnRip, transfer.length);
    return COLD.JUMPED;
  }
  const gate = readCallGate(cpu, selector, descriptor);
  const code = gateCode(cpu, gate, false);
  checkTarget(cpu, code, gate.offset);
  enterCode(cpu, gate.selector, cpu.cpl, code, gate.offset);
  return COLD.JUMPED;
}

const stackFault = (): never => raise(VECTOR.SS, 0);

function pushReturn(cpu: Processor, size: Size, returnRip: bigint): StackWriter {
  const stack = new StackWriter(cpu, currentStack(cpu), cpu.gpr(RSP), size);
  stack.push(cpu.selector(SEG.CS));
  stack.push(returnRip);
  stack.check(cpu.cpl === 3, stackFault);
  return stack;
}

function farCall(cpu: Processor, selector: number, offset: bigint, size: Size, transfer: Transfer): ColdResult {
  const { returnRip } = transfer;
  if (!isProtected(cpu)) {
    const stack = pushReturn(cpu, size, returnRip);
    checkRealTarget(cpu, offset);
    stack.commit();
    setStackPointer(cpu, stack.pointer);
    enterReal(cpu, selector, offset);
    return COLD.JUMPED;
  }
  const descriptor = codeDescriptor(cpu, selector);
  if (isCode(descriptor.access)) {
    checkDirect(cpu, selector, descriptor);
    const stack = pushReturn(cpu, size, returnRip);
    checkTarget(cpu, descriptor, offset);
    const entered = accessed(cpu, descriptor);
    stack.commit();
    setStackPointer(cpu, stack.pointer);
    enterCode(cpu, selector, cpu.cpl, entered, offset);
    return COLD.JUMPED;
  }
  if (!cpu.longMode && isTaskTarget(descriptor.access)) {
    transferToTask(cpu, { selector, descriptor }, 'call', returnRip, transfer.length);
    return COLD.JUMPED;
  }
  const gate = readCallGate(cpu, selector, descriptor);
  const code = gateCode(cpu, gate, true);
  if (isConforming(code.access) || code.dpl === cpu.cpl) {
    const stack = pushReturn(cpu, gate.size, returnRip);
    checkTarget(cpu, code, gate.offset);
    const entered = accessed(cpu, code);
    stack.commit();
    setStackPointer(cpu, stack.pointer);
    enterCode(cpu, gate.selector, cpu.cpl, entered, gate.offset);
  } else callInner(cpu, gate, code, returnRip);
  return COLD.JUMPED;
}

/** A call through a gate to an inner privilege level: new stack, parameters copied. */
function callInner(cpu: Processor, gate: CallGate, code: Descriptor, returnRip: bigint): void {
  const old = { ss: cpu.selector(SEG.SS), rsp: cpu.gpr(RSP), stack: currentStack(cpu) };
  const fresh = cpu.longMode ? undefined : stackFromTss(cpu, code.dpl, 0);
  const top = fresh ? fresh.pointer : rspFromTss(cpu, code.dpl, 0);
  if (!fresh && !cpu.isCanonical(top)) raise(VECTOR.SS, 0);
  const flat = { base: 0n, limit: 0xffff_ffff, access: 0, flat: true };
  const stack = new StackWriter(cpu, fresh ? fresh.segment : flat, top, gate.size);
  stack.push(old.ss);
  stack.push(old.rsp);
  const parameters = new StackReader(cpu, gate.size);
  const copied = Array.from({ length: gate.parameters }, () => parameters.pop());
  for (const value of copied.reverse()) stack.push(value);
  stack.push(cpu.selector(SEG.CS));
  stack.push(returnRip);
  stack.check(false, () => raise(VECTOR.SS, fresh ? fresh.selector & 0xfffc : 0));
  checkTarget(cpu, code, gate.offset);
  const entered = accessed(cpu, code);
  if (fresh) {
    const access = markAccessed(cpu, fresh.descriptor);
    cpu.setSegment(SEG.SS, fresh.selector, fresh.descriptor.base, fresh.descriptor.limit, access);
  } else loadNull(cpu, SEG.SS, code.dpl, code.dpl);
  enterCode(cpu, gate.selector, code.dpl, entered, gate.offset);
  stack.commit();
  setStackPointer(cpu, stack.pointer);
}

/** Far pointer in memory: offset, then selector. */
function readFarPointer(cpu: Processor, insn: DecodedRecord): { readonly selector: number; readonly offset: bigint } {
  const size = sizeOf(insn);
  const offset = cpu.mmu.read(operandLinear(cpu, insn, size, false), size);
  const selector = Number(cpu.mmu.read(operandLinear(cpu, insn, 2, false, BigInt(size)), 2));
  return { selector, offset };
}
const immediateFar = (insn: DecodedRecord): { readonly selector: number; readonly offset: bigint } => ({
  selector: Number((insn.imm >> 32n) & 0xffffn),
  offset: insn.imm & (insn.size === 2 ? 0xffffn : 0xffff_ffffn),
});

const jump =
  (target: typeof readFarPointer): ColdInstruction =>
  (cpu, insn) => {
    const { selector, offset } = target(cpu, insn);
    return farJump(cpu, selector, offset, transferOf(cpu, insn));
  };
const callFar =
  (target: typeof readFarPointer): ColdInstruction =>
  (cpu, insn) => {
    const { selector, offset } = target(cpu, insn);
    return farCall(cpu, selector, offset, sizeOf(insn), transferOf(cpu, insn));
  };

/** Checks and loads what RETF and IRET have in common; `release` is RETF's operand. What the context follows from is the caller's. */
export function returnTo(
  cpu: Processor,
  stack: StackReader,
  selector: number,
  popped: bigint,
  release: number,
  alwaysStack: boolean,
): void {
  const { cpl } = cpu;
  const error = selector & 0xfffc;
  const code = codeDescriptor(cpu, selector);
  // Returns, unlike jumps and calls, ignore bits 63:32 on their way to compatibility mode.
  const offset = isLongCode(cpu, code.access) ? popped : BigInt.asUintN(32, popped);
  const rpl = selector & 3;
  if (!isCode(code.access) || rpl < cpl) raise(VECTOR.GP, error);
  if (isConforming(code.access) ? code.dpl > rpl : code.dpl !== rpl) raise(VECTOR.GP, error);
  checkLongBits(cpu, code.access, selector);
  if (!code.present) raise(VECTOR.NP, error);
  stack.skip(release);
  if (rpl === cpl && !alwaysStack) {
    checkTarget(cpu, code, offset);
    const entered = accessed(cpu, code);
    setStackPointer(cpu, stack.pointer);
    loadSegment(cpu, SEG.CS, selector, entered);
    cpu.rip = offset;
    return;
  }
  const newRsp = stack.pop();
  const newSs = stack.popSelector();
  const toLong = isLongCode(cpu, code.access);
  const segment = returnStack(cpu, newSs, rpl, toLong);
  checkTarget(cpu, code, offset);
  const entered = accessed(cpu, code);
  if (segment) loadSegment(cpu, SEG.SS, newSs, accessed(cpu, segment));
  else loadNull(cpu, SEG.SS, newSs, rpl);
  loadSegment(cpu, SEG.CS, selector, entered);
  cpu.rip = offset;
  setStackPointer(cpu, release === 0 ? newRsp : newRsp + BigInt(release));
  if (rpl > cpl) dropInnerSegments(cpu);
}

/** Stack segment a return goes to; undefined for the null selector 64-bit code may have. */
function returnStack(cpu: Processor, selector: number, cpl: number, toLong: boolean): Descriptor | undefined {
  if (isNull(selector)) {
    if (!toLong || cpl === 3 || (selector & 3) !== cpl) raise(VECTOR.GP, 0);
    return undefined;
  }
  const error = selector & 0xfffc;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || (selector & 3) !== cpl || !isWritableData(descriptor.access) || descriptor.dpl !== cpl) {
    raise(VECTOR.GP, error);
  }
  if (!descriptor.present) raise(VECTOR.SS, error);
  return descriptor;
}

const retFar =
  (immediate: boolean): ColdInstruction =>
  (cpu, insn) => {
    const release = immediate ? Number(insn.imm & 0xffffn) : 0;
    const stack = new StackReader(cpu, sizeOf(insn));
    if (isProtected(cpu)) stack.meet(1);
    const offset = stack.pop();
    const selector = stack.popSelector();
    if (!isProtected(cpu)) {
      checkRealTarget(cpu, offset);
      stack.skip(release);
      setStackPointer(cpu, stack.pointer);
      enterReal(cpu, selector, offset);
    } else {
      returnTo(cpu, stack, selector, offset, release, false);
      cpu.mmu.contextChanged();
    }
    return COLD.JUMPED;
  };

export const TRANSFER_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  jmp_far: jump((_cpu, insn) => immediateFar(insn)),
  jmp_far_indirect: jump(readFarPointer),
  call_far: callFar((_cpu, insn) => immediateFar(insn)),
  call_far_indirect: callFar(readFarPointer),
  retf: retFar(false),
  retf_imm: retFar(true),
};
