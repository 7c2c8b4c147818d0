import { hexOf, nameOf } from './check';
import type { CheckRow } from './check';
import type { VmcsReader } from './reader';

const ENTRY_BYTES = 16;

/** The last byte of the list at `encoding` is within the physical-address width. */
function endsWithin(v: VmcsReader, encoding: number, count: number): boolean {
  const start = v.high32(encoding) * 2 ** 32 + v.u32(encoding);
  return start + v.u32(count) * ENTRY_BYTES - 1 < 2 ** v.limits.physicalBits;
}

/** An MSR area (SDM, "VM-Exit Control Fields", "VM-Entry Control Fields"), checked only where its count is not 0. */
export function msrList(id: string, encoding: number, count: number): readonly CheckRow[] {
  const name = nameOf(encoding);
  const counter = nameOf(count);
  return [
    {
      id,
      fields: [encoding, count],
      holds: (v) => v.u32(count) === 0 || ((v.u32(encoding) & 15) === 0 && endsWithin(v, encoding, count)),
      rule: `If ${counter} is not 0, ${name} is a multiple of 16 and the whole list lies within the physical-address width.`,
      required: (v) => `bits 3:0 of ${name} = 0 and ${name} + 16 * ${counter} at most 2^${v.limits.physicalBits}`,
      actual: (v) => `${name} = ${hexOf(v, encoding)}, ${counter} = ${v.u32(count)}`,
      remedy: `Write the physical address of a 16-byte-aligned list to ${name}, or set ${counter} to 0.`,
    },
  ];
}
