import { FIELD } from '../../tables/vmcs-fields';
import { addressesOf, AR_UNUSABLE, describeRights, isUsable, isVirtual8086, limitFits } from './segment-rights';
import { canonicalCheck, controlFields, hexOf, isOne, section } from './check';
import type { CheckRow, EntryCheck } from './check';
import type { VmcsReader } from './reader';

const DATA = ['SS', 'DS', 'ES', 'FS', 'GS'] as const;
const ALL = ['CS', ...DATA] as const;
type Name = (typeof ALL)[number] | 'LDTR' | 'TR';

const unrestricted = isOne('secondary.UNRESTRICTED_GUEST');
const guest64 = isOne('entry.IA32E_MODE_GUEST');
const UNRESTRICTED_FIELDS = controlFields('secondary.UNRESTRICTED_GUEST');
const GUEST64_FIELDS = controlFields('entry.IA32E_MODE_GUEST');
const { GUEST_RFLAGS, GUEST_CS_AR, GUEST_SS_AR, GUEST_CS_SELECTOR, GUEST_SS_SELECTOR } = FIELD;

const type = (v: VmcsReader, rights: number): number => v.u32(rights) & 15;
const dpl = (v: VmcsReader, rights: number): number => (v.u32(rights) >>> 5) & 3;

/** A rule about a segment's access rights outside virtual-8086 mode. */
interface RightsRule {
  readonly name: string;
  readonly test: (v: VmcsReader, rights: number) => boolean;
  readonly words: string;
  readonly remedy: string;
  readonly extra?: readonly number[];
  /** Applies to an unusable register too. */
  readonly always?: boolean;
}

function rightsCheck(segment: Name, rule: RightsRule): CheckRow {
  const { rights } = addressesOf(segment);
  const system = segment === 'TR' || segment === 'LDTR';
  const always = rule.always === true || segment === 'CS' || segment === 'TR';
  return {
    id: `guest-${segment.toLowerCase()}-${rule.name}`,
    fields: [rights, ...(system ? [] : [GUEST_RFLAGS]), ...(rule.extra ?? [])],
    holds: (v) => (!system && isVirtual8086(v)) || (!always && !isUsable(v, rights)) || rule.test(v, rights),
    rule: `${always ? '' : `If ${segment} is usable, `}${system ? '' : 'outside virtual-8086 mode '}${segment} has ${rule.words}.`,
    required: () => `${segment}: ${rule.words}`,
    actual: (v) => `GUEST_${segment}_AR = ${hexOf(v, rights)}: ${describeRights(v.u32(rights))}`,
    remedy: rule.remedy,
  };
}

function granularity(segment: Name): CheckRow {
  const { rights, limit } = addressesOf(segment);
  return {
    ...rightsCheck(segment, {
      name: 'granularity',
      test: (v) => limitFits(v.u32(limit), v.u32(rights)),
      words: 'G (bit 15) = 0 if any of limit bits 11:0 is 0, and G = 1 if any of limit bits 31:20 is 1',
      remedy: `Make GUEST_${segment}_LIMIT end in fff with G = 1, or use a limit of at most 20 bits with G = 0.`,
      extra: [limit],
    }),
    actual: (v) =>
      `GUEST_${segment}_LIMIT = ${hexOf(v, limit)}, GUEST_${segment}_AR = ${hexOf(v, rights)}: G = ${(v.u32(rights) >>> 15) & 1}`,
  };
}

const PRESENT: RightsRule = {
  name: 'present',
  test: (v, rights) => (v.u32(rights) & 0x80) !== 0,
  words: 'P (bit 7) = 1',
  remedy: 'Set bit 7 of the access rights, or mark the register unusable (bit 16).',
};
const RESERVED: RightsRule = {
  name: 'reserved',
  test: (v, rights) => (v.u32(rights) & 0xfffe_0f00) === 0,
  words: 'access-rights bits 11:8 and 31:17 = 0',
  remedy: 'Build the access rights as bits 55:52 and 47:40 of the descriptor: (descriptor >> 40) & 0xf0ff.',
};
const CODE_OR_DATA: RightsRule = {
  name: 's',
  test: (v, rights) => (v.u32(rights) & 0x10) !== 0,
  words: 'S (bit 4) = 1',
  remedy: 'Set bit 4 of the access rights.',
};
const SYSTEM: RightsRule = {
  name: 's',
  test: (v, rights) => (v.u32(rights) & 0x10) === 0,
  words: 'S (bit 4) = 0',
  remedy: 'Clear bit 4 of the access rights: it is a system segment.',
};

const VIRTUAL_8086: readonly CheckRow[] = ALL.flatMap((segment): readonly CheckRow[] => {
  const { selector, base, limit, rights } = addressesOf(segment);
  const id = `guest-${segment.toLowerCase()}-v8086`;
  return [
    {
      id: `${id}-base`,
      fields: [selector, base, GUEST_RFLAGS],
      holds: (v) => !isVirtual8086(v) || (v.u32(base) === (v.u32(selector) & 0xffff) << 4 && v.high32(base) === 0),
      rule: `In virtual-8086 mode, the base of ${segment} is its selector shifted left by 4.`,
      required: (v) => `GUEST_${segment}_BASE = 0x${((v.u32(selector) & 0xffff) << 4).toString(16)}`,
      remedy: `Write selector * 16 to GUEST_${segment}_BASE.`,
    },
    {
      id: `${id}-limit`,
      fields: [limit, GUEST_RFLAGS],
      holds: (v) => !isVirtual8086(v) || v.u32(limit) === 0xffff,
      rule: `In virtual-8086 mode, the limit of ${segment} is 0000FFFFH.`,
      required: () => `GUEST_${segment}_LIMIT = 0xffff`,
      remedy: `Write 0xffff to GUEST_${segment}_LIMIT.`,
    },
    {
      id: `${id}-access`,
      fields: [rights, GUEST_RFLAGS],
      holds: (v) => !isVirtual8086(v) || v.u32(rights) === 0xf3,
      rule: `In virtual-8086 mode, the access rights of ${segment} are 000000F3H.`,
      required: () => `GUEST_${segment}_AR = 0xf3`,
      remedy: `Write 0xf3 to GUEST_${segment}_AR.`,
    },
  ];
});

const SELECTORS: readonly CheckRow[] = [
  {
    id: 'guest-tr-ti',
    fields: [FIELD.GUEST_TR_SELECTOR],
    holds: (v) => (v.u32(FIELD.GUEST_TR_SELECTOR) & 4) === 0,
    rule: 'The TI flag (bit 2) of GUEST_TR_SELECTOR is 0.',
    required: () => 'TI = 0',
    remedy: 'A TSS is only in the GDT: clear bit 2 of GUEST_TR_SELECTOR.',
  },
  {
    id: 'guest-ldtr-ti',
    fields: [FIELD.GUEST_LDTR_SELECTOR, FIELD.GUEST_LDTR_AR],
    holds: (v) => !isUsable(v, FIELD.GUEST_LDTR_AR) || (v.u32(FIELD.GUEST_LDTR_SELECTOR) & 4) === 0,
    rule: 'If LDTR is usable, the TI flag (bit 2) of GUEST_LDTR_SELECTOR is 0.',
    required: () => 'TI = 0',
    remedy: 'Clear bit 2 of GUEST_LDTR_SELECTOR, or mark LDTR unusable.',
  },
  {
    id: 'guest-ss-cs-rpl',
    fields: [GUEST_SS_SELECTOR, GUEST_CS_SELECTOR, GUEST_RFLAGS, ...UNRESTRICTED_FIELDS],
    holds: (v) =>
      isVirtual8086(v) || unrestricted(v) || ((v.u32(GUEST_SS_SELECTOR) ^ v.u32(GUEST_CS_SELECTOR)) & 3) === 0,
    rule: 'If the guest is not in virtual-8086 mode and "unrestricted guest" is 0, the RPL of SS equals the RPL of CS.',
    required: (v) => `GUEST_SS_SELECTOR bits 1:0 = ${v.u32(GUEST_CS_SELECTOR) & 3}`,
    remedy: 'Give the SS selector the RPL of the CS selector.',
  },
];

const BASES: readonly CheckRow[] = [
  canonicalCheck('guest-tr-base', FIELD.GUEST_TR_BASE),
  canonicalCheck('guest-fs-base', FIELD.GUEST_FS_BASE),
  canonicalCheck('guest-gs-base', FIELD.GUEST_GS_BASE),
  canonicalCheck('guest-ldtr-base', FIELD.GUEST_LDTR_BASE, {
    test: (v) => isUsable(v, FIELD.GUEST_LDTR_AR),
    words: 'If LDTR is usable',
    fields: [FIELD.GUEST_LDTR_AR],
  }),
  ...(['CS', 'SS', 'DS', 'ES'] as const).map((segment): CheckRow => {
    const { base, rights } = addressesOf(segment);
    return {
      id: `guest-${segment.toLowerCase()}-base`,
      fields: [base, rights],
      holds: (v) => v.high32(base) === 0 || (segment !== 'CS' && !isUsable(v, rights)),
      rule: `${segment === 'CS' ? '' : `If ${segment} is usable, `}bits 63:32 of GUEST_${segment}_BASE are 0.`,
      required: () => `bits 63:32 of GUEST_${segment}_BASE = 0`,
      remedy: `Write a 32-bit base, 0 for a flat segment, to GUEST_${segment}_BASE.`,
    };
  }),
];

/** CS type 3 stands for real-address mode's data-like code, for unrestricted guests only. */
function codeType(v: VmcsReader): boolean {
  const now = type(v, GUEST_CS_AR);
  return (now & 9) === 9 || (now === 3 && unrestricted(v));
}

function codeDpl(v: VmcsReader): boolean {
  const now = type(v, GUEST_CS_AR);
  const own = dpl(v, GUEST_CS_AR);
  const stack = dpl(v, GUEST_SS_AR);
  if (now === 3) return own === 0;
  if (now === 9 || now === 11) return own === stack;
  return now !== 13 && now !== 15 ? true : own <= stack;
}

function stackDpl(v: VmcsReader): boolean {
  const own = dpl(v, GUEST_SS_AR);
  if (!unrestricted(v) && own !== (v.u32(GUEST_SS_SELECTOR) & 3)) return false;
  const real = type(v, GUEST_CS_AR) === 3 || (v.u32(FIELD.GUEST_CR0) & 1) === 0;
  return !real || own === 0;
}

const CODE: readonly CheckRow[] = [
  rightsCheck('CS', {
    name: 'type',
    test: codeType,
    words: 'type 9, 11, 13 or 15 (accessed code), or 3 if "unrestricted guest" is 1',
    remedy: 'Use access rights 0xa09b for 64-bit code, 0xc09b for 32-bit code, 0x9b for 16-bit code.',
    extra: UNRESTRICTED_FIELDS,
  }),
  rightsCheck('CS', CODE_OR_DATA),
  rightsCheck('CS', {
    name: 'dpl',
    test: codeDpl,
    words: 'DPL 0 for type 3, DPL equal to that of SS for non-conforming code, at most that of SS for conforming code',
    remedy: 'Give CS and SS the same DPL.',
    extra: [GUEST_SS_AR],
  }),
  rightsCheck('CS', PRESENT),
  rightsCheck('CS', RESERVED),
  rightsCheck('CS', {
    name: 'l-d',
    test: (v, rights) => !guest64(v) || (v.u32(rights) & 0x6000) !== 0x6000,
    words: 'D/B (bit 14) = 0 if "IA-32e mode guest" is 1 and L (bit 13) is 1',
    remedy: 'Clear bit 14 for 64-bit code: access rights 0xa09b.',
    extra: GUEST64_FIELDS,
  }),
  granularity('CS'),
];

const STACK: readonly CheckRow[] = [
  rightsCheck('SS', {
    name: 'type',
    test: (v, rights) => (type(v, rights) & 11) === 3,
    words: 'type 3 or 7 (accessed writable data)',
    remedy: 'Use access rights 0xc093 for a flat stack.',
  }),
  rightsCheck('SS', {
    name: 'dpl',
    test: stackDpl,
    words: 'DPL equal to its RPL unless "unrestricted guest" is 1, and DPL 0 if CS has type 3 or CR0.PE is 0',
    remedy: 'Give SS the DPL of its RPL.',
    extra: [GUEST_SS_SELECTOR, GUEST_CS_AR, FIELD.GUEST_CR0, ...UNRESTRICTED_FIELDS],
    always: true,
  }),
];

const DATA_TYPE: RightsRule = {
  name: 'type',
  test: (v, rights) => (type(v, rights) & 1) === 1 && (type(v, rights) & 10) !== 8,
  words: 'type with bit 0 (accessed) = 1, and bit 1 (readable) = 1 if it is code',
  remedy: 'Use access rights 0xc093 for flat data, or mark the register unusable.',
};

function dataDpl(segment: 'DS' | 'ES' | 'FS' | 'GS'): CheckRow {
  const { selector } = addressesOf(segment);
  return rightsCheck(segment, {
    name: 'dpl',
    test: (v, rights) => unrestricted(v) || type(v, rights) > 11 || dpl(v, rights) >= (v.u32(selector) & 3),
    words: 'DPL not less than its RPL, for types 0 to 11 and "unrestricted guest" = 0',
    remedy: `Lower the RPL of GUEST_${segment}_SELECTOR or raise the DPL.`,
    extra: [selector, ...UNRESTRICTED_FIELDS],
  });
}

const TASK: readonly CheckRow[] = [
  rightsCheck('TR', {
    name: 'type',
    test: (v, rights) => type(v, rights) === 11 || (!guest64(v) && type(v, rights) === 3),
    words: 'type 11 (busy TSS), or 3 (busy 16-bit TSS) if "IA-32e mode guest" is 0',
    remedy: 'Use access rights 0x8b: the TSS of a running guest is busy.',
    extra: GUEST64_FIELDS,
  }),
  rightsCheck('TR', SYSTEM),
  rightsCheck('TR', PRESENT),
  rightsCheck('TR', RESERVED),
  rightsCheck('TR', {
    name: 'usable',
    test: (v, rights) => (v.u32(rights) & AR_UNUSABLE) === 0,
    words: 'the unusable bit (16) = 0',
    remedy: 'TR is always usable: write 0x8b to GUEST_TR_AR.',
  }),
  granularity('TR'),
];

const LOCAL_TABLE: readonly CheckRow[] = [
  rightsCheck('LDTR', {
    name: 'type',
    test: (v, rights) => type(v, rights) === 2,
    words: 'type 2 (LDT)',
    remedy: 'Use access rights 0x82, or 0x10000 for no LDT.',
  }),
  rightsCheck('LDTR', SYSTEM),
  rightsCheck('LDTR', PRESENT),
  rightsCheck('LDTR', RESERVED),
  granularity('LDTR'),
];

/** SDM, "Checks on Guest Segment Registers". */
export const GUEST_SEGMENTS: readonly EntryCheck[] = section('Checks on Guest Segment Registers', [
  ...SELECTORS,
  ...BASES,
  ...VIRTUAL_8086,
  ...CODE,
  ...STACK,
  ...(['DS', 'ES', 'FS', 'GS'] as const).flatMap((segment) => [rightsCheck(segment, DATA_TYPE), dataDpl(segment)]),
  ...DATA.flatMap((segment) => [
    rightsCheck(segment, CODE_OR_DATA),
    rightsCheck(segment, PRESENT),
    rightsCheck(segment, RESERVED),
    granularity(segment),
  ]),
  ...TASK,
  ...LOCAL_TABLE,
]);
