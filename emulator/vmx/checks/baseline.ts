import { FIELD, slotOf, VMCS_LAYOUT } from '../../tables/vmcs-fields';
import type { VmcsFieldName } from '../../tables/vmcs-fields';
import { RegionReader } from './reader';
import type { EntryLimits } from './reader';

const ALL_ONES = 0xffff_ffff_ffff_ffffn;

/** A VMCS with which VM entry succeeds: 64-bit flat host, 64-bit flat guest at CPL 0. Fields that are 0 are left out. */
export const VALID_VMCS: Readonly<Partial<Record<VmcsFieldName, bigint>>> = {
  PIN_BASED_VM_EXEC_CONTROL: 0x16n,
  CPU_BASED_VM_EXEC_CONTROL: 0x8400_6172n,
  SECONDARY_VM_EXEC_CONTROL: 0x22n,
  VM_EXIT_CONTROLS: 0x3f_6ffbn,
  VM_ENTRY_CONTROLS: 0xd3fbn,
  VPID: 1n,
  EPT_POINTER: 0x10_001en,
  HOST_CR0: 0x8005_0033n,
  HOST_CR3: 0x1000n,
  HOST_CR4: 0x2020n,
  HOST_CS_SELECTOR: 0x8n,
  HOST_SS_SELECTOR: 0x10n,
  HOST_TR_SELECTOR: 0x18n,
  HOST_IA32_PAT: 0x0007_0406_0007_0406n,
  HOST_IA32_EFER: 0xd01n,
  HOST_RIP: 0xffff_8000_0010_0000n,
  GUEST_CR0: 0x8005_0033n,
  GUEST_CR3: 0x2000n,
  GUEST_CR4: 0x2020n,
  GUEST_DR7: 0x400n,
  GUEST_IA32_PAT: 0x0007_0406_0007_0406n,
  GUEST_IA32_EFER: 0xd01n,
  GUEST_CS_SELECTOR: 0x8n,
  GUEST_CS_AR: 0xa09bn,
  GUEST_CS_LIMIT: 0xffff_ffffn,
  GUEST_SS_SELECTOR: 0x10n,
  GUEST_SS_AR: 0xc093n,
  GUEST_SS_LIMIT: 0xffff_ffffn,
  GUEST_DS_AR: 0xc093n,
  GUEST_DS_LIMIT: 0xffff_ffffn,
  GUEST_ES_AR: 0xc093n,
  GUEST_ES_LIMIT: 0xffff_ffffn,
  GUEST_FS_AR: 0xc093n,
  GUEST_FS_LIMIT: 0xffff_ffffn,
  GUEST_GS_AR: 0xc093n,
  GUEST_GS_LIMIT: 0xffff_ffffn,
  GUEST_LDTR_AR: 0x82n,
  GUEST_LDTR_LIMIT: 0xffffn,
  GUEST_TR_SELECTOR: 0x18n,
  GUEST_TR_AR: 0x8bn,
  GUEST_TR_LIMIT: 0x67n,
  GUEST_GDTR_LIMIT: 0xffffn,
  GUEST_IDTR_LIMIT: 0xffffn,
  GUEST_RIP: 0x40_0000n,
  GUEST_RFLAGS: 0x2n,
  VMCS_LINK_POINTER: ALL_ONES,
};

export type FieldValues = Readonly<Partial<Record<VmcsFieldName, bigint>>>;

/** Writes fields into a region. */
export function writeFields(reader: RegionReader, values: FieldValues): void {
  for (const [name, value] of Object.entries(values)) {
    const at = (reader.base + slotOf(FIELD[name as VmcsFieldName])) >>> 2;
    reader.words[at] = Number(value & 0xffff_ffffn);
    reader.words[at + 1] = Number(value >> 32n);
  }
}

/** A region of its own that holds `VALID_VMCS` with changes. */
export function validRegion(limits: EntryLimits, changes: FieldValues = {}): RegionReader {
  const reader = new RegionReader(new Uint32Array(VMCS_LAYOUT.size / 4), 0, limits);
  writeFields(reader, VALID_VMCS);
  writeFields(reader, changes);
  return reader;
}
