import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY } from '../state/layout';
import { BLOCKING } from '../tables/boundary-state';
import { RFLAGS } from '../tables/control-registers';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import {
  ACCESS_RIGHTS,
  accessed,
  type Descriptor,
  isConforming,
  isNull,
  isReadable,
  isWritableData,
  loadNull,
  loadSegment,
  readDescriptor,
  readUpperHalf,
  systemType,
  SYSTEM_TYPE,
} from './descriptors';
import { raise, VECTOR } from './faults';
import { isProtected, loadRealSegment } from './modes';
import { operandLinear, readSource, requireCpl0, requireProtected, writeDestination, writeRegister } from './operands';
import { type Processor, SEG } from './processor';
import { RSP } from './registers';
import { currentStack, setStackPointer, StackReader, StackWriter } from './stack';

const SS_TYPE_BUSY = 2;

/** Loads ES, SS, DS, FS or GS from a selector, SDM "Segment-Register Loading". */
function loadDataSegment(cpu: Processor, index: number, selector: number): void {
  if (!isProtected(cpu)) {
    loadRealSegment(cpu, index, selector);
    return;
  }
  if (index === SEG.SS) loadStackSegment(cpu, selector);
  else loadOther(cpu, index, selector);
  cpu.mmu.contextChanged();
}

function loadStackSegment(cpu: Processor, selector: number): void {
  const { cpl } = cpu;
  if (isNull(selector)) {
    if (!cpu.is64Bit || cpl === 3 || (selector & 3) !== cpl) raise(VECTOR.GP, 0);
    loadNull(cpu, SEG.SS, selector, cpl);
    return;
  }
  const code = selector & 0xfffc;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || (selector & 3) !== cpl || !isWritableData(descriptor.access) || descriptor.dpl !== cpl) {
    raise(VECTOR.GP, code);
  }
  if (!descriptor.present) raise(VECTOR.SS, code);
  loadSegment(cpu, SEG.SS, selector, accessed(cpu, descriptor));
}

function loadOther(cpu: Processor, index: number, selector: number): void {
  if (isNull(selector)) {
    loadNull(cpu, index, selector, 0);
    return;
  }
  const code = selector & 0xfffc;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || !isReadable(descriptor.access)) raise(VECTOR.GP, code);
  const checked = !isConforming(descriptor.access);
  if (checked && ((selector & 3) > descriptor.dpl || cpu.cpl > descriptor.dpl)) raise(VECTOR.GP, code);
  if (!descriptor.present) raise(VECTOR.NP, code);
  loadSegment(cpu, index, selector, accessed(cpu, descriptor));
}

/**
 * On a return to an outer level, data segments that level may not hold become null. Their bases stay, as in processors: FS and GS serve
 * 64-bit code through them.
 */
export function dropInnerSegments(cpu: Processor): void {
  const { cpl } = cpu;
  for (const index of [SEG.ES, SEG.DS, SEG.FS, SEG.GS]) {
    const access = cpu.access(index);
    if ((access & ACCESS_RIGHTS.UNUSABLE) !== 0 || isConforming(access)) continue;
    if (((access >> 5) & 3) < cpl) cpu.setSegment(index, 0, cpu.base(index), 0, ACCESS_RIGHTS.UNUSABLE);
  }
}

function movToSreg(cpu: Processor, insn: DecodedRecord): ColdResult {
  const index = Number(insn.imm & 7n);
  loadDataSegment(cpu, index, Number(readSource(cpu, insn, 2)));
  if (index === SEG.SS) shadowMovSs(cpu);
  return COLD.LEAVE;
}

/** Interrupts and debug traps wait for the instruction after MOV SS and POP SS. */
function shadowMovSs(cpu: Processor): void {
  const blocking = cpu.field32(BOUNDARY.interruptibility);
  if ((blocking & BLOCKING.SHADOW) === 0) cpu.setField32(BOUNDARY.interruptibility, blocking | BLOCKING.MOV_SS);
}

function movFromSreg(cpu: Processor, insn: DecodedRecord): ColdResult {
  writeDestination(cpu, insn, BigInt(cpu.selector(Number(insn.imm & 7n))), 2);
  return COLD.NEXT;
}

function pushSreg(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 1 ? 2 : insn.size;
  const stack = new StackWriter(cpu, currentStack(cpu), cpu.gpr(RSP), size);
  stack.push(cpu.selector(Number(insn.imm & 7n)));
  stack.check(cpu.cpl === 3, () => raise(VECTOR.SS, 0));
  // A 32-bit push of a segment register writes 16 bits, as recent processors do (SDM "PUSH").
  stack.commit(size === 4 ? 2 : size);
  setStackPointer(cpu, stack.pointer);
  return COLD.NEXT;
}

function popSreg(cpu: Processor, insn: DecodedRecord): ColdResult {
  const size = insn.size === 1 ? 2 : insn.size;
  const index = Number(insn.imm & 7n);
  const stack = new StackReader(cpu, size);
  const selector = Number(stack.pop() & 0xffffn);
  const { pointer } = stack;
  const before = cpu.access(SEG.SS);
  loadDataSegment(cpu, index, selector);
  // The pointer moves in the width the stack had while it was popped.
  if (index !== SEG.SS) setStackPointer(cpu, pointer);
  else {
    if (cpu.is64Bit || (before & ACCESS_RIGHTS.BIG) !== 0) cpu.setGpr(RSP, pointer);
    else cpu.setGpr(RSP, (cpu.gpr(RSP) & ~0xffffn) | pointer);
    shadowMovSs(cpu);
  }
  return COLD.LEAVE;
}

/** LDS, LES, LSS, LFS, LGS. */
const loadFar =
  (index: number): ColdInstruction =>
  (cpu, insn) => {
    const size = insn.size === 1 ? 2 : insn.size;
    const offset = cpu.mmu.read(operandLinear(cpu, insn, size, false), size);
    const selector = Number(cpu.mmu.read(operandLinear(cpu, insn, 2, false, BigInt(size)), 2));
    loadDataSegment(cpu, index, selector);
    writeRegister(cpu, insn.d, size, offset);
    return COLD.LEAVE;
  };

/** A system descriptor for LLDT or LTR from the GDT: #GP(selector) unless of an allowed type, #NP if not present. */
function systemDescriptor(cpu: Processor, selector: number, types: readonly number[]): Descriptor {
  const code = selector & 0xfffc;
  const descriptor = (selector & 4) === 0 ? readDescriptor(cpu, selector) : undefined;
  if (!descriptor || !types.includes(systemType(descriptor.access))) raise(VECTOR.GP, code);
  if (!descriptor.present) raise(VECTOR.NP, code);
  if (!cpu.longMode) return descriptor;
  const upper = readUpperHalf(cpu, selector, descriptor) ?? raise(VECTOR.GP, code);
  const base = (upper << 32n) | descriptor.base;
  if (!cpu.isCanonicalBase(base)) raise(VECTOR.GP, code);
  return { ...descriptor, base };
}

function lldt(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireProtected(cpu);
  requireCpl0(cpu);
  cpu.vmx.plain('LLDT', insn);
  const selector = Number(readSource(cpu, insn, 2));
  if (isNull(selector)) loadNull(cpu, SEG.LDTR, selector, 0);
  else loadSegment(cpu, SEG.LDTR, selector, systemDescriptor(cpu, selector, [SYSTEM_TYPE.LDT]));
  return COLD.LEAVE;
}

function ltr(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireProtected(cpu);
  requireCpl0(cpu);
  cpu.vmx.plain('LTR', insn);
  const selector = Number(readSource(cpu, insn, 2));
  if (isNull(selector)) raise(VECTOR.GP, 0);
  const types = cpu.longMode ? [SYSTEM_TYPE.TSS32] : [SYSTEM_TYPE.TSS16, SYSTEM_TYPE.TSS32];
  const descriptor = systemDescriptor(cpu, selector, types);
  const access = descriptor.access | SS_TYPE_BUSY;
  cpu.mmu.writeSystem(descriptor.at + 5n, 1, BigInt(access & 0xff));
  loadSegment(cpu, SEG.TR, selector, { ...descriptor, access });
  return COLD.LEAVE;
}

/** Whether a segment could be used with a selector, as LAR, LSL, VERR and VERW ask; undefined if its table has none. */
function visible(cpu: Processor, selector: number): Descriptor | undefined {
  if (isNull(selector)) return undefined;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor) return undefined;
  const rights = Math.max(cpu.cpl, selector & 3);
  return isConforming(descriptor.access) || descriptor.dpl >= rights ? descriptor : undefined;
}

function setZero(cpu: Processor, zero: boolean): void {
  cpu.rflags = zero ? cpu.rflags | RFLAGS.ZF : cpu.rflags & ~RFLAGS.ZF;
}

const LSL_TYPES = [SYSTEM_TYPE.LDT, SYSTEM_TYPE.TSS32, SYSTEM_TYPE.TSS32_BUSY] as const;
const LSL_LEGACY = [SYSTEM_TYPE.TSS16, SYSTEM_TYPE.TSS16_BUSY] as const;
const GATE_TYPES = [SYSTEM_TYPE.CALL32] as const;
const GATE_LEGACY = [SYSTEM_TYPE.CALL16, SYSTEM_TYPE.TASK_GATE] as const;

const query =
  (types: readonly number[], legacy: readonly number[], answer: (d: Descriptor) => number): ColdInstruction =>
  (cpu, insn) => {
    requireProtected(cpu);
    const descriptor = visible(cpu, Number(readSource(cpu, insn, 2)));
    const type = descriptor ? systemType(descriptor.access) : -2;
    const known = type === -1 || types.includes(type) || (!cpu.longMode && legacy.includes(type));
    if (descriptor && known) writeRegister(cpu, insn.d, insn.size, BigInt(answer(descriptor)));
    setZero(cpu, descriptor !== undefined && known);
    return COLD.NEXT;
  };

const verify =
  (write: boolean): ColdInstruction =>
  (cpu, insn) => {
    requireProtected(cpu);
    const descriptor = visible(cpu, Number(readSource(cpu, insn, 2)));
    setZero(
      cpu,
      descriptor !== undefined && (write ? isWritableData(descriptor.access) : isReadable(descriptor.access)),
    );
    return COLD.NEXT;
  };

function arpl(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireProtected(cpu);
  const { view } = cpu.memory;
  const source = view.getUint16(insn.s, true);
  const linear = insn.isRegister ? 0n : operandLinear(cpu, insn, 2, true);
  const old = insn.isRegister ? view.getUint16(insn.d, true) : Number(cpu.mmu.read(linear, 2));
  const adjusts = (old & 3) < (source & 3);
  if (adjusts) {
    const value = (old & ~3) | (source & 3);
    if (insn.isRegister) view.setUint16(insn.d, value, true);
    else cpu.mmu.write(linear, 2, BigInt(value));
  }
  setZero(cpu, adjusts);
  return COLD.NEXT;
}

export const SEGMENT_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  mov_to_sreg: movToSreg,
  mov_from_sreg: movFromSreg,
  push_sreg: pushSreg,
  pop_sreg: popSreg,
  lds: loadFar(SEG.DS),
  les: loadFar(SEG.ES),
  lss: loadFar(SEG.SS),
  lfs: loadFar(SEG.FS),
  lgs: loadFar(SEG.GS),
  lldt,
  ltr,
  lar: query([...LSL_TYPES, ...GATE_TYPES], [...LSL_LEGACY, ...GATE_LEGACY], (d) => (d.high & 0x00ff_ff00) >>> 0),
  lsl: query(LSL_TYPES, LSL_LEGACY, (d) => d.limit),
  verr: verify(false),
  verw: verify(true),
  arpl,
};
