/** Transitions and shutdowns in words. */
import type { CheckFailure, FaultStep, Layer, Stop, Transition } from '../emulator/api';
import { describeQualification, EXIT_REASON, exitReason, exitReasonName } from '../emulator/tables/exit-reasons';
import { decodeInterruption } from '../emulator/tables/interruption-info';
import { vmInstructionError } from '../emulator/tables/vm-instruction-errors';
import { vmxAbort } from '../emulator/tables/vmx-abort';
import { hex } from './format';

const EXCEPTIONS: Readonly<Record<number, string>> = {
  0: '#DE divide error',
  1: '#DB debug exception',
  2: 'NMI',
  3: '#BP breakpoint',
  4: '#OF overflow',
  5: '#BR bound range exceeded',
  6: '#UD invalid opcode',
  7: '#NM device not available',
  8: '#DF double fault',
  10: '#TS invalid TSS',
  11: '#NP segment not present',
  12: '#SS stack fault',
  13: '#GP general protection',
  14: '#PF page fault',
  16: '#MF x87 error',
  17: '#AC alignment check',
  18: '#MC machine check',
  19: '#XM SIMD error',
  20: '#VE virtualization exception',
  21: '#CP control protection',
};

export function exceptionName(vector: number): string {
  return EXCEPTIONS[vector] ?? `vector ${vector}`;
}

/** Names of the kinds of transition, as headings. */
const KIND: Readonly<Record<Transition['kind'], string>> = {
  exit: 'VM exit',
  entry: 'VM entry',
  'entry-failure': 'VM-entry failure',
  vmfail: 'VMfail',
  abort: 'VMX abort',
};

/** "EPT violation"; a mnemonic stays in capitals. */
export function reasonTitle(reason: number): string {
  return exitReason(reason)?.title ?? `reason ${reason}`;
}

function vectorOf(transition: Transition): number | undefined {
  const info = decodeInterruption(transition.interruptionInfo);
  return info.valid ? info.vector : undefined;
}

/** What matters most about an exit, beyond its reason. */
function exitDetail(transition: Transition): string | undefined {
  const part = (name: string): string | undefined =>
    describeQualification(transition.reason, transition.qualification, vectorOf(transition)).find(
      (bits) => bits.name === name,
    )?.text;
  switch (transition.reason) {
    case EXIT_REASON.EPT_VIOLATION: {
      const wanted = ['read', 'write', 'fetch'].filter((name) => part(name) === 'yes');
      return `GPA ${hex(transition.guestPhysical)}${wanted.length === 0 ? '' : ` (${wanted.join(', ')})`}`;
    }
    case EXIT_REASON.EPT_MISCONFIGURATION:
      return `GPA ${hex(transition.guestPhysical)}`;
    case EXIT_REASON.EXCEPTION_OR_NMI:
    case EXIT_REASON.EXTERNAL_INTERRUPT: {
      const vector = vectorOf(transition);
      if (vector === undefined) return undefined;
      if (transition.reason === EXIT_REASON.EXTERNAL_INTERRUPT) return `vector ${hex(vector)}`;
      const code = decodeInterruption(transition.interruptionInfo).hasErrorCode
        ? `, error code ${hex(transition.interruptionErrorCode)}`
        : '';
      const fault = vector === 14 ? ` at ${hex(transition.qualification)}` : '';
      return exceptionName(vector) + fault + code;
    }
    case EXIT_REASON.IO_INSTRUCTION:
      return `${part('in') ?? 'I/O'} port ${part('port') ?? '?'}, ${part('size') ?? '?'}`;
    case EXIT_REASON.CR_ACCESS:
      return `${part('type') ?? ''} ${part('cr') ?? ''}`.trim();
    case EXIT_REASON.DR_ACCESS:
      return `${part('direction') ?? ''} ${part('dr') ?? ''}`.trim();
    default:
      return undefined;
  }
}

/** "VM exit 48: EPT violation, GPA 0x3000". */
export function describeTransition(transition: Transition): string {
  const head = `${KIND[transition.kind]} ${transition.number}`;
  const lower = (title: string): string =>
    /^[A-Z][a-z]/.test(title) ? title[0].toLowerCase() + title.slice(1) : title;
  switch (transition.kind) {
    case 'exit': {
      const detail = exitDetail(transition);
      const title = reasonTitle(transition.reason);
      return detail === undefined ? `${head}: ${title}` : `${head}: ${title}, ${detail}`;
    }
    case 'entry': {
      const event = decodeInterruption(transition.interruptionInfo);
      const injected = event.valid ? `, injecting ${exceptionName(event.vector)}` : '';
      return `${head}: ${contextName(transition.to)} at ${hex(transition.rip)}${injected}`;
    }
    case 'entry-failure': {
      const [first] = transition.failures;
      const why = first === undefined ? lower(reasonTitle(transition.reason)) : first.rule;
      return `${head}: ${why}`;
    }
    case 'vmfail':
      return `${head}: error ${transition.reason}, ${lower(vmInstructionError(transition.reason))}`;
    case 'abort':
      return `${head}: ${lower(vmxAbort(transition.reason))}`;
  }
}

export function contextName({ level, vmcs }: Transition['from']): string {
  if (level === 0) return 'L0 VMM';
  return vmcs === null ? `L${level} guest` : `L${level} guest (VMCS ${hex(vmcs)})`;
}

/** `CPU0 · L1 guest (VMCS 0x5000)`. */
export function layerName(layer: Layer): string {
  return `CPU${layer.processor} · ${contextName(layer)}`;
}

const ACTIVITY_STATUS = {
  active: 'running',
  halted: 'running, halted',
  waiting: 'running, waiting',
  shutdown: 'running, shut down',
  'wait-for-SIPI': 'not started',
} as const;

/** Why a layer does what it does: "running", "running, halted", "exited: CPUID", "running its guest", "not entered yet". */
export function layerStatus(layer: Layer): string {
  if (layer.running) return ACTIVITY_STATUS[layer.activity];
  const left = layer.left;
  if (left === undefined) return 'not entered yet';
  switch (left.kind) {
    case 'exit':
      return `exited: ${exitReasonName(left.reason)}`;
    case 'entry':
      return 'running its guest';
    case 'entry-failure':
      return 'entry failed';
    case 'vmfail':
      return 'VMfail';
    case 'abort':
      return 'VMX abort';
  }
}

/** A failed check as a block of text: rule, place, values, remedy. */
export function describeFailure(failure: CheckFailure): string {
  const fields = failure.fields.map(({ name, value }) => `${name} = ${hex(value)}`).join(', ');
  return [
    failure.rule.charAt(0).toUpperCase() + failure.rule.slice(1),
    `  section:  ${failure.section}`,
    `  fields:   ${fields}`,
    `  required: ${failure.required}`,
    `  actual:   ${failure.actual}`,
    `  remedy:   ${failure.remedy}`,
  ].join('\n');
}

function describeFault(step: FaultStep): string {
  const code = step.errorCode === undefined ? '' : `, error code ${hex(step.errorCode)}`;
  const cr2 = step.vector === 14 ? `, CR2 ${hex(step.cr2)}` : '';
  return `${exceptionName(step.vector)} at ${hex(step.rip)}${code}${cr2}: ${step.reason}`;
}

/** All there is to say about a stop, one paragraph a fact. */
export function describeStop(stop: Stop): string {
  switch (stop.kind) {
    case 'transition': {
      const { transition } = stop;
      const lines = [describeTransition(transition)];
      if (transition.kind === 'exit') lines.push(...exitLines(transition));
      if (transition.failures.length > 0) {
        const many = transition.failures.length > 1;
        lines.push(
          many ? `${transition.failures.length} checks fail; the processor reports the first:` : 'One check fails:',
          ...transition.failures.map((failure, index) => `${index + 1}. ${describeFailure(failure)}`),
        );
      }
      return lines.join('\n');
    }
    case 'shutdown':
      return [
        stop.cause === 'triple-fault'
          ? 'Triple fault: the processor has shut down. The exceptions that led to it, first to last:'
          : 'VMX abort: the processor has shut down.',
        ...stop.chain.map((step, index) => `${index + 1}. ${describeFault(step)}`),
      ].join('\n');
    case 'halted':
      return 'HLT, and nothing can wake the processor: no interrupt is pending or can become pending, or interrupts are masked (RFLAGS.IF).';
    case 'livelock':
      return 'No instruction retires any more: delivering an exception leads to the next exception, again and again. Look at the handler of the last one and at its stack.';
    case 'exception':
      return `${exceptionName(stop.vector)} at ${hex(stop.address)}${stop.errorCode === undefined ? '' : `, error code ${hex(stop.errorCode)}`}`;
    case 'poweroff':
      return stop.reset
        ? 'The guest has asked for a reset; there is no firmware to start it again.'
        : `The guest has powered off with status ${stop.status}.`;
    case 'breakpoint':
      return `Breakpoint at ${hex(stop.linear)}.`;
    case 'limit':
      return 'Paused.';
  }
}

function exitLines(transition: Transition): readonly string[] {
  const lines = [
    `  from ${contextName(transition.from)} at RIP ${hex(transition.rip)}, instruction length ${transition.instructionLength}, time ${transition.time}`,
  ];
  const parts = describeQualification(transition.reason, transition.qualification, vectorOf(transition));
  if (parts.length > 0) {
    lines.push(
      `  qualification ${hex(transition.qualification)}: ${parts.map(({ name, text }) => `${name} ${text}`).join(', ')}`,
    );
  }
  return lines;
}

/** One line of the exit trace. */
export function traceLine(transition: Transition): string {
  const time = transition.time.toString().padStart(12);
  const way = `${contextName(transition.from)} -> ${contextName(transition.to)}`;
  return `${time}  ${describeTransition(transition)}  [${way}, RIP ${hex(transition.rip)}]`;
}
