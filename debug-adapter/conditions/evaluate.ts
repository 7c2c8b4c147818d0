/** Values of expressions at one moment of the machine. */
import type { Transition } from '../../emulator/api';
import { EXIT_REASON, qualificationFields } from '../../emulator/tables/exit-reasons';
import { fieldBits } from '../../emulator/tables/vmcs-fields';
import { extract } from '../../emulator/tables/vmx/bit-layout';
import { typeOf, type AddressSpace, type BinaryOperator, type Expression, type Subject } from './ast';
import { printNumber } from './print';
import type { RegisterReference } from './registers';
import { registerWidth } from './registers';

/** What an expression asks of the machine. Nothing here has a side effect. */
export interface ConditionEnvironment {
  /** The transition the machine has just made; undefined when it stopped for another reason. */
  readonly transition: Transition | undefined;
  /** Level of the layer asked about: 0 is VMX root. */
  readonly layer: number;
  readonly time: bigint;
  /** Physical address of the VMCS that `vmcs.FIELD` means; undefined where there is none. */
  readonly vmcs: bigint | undefined;
  register(register: RegisterReference): bigint;
  readVmcs(encoding: number): bigint | undefined;
  /** Little-endian value; undefined where not all of it can be read. */
  readMemory(space: AddressSpace, address: bigint, size: number): bigint | undefined;
  /** Exits so far of a basic reason, or of all. */
  exitCount(reason: number | undefined): bigint;
  symbolAddress(name: string): bigint | undefined;
  isInSymbol(address: bigint, name: string): boolean;
}

/** Why there is no value: shown to the person. */
export interface EvaluationError {
  readonly message: string;
}

/**
 * A number is unsigned, of 64 bits unless `bits` says less. `absent`: the subject does not exist at this moment (`qual` where
 * nothing exited); comparisons with it are false.
 */
export type Value =
  | { readonly kind: 'number'; readonly value: bigint; readonly bits: number; readonly meaning: Meaning }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'absent'; readonly message: string };

/** What a number is, for whoever prints it. */
export type Meaning = 'plain' | 'address' | 'exit-reason';

export type Evaluation =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: EvaluationError };
export type ConditionOutcome =
  { readonly ok: true; readonly holds: boolean } | { readonly ok: false; readonly error: EvaluationError };

const MASK = 0xffff_ffff_ffff_ffffn;

/** Leaves the evaluation; caught in `evaluate` and `evaluateTruth`. */
class EvaluationFailure {
  constructor(readonly message: string) {}
}

export function evaluate(expression: Expression, environment: ConditionEnvironment): Evaluation {
  return guarded(() => ({ ok: true, value: valueOf(expression, environment) }));
}

/** Whether the expression holds: a number holds when it is not 0. */
export function evaluateTruth(expression: Expression, environment: ConditionEnvironment): ConditionOutcome {
  return guarded(() => ({ ok: true, holds: truth(expression, environment) }));
}

function guarded<T>(work: () => T): T | { readonly ok: false; readonly error: EvaluationError } {
  try {
    return work();
  } catch (failure) {
    if (failure instanceof EvaluationFailure) return { ok: false, error: { message: failure.message } };
    throw failure;
  }
}

function plain(value: bigint, bits = 64): Value {
  return { kind: 'number', value, bits, meaning: 'plain' };
}

function truth(expression: Expression, environment: ConditionEnvironment): boolean {
  if (expression.kind === 'subject') {
    if (expression.subject === 'exit') return isExit(environment.transition);
    if (expression.subject === 'error') return isFailure(environment.transition);
    if (expression.subject === 'vmcs') return environment.vmcs !== undefined;
  }
  if (expression.kind === 'symbol') return environment.isInSymbol(environment.register(RIP), expression.name);
  const value = valueOf(expression, environment);
  return value.kind === 'boolean' ? value.value : value.kind === 'number' && value.value !== 0n;
}

const RIP: RegisterReference = { kind: 'rip', bits: 64 };

function isExit(transition: Transition | undefined): boolean {
  return transition?.kind === 'exit' || transition?.kind === 'entry-failure';
}

function isFailure(transition: Transition | undefined): boolean {
  return transition?.kind === 'entry-failure' || transition?.kind === 'vmfail' || transition?.kind === 'abort';
}

function valueOf(expression: Expression, environment: ConditionEnvironment): Value {
  switch (expression.kind) {
    case 'number':
      return plain(expression.value);
    case 'boolean':
      return expression;
    case 'register': {
      const isAddress = expression.register.kind === 'rip';
      const bits = registerWidth(expression.register);
      const value = environment.register(expression.register);
      return { kind: 'number', value, bits, meaning: isAddress ? 'address' : 'plain' };
    }
    case 'subject':
      return subject(expression.subject, environment);
    case 'qualification':
      return qualification(expression.part, environment.transition);
    case 'field':
      return plain(field(expression, environment), fieldBits(expression.encoding));
    case 'bits': {
      const whole = valueOf(expression.of, environment);
      if (whole.kind !== 'number') return whole;
      return plain(extract(expression, whole.value), expression.high - expression.low + 1);
    }
    case 'reason':
      return { kind: 'number', value: BigInt(expression.number), bits: 16, meaning: 'exit-reason' };
    case 'count':
      return plain(environment.exitCount(expression.reason?.number));
    case 'memory': {
      const address = valueOf(expression.address, environment);
      if (address.kind !== 'number') return address;
      const value = environment.readMemory(expression.space, address.value, expression.size);
      if (value === undefined) {
        const place = `${expression.space} 0x${address.value.toString(16)}`;
        throw new EvaluationFailure(`The ${expression.size} bytes at ${place} cannot be read.`);
      }
      return plain(value, expression.size * 8);
    }
    case 'symbol': {
      const address = environment.symbolAddress(expression.name);
      if (address === undefined) throw new EvaluationFailure(`There is no symbol '${expression.name}' any more.`);
      return { kind: 'number', value: address, bits: 64, meaning: 'address' };
    }
    case 'unary': {
      if (expression.operator === '!') return { kind: 'boolean', value: !truth(expression.operand, environment) };
      const operand = valueOf(expression.operand, environment);
      if (operand.kind !== 'number') return operand;
      return plain((expression.operator === '~' ? ~operand.value : -operand.value) & MASK);
    }
    case 'binary':
      return binary(expression.operator, expression.left, expression.right, environment);
    case 'in': {
      const value = valueOf(expression.value, environment);
      if (value.kind !== 'number') return { kind: 'boolean', value: false };
      const number = (e: Expression): bigint | undefined => {
        const v = valueOf(e, environment);
        return v.kind === 'number' ? v.value : undefined;
      };
      const isMember = expression.members.some((member) => {
        if (member.kind === 'value') return number(member.value) === value.value;
        const low = number(member.low);
        const high = number(member.high);
        return low !== undefined && high !== undefined && low <= value.value && value.value <= high;
      });
      return { kind: 'boolean', value: isMember };
    }
  }
}

function subject(name: Subject, environment: ConditionEnvironment): Value {
  const { transition } = environment;
  switch (name) {
    case 'exit':
      return isExit(transition) && transition !== undefined
        ? reason(transition)
        : absent('no VM exit has just happened');
    case 'error':
      return isFailure(transition) && transition !== undefined
        ? transition.kind === 'entry-failure'
          ? reason(transition)
          : plain(BigInt(transition.reason))
        : absent('no VMX instruction or VM entry has just failed');
    case 'entry':
      return { kind: 'boolean', value: transition?.kind === 'entry' };
    case 'qual':
      return isExit(transition) && transition !== undefined
        ? plain(transition.qualification & MASK)
        : absent('no VM exit has just happened');
    case 'gpa':
      return transition?.kind === 'exit' && GUEST_PHYSICAL_REASONS.has(transition.reason)
        ? address(transition.guestPhysical)
        : absent('no exit that saves a guest-physical address has just happened');
    case 'gla':
      return transition?.kind === 'exit' && savesGuestLinear(transition)
        ? address(transition.guestLinear)
        : absent('no exit that saves a guest-linear address has just happened');
    case 'layer':
      return plain(BigInt(environment.layer));
    case 'vmcs':
      return environment.vmcs === undefined ? absent('there is no current VMCS') : address(environment.vmcs);
    case 'time':
      return plain(environment.time & MASK);
  }
}

const GUEST_PHYSICAL_REASONS: ReadonlySet<number> = new Set([
  EXIT_REASON.EPT_VIOLATION,
  EXIT_REASON.EPT_MISCONFIGURATION,
  EXIT_REASON.SPP_EVENT,
]);

/** SDM, "Guest-linear address" in "Information for VM Exits Due to Instruction Execution" and EPT violations. */
function savesGuestLinear(transition: Transition): boolean {
  switch (transition.reason) {
    case EXIT_REASON.EPT_VIOLATION:
      return (transition.qualification & 0x80n) !== 0n;
    case EXIT_REASON.IO_INSTRUCTION:
      return (transition.qualification & 0x10n) !== 0n;
    case EXIT_REASON.CR_ACCESS:
      return (transition.qualification & 0x70n) === 0x70n;
    default:
      return false;
  }
}

function absent(message: string): Value {
  return { kind: 'absent', message };
}

function address(value: bigint): Value {
  return { kind: 'number', value: value & MASK, bits: 64, meaning: 'address' };
}

function reason(transition: Transition): Value {
  return { kind: 'number', value: BigInt(transition.reason), bits: 16, meaning: 'exit-reason' };
}

function qualification(part: string, transition: Transition | undefined): Value {
  if (transition === undefined || !isExit(transition)) return absent('no VM exit has just happened');
  const vector = (transition.interruptionInfo >>> 31) & 1 ? transition.interruptionInfo & 0xff : undefined;
  const found = qualificationFields(transition.reason, vector).find((f) => f.name === part);
  if (found === undefined) return absent(`the qualification of this exit has no '${part}'`);
  return plain(extract(found, transition.qualification & MASK), found.high - found.low + 1);
}

function field(expression: Extract<Expression, { kind: 'field' }>, environment: ConditionEnvironment): bigint {
  if (environment.vmcs === undefined) {
    throw new EvaluationFailure(`vmcs.${expression.name} has no value: there is no current VMCS.`);
  }
  const value = environment.readVmcs(expression.encoding);
  if (value === undefined) {
    throw new EvaluationFailure(`The VMCS at ${printNumber(environment.vmcs)} has no field ${expression.name}.`);
  }
  return value & MASK;
}

function binary(
  operator: BinaryOperator,
  left: Expression,
  right: Expression,
  environment: ConditionEnvironment,
): Value {
  if (operator === '&&') return { kind: 'boolean', value: truth(left, environment) && truth(right, environment) };
  if (operator === '||') return { kind: 'boolean', value: truth(left, environment) || truth(right, environment) };
  if ((operator === '==' || operator === '!=') && typeOf(left) === 'boolean') {
    return { kind: 'boolean', value: (truth(left, environment) === truth(right, environment)) === (operator === '==') };
  }
  const a = valueOf(left, environment);
  const b = valueOf(right, environment);
  const isComparing = operator in COMPARE;
  if (a.kind !== 'number' || b.kind !== 'number') {
    if (isComparing) return { kind: 'boolean', value: false };
    return a.kind === 'number' ? b : a;
  }
  if (isComparing) return { kind: 'boolean', value: COMPARE[operator as Comparison](a.value, b.value) };
  return plain(arithmetic(operator as Arithmetic, a.value, b.value) & MASK);
}

const COMPARE = {
  '==': (a: bigint, b: bigint) => a === b,
  '!=': (a: bigint, b: bigint) => a !== b,
  '<': (a: bigint, b: bigint) => a < b,
  '<=': (a: bigint, b: bigint) => a <= b,
  '>': (a: bigint, b: bigint) => a > b,
  '>=': (a: bigint, b: bigint) => a >= b,
} as const;
type Comparison = keyof typeof COMPARE;
type Arithmetic = Exclude<BinaryOperator, Comparison | '&&' | '||'>;

function arithmetic(operator: Arithmetic, a: bigint, b: bigint): bigint {
  switch (operator) {
    case '|':
      return a | b;
    case '^':
      return a ^ b;
    case '&':
      return a & b;
    case '<<':
      return b > 63n ? 0n : a << b;
    case '>>':
      return b > 63n ? 0n : a >> b;
    case '+':
      return a + b;
    case '-':
      return a - b;
    case '*':
      return a * b;
    case '/':
    case '%':
      if (b === 0n) throw new EvaluationFailure('The expression divides by zero.');
      return operator === '/' ? a / b : a % b;
  }
}
