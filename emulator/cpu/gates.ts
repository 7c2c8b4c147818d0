import { CONTROL, DESCRIPTOR_TABLES, FLAGS } from '../state/layout';
import { fromWords, highWord, lowWord } from '../state/words';
import { CR0, RFLAGS } from '../tables/control-registers';
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
  systemType,
  SYSTEM_TYPE,
} from './descriptors';
import { raise, VECTOR } from './faults';
import { isVirtual8086, loadRealSegment } from './modes';
import { type Processor, SEG } from './processor';
import { RSP } from './registers';
import { currentStack, FLAT_STACK, setStackPointer, type StackSegment, StackWriter } from './stack';
import { switchTask } from './task-switch';

/** An event on its way through the IDT. */
export interface GateEvent {
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** INT n, INT3, INTO: the gate's DPL is checked, and error codes have EXT clear. */
  readonly software: boolean;
  /** RIP to push. */
  readonly returnRip: bigint;
  /** RF in the pushed RFLAGS. */
  readonly resume: boolean;
  /** Of the software types; else 0. */
  readonly instructionLength: number;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

/** Raises a fault met during delivery, leaving a sentence saying why for the debugger. */
function refuse(cpu: Processor, vector: number, errorCode: number, reason: string): never {
  cpu.deliveryFailure = reason;
  raise(vector, errorCode);
}

/** Delivers through the IDT, SDM "Interrupt and Exception Handling". Nothing has changed when it throws, but accessed bits. */
export function deliverThroughGate(cpu: Processor, event: GateEvent): void {
  if ((cpu.field32(CONTROL.cr0) & CR0.PE) === 0) deliverReal(cpu, event);
  else if (cpu.longMode) deliverLong(cpu, event);
  else deliverProtected(cpu, event);
}

function deliverReal(cpu: Processor, event: GateEvent): void {
  const { vector } = event;
  if (vector * 4 + 3 > cpu.field32(DESCRIPTOR_TABLES.idtrLimit)) {
    refuse(cpu, VECTOR.GP, 0, `entry ${vector} of the interrupt vector table lies beyond the IDTR limit`);
  }
  const target = Number(cpu.mmu.readSystem(cpu.field(DESCRIPTOR_TABLES.idtrBase) + BigInt(vector * 4), 4));
  const stack = new StackWriter(cpu, currentStack(cpu), cpu.gpr(RSP), 2);
  stack.push(cpu.rflags & 0xffff);
  stack.push(cpu.selector(SEG.CS));
  stack.push(event.returnRip & 0xffffn);
  stack.check(false, () => refuse(cpu, VECTOR.SS, 0, 'the frame does not fit the stack segment'));
  stack.commit();
  setStackPointer(cpu, stack.pointer);
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) & ~(RFLAGS.IF | RFLAGS.TF | RFLAGS.AC | RFLAGS.RF));
  const selector = target >>> 16;
  loadRealSegment(cpu, SEG.CS, selector);
  cpu.rip = BigInt(target & 0xffff);
  cpu.mmu.contextChanged();
}

/** The gate's code segment, checked; its DPL decides the new privilege level. */
function targetSegment(cpu: Processor, selector: number, vector: number, ext: number, long: boolean): Descriptor {
  if (isNull(selector)) refuse(cpu, VECTOR.GP, ext, `IDT gate ${vector} has a null code selector`);
  const code = (selector & 0xfffc) | ext;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor) {
    refuse(
      cpu,
      VECTOR.GP,
      code,
      `code selector ${hex(selector)} of IDT gate ${vector} lies beyond its descriptor table`,
    );
  }
  if (!isCode(descriptor.access)) {
    refuse(cpu, VECTOR.GP, code, `selector ${hex(selector)} of IDT gate ${vector} is not a code segment`);
  }
  if (descriptor.dpl > cpu.cpl) {
    refuse(
      cpu,
      VECTOR.GP,
      code,
      `code segment ${hex(selector)} of IDT gate ${vector} is less privileged than the interrupted code`,
    );
  }
  if (!descriptor.present) {
    refuse(cpu, VECTOR.NP, code, `code segment ${hex(selector)} of IDT gate ${vector} is not present`);
  }
  const bits = descriptor.access & (ACCESS_RIGHTS.LONG | ACCESS_RIGHTS.BIG);
  if (long && bits !== ACCESS_RIGHTS.LONG) {
    refuse(cpu, VECTOR.GP, code, `code segment ${hex(selector)} of IDT gate ${vector} is not a 64-bit one`);
  }
  return descriptor;
}

/** Clears IF for interrupt gates, and TF, NT, RF, VM. */
function flagsThroughGate(cpu: Processor, interruptGate: boolean): void {
  const cleared = RFLAGS.TF | RFLAGS.NT | RFLAGS.RF | RFLAGS.VM | (interruptGate ? RFLAGS.IF : 0);
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) & ~cleared);
}

const imageOf = (cpu: Processor, event: GateEvent): number =>
  ((cpu.rflags & ~RFLAGS.RF) | (event.resume ? RFLAGS.RF : 0)) >>> 0;

function checkGate(cpu: Processor, event: GateEvent, high: number, long: boolean): number {
  const { vector, software } = event;
  const code = vector * 8 + 2 + (software ? 0 : 1);
  const access = (high >>> 8) & 0xff;
  const type = systemType(access);
  const interruptOrTrap = type === SYSTEM_TYPE.INTERRUPT32 || type === SYSTEM_TYPE.TRAP32;
  const legacy = type === SYSTEM_TYPE.INTERRUPT16 || type === SYSTEM_TYPE.TRAP16 || type === SYSTEM_TYPE.TASK_GATE;
  if (!interruptOrTrap && (long || !legacy)) {
    refuse(cpu, VECTOR.GP, code, `IDT entry ${vector} is not an interrupt or trap gate (access byte ${hex(access)})`);
  }
  if (software && ((access >> 5) & 3) < cpu.cpl) {
    refuse(cpu, VECTOR.GP, code, `IDT gate ${vector} has a DPL below the current privilege level`);
  }
  if ((access & ACCESS_RIGHTS.PRESENT) === 0) {
    refuse(cpu, VECTOR.NP, code, `IDT gate ${vector} is not present`);
  }
  return type;
}

/** What an interrupt out of virtual-8086 mode pushes first, and makes null. */
const DATA_SEGMENTS = [SEG.GS, SEG.FS, SEG.DS, SEG.ES] as const;

function deliverProtected(cpu: Processor, event: GateEvent): void {
  const { vector, software, errorCode } = event;
  const ext = software ? 0 : 1;
  if (vector * 8 + 7 > cpu.field32(DESCRIPTOR_TABLES.idtrLimit)) {
    refuse(cpu, VECTOR.GP, vector * 8 + 2 + ext, `IDT entry ${vector} lies beyond the IDTR limit`);
  }
  const gate = cpu.mmu.readSystem(cpu.field(DESCRIPTOR_TABLES.idtrBase) + BigInt(vector * 8), 8);
  const low = Number(gate & 0xffff_ffffn);
  const high = Number(gate >> 32n);
  const type = checkGate(cpu, event, high, false);
  const selector = low >>> 16;
  if (type === SYSTEM_TYPE.TASK_GATE) {
    switchTask(cpu, {
      source: 'gate',
      selector,
      ext,
      returnRip: event.returnRip,
      resume: event.resume,
      errorCode,
      instructionLength: event.instructionLength,
    });
    return;
  }
  const wide = type === SYSTEM_TYPE.INTERRUPT32 || type === SYSTEM_TYPE.TRAP32;
  const offset = wide ? ((high & 0xffff_0000) | (low & 0xffff)) >>> 0 : low & 0xffff;
  const code = targetSegment(cpu, selector, vector, ext, false);
  const virtual = isVirtual8086(cpu);
  const inner = !isConforming(code.access) && code.dpl < cpu.cpl;
  if (virtual && !(inner && code.dpl === 0)) {
    const reason = `code segment ${hex(selector)} of IDT gate ${vector} is not of level 0, which virtual-8086 mode needs`;
    refuse(cpu, VECTOR.GP, (selector & 0xfffc) | ext, reason);
  }
  const cpl = inner ? code.dpl : cpu.cpl;
  const fresh = inner ? stackFromTss(cpu, code.dpl, ext) : undefined;
  const stack = new StackWriter(
    cpu,
    fresh ? fresh.segment : currentStack(cpu),
    fresh ? fresh.pointer : cpu.gpr(RSP),
    wide ? 4 : 2,
  );
  if (virtual) for (const index of DATA_SEGMENTS) stack.push(cpu.selector(index));
  if (inner) {
    stack.push(cpu.selector(SEG.SS));
    stack.push(cpu.gpr(RSP) & 0xffff_ffffn);
  }
  stack.push(imageOf(cpu, event));
  stack.push(cpu.selector(SEG.CS));
  stack.push(event.returnRip);
  if (errorCode !== undefined) stack.push(errorCode);
  stack.check(cpl === 3, () =>
    refuse(cpu, VECTOR.SS, fresh ? (fresh.selector & 0xfffc) | ext : ext, 'the frame does not fit the stack segment'),
  );
  if (offset > code.limit)
    refuse(cpu, VECTOR.GP, ext, `IDT gate ${vector} points beyond the limit of its code segment`);
  const codeAccess = markAccessed(cpu, code);
  if (fresh) {
    cpu.setSegment(
      SEG.SS,
      fresh.selector,
      fresh.descriptor.base,
      fresh.descriptor.limit,
      markAccessed(cpu, fresh.descriptor),
    );
  }
  loadSegment(cpu, SEG.CS, (selector & 0xfffc) | cpl, { ...code, access: codeAccess });
  cpu.mmu.contextChanged();
  stack.commit();
  setStackPointer(cpu, stack.pointer);
  if (virtual) for (const index of DATA_SEGMENTS) loadNull(cpu, index, 0, 0);
  flagsThroughGate(cpu, type === SYSTEM_TYPE.INTERRUPT32 || type === SYSTEM_TYPE.INTERRUPT16);
  cpu.rip = BigInt(offset);
}

/** SS:ESP of an inner privilege level, SDM "Stack Switching". `ext` goes into error codes. */
export function stackFromTss(
  cpu: Processor,
  dpl: number,
  ext: number,
): {
  readonly selector: number;
  readonly pointer: bigint;
  readonly descriptor: Descriptor;
  readonly segment: StackSegment;
} {
  const wide = (cpu.access(SEG.TR) & 8) !== 0;
  const at = wide ? 4 + dpl * 8 : 2 + dpl * 4;
  if (cpu.access(SEG.TR) & ACCESS_RIGHTS.UNUSABLE || at + (wide ? 5 : 3) > cpu.limit(SEG.TR)) {
    refuse(cpu, VECTOR.TS, (cpu.selector(SEG.TR) & 0xfffc) | ext, `the TSS has no stack for privilege level ${dpl}`);
  }
  const base = cpu.base(SEG.TR) + BigInt(at);
  const pointer = cpu.mmu.readSystem(base, wide ? 4 : 2);
  const selector = Number(cpu.mmu.readSystem(base + (wide ? 4n : 2n), 2));
  const code = (selector & 0xfffc) | ext;
  if (isNull(selector)) refuse(cpu, VECTOR.TS, ext, `the TSS's stack selector for level ${dpl} is null`);
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || (selector & 3) !== dpl || descriptor.dpl !== dpl || !isWritableData(descriptor.access)) {
    refuse(cpu, VECTOR.TS, code, `the TSS's stack selector ${hex(selector)} is not a writable segment of level ${dpl}`);
  }
  if (!descriptor.present) refuse(cpu, VECTOR.SS, code, `the TSS's stack segment ${hex(selector)} is not present`);
  return {
    selector,
    pointer,
    descriptor,
    segment: { base: descriptor.base, limit: descriptor.limit, access: descriptor.access, flat: false },
  };
}

/** A stack pointer of the 64-bit TSS: `index` 0 to 2 for RSPn, 4 to 10 for IST1 to IST7 (the TSS's own quadword order). */
export function rspFromTss(cpu: Processor, index: number, ext: number): bigint {
  const at = 4 + index * 8;
  if (cpu.access(SEG.TR) & ACCESS_RIGHTS.UNUSABLE || at + 7 > cpu.limit(SEG.TR)) {
    refuse(cpu, VECTOR.TS, (cpu.selector(SEG.TR) & 0xfffc) | ext, `offset ${at} lies beyond the limit of the TSS`);
  }
  return cpu.mmu.readSystem(cpu.base(SEG.TR) + BigInt(at), 8);
}

function deliverLong(cpu: Processor, event: GateEvent): void {
  const { vector, software, errorCode } = event;
  const ext = software ? 0 : 1;
  const { view, u32 } = cpu.memory;
  if (vector * 16 + 15 > u32[DESCRIPTOR_TABLES.idtrLimit >> 2]) {
    refuse(cpu, VECTOR.GP, vector * 8 + 2 + ext, `IDT entry ${vector} lies beyond the IDTR limit`);
  }
  const at = u32[DESCRIPTOR_TABLES.idtrBase >> 2] + vector * 16;
  const atHigh = u32[(DESCRIPTOR_TABLES.idtrBase >> 2) + 1] + (at > 0xffff_ffff ? 1 : 0);
  const gate = cpu.mmu.loadSystem(at >>> 0, atHigh >>> 0, 16);
  const low = view.getUint32(gate, true);
  const high = view.getUint32(gate + 4, true);
  const offsetHigh = view.getUint32(gate + 8, true);
  const type = checkGate(cpu, event, high, true);
  const selector = low >>> 16;
  const code = targetSegment(cpu, selector, vector, ext, true);
  const inner = !isConforming(code.access) && code.dpl < cpu.cpl;
  const cpl = inner ? code.dpl : cpu.cpl;
  const ist = high & 7;
  const top = ist > 0 ? rspFromTss(cpu, 3 + ist, ext) : inner ? rspFromTss(cpu, code.dpl, ext) : cpu.gpr(RSP);
  if (!cpu.isCanonical(top)) refuse(cpu, VECTOR.SS, ext, `the stack pointer for IDT gate ${vector} is not canonical`);
  const stack = new StackWriter(cpu, FLAT_STACK, fromWords(lowWord(top) & ~0xf, highWord(top)), 8);
  stack.push(cpu.selector(SEG.SS));
  stack.push(cpu.gpr(RSP));
  stack.push(imageOf(cpu, event));
  stack.push(cpu.selector(SEG.CS));
  stack.push(event.returnRip);
  if (errorCode !== undefined) stack.push(errorCode);
  if (!stack.fits) refuse(cpu, VECTOR.SS, ext, `the frame for IDT gate ${vector} is not at canonical addresses`);
  stack.probe(cpl === 3);
  const offset = fromWords((high & 0xffff_0000) | (low & 0xffff), offsetHigh);
  if (!cpu.isCanonical(offset)) refuse(cpu, VECTOR.GP, ext, `IDT gate ${vector} points to a non-canonical address`);
  const entered = accessed(cpu, code);
  if (inner) loadNull(cpu, SEG.SS, cpl, cpl);
  loadSegment(cpu, SEG.CS, (selector & 0xfffc) | cpl, entered);
  if (inner) cpu.mmu.contextChanged();
  stack.commit();
  cpu.setGpr(RSP, stack.pointer);
  flagsThroughGate(cpu, type === SYSTEM_TYPE.INTERRUPT32);
  cpu.rip = offset;
}
