import { VMCS_WORKING, VMX } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { VMCS_FIELDS, VMCS_LAYOUT, slotOf } from '../tables/vmcs-fields';
import type { VmcsFieldName } from '../tables/vmcs-fields';
import { CONTROL_BITS, controlMask, controlWord } from '../tables/vmx-controls';
import type { ControlKey } from '../tables/vmx-controls';

/** Address of each field's slot in the working copy of the current VMCS. */
export const AT = Object.fromEntries(
  VMCS_FIELDS.map(({ name, encoding }) => [name, VMCS_WORKING + slotOf(encoding)]),
) as Readonly<Record<VmcsFieldName, number>>;

/** Where a control bit stands in the working copy. */
interface ControlAt {
  readonly word: number;
  /** As a signed 32-bit mask. */
  readonly mask: number;
  /** The secondary controls are all 0 unless the primary ones activate them. */
  readonly secondary: boolean;
}

const MASK_OF_BIT_31 = 1 << 31;

/** Every control of the 32-bit words, by key. */
const CONTROL = Object.fromEntries(
  CONTROL_BITS.filter(({ word }) => controlWord(word).width === 32).map(({ key, word }): [string, ControlAt] => [
    key,
    {
      word: (VMCS_WORKING + slotOf(controlWord(word).encoding)) >> 2,
      mask: controlMask(key) | 0,
      secondary: word === 'secondary',
    },
  ]),
) as Readonly<Record<ControlKey, ControlAt>>;

export { VMX_MODE } from '../tables/boundary-state';

/** The VMCS pointer that stands for "none". */
export const NO_VMCS = 0xffff_ffff_ffff_ffffn;

/** VMX.flags: there is a current VMCS. */
export const CURRENT_VALID = 1;

/** The working copy of the current VMCS, and its way from and to the region in memory. */
export class Vmcs {
  private readonly u32: Uint32Array;
  private readonly u64: BigUint64Array;

  constructor(private readonly memory: MachineMemory) {
    this.u32 = memory.u32;
    this.u64 = memory.u64;
  }

  /** A field's low 32 bits; `at` is from `AT`. */
  get32(at: number): number {
    return this.u32[at >> 2];
  }
  get(at: number): bigint {
    return this.u64[at >> 3];
  }
  /** Writes 32 bits and clears what lies above. */
  set32(at: number, value: number): void {
    this.u32[at >> 2] = value;
    this.u32[(at >> 2) + 1] = 0;
  }
  set(at: number, value: bigint): void {
    this.u64[at >> 3] = value;
  }

  /** Whether a control is 1, and in force. */
  on(key: ControlKey): boolean {
    const { word, mask, secondary } = CONTROL[key];
    if ((this.u32[word] & mask) === 0) return false;
    return !secondary || (this.u32[AT.CPU_BASED_VM_EXEC_CONTROL >> 2] & MASK_OF_BIT_31) !== 0;
  }

  get isCurrent(): boolean {
    return (this.u32[VMX.flags >> 2] & CURRENT_VALID) !== 0;
  }
  /** Physical address of the current VMCS; NO_VMCS if there is none. */
  get pointer(): bigint {
    return this.u64[VMX.currentVmcs >> 3];
  }

  get launched(): boolean {
    return this.u32[(VMCS_WORKING + VMCS_LAYOUT.launchState) >> 2] !== 0;
  }
  set launched(value: boolean) {
    this.u32[(VMCS_WORKING + VMCS_LAYOUT.launchState) >> 2] = value ? 1 : 0;
  }

  /** Makes the region at `pointer` current; the previous one's data goes back to its region. */
  load(pointer: bigint): void {
    if (this.isCurrent && this.pointer === pointer) return;
    this.flush();
    const host = this.memory.host(Number(pointer));
    this.memory.u8.copyWithin(VMCS_WORKING, host, host + VMCS_LAYOUT.size);
    this.u64[VMX.currentVmcs >> 3] = pointer;
    this.u32[VMX.flags >> 2] |= CURRENT_VALID;
  }

  /** Writes the working copy to its region; it stays current. */
  flush(): void {
    if (!this.isCurrent) return;
    const region = Number(this.pointer);
    this.memory.beforeWrite(region, VMCS_LAYOUT.size);
    this.memory.u8.copyWithin(this.memory.host(region), VMCS_WORKING, VMCS_WORKING + VMCS_LAYOUT.size);
  }

  /** After this no VMCS is current. */
  forget(): void {
    this.u32[VMX.flags >> 2] &= ~CURRENT_VALID;
    this.u64[VMX.currentVmcs >> 3] = NO_VMCS;
  }
}
