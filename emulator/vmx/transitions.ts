import type { CheckFailure, ContextName, StopMask, Transition } from '../api';
import { MACHINE, VMX } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { AT, NO_VMCS } from './vmcs';

/** Transitions kept; older ones are forgotten. */
export const LOG_CAPACITY = 1 << 16;
const MASK = LOG_CAPACITY - 1;

const KINDS = ['exit', 'entry', 'entry-failure', 'vmfail', 'abort'] as const satisfies readonly Transition['kind'][];
export const TRANSITION_KIND = { EXIT: 0, ENTRY: 1, ENTRY_FAILURE: 2, VMFAIL: 3, ABORT: 4 } as const;
type Kind = (typeof TRANSITION_KIND)[keyof typeof TRANSITION_KIND];

const ALL_ONES = 0xffff_ffff;
/** Failed attempts whose checks are remembered. */
const MAX_FAILURES = 1024;

/** Basic exit reason of a triple fault. */
const TRIPLE_FAULT = 2;

/** One entry of the log in 32-bit words; 64-bit values take two. */
const WORD = {
  number: 0,
  time: 2,
  vmcs: 4,
  from: 6,
  to: 8,
  qualification: 10,
  rip: 12,
  guestPhysical: 14,
  guestLinear: 16,
  kind: 18,
  processor: 19,
  fromLevel: 20,
  toLevel: 21,
  reason: 22,
  instructionLength: 23,
  instructionInfo: 24,
  interruptionInfo: 25,
  interruptionErrorCode: 26,
  /** Words an entry takes. */
  size: 28,
} as const;

/** Exit information fields and where the log keeps them: two words, then one. */
const WIDE_INFORMATION = [
  [AT.EXIT_QUALIFICATION >> 2, WORD.qualification],
  [AT.GUEST_RIP >> 2, WORD.rip],
  [AT.GUEST_PHYSICAL_ADDRESS >> 2, WORD.guestPhysical],
  [AT.GUEST_LINEAR_ADDRESS >> 2, WORD.guestLinear],
] as const;
const INFORMATION = [
  [AT.VM_EXIT_INSTRUCTION_LEN >> 2, WORD.instructionLength],
  [AT.VMX_INSTRUCTION_INFO >> 2, WORD.instructionInfo],
  [AT.VM_EXIT_INTR_INFO >> 2, WORD.interruptionInfo],
  [AT.VM_EXIT_INTR_ERROR_CODE >> 2, WORD.interruptionErrorCode],
] as const;

/** What the log is told of a transition; the exit information is taken from the current VMCS. */
export interface TransitionEvent {
  readonly kind: Kind;
  readonly reason: number;
  readonly fromLevel: number;
  readonly toLevel: number;
  /** Whether the end is the guest of the VMCS rather than root. */
  readonly fromGuest: boolean;
  readonly toGuest: boolean;
  /** Machine time less MACHINE.time, for events inside the interpreter. */
  readonly elapsed: number;
}

/**
 * The last transitions in a ring of typed words, so that logging one costs no allocation; `Transition` objects are made when
 * somebody looks. Not state: `MACHINE.transitions`, which is state, says how far it goes, so a restored machine sees no
 * transition of the future it left.
 */
export class TransitionLog {
  private readonly words = new Uint32Array(LOG_CAPACITY * WORD.size);
  private readonly failures = new Map<number, readonly CheckFailure[]>();
  private readonly u32: Uint32Array;

  /** Set when a transition the stop mask asks for was made; the outer loop clears it. */
  stopRequested = false;
  /** Transitions but VMfail, after which the instruction retires like any other. */
  contextLoads = 0;

  constructor(
    private readonly memory: MachineMemory,
    private readonly mask: StopMask,
  ) {
    this.u32 = memory.u32;
  }

  /**
   * Logs one transition of the active processor over its current VMCS (none: VMfailInvalid); `event` says what the VMCS
   * does not.
   */
  append(event: TransitionEvent, failures: readonly CheckFailure[] = []): void {
    const { u32, words } = this;
    const counter = MACHINE.transitions >> 2;
    const low = (u32[counter] + 1) >>> 0;
    u32[counter] = low;
    if (low === 0) u32[counter + 1]++;
    const at = (low & MASK) * WORD.size;
    words[at] = low;
    words[at + 1] = u32[counter + 1];
    const time = u32[MACHINE.time >> 2] + event.elapsed;
    words[at + WORD.time] = time;
    words[at + WORD.time + 1] = u32[(MACHINE.time >> 2) + 1] + (time > 0xffff_ffff ? 1 : 0);
    const vmcs = VMX.currentVmcs >> 2;
    this.pair(at + WORD.vmcs, u32[vmcs], u32[vmcs + 1]);
    this.pair(at + WORD.from, event.fromGuest ? u32[vmcs] : ALL_ONES, event.fromGuest ? u32[vmcs + 1] : ALL_ONES);
    this.pair(at + WORD.to, event.toGuest ? u32[vmcs] : ALL_ONES, event.toGuest ? u32[vmcs + 1] : ALL_ONES);
    words[at + WORD.kind] = event.kind;
    words[at + WORD.processor] = u32[MACHINE.activeProcessor >> 2];
    words[at + WORD.fromLevel] = event.fromLevel;
    words[at + WORD.toLevel] = event.toLevel;
    words[at + WORD.reason] = event.reason;
    const isExit = event.kind !== TRANSITION_KIND.ENTRY && event.kind !== TRANSITION_KIND.VMFAIL;
    for (const [source, target] of WIDE_INFORMATION) {
      const wanted = isExit || (target === WORD.rip && u32[vmcs] !== ALL_ONES);
      this.pair(at + target, wanted ? u32[source] : 0, wanted ? u32[source + 1] : 0);
    }
    for (const [source, target] of INFORMATION) words[at + target] = isExit ? u32[source] : 0;
    if (event.kind === TRANSITION_KIND.ENTRY) {
      words[at + WORD.interruptionInfo] = u32[AT.VM_ENTRY_INTR_INFO >> 2];
      words[at + WORD.interruptionErrorCode] = u32[AT.VM_ENTRY_EXCEPTION_ERROR_CODE >> 2];
    }
    if (failures.length > 0 || this.failures.size > 0) this.keepFailures(Number(this.lastNumber), failures);
    if (event.kind !== TRANSITION_KIND.VMFAIL) this.contextLoads++;
    if (this.wantsStop(event)) this.stopRequested = true;
  }

  private pair(at: number, low: number, high: number): void {
    this.words[at] = low;
    this.words[at + 1] = high;
  }

  private keepFailures(number: number, failures: readonly CheckFailure[]): void {
    // A number is used again after a restore: what it meant in the future that was left must go.
    this.failures.delete(number);
    if (failures.length > 0) this.failures.set(number, failures);
    if (this.failures.size <= MAX_FAILURES) return;
    const [oldest] = this.failures.keys();
    this.failures.delete(oldest);
  }

  private wantsStop({ kind, reason }: TransitionEvent): boolean {
    const { mask } = this;
    switch (kind) {
      case TRANSITION_KIND.EXIT:
        return mask.exit || (mask.tripleFault && reason === TRIPLE_FAULT);
      case TRANSITION_KIND.ENTRY:
        return mask.entry;
      case TRANSITION_KIND.ENTRY_FAILURE:
        return mask.entryFailure;
      case TRANSITION_KIND.VMFAIL:
        return mask.vmfail;
      case TRANSITION_KIND.ABORT:
        return true;
    }
  }

  /** Number of the last transition, 0 before the first. */
  get lastNumber(): bigint {
    return this.memory.u64[MACHINE.transitions >> 3];
  }

  /** The transition with a number, or undefined where it is not known (any more). */
  at(number: number): Transition | undefined {
    const at = (number & MASK) * WORD.size;
    const { words } = this;
    if (number < 1 || number > Number(this.lastNumber)) return undefined;
    if (words[at] + words[at + 1] * 2 ** 32 !== number) return undefined;
    return {
      number,
      time: this.wide(at + WORD.time),
      processor: words[at + WORD.processor],
      kind: KINDS[words[at + WORD.kind]],
      from: this.context(at + WORD.from, words[at + WORD.fromLevel]),
      to: this.context(at + WORD.to, words[at + WORD.toLevel]),
      vmcs: this.pointer(at + WORD.vmcs),
      reason: words[at + WORD.reason],
      qualification: this.wide(at + WORD.qualification),
      rip: this.wide(at + WORD.rip),
      instructionLength: words[at + WORD.instructionLength],
      instructionInfo: words[at + WORD.instructionInfo],
      guestPhysical: this.wide(at + WORD.guestPhysical),
      guestLinear: this.wide(at + WORD.guestLinear),
      interruptionInfo: words[at + WORD.interruptionInfo],
      interruptionErrorCode: words[at + WORD.interruptionErrorCode],
      failures: this.failures.get(number) ?? [],
    };
  }

  get last(): Transition | undefined {
    return this.at(Number(this.lastNumber));
  }

  /** All that are known, oldest first. */
  all(): readonly Transition[] {
    const last = Number(this.lastNumber);
    const found: Transition[] = [];
    for (let number = Math.max(1, last - LOG_CAPACITY + 1); number <= last; number++) {
      const transition = this.at(number);
      if (transition !== undefined) found.push(transition);
    }
    return found;
  }

  private wide(at: number): bigint {
    return (BigInt(this.words[at + 1]) << 32n) | BigInt(this.words[at]);
  }
  private pointer(at: number): bigint | null {
    const value = this.wide(at);
    return value === NO_VMCS ? null : value;
  }
  private context(at: number, level: number): ContextName {
    return { level, vmcs: this.pointer(at) };
  }
}
