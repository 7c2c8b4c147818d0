import type { Processor } from '../cpu/processor';
import type { DecodedRecord } from '../decode/decoded-record';
import { COMPILED_ROWS } from '../decode/compiled-row';

/** Elements are 2, 4 or 8 bytes. */
export type ElementSize = 2 | 4 | 8;

/** How a vector instruction was encoded. */
export interface Encoding {
  /** Bytes of its vectors. */
  readonly bytes: 16 | 32;
  readonly vex: boolean;
}

export function encodingOf(insn: DecodedRecord): Encoding {
  const { vector, vex } = COMPILED_ROWS[insn.operation];
  return { bytes: vector === 32 ? 32 : 16, vex };
}

/** State address of the first source: VEX.vvvv, or the destination in the two-operand forms. */
export const firstSourceOf = (insn: DecodedRecord): number =>
  COMPILED_ROWS[insn.operation].v === 'vector' ? insn.v : insn.d;

/** Element `index` of the vector at a state address. */
export function element({ memory: { view } }: Processor, at: number, size: ElementSize, index: number): bigint {
  const address = at + index * size;
  if (size === 8) return view.getBigUint64(address, true);
  return BigInt(size === 4 ? view.getUint32(address, true) : view.getUint16(address, true));
}

export function setElement(
  { memory: { view } }: Processor,
  at: number,
  size: ElementSize,
  index: number,
  value: bigint,
): void {
  const address = at + index * size;
  if (size === 8) view.setBigUint64(address, value, true);
  else if (size === 4) view.setUint32(address, Number(value), true);
  else view.setUint16(address, Number(value), true);
}

/** Clears what a VEX-encoded instruction clears: the bytes of the register from `from` on. */
export function clearAbove({ memory: { u8 } }: Processor, register: number, from: number): void {
  u8.fill(0, register + from, register + 32);
}
