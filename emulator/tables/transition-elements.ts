import {
  BOUNDARY,
  CONTROL,
  DESCRIPTOR_TABLES,
  FLAGS,
  GPR,
  MSRS,
  RIP,
  SEGMENT,
  SEGMENT_ORDER,
  SEGMENT_SIZE,
  SEGMENTS,
  VMX,
} from '../state/layout';
import type { FieldType, SegmentName } from '../state/layout';
import { FIELD } from './vmcs-fields';
import type { ControlKey } from './vmx-controls';

/** Rules that are more than a copy; `vmx/` has one function for each. */
export type Computed =
  /** Entry and host load: ET, NW, CD and reserved bits keep their value. */
  | 'cr0'
  /** Entry load: bits 12, 14 and 15 become 0, bit 10 becomes 1. */
  | 'dr7'
  /** Entry: the field, or LMA and LME from "IA-32e mode guest"; exit: the field, or both from "host address-space size". */
  | 'efer'
  /** Lazy flags: the field is split into arithmetic and system flags, and put together again. */
  | 'rflags'
  /** Exit load: 64-bit or 32-bit flat code, by "host address-space size". */
  | 'host-code-access'
  /** Exit load: flat read/write data, unusable where the host selector is 0. */
  | 'host-data-access'
  /** Exit load: blocking by STI and MOV SS ends; an NMI exit begins blocking by NMI, others leave it as it is. */
  | 'interruptibility'
  /** Exit save: what the exit leaves pending. */
  | 'pending-debug'
  /** From the fields with EPT and PAE paging, else from the table at CR3; saved with EPT only. */
  | 'pdptes'
  /** The TSC offset where "use TSC offsetting" is 1, else 0; 0 after an exit. */
  | 'tsc-offset';

/**
 * What a transition does with an element. A copy moves as many low bits as both the element and the field have, and clears the
 * rest of the destination.
 */
export type ElementAction =
  | { readonly kind: 'copy' }
  /** Copied where the control is 1, kept where it is 0. */
  | { readonly kind: 'copy-if'; readonly control: ControlKey }
  | { readonly kind: 'constant'; readonly value: bigint }
  | { readonly kind: 'computed'; readonly by: Computed }
  | { readonly kind: 'keep' };

/** One piece of processor state that VM entries or exits move. */
export interface TransitionElement {
  /** SDM name, with the part after a dot: 'CR0', 'CS.base'. */
  readonly name: string;
  /** Where it lives in the processor's window. */
  readonly address: number;
  readonly width: FieldType;
  readonly guestField?: number;
  readonly hostField?: number;
  /** VM entry: guest field to state. */
  readonly entry: ElementAction;
  /** VM exit: state to guest field. */
  readonly exitSave: ElementAction;
  /** VM exit: host field to state. */
  readonly exitLoad: ElementAction;
}

const COPY: ElementAction = { kind: 'copy' };
const KEEP: ElementAction = { kind: 'keep' };
const copyIf = (control: ControlKey): ElementAction => ({ kind: 'copy-if', control });
const constant = (value: bigint): ElementAction => ({ kind: 'constant', value });
const computed = (by: Computed): ElementAction => ({ kind: 'computed', by });

/** Host attributes of segment registers after a VM exit (SDM, "Loading Host Segment and Descriptor-Table Registers"). */
export const HOST_SEGMENT = {
  codeAccess64: 0xa09b,
  codeAccess32: 0xc09b,
  dataAccess: 0xc093,
  tssAccess: 0x8b,
  unusable: 0x1_0000,
  flatLimit: 0xffff_ffff,
  tssLimit: 0x67,
  tableLimit: 0xffff,
} as const;

/** How each segment register's parts load at a VM exit; LDTR has no host selector and becomes unusable. */
function hostPart(segment: SegmentName, part: keyof typeof SEGMENT): ElementAction {
  const hasBase = segment === 'FS' || segment === 'GS' || segment === 'TR';
  switch (part) {
    case 'selector':
      return segment === 'LDTR' ? constant(0n) : COPY;
    case 'base':
      return hasBase ? COPY : constant(0n);
    case 'limit':
      if (segment === 'LDTR') return constant(0n);
      return constant(BigInt(segment === 'TR' ? HOST_SEGMENT.tssLimit : HOST_SEGMENT.flatLimit));
    case 'access':
      if (segment === 'CS') return computed('host-code-access');
      if (segment === 'TR') return constant(BigInt(HOST_SEGMENT.tssAccess));
      if (segment === 'LDTR') return constant(BigInt(HOST_SEGMENT.unusable));
      return computed('host-data-access');
  }
}

const PART_WIDTH: Readonly<Record<keyof typeof SEGMENT, FieldType>> = {
  base: 'u64',
  limit: 'u32',
  access: 'u32',
  selector: 'u16',
};
const PART_FIELD = { base: 'BASE', limit: 'LIMIT', access: 'AR', selector: 'SELECTOR' } as const;

function segmentElements(segment: SegmentName, number: number): readonly TransitionElement[] {
  return (Object.keys(SEGMENT) as (keyof typeof SEGMENT)[]).map((part) => {
    const exitLoad = hostPart(segment, part);
    return {
      name: `${segment}.${part}`,
      address: SEGMENTS + number * SEGMENT_SIZE + SEGMENT[part],
      width: PART_WIDTH[part],
      guestField: FIELD[`GUEST_${segment}_${PART_FIELD[part]}`],
      hostField: hostField(segment, part),
      entry: COPY,
      exitSave: COPY,
      exitLoad,
    };
  });
}

function hostField(segment: SegmentName, part: keyof typeof SEGMENT): number | undefined {
  if (part === 'selector' && segment !== 'LDTR') return FIELD[`HOST_${segment}_SELECTOR`];
  if (part === 'base' && (segment === 'FS' || segment === 'GS' || segment === 'TR'))
    return FIELD[`HOST_${segment}_BASE`];
  return undefined;
}

/** A 64-bit element that is copied in every direction. */
function plain(name: string, address: number, guestField: number, host: number): TransitionElement {
  return { name, address, width: 'u64', guestField, hostField: host, entry: COPY, exitSave: COPY, exitLoad: COPY };
}

/** A descriptor-table limit: 65535 after a VM exit. */
function tableLimit(name: string, address: number, guestField: number): TransitionElement {
  const exitLoad = constant(BigInt(HOST_SEGMENT.tableLimit));
  return { name, address, width: 'u32', guestField, entry: COPY, exitSave: COPY, exitLoad };
}

/**
 * Everything a transition moves (SDM, "Loading Guest State", "Saving Guest State", "Loading Host State"), in the SDM's order.
 */
export const TRANSITION_ELEMENTS: readonly TransitionElement[] = [
  {
    ...plain('CR0', CONTROL.cr0, FIELD.GUEST_CR0, FIELD.HOST_CR0),
    entry: computed('cr0'),
    exitLoad: computed('cr0'),
  },
  plain('CR3', CONTROL.cr3, FIELD.GUEST_CR3, FIELD.HOST_CR3),
  plain('CR4', CONTROL.cr4, FIELD.GUEST_CR4, FIELD.HOST_CR4),
  {
    name: 'DR7',
    address: CONTROL.dr + 7 * 8,
    width: 'u64',
    guestField: FIELD.GUEST_DR7,
    entry: computed('dr7'),
    exitSave: copyIf('exit.SAVE_DEBUG_CONTROLS'),
    exitLoad: constant(0x400n),
  },
  {
    name: 'IA32_DEBUGCTL',
    address: MSRS.debugctl,
    width: 'u64',
    guestField: FIELD.GUEST_IA32_DEBUGCTL,
    entry: copyIf('entry.LOAD_DEBUG_CONTROLS'),
    exitSave: copyIf('exit.SAVE_DEBUG_CONTROLS'),
    exitLoad: constant(0n),
  },
  plain('IA32_SYSENTER_CS', MSRS.sysenterCs, FIELD.GUEST_SYSENTER_CS, FIELD.HOST_IA32_SYSENTER_CS),
  plain('IA32_SYSENTER_ESP', MSRS.sysenterEsp, FIELD.GUEST_SYSENTER_ESP, FIELD.HOST_IA32_SYSENTER_ESP),
  plain('IA32_SYSENTER_EIP', MSRS.sysenterEip, FIELD.GUEST_SYSENTER_EIP, FIELD.HOST_IA32_SYSENTER_EIP),
  {
    ...plain('IA32_EFER', CONTROL.efer, FIELD.GUEST_IA32_EFER, FIELD.HOST_IA32_EFER),
    entry: computed('efer'),
    exitSave: copyIf('exit.SAVE_IA32_EFER'),
    exitLoad: computed('efer'),
  },
  {
    ...plain('IA32_PAT', MSRS.pat, FIELD.GUEST_IA32_PAT, FIELD.HOST_IA32_PAT),
    entry: copyIf('entry.LOAD_IA32_PAT'),
    exitSave: copyIf('exit.SAVE_IA32_PAT'),
    exitLoad: copyIf('exit.LOAD_IA32_PAT'),
  },
  ...SEGMENT_ORDER.flatMap(segmentElements),
  plain('GDTR.base', DESCRIPTOR_TABLES.gdtrBase, FIELD.GUEST_GDTR_BASE, FIELD.HOST_GDTR_BASE),
  tableLimit('GDTR.limit', DESCRIPTOR_TABLES.gdtrLimit, FIELD.GUEST_GDTR_LIMIT),
  plain('IDTR.base', DESCRIPTOR_TABLES.idtrBase, FIELD.GUEST_IDTR_BASE, FIELD.HOST_IDTR_BASE),
  tableLimit('IDTR.limit', DESCRIPTOR_TABLES.idtrLimit, FIELD.GUEST_IDTR_LIMIT),
  plain('RIP', RIP, FIELD.GUEST_RIP, FIELD.HOST_RIP),
  plain('RSP', GPR + 4 * 8, FIELD.GUEST_RSP, FIELD.HOST_RSP),
  {
    name: 'RFLAGS',
    // The system flags: the arithmetic ones are lazy, which is why the rule is computed.
    address: FLAGS.system,
    width: 'u32',
    guestField: FIELD.GUEST_RFLAGS,
    entry: computed('rflags'),
    exitSave: computed('rflags'),
    exitLoad: computed('rflags'),
  },
  {
    name: 'activity state',
    address: BOUNDARY.activity,
    width: 'u32',
    guestField: FIELD.GUEST_ACTIVITY_STATE,
    entry: COPY,
    exitSave: COPY,
    exitLoad: constant(0n),
  },
  {
    name: 'interruptibility state',
    address: BOUNDARY.interruptibility,
    width: 'u32',
    guestField: FIELD.GUEST_INTERRUPTIBILITY_STATE,
    entry: COPY,
    exitSave: COPY,
    exitLoad: computed('interruptibility'),
  },
  {
    name: 'pending debug exceptions',
    address: BOUNDARY.pendingDebug,
    width: 'u64',
    guestField: FIELD.GUEST_PENDING_DBG_EXCEPTIONS,
    entry: COPY,
    exitSave: computed('pending-debug'),
    exitLoad: constant(0n),
  },
  ...([0, 1, 2, 3] as const).map((n) => ({
    name: `PDPTE${n}`,
    address: CONTROL.pdpte + n * 8,
    width: 'u64' as const,
    guestField: FIELD[`GUEST_PDPTE${n}`],
    entry: computed('pdptes'),
    exitSave: computed('pdptes'),
    exitLoad: computed('pdptes'),
  })),
  {
    name: 'TSC offset',
    address: VMX.tscOffset,
    width: 'u64',
    guestField: FIELD.TSC_OFFSET,
    entry: computed('tsc-offset'),
    exitSave: KEEP,
    exitLoad: constant(0n),
  },
];
