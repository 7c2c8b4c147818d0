import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, FLAGS, GPR, MACHINE, MSRS, VMX, WAIT } from '../state/layout';
import { windowShift } from '../state/windows';
import { ACTIVITY, VMX_MODE } from '../tables/boundary-state';
import { ARITHMETIC_FLAGS, CR4, RFLAGS } from '../tables/control-registers';
import { MISC_ENABLE } from '../tables/msrs';
import { COLD, type ColdInstruction, type ColdResult } from './cold';
import { raise, VECTOR } from './faults';
import { timeStamp } from './msr-access';
import { readRegister } from './operands';
import type { Processor } from './processor';
import { RAX, RCX, RDX } from './registers';

/**
 * MONITOR and MWAIT, UMONITOR, UMWAIT and TPAUSE. A processor that waits has an activity state of its own, which VMX never sees: in VMX
 * non-root operation a wait is over at once, as it may be. A monitored line is compared with what it held when monitoring began, so a
 * store that leaves it as it was is not noticed; that, and only that, ends by the limit every wait for a line has where there are other
 * processors to store.
 */

const LINE_SIZE = 64;
const LINE_WORDS = LINE_SIZE / 8;
const NEVER = 0xffff_ffff_ffff_ffffn;
/** Longest wait for a line in a machine with several processors, in machine time: 100 microseconds. */
const DOZE = 100_000n;
const INTERRUPT_BREAK = 1;
const REPORTS_LIMIT = 2;
/** TPAUSE waits for no line. */
const ANY_LINE = 4;

/** No line is monitored. */
export function endMonitoring(cpu: Processor): void {
  cpu.setField(WAIT.line, NEVER);
}

const lineWord = (cpu: Processor, line: bigint, i: number): bigint => cpu.memory.read64(Number(line) + i * 8);

/** Begins to monitor the line of an address in RAX, which faults as a load of a byte does. */
function beginMonitoring(cpu: Processor, insn: DecodedRecord, register: number): void {
  const offset = readRegister(cpu, register, insn.addressSize);
  const linear = cpu.mmu.linear(insn.segment, offset, 1, false, insn.addressSize);
  const physical = cpu.mmu.loadPhysical(linear);
  endMonitoring(cpu);
  if (physical < 0) return;
  const line = BigInt(physical - (physical % LINE_SIZE));
  cpu.setField(WAIT.line, line);
  for (let i = 0; i < LINE_WORDS; i++) cpu.setField(WAIT.content + i * 8, lineWord(cpu, line, i));
}

/** A line is monitored, and holds what it did. */
function isArmed(cpu: Processor, shift = 0): boolean {
  const line = cpu.field(WAIT.line + shift);
  if (line === NEVER) return false;
  for (let i = 0; i < LINE_WORDS; i++) {
    if (lineWord(cpu, line, i) !== cpu.field(WAIT.content + i * 8 + shift)) return false;
  }
  return true;
}

function requireMonitor(cpu: Processor): void {
  if ((cpu.field(MSRS.miscEnable) & MISC_ENABLE.MONITOR) === 0n || cpu.cpl !== 0) raise(VECTOR.UD);
}

/** Waits until machine time `until`, for the monitored line, or for what breaks every wait. */
function wait(cpu: Processor, until: bigint, flags: number): void {
  cpu.setField(WAIT.until, until);
  cpu.setField32(WAIT.flags, flags);
  cpu.setField32(BOUNDARY.activity, ACTIVITY.WAITING);
}

const earlier = (a: bigint, b: bigint): bigint => (a < b ? a : b);

function monitor(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireMonitor(cpu);
  cpu.vmx.plain('MONITOR', insn);
  // No extensions are defined.
  if (cpu.gpr32(RCX) !== 0) raise(VECTOR.GP, 0);
  beginMonitoring(cpu, insn, GPR);
  return COLD.NEXT;
}

function mwait(cpu: Processor, insn: DecodedRecord): ColdResult {
  requireMonitor(cpu);
  cpu.vmx.plain('MWAIT', insn);
  const extensions = cpu.gpr32(RCX);
  if ((extensions & ~INTERRUPT_BREAK) !== 0) raise(VECTOR.GP, 0);
  if (isArmed(cpu)) wait(cpu, doze(cpu, cpu.timeAt(insn)), extensions);
  endUnlessWaiting(cpu);
  return COLD.LEAVE;
}

/** How long a wait for a line lasts at most. */
const doze = (cpu: Processor, now: bigint): bigint => (cpu.processors > 1 ? now + DOZE : NEVER);

/** MWAIT and UMWAIT use the monitor up. */
function endUnlessWaiting(cpu: Processor): void {
  if (cpu.field32(BOUNDARY.activity) !== ACTIVITY.WAITING) endMonitoring(cpu);
}

function umonitor(cpu: Processor, insn: DecodedRecord): ColdResult {
  cpu.vmx.requireEnabled('WAITPKG');
  beginMonitoring(cpu, insn, insn.s);
  return COLD.NEXT;
}

/** UMWAIT and TPAUSE. */
const userWait =
  (monitors: boolean): ColdInstruction =>
  (cpu, insn) => {
    cpu.vmx.requireEnabled('WAITPKG');
    if (cpu.cpl !== 0 && (cpu.cr4 & BigInt(CR4.TSD)) !== 0n) raise(VECTOR.GP, 0);
    // Which of the two states, C0.1 or C0.2, makes no difference.
    if ((readRegister(cpu, insn.s, 4) & ~1n) !== 0n) raise(VECTOR.GP, 0);
    const now = cpu.timeAt(insn);
    const deadline = (BigInt(cpu.gpr32(RDX)) << 32n) | BigInt(cpu.gpr32(RAX));
    const counter = timeStamp(cpu, now);
    const end = deadline > counter ? now + (deadline - counter) : now;
    // "Maximum time" in bits 31:2, in units of TSC; 0: no limit.
    const maximum = cpu.field(MSRS.umwaitControl) & 0xffff_fffcn;
    const limit = maximum === 0n ? NEVER : now + maximum;
    cpu.rflags &= ~ARITHMETIC_FLAGS;
    if (end > now && (!monitors || isArmed(cpu))) {
      const until = earlier(earlier(end, limit), monitors ? doze(cpu, now) : NEVER);
      wait(
        cpu,
        until,
        INTERRUPT_BREAK | (until === limit && limit < end ? REPORTS_LIMIT : 0) | (monitors ? 0 : ANY_LINE),
      );
    }
    if (monitors) endUnlessWaiting(cpu);
    return COLD.LEAVE;
  };

/** Whether something ends a processor's wait now. */
function wakes(cpu: Processor, processor: number, shift: number): boolean {
  const flags = cpu.field32(WAIT.flags + shift);
  if (cpu.field32(VMX.mode + shift) === VMX_MODE.NON_ROOT) return true;
  if (cpu.field32(BOUNDARY.latched + shift) !== 0 || cpu.field(BOUNDARY.pendingDebug + shift) !== 0n) return true;
  if ((flags & ANY_LINE) === 0 && !isArmed(cpu, shift)) return true;
  const takes = (flags & INTERRUPT_BREAK) !== 0 || (cpu.field32(FLAGS.system + shift) & RFLAGS.IF) !== 0;
  return takes && cpu.interrupts.interruptPending(processor);
}

const hasExpired = (cpu: Processor, shift: number): boolean => cpu.field(MACHINE.time) >= cpu.field(WAIT.until + shift);

/** Whether the wait of a processor whose activity is WAITING is over. */
export function isWaitOver(cpu: Processor, processor: number): boolean {
  const shift = windowShift(cpu.memory, processor);
  return hasExpired(cpu, shift) || wakes(cpu, processor, shift);
}

/** At a boundary of a processor whose activity is WAITING: makes it active if its wait is over. */
export function endWaitIfDue(cpu: Processor): void {
  const expired = hasExpired(cpu, 0);
  if (!expired && !wakes(cpu, cpu.number, 0)) return;
  if (expired && (cpu.field32(WAIT.flags) & REPORTS_LIMIT) !== 0) cpu.rflags |= RFLAGS.CF;
  cpu.setField32(BOUNDARY.activity, ACTIVITY.ACTIVE);
  endMonitoring(cpu);
}

/** Machine time at which the first wait of any processor ends by itself; undefined: none does. */
export function nextWaitEnd({ memory, processors }: Processor): bigint | undefined {
  let first = NEVER;
  for (let processor = 0; processor < processors; processor++) {
    const shift = windowShift(memory, processor);
    if (memory.u32[(BOUNDARY.activity + shift) >> 2] !== ACTIVITY.WAITING) continue;
    first = earlier(first, memory.u64[(WAIT.until + shift) >> 3]);
  }
  return first === NEVER ? undefined : first;
}

export const WAIT_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  monitor,
  mwait,
  umonitor,
  umwait: userWait(true),
  tpause: userWait(false),
};
