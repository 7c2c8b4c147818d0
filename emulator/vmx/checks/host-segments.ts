import { FIELD } from '../../tables/vmcs-fields';
import { canonicalCheck, controlFields, hexOf, isOne, section } from './check';
import type { CheckRow, EntryCheck } from './check';

const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS', 'TR'] as const;
const is64 = isOne('exit.HOST_ADDRESS_SPACE_SIZE');

function privileged(segment: (typeof SEGMENTS)[number]): CheckRow {
  const encoding = FIELD[`HOST_${segment}_SELECTOR`];
  return {
    id: `host-${segment.toLowerCase()}-selector`,
    fields: [encoding],
    holds: (v) => (v.u32(encoding) & 7) === 0,
    rule: `RPL (bits 1:0) and TI (bit 2) of HOST_${segment}_SELECTOR are 0.`,
    required: () => `RPL = 0, TI = 0`,
    actual: (v) =>
      `HOST_${segment}_SELECTOR = ${hexOf(v, encoding)}: RPL = ${v.u32(encoding) & 3}, TI = ${(v.u32(encoding) >>> 2) & 1}`,
    remedy: `Mask the ${segment} selector with 0xfff8; if that names a user segment, load a null or kernel selector.`,
  };
}

function notNull(segment: 'CS' | 'TR'): CheckRow {
  const encoding = FIELD[`HOST_${segment}_SELECTOR`];
  return {
    id: `host-${segment.toLowerCase()}-null`,
    fields: [encoding],
    holds: (v) => (v.u32(encoding) & 0xffff) !== 0,
    rule: `HOST_${segment}_SELECTOR is not 0000H.`,
    required: () => `HOST_${segment}_SELECTOR other than 0`,
    remedy: segment === 'TR' ? 'Load TR with LTR in the host and store its selector.' : 'Store the host CS selector.',
  };
}

/** SDM, "Checks on Host Segment and Descriptor-Table Registers". */
export const HOST_SEGMENTS: readonly EntryCheck[] = section('Checks on Host Segment and Descriptor-Table Registers', [
  ...SEGMENTS.map(privileged),
  notNull('CS'),
  notNull('TR'),
  {
    id: 'host-ss-null',
    fields: [FIELD.HOST_SS_SELECTOR, ...controlFields('exit.HOST_ADDRESS_SPACE_SIZE')],
    holds: (v) => is64(v) || (v.u32(FIELD.HOST_SS_SELECTOR) & 0xffff) !== 0,
    rule: 'If "host address-space size" is 0, HOST_SS_SELECTOR is not 0000H.',
    required: () => 'HOST_SS_SELECTOR other than 0',
    remedy: 'Store the host SS selector.',
  },
  canonicalCheck('host-fs-base', FIELD.HOST_FS_BASE),
  canonicalCheck('host-gs-base', FIELD.HOST_GS_BASE),
  canonicalCheck('host-gdtr-base', FIELD.HOST_GDTR_BASE),
  canonicalCheck('host-idtr-base', FIELD.HOST_IDTR_BASE),
  canonicalCheck('host-tr-base', FIELD.HOST_TR_BASE),
]);
