import type { FaultStep } from '../api';
import { FLAGS, BOUNDARY, CONTROL, MSRS, PENDING } from '../state/layout';
import { ACTIVITY, BLOCKING } from '../tables/boundary-state';
import { RFLAGS } from '../tables/control-registers';
import { DR6, DR7, PENDING_DEBUG } from '../tables/debug-bits';
import { EVENT_TYPE } from '../tables/interruption-info';
import { DEBUGCTL } from '../tables/msrs';
import { GuestFault, PENDING_KIND, TransitionMade, VECTOR } from './faults';
import { deliverThroughGate } from './gates';
import type { Processor } from './processor';

/** Interruption types of events that are delivered (SDM "VM-Entry Interruption-Information Field"). */
export type EventType = Exclude<(typeof EVENT_TYPE)[keyof typeof EVENT_TYPE], typeof EVENT_TYPE.OTHER_EVENT>;

/** An event being delivered: what IDT-vectoring information is made from. */
export interface DeliveredEvent {
  readonly type: EventType;
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** Of the software types; else 0. */
  readonly instructionLength: number;
}

export interface Fault {
  readonly vector: number;
  readonly errorCode: number | undefined;
  /** CR2 for #PF, DR6 bits for #DB. */
  readonly address: bigint;
}

/** `delivered`: RIP is the handler's. `exited`: a VM exit took its place. `shutdown`: the processor is in shutdown. */
export type Delivery = 'delivered' | 'exited' | 'shutdown';

type FaultClass = 'benign' | 'contributory' | 'page' | 'double';

/** SDM "Interrupt 8: Double Fault Exception", table of classes. */
function classOf(event: DeliveredEvent): FaultClass {
  if (event.type !== EVENT_TYPE.HARDWARE_EXCEPTION) return 'benign';
  switch (event.vector) {
    case VECTOR.DE:
    case VECTOR.TS:
    case VECTOR.NP:
    case VECTOR.SS:
    case VECTOR.GP:
    case VECTOR.CP:
      return 'contributory';
    case VECTOR.PF:
    case VECTOR.VE:
      return 'page';
    case VECTOR.DF:
      return 'double';
    default:
      return 'benign';
  }
}

type Combination = 'serial' | 'double' | 'triple';

/** What a fault during a delivery becomes. */
export function combine(first: DeliveredEvent, second: DeliveredEvent): Combination {
  const was = classOf(first);
  const is = classOf(second);
  if (is === 'benign') return 'serial';
  if (was === 'double') return 'triple';
  if (was === 'contributory') return is === 'contributory' ? 'double' : 'serial';
  return was === 'page' ? 'double' : 'serial';
}

const CAUSES = BigInt(DR6.BREAKPOINTS | DR6.BD | DR6.BS | DR6.BT);
const BREAKPOINTS = BigInt(DR6.BREAKPOINTS);
const DETECTION = BigInt(DR6.BD);
/** BOUNDARY.pendingDebug: breakpoints 0 to 3. */
const BREAKPOINTS_MET = 0xfn;

/** What an exception leaves in registers besides its frame: CR2, DR6. Not done when a VM exit takes its place. */
function recordFault(cpu: Processor, fault: Fault): void {
  if (fault.vector === VECTOR.PF) cpu.setField(CONTROL.cr2, fault.address);
  if (fault.vector === VECTOR.DB) {
    const dr6 = CONTROL.dr + 48;
    cpu.setField(dr6, (cpu.field(dr6) & ~BREAKPOINTS) | (fault.address & CAUSES));
    // DR7.GD is cleared so that the handler can reach the debug registers.
    cpu.setField(CONTROL.dr + 56, cpu.field(CONTROL.dr + 56) & ~BigInt(DR7.GD));
    cpu.setField(MSRS.debugctl, cpu.field(MSRS.debugctl) & ~DEBUGCTL.BTF);
  }
}

const exceptionEvent = (vector: number, errorCode: number | undefined): DeliveredEvent => ({
  type: EVENT_TYPE.HARDWARE_EXCEPTION,
  vector,
  errorCode,
  instructionLength: 0,
});

/**
 * Exceptions one in the delivery of the other that no machine gets out of: an #AC handler at privilege level 3 whose stack is misaligned
 * itself. Processors go round until reset; here it ends in shutdown.
 */
const LONGEST_CHAIN = 16;

/** Delivers an event through the IDT, and whatever exceptions that meets; `returnRip` and `firstResume` as RF are pushed for the first. */
function deliver(cpu: Processor, first: DeliveredEvent, returnRip: bigint, firstResume?: boolean): Delivery {
  let event = first;
  let rip = returnRip;
  // Delivery ends the HLT state; a VM exit in its place would have saved it.
  cpu.setField32(BOUNDARY.activity, ACTIVITY.ACTIVE);
  for (;;) {
    cpu.delivering = event;
    const resume = (event === first ? firstResume : undefined) ?? (isFault(event) || resumeFlag(cpu));
    const failed = tryDeliver(cpu, event, rip, resume);
    if (failed === 'exited') return finish(cpu, 'exited');
    if (failed === undefined) {
      // The shadow of STI or MOV SS was the interrupted instruction's.
      cpu.setField32(BOUNDARY.interruptibility, cpu.field32(BOUNDARY.interruptibility) & ~BLOCKING.SHADOW);
      forgetSingleStep(cpu);
      return finish(cpu, 'delivered');
    }
    const second = exceptionEvent(failed.vector, failed.errorCode);
    const combination = combine(event, second);
    cpu.faultChain.push({
      vector: event.vector,
      errorCode: event.errorCode,
      rip,
      cr2: cpu.field(CONTROL.cr2),
      reason: cpu.deliveryFailure,
    });
    if (combination === 'triple' || cpu.faultChain.length > LONGEST_CHAIN) return finish(cpu, shutDown(cpu));
    const next = combination === 'double' ? exceptionEvent(VECTOR.DF, 0) : second;
    if (cpu.vmx.exception(next.vector, next.errorCode, failed.address, false, 0)) return finish(cpu, 'exited');
    recordFault(cpu, failed);
    event = next;
    rip = cpu.rip;
  }
}

/** Faults resume their instruction with RF set, so that an instruction breakpoint is not met twice. */
const isFault = ({ type, vector }: DeliveredEvent): boolean =>
  type === EVENT_TYPE.HARDWARE_EXCEPTION && vector !== VECTOR.DB;

/** A single-step trap that waited for the end of MOV SS's shadow is lost with TF; data breakpoints go on waiting. */
function forgetSingleStep(cpu: Processor): void {
  cpu.setField32(BOUNDARY.pendingDebug, cpu.field32(BOUNDARY.pendingDebug) & ~PENDING_DEBUG.BS);
}

const resumeFlag = (cpu: Processor): boolean => (cpu.field32(FLAGS.system) & RFLAGS.RF) !== 0;

/** Undefined if delivered, else the fault it met. */
function tryDeliver(
  cpu: Processor,
  event: DeliveredEvent,
  returnRip: bigint,
  resume: boolean,
): Fault | 'exited' | undefined {
  cpu.deliveryFailure = '';
  const { type, vector, errorCode } = event;
  const software = type === EVENT_TYPE.SOFTWARE_INTERRUPT || type === EVENT_TYPE.SOFTWARE_EXCEPTION;
  try {
    const real = (cpu.field32(CONTROL.cr0) & 1) === 0;
    deliverThroughGate(cpu, {
      vector,
      errorCode: real ? undefined : errorCode,
      software,
      returnRip,
      resume,
      instructionLength: event.instructionLength,
    });
    return undefined;
  } catch (thrown) {
    if (thrown instanceof TransitionMade) return 'exited';
    if (!(thrown instanceof GuestFault)) throw thrown;
    const fault = { vector: thrown.vector, errorCode: thrown.errorCode, address: thrown.address };
    if (cpu.deliveryFailure === '') cpu.deliveryFailure = explain(fault, vector);
    return fault;
  }
}

function explain(fault: Fault, vector: number): string {
  if (fault.vector !== VECTOR.PF) return `delivery of vector ${vector} met exception ${fault.vector}`;
  const code = fault.errorCode ?? 0;
  const what = code & 1 ? 'a protection violation' : 'a page that is not present';
  const access = code & 2 ? 'writing' : 'reading';
  return `${access} 0x${fault.address.toString(16)} to deliver vector ${vector} met ${what}`;
}

function finish(cpu: Processor, result: Delivery): Delivery {
  cpu.delivering = undefined;
  return result;
}

/** A fault while a double fault was being delivered: VM exit, or shutdown. */
function shutDown(cpu: Processor): Delivery {
  if (cpu.vmx.tripleFault()) return 'exited';
  cpu.setField32(BOUNDARY.activity, ACTIVITY.SHUTDOWN);
  return 'shutdown';
}

/**
 * Delivers the exception that abandoned the instruction at RIP (or, for #DB traps, the one before it). A VM exit may take its place.
 * Where the instruction was an INT n that failed, `cpu.delivering` still names that interrupt.
 */
export function deliverException(cpu: Processor, fault: Fault): Delivery {
  const { vector, errorCode, address } = fault;
  const interrupted = cpu.delivering;
  cpu.faultChain.length = 0;
  if (interrupted) {
    const step: FaultStep = {
      vector: interrupted.vector,
      errorCode: interrupted.errorCode,
      rip: cpu.rip,
      cr2: cpu.field(CONTROL.cr2),
      reason: cpu.deliveryFailure,
    };
    cpu.faultChain.push(step);
  }
  if (cpu.vmx.exception(vector, errorCode, address, false, 0)) return finish(cpu, 'exited');
  cpu.nmiUnblockedBy = undefined;
  recordFault(cpu, fault);
  // General detection is the one #DB that is a fault of an instruction to be executed again.
  const resume = vector === VECTOR.DB && (address & DETECTION) !== 0n ? true : undefined;
  return deliver(cpu, exceptionEvent(vector, errorCode), cpu.rip, resume);
}

/** Delivers the exception that PENDING describes. */
export function deliverPending(cpu: Processor): Delivery {
  cpu.setField32(PENDING.kind, PENDING_KIND.NONE);
  return deliverException(cpu, {
    vector: cpu.field32(PENDING.vector),
    errorCode: cpu.field32(PENDING.hasErrorCode) === 0 ? undefined : cpu.field32(PENDING.errorCode),
    address: cpu.field(PENDING.address),
  });
}

/** Delivers an acknowledged external interrupt. */
export function deliverInterrupt(cpu: Processor, vector: number): Delivery {
  cpu.faultChain.length = 0;
  return deliver(
    cpu,
    { type: EVENT_TYPE.EXTERNAL_INTERRUPT, vector, errorCode: undefined, instructionLength: 0 },
    cpu.rip,
  );
}

/** Delivers an NMI; further ones are blocked until IRET. */
export function deliverNmi(cpu: Processor): Delivery {
  cpu.faultChain.length = 0;
  cpu.setField32(BOUNDARY.interruptibility, cpu.field32(BOUNDARY.interruptibility) | BLOCKING.NMI);
  return deliver(
    cpu,
    { type: EVENT_TYPE.NMI, vector: VECTOR.NMI, errorCode: undefined, instructionLength: 0 },
    cpu.rip,
  );
}

/**
 * INT n, INT3, INTO and INT1, called by the cold instruction: sets RIP, or throws as an instruction does. On a fault `cpu.delivering`
 * keeps naming the interrupt until the fault itself is delivered.
 */
export function softwareInterrupt(
  cpu: Processor,
  type: 4 | 5 | 6,
  vector: number,
  nextRip: bigint,
  instructionLength: number,
): void {
  cpu.deliveryFailure = '';
  cpu.delivering = { type, vector, errorCode: undefined, instructionLength };
  const isInt1 = vector === VECTOR.DB && type === EVENT_TYPE.PRIVILEGED_SOFTWARE_EXCEPTION;
  if (isInt1) {
    const met = cpu.field(BOUNDARY.pendingDebug) & BREAKPOINTS_MET;
    recordFault(cpu, { vector, errorCode: undefined, address: met });
  }
  deliverThroughGate(cpu, {
    vector,
    errorCode: undefined,
    software: type !== EVENT_TYPE.PRIVILEGED_SOFTWARE_EXCEPTION,
    returnRip: nextRip,
    resume: false,
    instructionLength,
  });
  cpu.delivering = undefined;
  cpu.trapSuppressed = true;
  forgetSingleStep(cpu);
  // The #DB of INT1 tells the data breakpoints that waited behind MOV SS as well; other events leave them waiting.
  if (isInt1) cpu.setField(BOUNDARY.pendingDebug, 0n);
}

/** Injects an event at VM entry, SDM "Event Injection". CR2, DR6 and the exception bitmap have no part in it. */
export function injectEvent(cpu: Processor, event: DeliveredEvent): Delivery {
  cpu.faultChain.length = 0;
  if (event.type === EVENT_TYPE.NMI) {
    cpu.setField32(BOUNDARY.interruptibility, cpu.field32(BOUNDARY.interruptibility) | BLOCKING.NMI);
  }
  const software = event.type >= EVENT_TYPE.SOFTWARE_INTERRUPT;
  const next = BigInt.asUintN(cpu.is64Bit ? 64 : 32, cpu.rip + BigInt(event.instructionLength));
  // The frame's RF is the guest's as loaded, whatever the event.
  return deliver(cpu, event, software ? next : cpu.rip, resumeFlag(cpu));
}
