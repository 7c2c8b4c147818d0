import { SEGMENT_ORDER } from '../../state/layout';

/** One named run of bits. */
export interface BitField {
  /** Name in conditions and views: `qual.write`. */
  readonly name: string;
  readonly low: number;
  readonly high: number;
  /** Meaning of each value, by value; without it the number speaks for itself. */
  readonly values?: Readonly<Record<number, string>>;
  /** Print in hexadecimal (addresses, data). */
  readonly hex?: boolean;
}

export interface DecodedBits {
  readonly name: string;
  readonly value: bigint;
  readonly text: string;
}

const FLAG: Readonly<Record<number, string>> = { 0: 'no', 1: 'yes' };

/** A single bit, yes or no. */
export function flag(low: number, name: string, values: Readonly<Record<number, string>> = FLAG): BitField {
  return { name, low, high: low, values };
}

/** Bits high:low. */
export function bits(high: number, low: number, name: string, values?: Readonly<Record<number, string>>): BitField {
  return { name, low, high, values };
}

/** Bits high:low as an address or other hexadecimal number. */
export function hex(high: number, low: number, name: string): BitField {
  return { name, low, high, hex: true };
}

/** General registers by encoding number, as exit qualifications and instruction information number them. */
export const GPR_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ').map((name, number) => [number, name]),
);

/** Segment registers as instruction information numbers them. */
export const SEGMENT_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  SEGMENT_ORDER.slice(0, 6).map((name, number) => [number, name]),
);

export function extract(field: BitField, value: bigint): bigint {
  return (value >> BigInt(field.low)) & ((1n << BigInt(field.high - field.low + 1)) - 1n);
}

/** The value taken apart: every field with its value and what it means. */
export function decodeBits(fields: readonly BitField[], value: bigint): readonly DecodedBits[] {
  return fields.map((field) => {
    const part = extract(field, value);
    const known = field.values?.[Number(part)];
    const fallback = field.values === undefined ? `${part}` : `${part} (reserved)`;
    return { name: field.name, value: part, text: field.hex === true ? `0x${part.toString(16)}` : (known ?? fallback) };
  });
}
