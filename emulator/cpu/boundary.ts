import { BOUNDARY, CONTROL, FLAGS, MSRS } from '../state/layout';
import { ACTIVITY, BLOCKING, LATCHED } from '../tables/boundary-state';
import { RFLAGS } from '../tables/control-registers';
import { PENDING_DEBUG } from '../tables/debug-bits';
import { DEBUGCTL } from '../tables/msrs';
import { deliverException, deliverInterrupt, deliverNmi, type Delivery } from './exceptions';
import { VECTOR } from './faults';
import { isVirtualInterruptDue } from './modes';
import type { Processor } from './processor';
import { resetProcessor } from './reset';
import { endWaitIfDue } from './waits';

/** What makes #DB pending: a task's T flag, single step, an enabled breakpoint. Bits 3:0 alone do not. */
const PENDING_CAUSES = PENDING_DEBUG.BT | PENDING_DEBUG.BS | PENDING_DEBUG.ENABLED_BREAKPOINT;
const BTF = Number(DEBUGCTL.BTF);

/** RFLAGS of an interrupt that waits for a VIF that is there. */
const VIRTUAL_INTERRUPT = RFLAGS.VIF | RFLAGS.VIP;

/** Whether `boundary` might do anything but let the next instruction run. */
export function needsBoundary(cpu: Processor): boolean {
  const { memory } = cpu;
  if (memory.u32[BOUNDARY.activity >> 2] !== ACTIVITY.ACTIVE || memory.u32[BOUNDARY.latched >> 2] !== 0) return true;
  if ((memory.u32[BOUNDARY.interruptibility >> 2] & BLOCKING.SHADOW) !== 0) return true;
  if (memory.u32[BOUNDARY.pendingDebug >> 2] !== 0) return true;
  const flags = memory.u32[FLAGS.system >> 2];
  if (flags & RFLAGS.TF) return true;
  // In the guest an interrupt may make an exit whatever IF is.
  if ((flags & VIRTUAL_INTERRUPT) === VIRTUAL_INTERRUPT) return true;
  const { inGuest } = cpu.vmx;
  if (inGuest && cpu.vmx.opensWindow) return true;
  return (inGuest || (flags & RFLAGS.IF) !== 0) && cpu.interrupts.interruptPending(cpu.number);
}

/**
 * True if the next instruction must be executed alone, with `afterInstruction` called behind it: a shadow ends after it, or it
 * traps for single stepping.
 */
export function needsSingleStep(cpu: Processor): boolean {
  const { u32 } = cpu.memory;
  const flags = u32[FLAGS.system >> 2] & (RFLAGS.TF | RFLAGS.RF);
  if (flags === 0) return (u32[BOUNDARY.interruptibility >> 2] & BLOCKING.SHADOW) !== 0;
  if (flags !== RFLAGS.RF || cpu.debug.hasCode) return true;
  // Where no instruction breakpoint is enabled nothing can see RF once the instruction starts.
  clearResume(cpu);
  return (u32[BOUNDARY.interruptibility >> 2] & BLOCKING.SHADOW) !== 0;
}

function clearResume(cpu: Processor): void {
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) & ~RFLAGS.RF);
}

/** An instruction's iterations were interrupted: it goes on without meeting its instruction breakpoint again. */
export function resumeRepetition(cpu: Processor): void {
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) | RFLAGS.RF);
}

/**
 * Before an instruction executes: DR6 bits of the instruction breakpoint it meets, for the #DB that comes in its place; else 0. RF lets
 * one instruction pass, as the shadow of MOV SS does.
 */
export function instructionBreakpoint(cpu: Processor, linear: bigint): number {
  const resume = (cpu.field32(FLAGS.system) & RFLAGS.RF) !== 0;
  if (resume) clearResume(cpu);
  if (resume || !cpu.debug.hasCode || (cpu.field32(BOUNDARY.interruptibility) & BLOCKING.MOV_SS) !== 0) return 0;
  return cpu.debug.codeHits(linear);
}

/** State of the boundary before an instruction, for `afterInstruction`. */
export interface BeforeInstruction {
  readonly trap: boolean;
  readonly shadow: number;
  /** `Intercepts.contextLoads`. */
  readonly contextLoads: number;
}

export function beforeInstruction(cpu: Processor): BeforeInstruction {
  const { u32 } = cpu.memory;
  // One that ran in a block may have left its mark, and nobody looked.
  cpu.trapSuppressed = false;
  return {
    trap: (u32[FLAGS.system >> 2] & RFLAGS.TF) !== 0,
    shadow: u32[BOUNDARY.interruptibility >> 2] & BLOCKING.SHADOW,
    contextLoads: cpu.vmx.contextLoads,
  };
}

/**
 * An instruction that started in state `before` has retired: the shadow it ran in is over, and a trap is due if TF was set (with
 * DEBUGCTL.BTF only if it has not gone on at `nextRip`). A VM entry or exit has loaded another context, whose own state stands.
 */
export function afterInstruction(cpu: Processor, before: BeforeInstruction, nextRip: bigint): void {
  const { u32 } = cpu.memory;
  if (cpu.vmx.contextLoads !== before.contextLoads) return;
  u32[BOUNDARY.interruptibility >> 2] &= ~before.shadow;
  if (!before.trap || cpu.trapSuppressed) return;
  if ((u32[MSRS.debugctl >> 2] & BTF) !== 0 && cpu.rip === nextRip) return;
  u32[BOUNDARY.pendingDebug >> 2] |= PENDING_DEBUG.BS;
}

/**
 * What happens between two instructions, in the order of SDM "Priority Among Concurrent Events". Undefined: nothing did, and the next
 * instruction runs if the processor is active.
 */
export function boundary(cpu: Processor): Delivery | undefined {
  if (cpu.field32(BOUNDARY.activity) === ACTIVITY.WAITING) endWaitIfDue(cpu);
  const latched = cpu.field32(BOUNDARY.latched);
  const activity = cpu.field32(BOUNDARY.activity);
  const blocking = cpu.field32(BOUNDARY.interruptibility);
  if (activity === ACTIVITY.WAIT_FOR_SIPI && !cpu.vmx.inGuest) return startup(cpu, latched);

  const init = (latched & LATCHED.INIT) !== 0;
  if (init && !cpu.vmx.inOperation) {
    // A start-up message that is latched beside it came after it.
    cpu.setField32(BOUNDARY.latched, latched & ~LATCHED.INIT);
    resetProcessor(cpu, 'init');
    cpu.interrupts.initialize(cpu.number);
    return boundary(cpu);
  }
  if (cpu.vmx.inGuest && init && cpu.vmx.boundary({ interrupt: false, nmi: false, init: true })) return 'exited';

  // A trap also ends the HLT state: the one of the HLT itself, or one a VM entry into that state loads.
  const takesTraps = activity === ACTIVITY.ACTIVE || activity === ACTIVITY.HLT;
  if (takesTraps && (blocking & BLOCKING.MOV_SS) === 0) {
    const traps = cpu.field(BOUNDARY.pendingDebug);
    if ((Number(traps) & PENDING_CAUSES) !== 0) {
      cpu.setField(BOUNDARY.pendingDebug, 0n);
      return deliverException(cpu, { vector: VECTOR.DB, errorCode: undefined, address: traps & 0xe00fn });
    }
  }

  const nmi = (latched & LATCHED.NMI) !== 0;
  const interrupt = activity !== ACTIVITY.SHUTDOWN && cpu.interrupts.interruptPending(cpu.number);
  if (cpu.vmx.inGuest) {
    if (cpu.vmx.boundary({ interrupt, nmi, init: false })) return 'exited';
  }
  // VMX may have taken a latched request or woken the processor. STI's shadow holds NMIs as well, which SDM "STI" allows: so STI and HLT
  // are one even to an NMI, in a guest and outside.
  if (
    nmi &&
    (cpu.field32(BOUNDARY.latched) & LATCHED.NMI) !== 0 &&
    (blocking & (BLOCKING.NMI | BLOCKING.SHADOW)) === 0
  ) {
    cpu.setField32(BOUNDARY.latched, cpu.field32(BOUNDARY.latched) & ~LATCHED.NMI);
    return deliverNmi(cpu);
  }
  const enabled = (cpu.field32(FLAGS.system) & RFLAGS.IF) !== 0 && (blocking & BLOCKING.SHADOW) === 0;
  if (interrupt && enabled) return deliverInterrupt(cpu, cpu.interrupts.acknowledge(cpu.number));
  if (takesTraps && isVirtualInterruptDue(cpu)) {
    return deliverException(cpu, { vector: VECTOR.GP, errorCode: 0, address: 0n });
  }
  return undefined;
}

/** Wait-for-SIPI outside VMX non-root operation. */
function startup(cpu: Processor, latched: number): undefined {
  if ((latched & LATCHED.SIPI) === 0) return undefined;
  cpu.setField32(BOUNDARY.latched, 0);
  const vector = (latched >>> LATCHED.VECTOR_SHIFT) & 0xff;
  const codeSegment = 1;
  cpu.setSegment(codeSegment, vector << 8, BigInt(vector << 12), 0xffff, 0x9b);
  cpu.rip = 0n;
  cpu.setField32(BOUNDARY.activity, ACTIVITY.ACTIVE);
  cpu.setField(CONTROL.cr2, 0n);
  cpu.mmu.contextChanged();
  return undefined;
}
