/**
 * The machine as its users (debug adapter, command line, benchmarks, tests) see it. `createMachine` in `machine/machine.ts`
 * builds one.
 */
import type { SegmentName } from './state/layout';
import type { CpuModelName } from './tables/cpu-models';

export interface MachineConfig {
  /** Guest RAM in bytes, a multiple of 64 KiB. */
  readonly memory: number;
  readonly cpuModel: CpuModelName;
  /** Seed of the machine's only random source. */
  readonly seed: bigint;
  /** 1 to 8; 1 where it is left out. */
  readonly processors?: number;
  /** Instructions a processor executes at most before the next one has its turn; of a machine with several. */
  readonly turn?: number;
}

/** What the guest writes to a character device. */
export type OutputChannel = 'serial' | 'debugcon';

/** Where a transition starts or ends: level 0 is VMX root; otherwise the VMCS's physical address identifies the guest. */
export interface ContextName {
  readonly level: number;
  readonly vmcs: bigint | null;
}

/** One VM entry or exit, or an attempt at one. */
export interface Transition {
  /** From 1, never reused. */
  readonly number: number;
  readonly time: bigint;
  readonly processor: number;
  readonly kind: 'exit' | 'entry' | 'entry-failure' | 'vmfail' | 'abort';
  readonly from: ContextName;
  readonly to: ContextName;
  /** VMCS concerned. */
  readonly vmcs: bigint | null;
  /** Basic exit reason (exit, entry-failure); VM-instruction error (vmfail); abort indicator (abort). */
  readonly reason: number;
  readonly qualification: bigint;
  /** Guest RIP saved or loaded. */
  readonly rip: bigint;
  readonly instructionLength: number;
  readonly instructionInfo: number;
  readonly guestPhysical: bigint;
  readonly guestLinear: bigint;
  /** VM-exit interruption information; of an entry, VM-entry interruption information: the event it injects. */
  readonly interruptionInfo: number;
  readonly interruptionErrorCode: number;
  /** Failed VM-entry checks, most important (the one hardware reports) first; empty unless a check failed. */
  readonly failures: readonly CheckFailure[];
}

/** A failed VM-entry check, in words and values. */
export interface CheckFailure {
  readonly id: string;
  /** SDM section title. */
  readonly section: string;
  /** The rule in a sentence. */
  readonly rule: string;
  /** Fields read, by SDM name, with their values. */
  readonly fields: readonly { readonly name: string; readonly value: bigint }[];
  /** What is required and what stands there, in words with bits named. */
  readonly required: string;
  readonly actual: string;
  readonly remedy: string;
}

/** One exception on the way to a shutdown. */
export interface FaultStep {
  readonly vector: number;
  readonly errorCode: number | undefined;
  readonly rip: bigint;
  readonly cr2: bigint;
  /** Why delivering this one failed, in a sentence. */
  readonly reason: string;
}

export type Stop =
  | { readonly kind: 'limit' }
  | { readonly kind: 'breakpoint'; readonly linear: bigint }
  | { readonly kind: 'transition'; readonly transition: Transition }
  /** An exception was delivered whose vector is in the stop mask. */
  | {
      readonly kind: 'exception';
      readonly vector: number;
      readonly errorCode: number | undefined;
      readonly address: bigint;
    }
  /** HLT, and nothing can wake the processor. */
  | { readonly kind: 'halted' }
  /** Exceptions are delivered again and again, and no instruction retires any more. */
  | { readonly kind: 'livelock' }
  | { readonly kind: 'shutdown'; readonly cause: 'triple-fault' | 'vmx-abort'; readonly chain: readonly FaultStep[] }
  /** `reset`: the guest asked for a reset, and there is no firmware to start again from. */
  | { readonly kind: 'poweroff'; readonly status: number; readonly reset: boolean };

/** Which transitions stop the machine (after they are complete, before the next instruction). */
export interface StopMask {
  exit: boolean;
  entry: boolean;
  entryFailure: boolean;
  vmfail: boolean;
  /** Stop on a triple fault in root or in a guest (before the VM exit's first instruction). */
  tripleFault: boolean;
}

/** One processor's root (level 0) or one guest context. */
export interface Layer {
  /** Stable for the life of the machine: 1 + processor for a root; from 1000 for guests. */
  readonly id: number;
  readonly processor: number;
  readonly level: number;
  readonly vmcs: bigint | null;
  /** `id` of the layer that runs this one; undefined for roots. */
  readonly parent: number | undefined;
  /** It is what its processor executes, now or when its turn comes. */
  readonly running: boolean;
  /** What its processor does. */
  readonly activity: 'active' | 'halted' | 'waiting' | 'shutdown' | 'wait-for-SIPI';
  /** Why a layer at rest rests: the transition that left it, or undefined if it has never run. */
  readonly left: Transition | undefined;
}

/**
 * Architectural state of a layer, running or at rest. For a layer at rest the values come from its VMCS (guest area for a
 * guest, host area for the root under a running guest) and the registers saved when it was left. Reads have no side effect.
 */
export interface LayerState {
  readonly rip: bigint;
  readonly rflags: bigint;
  /** By encoding number. */
  gpr(number: number): bigint;
  segment(name: SegmentName): SegmentState;
  readonly gdtr: { readonly base: bigint; readonly limit: number };
  readonly idtr: { readonly base: bigint; readonly limit: number };
  control(
    name: 'CR0' | 'CR2' | 'CR3' | 'CR4' | 'CR8' | 'EFER' | 'XCR0' | 'DR0' | 'DR1' | 'DR2' | 'DR3' | 'DR6' | 'DR7',
  ): bigint;
  /** A register of the x87, MMX or vector units by name ('ST0', 'FCW', 'MM1', 'XMM2', 'YMM2', 'MXCSR', ...); undefined if there is no such one. */
  unit(name: string): bigint | undefined;
  /** Width of code at RIP. */
  readonly codeSize: 16 | 32 | 64;
  /** Guest's EPT pointer, or undefined where the layer's physical addresses are the machine's. */
  readonly eptp: bigint | undefined;
  /**
   * Writes a register: general registers, RIP, RFLAGS, segment registers' parts and control registers by SDM name
   * ('RAX', 'EAX', 'AL', 'CR3', 'CS.base', 'ST0', 'XMM3', ...). Returns a sentence saying why not, or undefined.
   */
  setRegister(name: string, value: bigint): string | undefined;
  /** Bytes at a linear address; shorter than asked where the rest is not mapped. */
  peek(linear: bigint, length: number): Uint8Array;
  /** Bytes at this layer's physical address. */
  peekPhysical(physical: bigint, length: number): Uint8Array;
  /** Writes through the layer's translation, ignoring write protection; returns the number of bytes written. */
  poke(linear: bigint, bytes: Uint8Array): number;
  /** Linear to this layer's physical to machine physical; undefined where not mapped. */
  translate(linear: bigint): { readonly layerPhysical: bigint; readonly physical: bigint } | undefined;
}

export interface SegmentState {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  /** VMCS access-rights format. */
  readonly access: number;
}

/** Where a breakpoint applies: a layer's id, or any layer. */
export interface CodeBreakpoint {
  readonly linear: bigint;
  readonly layer: number | undefined;
}

/** A frozen copy of everything, to be put back. Opaque. */
export interface Snapshot {
  readonly time: bigint;
  readonly transition: number;
  /** Bytes held by this snapshot alone. */
  readonly size: number;
}

export interface Machine {
  readonly config: MachineConfig;
  /** Instructions retired plus idle skips. */
  readonly time: bigint;
  readonly retired: bigint;
  readonly stopMask: StopMask;
  onOutput: (channel: OutputChannel, bytes: Uint8Array) => void;

  /**
   * Runs at most `instructions` more; may return earlier with 'limit' where they take long to retire. A breakpoint at the RIP
   * it starts from does not stop it: after 'limit', the caller looks whether one stands there.
   */
  run(instructions: number): Stop;
  /**
   * Executes one instruction, or makes the one transition or delivery that comes instead of it, on a processor: on the one whose turn it
   * is, if none is named. Others have the turns that come before; a processor that waits may not get to execute anything.
   */
  step(processor?: number): Stop;

  setBreakpoints(breakpoints: readonly CodeBreakpoint[]): void;
  readonly layers: readonly Layer[];
  /** The layer that executes next on the processor whose turn it is. */
  readonly current: Layer;
  state(layer: Layer): LayerState;

  /** Last transitions, oldest first; all of them up to a generous bound. */
  readonly transitions: readonly Transition[];
  /** The last of them, without the cost of all. */
  readonly lastTransition: Transition | undefined;
  /** Exits so far by basic reason. */
  readonly exitCounts: ReadonlyMap<number, number>;

  /** A VMCS field by SDM encoding, of any VMCS the machine has seen; undefined if there is no such field. */
  readVmcs(vmcs: bigint, encoding: number): bigint | undefined;
  /** Returns a sentence saying why not, or undefined. */
  writeVmcs(vmcs: bigint, encoding: number, value: bigint): string | undefined;
  /** All VM-entry checks as they would fail now. */
  checkVmcs(vmcs: bigint): readonly CheckFailure[];
  /** VMX capability MSRs by index. */
  readonly capabilities: ReadonlyMap<number, bigint>;

  /** Physical memory, without side effects. */
  peekPhysical(physical: number, length: number): Uint8Array;

  /** Feeds the serial port. */
  input(bytes: Uint8Array): void;

  snapshot(): Snapshot;
  restore(snapshot: Snapshot): void;
  /** Hex digest of all state: equal machines, equal hashes. */
  stateHash(): string;
}
