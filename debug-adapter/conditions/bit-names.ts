/** Named bits of VMCS fields, from the tables of the machine: what may follow a field's name after a dot. */
import { EXIT_REASON_FIELD } from '../../emulator/tables/exit-reasons';
import {
  ENTRY_INTERRUPTION_INFO,
  EXIT_INTERRUPTION_INFO,
  IDT_VECTORING_INFO,
} from '../../emulator/tables/interruption-info';
import { FIELD } from '../../emulator/tables/vmcs-fields';
import { REGISTER_BITS } from '../../emulator/tables/vmx/register-bits';
import { controlsOf, controlWordAt } from '../../emulator/tables/vmx-controls';

export interface BitRange {
  readonly name: string;
  readonly low: number;
  readonly high: number;
}

/** Names of several words are written in one: 'blocking by STI' is `blockingBySTI`. */
function identifier(name: string): string {
  const [first, ...rest] = name.split(/[^A-Za-z0-9_]+/);
  return first + rest.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}

export function namedBits(names: Readonly<Record<number, string>>): readonly BitRange[] {
  return Object.entries(names).map(([bit, name]) => ({ name: identifier(name), low: Number(bit), high: Number(bit) }));
}

const CR0 = namedBits(REGISTER_BITS.CR0);
const CR4 = namedBits(REGISTER_BITS.CR4);
const EFER = namedBits(REGISTER_BITS.EFER);

const LAYOUTS: ReadonlyMap<number, readonly BitRange[]> = new Map<number, readonly BitRange[]>([
  [FIELD.GUEST_CR0, CR0],
  [FIELD.HOST_CR0, CR0],
  [FIELD.CR0_GUEST_HOST_MASK, CR0],
  [FIELD.CR0_READ_SHADOW, CR0],
  [FIELD.GUEST_CR4, CR4],
  [FIELD.HOST_CR4, CR4],
  [FIELD.CR4_GUEST_HOST_MASK, CR4],
  [FIELD.CR4_READ_SHADOW, CR4],
  [FIELD.GUEST_IA32_EFER, EFER],
  [FIELD.HOST_IA32_EFER, EFER],
  [FIELD.GUEST_RFLAGS, namedBits(REGISTER_BITS.RFLAGS)],
  [FIELD.GUEST_INTERRUPTIBILITY_STATE, namedBits(REGISTER_BITS.INTERRUPTIBILITY)],
  [FIELD.GUEST_PENDING_DBG_EXCEPTIONS, namedBits(REGISTER_BITS.PENDING_DEBUG)],
  [FIELD.GUEST_IA32_DEBUGCTL, namedBits(REGISTER_BITS.DEBUGCTL)],
  [FIELD.VM_EXIT_REASON, EXIT_REASON_FIELD],
  [FIELD.VM_ENTRY_INTR_INFO, ENTRY_INTERRUPTION_INFO],
  [FIELD.VM_EXIT_INTR_INFO, EXIT_INTERRUPTION_INFO],
  [FIELD.IDT_VECTORING_INFO, IDT_VECTORING_INFO],
]);

/** Named bits of the field with an encoding; empty where it has none. */
export function fieldBitNames(encoding: number): readonly BitRange[] {
  const layout = LAYOUTS.get(encoding);
  if (layout !== undefined) return layout;
  const word = controlWordAt(encoding);
  if (word === undefined) return [];
  return controlsOf(word.word).map(({ key, bit }) => ({ name: key.slice(key.indexOf('.') + 1), low: bit, high: bit }));
}
