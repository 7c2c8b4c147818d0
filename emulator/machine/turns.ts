import type { Processor } from '../cpu/processor';
import { isWaitOver } from '../cpu/waits';
import type { InterruptSource } from '../devices/bus';
import { BOUNDARY, FLAGS, MACHINE, VMX } from '../state/layout';
import { switchWindow, windowShift } from '../state/windows';
import { ACTIVITY, LATCHED, VMX_MODE } from '../tables/boundary-state';
import { RFLAGS } from '../tables/control-registers';

/**
 * Instructions of a turn where the configuration does not say. Changing turns costs about as much as some hundred
 * instructions; a processor that waits in a loop with PAUSE gives its turn up at once.
 */
export const DEFAULT_TURN = 5000;
/** Longest turn: one millisecond of machine time, so that a message between processors is not delayed for long. */
export const MAX_TURN = 1_000_000;

/**
 * Whose turn it is in a machine with several processors. They take turns in the order of their numbers; a turn ends when its
 * instructions are used up, with PAUSE, and when the processor halts or waits for a start-up message. Where it ends depends on
 * the machine's state alone, never on how the machine is run.
 */
export class Turns {
  private readonly processors: number;

  /** @param length instructions of a turn */
  constructor(
    private readonly cpu: Processor,
    private readonly interrupts: InterruptSource,
    private readonly length: number,
  ) {
    this.processors = cpu.processors;
  }

  get several(): boolean {
    return this.processors > 1;
  }
  get active(): number {
    return this.cpu.memory.u32[MACHINE.activeProcessor >> 2];
  }

  /** Instructions left of the present turn. */
  get left(): number {
    return this.cpu.memory.u32[MACHINE.turnLeft >> 2];
  }

  /** Takes instructions that have retired from the turn. */
  spend(instructions: number): void {
    const { cpu } = this;
    const { u32 } = cpu.memory;
    u32[MACHINE.turnLeft >> 2] = cpu.yielding ? 0 : u32[MACHINE.turnLeft >> 2] - instructions;
    cpu.yielding = false;
  }

  /** Begins the next turn if the present one is over. One that shuts down keeps it, to be reported. */
  settle(): void {
    if (this.left !== 0) return;
    const next = this.cpu.field32(BOUNDARY.activity) === ACTIVITY.SHUTDOWN ? undefined : this.candidate();
    if (next !== undefined) this.activate(next);
    this.begin();
  }

  /** Gives the turn of a processor that is not active to the next one that may be. False: there is none. */
  pass(): boolean {
    const next = this.candidate();
    if (next === undefined) return false;
    this.activate(next);
    this.begin();
    return true;
  }

  private begin(): void {
    this.cpu.memory.u32[MACHINE.turnLeft >> 2] = this.length;
  }

  /** Makes a processor the active one, with everything that is derived from its window. */
  activate(processor: number): void {
    const { cpu } = this;
    if (processor === this.active) return;
    switchWindow(cpu.memory, processor);
    cpu.nmiUnblockedBy = undefined;
    cpu.mmu.contextChanged();
  }

  /** Does something with a processor active that may not be; afterwards all is as before. */
  withProcessor<T>(processor: number, act: () => T): T {
    const { active } = this;
    this.activate(processor);
    try {
      return act();
    } finally {
      this.activate(active);
    }
  }

  /** The next processor that might do something. */
  private candidate(): number | undefined {
    const { active, processors } = this;
    for (let step = 1; step < processors; step++) {
      const processor = (active + step) % processors;
      if (this.mayRun(processor)) return processor;
    }
    return undefined;
  }

  /** False only if a parked processor's boundary would leave it as it is. */
  private mayRun(processor: number): boolean {
    const { memory } = this.cpu;
    const shift = windowShift(memory, processor);
    const word = (field: number): number => memory.u32[(field + shift) >> 2];
    const latched = word(BOUNDARY.latched);
    switch (word(BOUNDARY.activity)) {
      case ACTIVITY.ACTIVE:
        return true;
      case ACTIVITY.WAITING:
        return isWaitOver(this.cpu, processor);
      case ACTIVITY.HLT:
        if (latched !== 0 || word(BOUNDARY.pendingDebug) !== 0) return true;
        // What wakes a guest is its VMCS's business.
        if (word(VMX.mode) === VMX_MODE.NON_ROOT) return true;
        return (word(FLAGS.system) & RFLAGS.IF) !== 0 && this.interrupts.interruptPending(processor);
      case ACTIVITY.WAIT_FOR_SIPI:
        return (latched & LATCHED.SIPI) !== 0;
      default:
        return latched !== 0;
    }
  }

  /** True if a processor is in shutdown. */
  get anyShutdown(): boolean {
    const { memory } = this.cpu;
    for (let processor = 0; processor < this.processors; processor++) {
      const activity = (BOUNDARY.activity + windowShift(memory, processor)) >> 2;
      if (memory.u32[activity] === ACTIVITY.SHUTDOWN) return true;
    }
    return false;
  }
}
