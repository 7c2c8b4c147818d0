import { BOUNDARY, CONTROL, DESCRIPTOR_TABLES } from '../state/layout';
import { highWord, lowWord } from '../state/words';
import { CR0, RFLAGS } from '../tables/control-registers';
import { DR7, PENDING_DEBUG } from '../tables/debug-bits';
import {
  ACCESS_RIGHTS,
  accessed,
  type Descriptor,
  isCode,
  isConforming,
  isNull,
  isReadable,
  isWritableData,
  loadNull,
  loadSegment,
  readDescriptor,
  systemType,
  SYSTEM_TYPE,
} from './descriptors';
import { raise, VECTOR } from './faults';
import { loadRealSegment } from './modes';
import { loadPdptes, pdpteTable, usesPaePaging } from './pdptes';
import { type Processor, SEG } from './processor';
import { RSP } from './registers';
import { currentStack, setStackPointer, StackWriter } from './stack';
import { TSS16, TSS32, type TssLayout } from './tss';

/** What makes a task switch. */
export interface TaskSwitch {
  readonly source: 'call' | 'jmp' | 'iret' | 'gate';
  /** Of the new TSS. */
  readonly selector: number;
  /** 1 in error codes where an event outside the program makes the switch. */
  readonly ext: 0 | 1;
  /** Where the old task goes on. */
  readonly returnRip: bigint;
  /** RF in the old task's saved flags. */
  readonly resume: boolean;
  /** Pushed on the new task's stack. */
  readonly errorCode: number | undefined;
  /** Of the instruction that makes the switch; VM exits report it. */
  readonly instructionLength: number;
}

const BUSY = 2;
const DEFINED_FLAGS = 0x3f_7fd5;

/** The descriptor of the task to switch to; what is wrong with it raises the faults of the switch's source. */
function newTask(cpu: Processor, { source, selector, ext }: TaskSwitch): Descriptor {
  const code = (selector & 0xfffc) | ext;
  const returns = source === 'iret';
  const invalid = returns ? VECTOR.TS : VECTOR.GP;
  const descriptor = (selector & 4) === 0 && !isNull(selector) ? readDescriptor(cpu, selector) : undefined;
  if (!descriptor) raise(invalid, code);
  const type = systemType(descriptor.access);
  const wanted: readonly number[] = returns
    ? [SYSTEM_TYPE.TSS16_BUSY, SYSTEM_TYPE.TSS32_BUSY]
    : [SYSTEM_TYPE.TSS16, SYSTEM_TYPE.TSS32];
  if (!wanted.includes(type)) raise(invalid, code);
  if (!descriptor.present) raise(VECTOR.NP, code);
  if (descriptor.limit < layoutOf(descriptor.access).lastByte) raise(VECTOR.TS, code);
  return descriptor;
}

const layoutOf = (access: number): TssLayout => (access & 8 ? TSS32 : TSS16);

/** Faults now if a TSS could not be written. */
function probeSystem(cpu: Processor, linear: bigint, size: number): void {
  cpu.mmu.probeWriteAs(lowWord(linear), highWord(linear), size, false);
}

/**
 * Switches tasks, SDM "Task Switching". Faults up to the commit point leave the old task as it was; those after it are the new task's,
 * with RIP in it. A VM exit may take the switch's place.
 */
export function switchTask(cpu: Processor, change: TaskSwitch): void {
  const { source, selector, ext } = change;
  const descriptor = newTask(cpu, change);
  cpu.vmx.taskSwitch(selector, source, change.instructionLength);

  const old = { layout: layoutOf(cpu.access(SEG.TR)), base: cpu.base(SEG.TR), selector: cpu.selector(SEG.TR) };
  if (cpu.limit(SEG.TR) < old.layout.savedEnd - 1) raise(VECTOR.TS, (old.selector & 0xfffc) | ext);
  probeSystem(cpu, old.base + BigInt(old.layout.savedStart), old.layout.savedEnd - old.layout.savedStart);
  const nests = source === 'call' || source === 'gate';
  if (nests) probeSystem(cpu, descriptor.base, 2);
  const state = readState(cpu, descriptor.base, layoutOf(descriptor.access));

  saveState(cpu, change, old.base, old.layout);
  if (!nests) clearBusy(cpu, old.selector);
  if (nests) cpu.mmu.writeSystem(descriptor.base, 2, BigInt(old.selector));
  const access = descriptor.access | BUSY;
  if (source !== 'iret') cpu.mmu.writeSystem(descriptor.at + 5n, 1, BigInt(access & 0xff));

  // From here on what goes wrong is the new task's.
  loadSegment(cpu, SEG.TR, selector, { ...descriptor, access });
  cpu.setField(CONTROL.cr0, cpu.cr0 | BigInt(CR0.TS));
  cpu.setField(CONTROL.dr + 56, cpu.field(CONTROL.dr + 56) & ~BigInt(DR7.LOCAL_ENABLES));
  loadState(cpu, state, nests, ext);
  if (change.errorCode !== undefined) pushErrorCode(cpu, change.errorCode, layoutOf(access), ext);
  if (state.trap) cpu.setField(BOUNDARY.pendingDebug, cpu.field(BOUNDARY.pendingDebug) | BigInt(PENDING_DEBUG.BT));
  cpu.trapSuppressed = true;
}

/** IRET with NT: back to the task that the back link names. */
export function returnFromTask(cpu: Processor, returnRip: bigint, instructionLength: number): void {
  const selector = Number(cpu.mmu.readSystem(cpu.base(SEG.TR), 2));
  switchTask(cpu, {
    source: 'iret',
    selector,
    ext: 0,
    returnRip,
    resume: false,
    errorCode: undefined,
    instructionLength,
  });
}

function clearBusy(cpu: Processor, selector: number): void {
  const at = cpu.field(DESCRIPTOR_TABLES.gdtrBase) + BigInt((selector & 0xfff8) + 5);
  cpu.mmu.writeSystem(at, 1, cpu.mmu.readSystem(at, 1) & ~BigInt(BUSY));
}

function saveState(cpu: Processor, change: TaskSwitch, base: bigint, layout: TssLayout): void {
  let flags = (cpu.rflags & ~RFLAGS.RF) | (change.resume ? RFLAGS.RF : 0);
  if (change.source === 'iret') flags &= ~RFLAGS.NT;
  const write = (at: number, size: 2 | 4, value: bigint): void => cpu.mmu.writeSystem(base + BigInt(at), size, value);
  write(layout.eip, layout.size, change.returnRip);
  write(layout.eflags, layout.size, BigInt(flags >>> 0));
  for (let i = 0; i < 8; i++) write(layout.registers + i * layout.size, layout.size, cpu.gpr(i));
  for (let i = 0; i < layout.segments; i++)
    write(layout.selectors + i * layout.size, 2, BigInt(cpu.selector(ORDER[i])));
}

/** Segment registers in the TSS's order. */
const ORDER = [SEG.ES, SEG.CS, SEG.SS, SEG.DS, SEG.FS, SEG.GS] as const;

interface TaskState {
  readonly cr3: bigint | undefined;
  readonly eip: bigint;
  readonly flags: number;
  readonly registers: readonly bigint[];
  /** By SEG index; FS and GS are null in a 16-bit TSS. */
  readonly selectors: readonly number[];
  readonly ldt: number;
  /** The T flag: #DB before the task's first instruction. */
  readonly trap: boolean;
}

function readState(cpu: Processor, base: bigint, layout: TssLayout): TaskState {
  const read = (at: number, size: 2 | 4 = layout.size): bigint => cpu.mmu.readSystem(base + BigInt(at), size);
  const selectors = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < layout.segments; i++) selectors[ORDER[i]] = Number(read(layout.selectors + i * layout.size, 2));
  const paged = (cpu.field32(CONTROL.cr0) & CR0.PG) !== 0;
  return {
    cr3: layout.cr3 === undefined || !paged ? undefined : read(layout.cr3),
    eip: read(layout.eip),
    flags: Number(read(layout.eflags)),
    registers: Array.from({ length: 8 }, (_, i) => read(layout.registers + i * layout.size)),
    selectors,
    ldt: Number(read(layout.ldt, 2)),
    trap: layout.trap !== undefined && (read(layout.trap, 2) & 1n) !== 0n,
  };
}

function loadState(cpu: Processor, state: TaskState, nests: boolean, ext: 0 | 1): void {
  cpu.rip = state.eip;
  cpu.rflags = ((state.flags & DEFINED_FLAGS) | 2 | (nests ? RFLAGS.NT : 0)) >>> 0;
  state.registers.forEach((value, i) => cpu.setGpr(i, value));
  const virtual = (state.flags & RFLAGS.VM) !== 0;
  const cpl = virtual ? 3 : state.selectors[SEG.CS] & 3;
  // Selectors first; a segment whose descriptor cannot be loaded stays unusable.
  for (const index of ORDER) loadNull(cpu, index, state.selectors[index], index === SEG.SS ? cpl : 0);
  loadNull(cpu, SEG.LDTR, state.ldt, 0);
  if (state.cr3 !== undefined && state.cr3 !== cpu.cr3) loadCr3(cpu, state.cr3, ext);
  cpu.mmu.contextChanged();
  // The stack as soon as may be: what is wrong with the others is delivered on it.
  const stackSelector = state.selectors[SEG.SS];
  const stackFirst = !virtual && (stackSelector & 4) === 0;
  if (stackFirst) loadStack(cpu, stackSelector, cpl, ext);
  loadLdt(cpu, state.ldt, ext);
  if (virtual) {
    for (const index of ORDER) loadRealSegment(cpu, index, state.selectors[index]);
  } else {
    if (!stackFirst) loadStack(cpu, stackSelector, cpl, ext);
    loadCode(cpu, state.selectors[SEG.CS], ext);
    for (const index of [SEG.ES, SEG.DS, SEG.FS, SEG.GS]) loadData(cpu, index, state.selectors[index], cpl, ext);
  }
  cpu.mmu.contextChanged();
  if (state.eip > BigInt(cpu.limit(SEG.CS))) raise(VECTOR.GP, ext);
}

function loadCr3(cpu: Processor, value: bigint, ext: 0 | 1): void {
  const pae = usesPaePaging({ cr0: cpu.cr0, cr4: cpu.cr4, efer: cpu.efer });
  if (pae && !loadPdptes(cpu, pdpteTable(value))) raise(VECTOR.TS, (cpu.selector(SEG.TR) & 0xfffc) | ext);
  cpu.setField(CONTROL.cr3, value);
  cpu.mmu.flush(false);
}

function loadLdt(cpu: Processor, selector: number, ext: 0 | 1): void {
  if (isNull(selector)) return;
  const descriptor = (selector & 4) === 0 ? readDescriptor(cpu, selector) : undefined;
  if (!descriptor || systemType(descriptor.access) !== SYSTEM_TYPE.LDT || !descriptor.present) {
    raise(VECTOR.TS, (selector & 0xfffc) | ext);
  }
  loadSegment(cpu, SEG.LDTR, selector, descriptor);
}

function loadCode(cpu: Processor, selector: number, ext: 0 | 1): void {
  const code = (selector & 0xfffc) | ext;
  const descriptor = isNull(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor || !isCode(descriptor.access)) raise(VECTOR.TS, code);
  const rpl = selector & 3;
  if (isConforming(descriptor.access) ? descriptor.dpl > rpl : descriptor.dpl !== rpl) raise(VECTOR.TS, code);
  if (!descriptor.present) raise(VECTOR.NP, code);
  loadSegment(cpu, SEG.CS, selector, accessed(cpu, descriptor));
}

function loadStack(cpu: Processor, selector: number, cpl: number, ext: 0 | 1): void {
  const code = (selector & 0xfffc) | ext;
  const descriptor = isNull(selector) ? undefined : readDescriptor(cpu, selector);
  if (!descriptor || !isWritableData(descriptor.access) || (selector & 3) !== cpl || descriptor.dpl !== cpl) {
    raise(VECTOR.TS, code);
  }
  if (!descriptor.present) raise(VECTOR.SS, code);
  loadSegment(cpu, SEG.SS, selector, accessed(cpu, descriptor));
}

function loadData(cpu: Processor, index: number, selector: number, cpl: number, ext: 0 | 1): void {
  if (isNull(selector)) return;
  const code = (selector & 0xfffc) | ext;
  const descriptor = readDescriptor(cpu, selector);
  if (!descriptor || !isReadable(descriptor.access)) raise(VECTOR.TS, code);
  const inner = descriptor.dpl < Math.max(cpl, selector & 3);
  if (!isConforming(descriptor.access) && inner) raise(VECTOR.TS, code);
  if (!descriptor.present) raise(VECTOR.NP, code);
  loadSegment(cpu, index, selector, accessed(cpu, descriptor));
}

function pushErrorCode(cpu: Processor, errorCode: number, layout: TssLayout, ext: 0 | 1): void {
  const stack = new StackWriter(cpu, currentStack(cpu), cpu.gpr(RSP), layout.size);
  stack.push(errorCode);
  stack.check(cpu.cpl === 3, () => raise(VECTOR.SS, ext));
  stack.commit();
  setStackPointer(cpu, stack.pointer);
}

/** The TSS a task gate names. */
export const taskOfGate = (gate: { readonly low: number }): number => gate.low >>> 16;

/** Whether a descriptor is one that a far JMP or CALL switches tasks by. */
export function isTaskTarget(access: number): boolean {
  const type = systemType(access);
  return (
    type === SYSTEM_TYPE.TASK_GATE ||
    type === SYSTEM_TYPE.TSS16 ||
    type === SYSTEM_TYPE.TSS32 ||
    type === SYSTEM_TYPE.TSS16_BUSY ||
    type === SYSTEM_TYPE.TSS32_BUSY
  );
}

/** Far JMP or CALL to a TSS or a task gate. */
export function transferToTask(
  cpu: Processor,
  target: { readonly selector: number; readonly descriptor: Descriptor },
  source: 'jmp' | 'call',
  returnRip: bigint,
  instructionLength: number,
): void {
  const { selector, descriptor } = target;
  const code = selector & 0xfffc;
  if (descriptor.dpl < cpu.cpl || descriptor.dpl < (selector & 3)) raise(VECTOR.GP, code);
  const throughGate = systemType(descriptor.access) === SYSTEM_TYPE.TASK_GATE;
  if (throughGate && (descriptor.access & ACCESS_RIGHTS.PRESENT) === 0) raise(VECTOR.NP, code);
  switchTask(cpu, {
    source,
    selector: throughGate ? taskOfGate(descriptor) : selector,
    ext: 0,
    returnRip,
    resume: false,
    errorCode: undefined,
    instructionLength,
  });
}
