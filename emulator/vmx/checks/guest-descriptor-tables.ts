import { FIELD } from '../../tables/vmcs-fields';
import { canonicalCheck, hexOf, section } from './check';
import type { CheckRow, EntryCheck } from './check';

function limit(table: 'GDTR' | 'IDTR'): CheckRow {
  const encoding = FIELD[`GUEST_${table}_LIMIT`];
  return {
    id: `guest-${table.toLowerCase()}-limit`,
    fields: [encoding],
    holds: (v) => v.u32(encoding) < 0x1_0000,
    rule: `Bits 31:16 of GUEST_${table}_LIMIT are 0.`,
    required: () => `bits 31:16 of GUEST_${table}_LIMIT = 0`,
    actual: (v) => `GUEST_${table}_LIMIT = ${hexOf(v, encoding)}`,
    remedy: `Write the size of the table less 1, at most 0xffff, to GUEST_${table}_LIMIT.`,
  };
}

/** SDM, "Checks on Guest Descriptor-Table Registers". */
export const GUEST_DESCRIPTOR_TABLES: readonly EntryCheck[] = section('Checks on Guest Descriptor-Table Registers', [
  canonicalCheck('guest-gdtr-base', FIELD.GUEST_GDTR_BASE),
  canonicalCheck('guest-idtr-base', FIELD.GUEST_IDTR_BASE),
  limit('GDTR'),
  limit('IDTR'),
]);
