import type { CpuModel } from '../../tables/cpu-models';
import { slotOf } from '../../tables/vmcs-fields';
import { allowedSettings, VMX_MSR } from '../../tables/vmx-capabilities';
import type { ControlWord } from '../../tables/vmx-controls';

/** Two halves of a 64-bit mask, so that checks need no BigInt. */
export interface Mask {
  readonly low: number;
  readonly high: number;
}

/** What a processor allows, taken once from its capability MSRs. */
export interface EntryLimits {
  readonly physicalBits: number;
  /** The largest width of linear addresses, whatever CR4.LA57 is. */
  readonly linearBits: number;
  /** CR3 may have LAM_U48 and LAM_U57. */
  readonly lam: boolean;
  readonly controls: Readonly<Record<ControlWord, { readonly mustBeOne: Mask; readonly mayBeOne: Mask }>>;
  readonly cr0: { readonly mustBeOne: Mask; readonly mayBeOne: Mask };
  readonly cr4: { readonly mustBeOne: Mask; readonly mayBeOne: Mask };
  readonly misc: number;
  readonly eptVpid: Mask;
  readonly revision: number;
  /** Bits that IA32_EFER and IA32_DEBUGCTL may have. */
  readonly efer: number;
  readonly debugctl: number;
}

const CONTROL_WORD_NAMES: readonly ControlWord[] = [
  'pin',
  'primary',
  'secondary',
  'tertiary',
  'exit',
  'exit2',
  'entry',
  'vmfunc',
  'exceptions',
];

function mask(value: bigint): Mask {
  return { low: Number(value & 0xffff_ffffn), high: Number((value >> 32n) & 0xffff_ffffn) };
}

export function entryLimits(model: CpuModel, msrs: ReadonlyMap<number, bigint>): EntryLimits {
  const msr = (index: number): bigint => msrs.get(index) ?? 0n;
  const words = CONTROL_WORD_NAMES.map((word) => {
    const { mustBeOne, mayBeOne } = allowedSettings(word, msrs);
    return [word, { mustBeOne: mask(mustBeOne), mayBeOne: mask(mayBeOne) }] as const;
  });
  return {
    physicalBits: model.physicalBits,
    linearBits: model.features.has('la57') ? 57 : 48,
    lam: model.features.has('lam'),
    controls: Object.fromEntries(words) as EntryLimits['controls'],
    cr0: { mustBeOne: mask(msr(VMX_MSR.CR0_FIXED0)), mayBeOne: mask(msr(VMX_MSR.CR0_FIXED1)) },
    cr4: { mustBeOne: mask(msr(VMX_MSR.CR4_FIXED0)), mayBeOne: mask(msr(VMX_MSR.CR4_FIXED1)) },
    misc: Number(msr(VMX_MSR.MISC) & 0xffff_ffffn),
    eptVpid: mask(msr(VMX_MSR.EPT_VPID_CAP)),
    revision: Number(msr(VMX_MSR.BASIC) & 0x7fff_ffffn),
    efer: 0xd01,
    debugctl: 0x3,
  };
}

/** A VMCS as the checks see it. */
export interface VmcsReader {
  /** Full value of a field. */
  field(encoding: number): bigint;
  /** Bits 31:0 as an unsigned number. */
  u32(encoding: number): number;
  /** Bits 63:32 as an unsigned number; 0 for 16- and 32-bit fields. */
  high32(encoding: number): number;
  readonly limits: EntryLimits;
  /** IA32_EFER.LMA of the processor that makes the entry. */
  readonly longMode: boolean;
  /** Little-endian dword of physical memory, or undefined where there is no RAM. Address below 2^52, a multiple of 4. */
  physical32(address: number): number | undefined;
  /** Address of this VMCS; undefined where it is not known. */
  readonly pointer: bigint | undefined;
}

/** Reads the format of a VMCS region (`VMCS_LAYOUT`) that starts at byte `base` of `words`. */
export class RegionReader implements VmcsReader {
  longMode = true;
  pointer: bigint | undefined = undefined;

  /** @param base byte offset of the region, a multiple of 8; may be changed to look at another one */
  constructor(
    readonly words: Uint32Array,
    public base: number,
    readonly limits: EntryLimits,
    readonly physical32: (address: number) => number | undefined = () => undefined,
  ) {}

  field(encoding: number): bigint {
    return (BigInt(this.high32(encoding)) << 32n) | BigInt(this.u32(encoding));
  }

  u32(encoding: number): number {
    return this.words[(this.base + slotOf(encoding)) >>> 2];
  }

  high32(encoding: number): number {
    return this.words[((this.base + slotOf(encoding)) >>> 2) + 1];
  }
}
