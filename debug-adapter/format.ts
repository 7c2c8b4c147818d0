/** How values are written for people. */
export interface ValueFormat {
  /** Numbers that are decimal by nature (counts, vectors) in hexadecimal too. */
  readonly hex: boolean;
}

export const PLAIN: ValueFormat = { hex: false };

/** 0x and at least `digits` digits. */
export function hex(value: bigint | number, digits = 1): string {
  const bits = typeof value === 'number' ? BigInt(value) : value;
  return `0x${BigInt.asUintN(64, bits).toString(16).padStart(digits, '0')}`;
}

/** A count: decimal with thousands apart, or hexadecimal. */
export function count(value: bigint | number, format: ValueFormat = PLAIN): string {
  return format.hex ? hex(value) : value.toLocaleString('en-US');
}

/** The low `bits` bits of a value. */
export function truncate(value: bigint, bits: number): bigint {
  return BigInt.asUintN(bits, value);
}

/**
 * A number as people write one: decimal, 0x, 0b or 0o, with an optional sign, `_` or `'` between digits, an NASM `h` suffix.
 * Undefined for anything else.
 */
export function parseNumber(text: string): bigint | undefined {
  const trimmed = text.trim().replace(/(?<=[0-9a-f])[_',](?=[0-9a-f])/gi, '');
  const match = /^(-?)(0x[0-9a-f]+|0b[01]+|0o[0-7]+|\d+)$/i.exec(trimmed);
  if (match !== null) return match[1] === '-' ? -BigInt(match[2]) : BigInt(match[2]);
  const suffixed = /^(-?)(\d[0-9a-f]*)h$/i.exec(trimmed);
  if (suffixed !== null) return (suffixed[1] === '-' ? -1n : 1n) * BigInt(`0x${suffixed[2]}`);
  if (/^true$/i.test(trimmed)) return 1n;
  return /^false$/i.test(trimmed) ? 0n : undefined;
}

/** Little-endian bytes as an unsigned number. */
export function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let index = bytes.length - 1; index >= 0; index--) value = (value << 8n) | BigInt(bytes[index]);
  return value;
}
