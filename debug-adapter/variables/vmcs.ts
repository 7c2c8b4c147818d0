import type { CheckFailure, Layer, Machine, Transition } from '../../emulator/api';
import { describeInstructionInformation, describeInterruption } from '../../emulator/tables/interruption-info';
import { describeQualification, EXIT_REASON_FIELD, exitReasonName } from '../../emulator/tables/exit-reasons';
import { vmInstructionError } from '../../emulator/tables/vm-instruction-errors';
import {
  FIELD,
  fieldBits,
  fieldType,
  VMCS_FIELDS,
  VMCS_GROUP_TITLES,
  type VmcsField,
  type VmcsGroup,
} from '../../emulator/tables/vmcs-fields';
import { decodeBits, type DecodedBits } from '../../emulator/tables/vmx/bit-layout';
import { fieldExists } from '../../emulator/tables/vmx-capabilities';
import { controlsOf, controlWordAt, describeControls } from '../../emulator/tables/vmx-controls';
import type { Debuggee } from '../debuggee';
import { describeTransition } from '../explain';
import { hex } from '../format';
import { ACCESS_BITS, REGISTER_BITS, type NamedMask } from '../registers';
import { group, text, type VariableNode } from './node';
import { bitRegister, setBits } from './registers';

const BITS_BY_FIELD = new Map<string, readonly NamedMask[]>([
  ['GUEST_CR0', REGISTER_BITS.CR0],
  ['HOST_CR0', REGISTER_BITS.CR0],
  ['CR0_READ_SHADOW', REGISTER_BITS.CR0],
  ['CR0_GUEST_HOST_MASK', REGISTER_BITS.CR0],
  ['GUEST_CR4', REGISTER_BITS.CR4],
  ['HOST_CR4', REGISTER_BITS.CR4],
  ['CR4_READ_SHADOW', REGISTER_BITS.CR4],
  ['CR4_GUEST_HOST_MASK', REGISTER_BITS.CR4],
  ['GUEST_RFLAGS', REGISTER_BITS.RFLAGS],
  ['GUEST_DR7', REGISTER_BITS.DR7],
  ['GUEST_IA32_EFER', REGISTER_BITS.EFER],
  ['HOST_IA32_EFER', REGISTER_BITS.EFER],
]);

function namedBits(field: VmcsField): readonly NamedMask[] | undefined {
  return BITS_BY_FIELD.get(field.name) ?? (/_AR$/.test(field.name) ? ACCESS_BITS : undefined);
}

/** Reads fields of one VMCS; a field that cannot be read is 0. */
class VmcsView {
  constructor(
    readonly machine: Machine,
    readonly vmcs: bigint,
  ) {}

  read(encoding: number): bigint {
    return this.machine.readVmcs(this.vmcs, encoding) ?? 0n;
  }

  get reason(): number {
    return Number(this.read(FIELD.VM_EXIT_REASON) & 0xffffn);
  }

  get vector(): number | undefined {
    const info = this.read(FIELD.VM_EXIT_INTR_INFO);
    return (info & 0x8000_0000n) === 0n ? undefined : Number(info & 0xffn);
  }

  /** What the fields that depend on the exit reason say; undefined for plain values. */
  decode(
    field: VmcsField,
    value: bigint,
  ): { readonly summary: string; readonly parts: readonly DecodedBits[] } | undefined {
    const of = (parts: readonly DecodedBits[]): { summary: string; parts: readonly DecodedBits[] } => ({
      summary: parts.map(({ name, text: meaning }) => `${name} ${meaning}`).join(', '),
      parts,
    });
    const event = (kind: 'exit' | 'entry' | 'vectoring'): { summary: string; parts: readonly DecodedBits[] } =>
      (value & 0x8000_0000n) === 0n
        ? { summary: 'not valid', parts: [] }
        : of(describeInterruption(kind, Number(value)));
    switch (field.encoding) {
      case FIELD.VM_EXIT_REASON: {
        const failed = (value & 0x8000_0000n) !== 0n ? ', VM-entry failure' : '';
        return {
          summary: exitReasonName(Number(value & 0xffffn)) + failed,
          parts: decodeBits(EXIT_REASON_FIELD, value),
        };
      }
      case FIELD.EXIT_QUALIFICATION:
        return of(describeQualification(this.reason, value, this.vector));
      case FIELD.VMX_INSTRUCTION_INFO:
        return of(describeInstructionInformation(this.reason, Number(value)));
      case FIELD.VM_EXIT_INTR_INFO:
        return event('exit');
      case FIELD.IDT_VECTORING_INFO:
        return event('vectoring');
      case FIELD.VM_ENTRY_INTR_INFO:
        return event('entry');
      case FIELD.VM_INSTRUCTION_ERROR:
        return { summary: value === 0n ? 'none' : vmInstructionError(Number(value)), parts: [] };
      default:
        return undefined;
    }
  }
}

function fieldNode(view: VmcsView, field: VmcsField): VariableNode {
  const { name, encoding } = field;
  const value = view.read(encoding);
  const digits = fieldBits(encoding) / 4;
  const evaluateName = `vmcs.${name}`;
  const assign =
    fieldType(encoding) === 'read-only'
      ? undefined
      : (wanted: bigint) => {
          const bits = fieldBits(encoding);
          if (BigInt.asUintN(bits, wanted) !== wanted && BigInt.asIntN(bits, wanted) !== wanted) {
            return `${name} has ${bits} bits; ${hex(wanted)} does not fit.`;
          }
          return view.machine.writeVmcs(view.vmcs, encoding, BigInt.asUintN(bits, wanted));
        };
  const type = `${field.description} (encoding ${hex(encoding, 4)}, ${fieldBits(encoding)} bits)`;
  const base = { name, type, evaluateName };

  const word = controlWordAt(encoding);
  if (word !== undefined) {
    return {
      ...base,
      value: () => `${hex(value, digits)}  ${describeControls(word.word, value)}`.trimEnd(),
      assign,
      children: () =>
        controlsOf(word.word).map((control) => {
          const mask = 1n << BigInt(control.bit);
          return {
            name: control.name,
            value: () => `${(value & mask) === 0n ? '0' : '1'}  (bit ${control.bit})`,
            type: control.description,
            assign: assign && ((bit: bigint) => assign(bit === 0n ? value & ~mask : value | mask)),
          };
        }),
    };
  }
  const names = namedBits(field);
  if (names !== undefined) {
    return {
      ...bitRegister(name, value, names, digits, assign, evaluateName),
      ...base,
      value: () => `${hex(value, digits)}${setBits(names, value)}`,
    };
  }
  const decoded = view.decode(field, value);
  return {
    ...base,
    value: () =>
      decoded === undefined || decoded.summary === ''
        ? hex(value, digits)
        : `${hex(value, digits)}  ${decoded.summary}`,
    assign,
    children:
      decoded === undefined || decoded.parts.length === 0
        ? undefined
        : () => decoded.parts.map((part) => ({ name: part.name, value: () => part.text, evaluateName: undefined })),
  };
}

const GROUP_ORDER: readonly VmcsGroup[] = [
  'exit-information',
  'guest-state',
  'control-execution',
  'control-exit',
  'control-entry',
  'host-state',
];

function failureNode(failure: CheckFailure, index: number): VariableNode {
  return group(`${index + 1}. ${failure.id}`, failure.rule, () => [
    text('rule', failure.rule),
    text('section', failure.section),
    ...failure.fields.map(({ name, value }): VariableNode => ({
      name,
      value: () => hex(value),
      evaluateName: `vmcs.${name}`,
    })),
    text('required', failure.required),
    text('actual', failure.actual),
    text('remedy', failure.remedy),
  ]);
}

export function failureNodes(failures: readonly CheckFailure[]): readonly VariableNode[] {
  return failures.map(failureNode);
}

/** Last transition that concerned a VMCS, as far as it is known without a search. */
function lastOf({ machine, layers }: Debuggee, vmcs: bigint): Transition | undefined {
  const last = machine.lastTransition;
  return last?.vmcs === vmcs ? last : layers.find((layer) => layer.vmcs === vmcs)?.left;
}

/** The VMCS a layer's scope shows: a guest's own; for a root the one it dealt with last. */
export function vmcsOf(debuggee: Debuggee, layer: Layer): bigint | undefined {
  if (layer.vmcs !== null) return layer.vmcs;
  const last = debuggee.machine.lastTransition;
  if (last !== undefined && last.vmcs !== null) return last.vmcs;
  return debuggee.layers.find((other) => other.parent === layer.id && other.vmcs !== null)?.vmcs ?? undefined;
}

/** Fields of a group that this processor has: words of controls first, they say what the others mean. */
function fieldsOf(name: VmcsGroup, capabilities: ReadonlyMap<number, bigint>): readonly VmcsField[] {
  const present = VMCS_FIELDS.filter(({ group: of, encoding }) => of === name && fieldExists(encoding, capabilities));
  const isControls = ({ encoding }: VmcsField): boolean => controlWordAt(encoding) !== undefined;
  return [...present.filter(isControls), ...present.filter((field) => !isControls(field))];
}

/** A VMCS as the SDM groups it, with the checks of a failed entry and a dry run of all checks. */
export function vmcsNodes(debuggee: Debuggee, vmcs: bigint): readonly VariableNode[] {
  const { machine } = debuggee;
  const view = new VmcsView(machine, vmcs);
  const last = lastOf(debuggee, vmcs);
  const failed = last !== undefined && last.failures.length > 0 ? last : undefined;
  return [
    text('Address', hex(vmcs)),
    ...(last === undefined ? [] : [text('Last transition', describeTransition(last))]),
    ...(failed === undefined
      ? []
      : [
          group('Failed checks', `${failed.failures.length} of VM entry ${failed.number}`, () =>
            failureNodes(failed.failures),
          ),
        ]),
    ...GROUP_ORDER.map((name) =>
      group(VMCS_GROUP_TITLES[name], '', () =>
        fieldsOf(name, machine.capabilities).map((field) => fieldNode(view, field)),
      ),
    ),
    group('VM-entry checks now', 'open to run them', () => {
      const failures = machine.checkVmcs(vmcs);
      return failures.length === 0 ? [text('result', 'all checks pass')] : failureNodes(failures);
    }),
  ];
}
