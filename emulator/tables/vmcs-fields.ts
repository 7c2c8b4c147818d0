import type { ControlKey } from './vmx-controls';
import {
  CONTROL_ENTRY,
  CONTROL_EXECUTION,
  CONTROL_EXIT,
  EXIT_INFORMATION,
  GUEST_STATE,
  HOST_STATE,
} from './vmx/field-rows';

/** The six groups of VMCS data (SDM, "Format of the VMCS Region" and "Organization of VMCS Data"). */
const GROUPS = {
  'control-execution': CONTROL_EXECUTION,
  'control-exit': CONTROL_EXIT,
  'control-entry': CONTROL_ENTRY,
  'exit-information': EXIT_INFORMATION,
  'guest-state': GUEST_STATE,
  'host-state': HOST_STATE,
} as const;

export type VmcsGroup = keyof typeof GROUPS;

/** The SDM's titles of the groups. */
export const VMCS_GROUP_TITLES: Readonly<Record<VmcsGroup, string>> = {
  'guest-state': 'Guest-state area',
  'host-state': 'Host-state area',
  'control-execution': 'VM-execution control fields',
  'control-exit': 'VM-exit control fields',
  'control-entry': 'VM-entry control fields',
  'exit-information': 'VM-exit information fields',
};

export type VmcsFieldName = (typeof GROUPS)[VmcsGroup][number][1];

export interface VmcsField {
  readonly encoding: number;
  readonly name: VmcsFieldName;
  readonly group: VmcsGroup;
  readonly description: string;
  /** The field exists only where the 1-setting of one of these controls is allowed; empty: it always exists. */
  readonly requires: readonly ControlKey[];
}

type Row = readonly [encoding: number, name: VmcsFieldName, description: string, ...requires: ControlKey[]];

/** Every field, in the order of the working copy's slots. */
export const VMCS_FIELDS: readonly VmcsField[] = (Object.keys(GROUPS) as VmcsGroup[]).flatMap((group) =>
  (GROUPS[group] as readonly Row[]).map(([encoding, name, description, ...requires]) => ({
    encoding,
    name,
    group,
    description,
    requires,
  })),
);

/** Encodings by name: `FIELD.GUEST_RIP` is 0x681e. */
export const FIELD = Object.fromEntries(VMCS_FIELDS.map(({ name, encoding }) => [name, encoding])) as Readonly<
  Record<VmcsFieldName, number>
>;

/** Names other software uses for the same fields. */
export const FIELD_ALIASES: Readonly<Record<string, VmcsFieldName>> = {
  VIRTUAL_PROCESSOR_ID: 'VPID',
  EPTP: 'EPT_POINTER',
  EXIT_REASON: 'VM_EXIT_REASON',
  ENTRY_INTR_INFO: 'VM_ENTRY_INTR_INFO',
  VM_ENTRY_INTR_INFO_FIELD: 'VM_ENTRY_INTR_INFO',
  EXIT_INTR_INFO: 'VM_EXIT_INTR_INFO',
  IDT_VECTORING_INFO_FIELD: 'IDT_VECTORING_INFO',
  VM_EXIT_INSTRUCTION_INFO: 'VMX_INSTRUCTION_INFO',
  PRIMARY_VM_EXEC_CONTROL: 'CPU_BASED_VM_EXEC_CONTROL',
  PRIMARY_PROCESSOR_BASED_CONTROLS: 'CPU_BASED_VM_EXEC_CONTROL',
  GUEST_INTERRUPTIBILITY_INFO: 'GUEST_INTERRUPTIBILITY_STATE',
  GUEST_PDPTR0: 'GUEST_PDPTE0',
  GUEST_PDPTR1: 'GUEST_PDPTE1',
  GUEST_PDPTR2: 'GUEST_PDPTE2',
  GUEST_PDPTR3: 'GUEST_PDPTE3',
  ...Object.fromEntries(
    (['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'LDTR', 'TR'] as const).flatMap((segment) => [
      [`GUEST_${segment}_AR_BYTES`, `GUEST_${segment}_AR` as const],
      [`GUEST_${segment}_ACCESS_RIGHTS`, `GUEST_${segment}_AR` as const],
    ]),
  ),
};

const byEncoding = new Map(VMCS_FIELDS.map((field) => [field.encoding, field]));
const byName = new Map<string, VmcsField>(VMCS_FIELDS.map((field) => [field.name, field]));

/**
 * The field an encoding names, by its full access or, for 64-bit fields, its high access (`isHighAccess`). Undefined where the
 * SDM defines none; whether a processor has it is `fieldExists` in `vmx-capabilities.ts`.
 */
export function fieldAt(encoding: number): VmcsField | undefined {
  const field = byEncoding.get(encoding & ~1);
  return field === undefined || encoding === field.encoding || fieldWidth(encoding) === 'u64' ? field : undefined;
}

/** By SDM name or alias, any case. */
export function fieldByName(name: string): VmcsField | undefined {
  const upper = name.toUpperCase();
  return byName.get(FIELD_ALIASES[upper] ?? upper);
}

export type VmcsFieldWidth = 'u16' | 'u32' | 'u64' | 'natural';
const WIDTHS: readonly VmcsFieldWidth[] = ['u16', 'u64', 'u32', 'natural'];

/**
 * Bits 14:13 of an encoding (SDM, "Structure of VMCS Component Encoding").
 *
 *     31      15 14  13  12  11   10  9         1    0
 *     | reserved | width | 0 | type | |  index  | | access |
 */
export function fieldWidth(encoding: number): VmcsFieldWidth {
  return WIDTHS[(encoding >>> 13) & 3];
}

/** Width of the field's value in bits; natural-width fields have 64. */
export function fieldBits(encoding: number): 16 | 32 | 64 {
  const width = fieldWidth(encoding);
  return width === 'u16' ? 16 : width === 'u32' ? 32 : 64;
}

export type VmcsFieldType = 'control' | 'read-only' | 'guest' | 'host';
const TYPES: readonly VmcsFieldType[] = ['control', 'read-only', 'guest', 'host'];

/** Bits 11:10 of an encoding. */
export function fieldType(encoding: number): VmcsFieldType {
  return TYPES[(encoding >>> 10) & 3];
}

/** Bits 9:1 of an encoding. */
export function fieldIndex(encoding: number): number {
  return (encoding >>> 1) & 0x1ff;
}

/** Access to the upper half of a 64-bit field. */
export function isHighAccess(encoding: number): boolean {
  return (encoding & 1) === 1;
}

/**
 * Layout of the 4-KByte VMCS region and of its working copy: what the SDM defines in bytes 0..7, then the processor's own.
 * Each field has a slot of 8 bytes, little-endian, zero-extended.
 */
export const VMCS_LAYOUT = {
  /** u32: revision identifier in 30:0, shadow-VMCS indicator in 31. */
  revision: 0,
  /** u32: VMX-abort indicator. */
  abort: 4,
  /** u32: 0 clear, 1 launched. */
  launchState: 8,
  fields: 64,
  slot: 8,
  size: 4096,
} as const;

const slots = new Int32Array(0x8000).fill(-1);
VMCS_FIELDS.forEach(({ encoding }, index) => {
  slots[encoding] = VMCS_LAYOUT.fields + index * VMCS_LAYOUT.slot;
  if (fieldWidth(encoding) === 'u64') slots[encoding | 1] = slots[encoding];
});

/** Byte offset of a field's slot in the region; full and high access have the same. -1 where there is no such field. */
export function slotOf(encoding: number): number {
  return encoding >= 0 && encoding < slots.length ? slots[encoding] : -1;
}
