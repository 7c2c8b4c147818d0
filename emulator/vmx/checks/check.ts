import { fieldAt, FIELD, fieldBits } from '../../tables/vmcs-fields';
import { control, controlWord } from '../../tables/vmx-controls';
import type { ControlKey } from '../../tables/vmx-controls';
import type { VmcsReader } from './reader';

export type CheckGroup = 'controls' | 'host' | 'guest';

/** One VM-entry check. */
export interface EntryCheck {
  readonly id: string;
  /** Title of the SDM section that states it. */
  readonly section: string;
  /** Encodings of all fields `holds` reads: it need not be evaluated again while they are unchanged. */
  readonly fields: readonly number[];
  /** Reads more than fields (memory, the processor's mode): evaluated at every entry. */
  readonly volatile?: boolean;
  /** Exit qualification when a guest check fails; 0 where absent. */
  readonly qualification?: 2 | 3 | 4;
  /** Must not allocate. */
  holds(v: VmcsReader): boolean;
  /** The rule in a sentence. */
  readonly rule: string;
  required(v: VmcsReader): string;
  actual(v: VmcsReader): string;
  readonly remedy: string;
}

/** A check as its file states it; `required` is the rule and `actual` lists the fields where nothing better is known. */
export type CheckRow = Omit<EntryCheck, 'section' | 'required' | 'actual'> &
  Partial<Pick<EntryCheck, 'required' | 'actual'>>;

/** The checks of one SDM section. */
export function section(title: string, rows: readonly CheckRow[]): readonly EntryCheck[] {
  return rows.map((row) => ({
    required: () => row.rule,
    actual: (v) => row.fields.map((encoding) => `${nameOf(encoding)} = ${hexOf(v, encoding)}`).join(', '),
    ...row,
    section: title,
  }));
}

export function nameOf(encoding: number): string {
  return fieldAt(encoding)?.name ?? `field 0x${encoding.toString(16)}`;
}

/** A field's value in hexadecimal, as wide as the field. */
export function hexOf(v: VmcsReader, encoding: number): string {
  return `0x${v
    .field(encoding)
    .toString(16)
    .padStart(fieldBits(encoding) === 16 ? 4 : 8, '0')}`;
}

const WORD_FIELD = new Map<ControlKey, { readonly encoding: number; readonly mask: number; readonly high: boolean }>();

function place(key: ControlKey): { readonly encoding: number; readonly mask: number; readonly high: boolean } {
  let found = WORD_FIELD.get(key);
  if (found === undefined) {
    const { word, bit } = control(key);
    found = { encoding: controlWord(word).encoding, mask: (1 << (bit & 31)) >>> 0, high: bit > 31 };
    WORD_FIELD.set(key, found);
  }
  return found;
}

/** Fields that decide whether a control is in force: its own word and the ones that activate it. */
export function controlFields(...keys: readonly ControlKey[]): readonly number[] {
  const fields = new Set<number>();
  for (const key of keys) {
    fields.add(place(key).encoding);
    const { word } = control(key);
    if (word === 'secondary' || word === 'tertiary') fields.add(FIELD.CPU_BASED_VM_EXEC_CONTROL);
    if (word === 'exit2') fields.add(FIELD.VM_EXIT_CONTROLS);
    if (word === 'vmfunc') {
      fields.add(FIELD.SECONDARY_VM_EXEC_CONTROL);
      fields.add(FIELD.CPU_BASED_VM_EXEC_CONTROL);
    }
  }
  return [...fields];
}

const SECONDARY_ACTIVE = 0x8000_0000;
const TERTIARY_ACTIVE = 0x2_0000;

/** A predicate: the control is 1, and the word it is in is activated. */
export function isOne(key: ControlKey): (v: VmcsReader) => boolean {
  const { encoding, mask, high } = place(key);
  const { word } = control(key);
  const own = high
    ? (v: VmcsReader): boolean => (v.high32(encoding) & mask) !== 0
    : (v: VmcsReader): boolean => (v.u32(encoding) & mask) !== 0;
  if (word === 'secondary') return (v) => own(v) && (v.u32(FIELD.CPU_BASED_VM_EXEC_CONTROL) & SECONDARY_ACTIVE) !== 0;
  if (word === 'tertiary') return (v) => own(v) && (v.u32(FIELD.CPU_BASED_VM_EXEC_CONTROL) & TERTIARY_ACTIVE) !== 0;
  if (word === 'exit2') return (v) => own(v) && (v.u32(FIELD.VM_EXIT_CONTROLS) & SECONDARY_ACTIVE) !== 0;
  if (word === 'vmfunc') {
    const enabled = isOne('secondary.ENABLE_VM_FUNCTIONS');
    return (v) => own(v) && enabled(v);
  }
  return own;
}

/** '"enable EPT"'. */
export function quoted(key: ControlKey): string {
  return `"${control(key).name}"`;
}

/** '"enable EPT" = 0, "unrestricted guest" = 1'. */
export function controlsNow(v: VmcsReader, keys: readonly ControlKey[]): string {
  return keys.map((key) => `${quoted(key)} = ${isOne(key)(v) ? 1 : 0}`).join(', ');
}

/** The control `key` may be 1 only where every one of `needs` has the value given. */
export function implies(
  id: string,
  key: ControlKey,
  needs: readonly (readonly [key: ControlKey, value: 0 | 1])[],
): CheckRow {
  const when = isOne(key);
  const conditions = needs.map(([need, value]) => ({ test: isOne(need), value: value === 1 }));
  const words = needs.map(([need, value]) => `${quoted(need)} = ${value}`).join(' and ');
  const keys = [key, ...needs.map(([need]) => need)];
  return {
    id,
    fields: controlFields(...keys),
    holds: (v) => {
      if (!when(v)) return true;
      for (const { test, value } of conditions) if (test(v) !== value) return false;
      return true;
    },
    rule: `If ${quoted(key)} is 1, the processor requires ${words}.`,
    required: () => words,
    actual: (v) => controlsNow(v, keys),
    remedy: `Set ${words}, or clear ${quoted(key)}.`,
  };
}

/** Bits 63:`physicalBits` of a field are 0. */
export function withinPhysical(v: VmcsReader, encoding: number): boolean {
  return v.high32(encoding) >>> (v.limits.physicalBits - 32) === 0;
}

/** A field holds a canonical address: bits 63 down to the top linear bit are all equal. */
export function isCanonical(v: VmcsReader, encoding: number): boolean {
  const top = (v.high32(encoding) | 0) >> (v.limits.linearBits - 33);
  return top === 0 || top === -1;
}

/** An address field is aligned and within the physical-address width where `when` holds. */
export function addressCheck(
  id: string,
  encoding: number,
  alignment: number,
  when: (v: VmcsReader) => boolean,
  condition: string,
  conditionFields: readonly number[],
): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...conditionFields],
    holds: (v) => !when(v) || ((v.u32(encoding) & (alignment - 1)) === 0 && withinPhysical(v, encoding)),
    rule: `${condition}, ${name} is a multiple of ${alignment} and has no bit beyond the physical-address width.`,
    required: (v) => `bits ${Math.log2(alignment) - 1}:0 and 63:${v.limits.physicalBits} of ${name} = 0`,
    actual: (v) => `${name} = ${hexOf(v, encoding)}`,
    remedy: `Write the physical address of a region aligned to ${alignment} bytes to ${name}.`,
  };
}

/** A field holds a canonical address where `when` holds. */
export function canonicalCheck(
  id: string,
  encoding: number,
  when?: { readonly test: (v: VmcsReader) => boolean; readonly words: string; readonly fields: readonly number[] },
): CheckRow {
  const name = nameOf(encoding);
  return {
    id,
    fields: [encoding, ...(when?.fields ?? [])],
    holds: (v) => (when !== undefined && !when.test(v)) || isCanonical(v, encoding),
    rule: `${when === undefined ? '' : `${when.words}, `}${name} contains a canonical address.`,
    required: (v) => `bits 63:${v.limits.linearBits - 1} of ${name} all equal`,
    actual: (v) => `${name} = ${hexOf(v, encoding)}`,
    remedy: `Write a canonical address to ${name}.`,
  };
}
