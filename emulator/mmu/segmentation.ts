import { raise, VECTOR } from '../cpu/faults';
import { type Processor, SEG } from '../cpu/processor';
import { CR0 } from '../tables/control-registers';
import { CONTROL } from '../state/layout';
import { dataAddress } from './canonical';

const UNUSABLE = 0x1_0000;
const BIG = 0x4000;

/** Linear address of an offset in a segment, SDM "Segmentation": limit, type and canonical checks by #GP(0) or #SS(0). */
export function segmentLinear(
  cpu: Processor,
  segment: number,
  offset: bigint,
  size: number,
  write: boolean,
  addressSize: 2 | 4 | 8,
): bigint {
  const vector = segment === SEG.SS ? VECTOR.SS : VECTOR.GP;
  const truncated = BigInt.asUintN(addressSize * 8, offset);
  if (cpu.is64Bit) {
    const linear =
      segment === SEG.FS || segment === SEG.GS ? BigInt.asUintN(64, truncated + cpu.base(segment)) : truncated;
    return dataAddress(cpu, linear, size) ?? raise(vector, 0);
  }
  const access = cpu.access(segment);
  if (access & UNUSABLE) raise(vector, 0);
  const code = (access & 8) !== 0;
  // Real mode keeps whatever rights the cache holds, and does not look at them.
  if ((cpu.field32(CONTROL.cr0) & CR0.PE) !== 0) {
    if (write ? code || (access & 2) === 0 : code && (access & 2) === 0) raise(vector, 0);
  }
  const first = Number(truncated);
  const last = first + size - 1;
  const limit = cpu.limit(segment);
  if (!code && (access & 4) !== 0) {
    const top = access & BIG ? 0xffff_ffff : 0xffff;
    if (first <= limit || last > top) raise(vector, 0);
  } else if (last > limit) raise(vector, 0);
  return (truncated + cpu.base(segment)) & 0xffff_ffffn;
}
