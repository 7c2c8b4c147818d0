import type { CheckFailure } from '../api';
import { MAX_PROCESSORS, VMCS_WORKING, VMX } from '../state/layout';
import { windowShift } from '../state/windows';
import { fieldAt, fieldBits, isHighAccess, slotOf, VMCS_LAYOUT } from '../tables/vmcs-fields';
import { fieldExists } from '../tables/vmx-capabilities';
import { allFailures } from './entry';
import { RegionReader } from './checks/reader';
import { CURRENT_VALID } from './vmcs';
import type { VmxContext } from './vmx-context';

/** VMCS data as the debugger reads and changes it: of any VMCS, current on any processor or at rest in memory. */
export class VmcsAccess {
  constructor(private readonly vmx: VmxContext) {}

  /**
   * Address, in the machine's memory, of the data of the VMCS at `pointer`: a working copy where it is current on a processor,
   * else its region; undefined where no VMCS can be.
   */
  private dataOf(pointer: bigint): number | undefined {
    const { memory } = this.vmx.cpu;
    for (let processor = 0; processor < MAX_PROCESSORS; processor++) {
      const moved = windowShift(memory, processor);
      const isCurrent = (memory.u32[(VMX.flags + moved) >> 2] & CURRENT_VALID) !== 0;
      if (isCurrent && memory.u64[(VMX.currentVmcs + moved) >> 3] === pointer) return VMCS_WORKING + moved;
    }
    if ((pointer & 0xfffn) !== 0n || pointer > 0xffff_ffffn) return undefined;
    return memory.isRam(Number(pointer), VMCS_LAYOUT.size) ? memory.host(Number(pointer)) : undefined;
  }

  /** Value of a field (of its upper half, for a high access); undefined where there is no such field or VMCS. */
  read(pointer: bigint, encoding: number): bigint | undefined {
    const data = this.dataOf(pointer);
    if (data === undefined || fieldAt(encoding) === undefined) return undefined;
    const value = this.vmx.cpu.memory.u64[(data + slotOf(encoding)) >> 3];
    return isHighAccess(encoding) ? value >> 32n : value;
  }

  /** @returns why not, or undefined when the field has been written */
  write(pointer: bigint, encoding: number, value: bigint): string | undefined {
    const { cpu, capabilities } = this.vmx;
    const field = fieldAt(encoding);
    if (field === undefined) return `There is no VMCS field with encoding 0x${encoding.toString(16)}.`;
    if (!fieldExists(encoding, capabilities)) return `This processor has no VMCS field ${field.name}.`;
    const data = this.dataOf(pointer);
    if (data === undefined) return `There is no VMCS at 0x${pointer.toString(16)}.`;
    const bits = isHighAccess(encoding) ? 32 : fieldBits(encoding);
    if (value < 0n || value >> BigInt(bits) !== 0n) {
      return `${field.name} has ${bits} bits; 0x${value.toString(16)} does not fit.`;
    }
    const { memory } = cpu;
    const at = data + slotOf(encoding);
    const stored = isHighAccess(encoding) ? (value << 32n) | BigInt(memory.u32[at >> 2]) : value;
    const inRam = data >= memory.host(0);
    if (inRam) memory.write64(at - memory.host(0), stored);
    else memory.u64[at >> 3] = stored;
    return undefined;
  }

  /** Every VM-entry check that would fail now. */
  check(pointer: bigint): readonly CheckFailure[] {
    const { cpu, reader } = this.vmx;
    const data = this.dataOf(pointer);
    if (data === undefined) return [];
    const other = new RegionReader(reader.words, data, reader.limits, reader.physical32);
    other.longMode = cpu.longMode;
    other.pointer = pointer;
    return allFailures({ reader: other });
  }
}
