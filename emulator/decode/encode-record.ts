import { PSEUDO } from '../state/layout';
import type { Decoded } from './decoded';
import { RECORD } from './record';

/** Where in its block a record stands. */
export interface RecordFields {
  /** In-page offset of the instruction. */
  readonly offset: number;
  /** Instructions of the block before it. */
  readonly before: number;
  /** Instructions of the whole block. */
  readonly count: number;
}

const writeCommon = (view: DataView, host: number, decoded: Decoded, handler: number, fields: RecordFields): void => {
  view.setUint16(host + RECORD.handler, handler, true);
  view.setUint8(host + RECORD.length, decoded.length);
  view.setUint8(host + RECORD.segment, decoded.segment);
  view.setUint16(host + RECORD.d, decoded.d, true);
  view.setUint16(host + RECORD.s, decoded.s, true);
  view.setUint8(host + RECORD.prefixes, decoded.prefixes);
  view.setUint16(host + RECORD.before, fields.before, true);
  view.setUint16(host + RECORD.offset, fields.offset, true);
  view.setUint16(host + RECORD.next, fields.offset + decoded.length, true);
  view.setUint32(host + RECORD.taken, 0, true);
  view.setUint32(host + RECORD.fallthrough, 0, true);
  view.setUint16(host + RECORD.count, fields.count, true);
  view.setUint16(host + RECORD.operation, decoded.row, true);
};

const writeOperand = (view: DataView, host: number, decoded: Decoded, fields: RecordFields): void => {
  const disp = decoded.ripRelative ? decoded.disp + BigInt(fields.offset + decoded.length) : decoded.disp;
  view.setUint16(host + RECORD.base, decoded.base, true);
  view.setUint16(host + RECORD.index, decoded.index, true);
  view.setUint8(host + RECORD.scale, decoded.scale);
  view.setBigInt64(host + RECORD.disp, disp, true);
};

/** Writes the record of an instruction; where it has an `ea` record before it, its operand is PSEUDO.EA. */
export const writeRecord = (
  view: DataView,
  host: number,
  decoded: Decoded,
  handler: number,
  fields: RecordFields,
): void => {
  writeCommon(view, host, decoded, handler, fields);
  view.setBigInt64(host + RECORD.imm, decoded.imm, true);
  if (decoded.ea === undefined) {
    writeOperand(view, host, decoded, fields);
    return;
  }
  view.setUint16(host + RECORD.base, PSEUDO.EA, true);
  view.setUint16(host + RECORD.index, PSEUDO.ZERO, true);
  view.setUint8(host + RECORD.scale, 0);
  view.setBigInt64(host + RECORD.disp, 0n, true);
};

/** Writes the `ea` record that precedes an instruction whose `ea` is not undefined. */
export const writeEaRecord = (
  view: DataView,
  host: number,
  decoded: Decoded,
  handler: number,
  fields: RecordFields,
): void => {
  writeCommon(view, host, decoded, handler, fields);
  writeOperand(view, host, decoded, fields);
  view.setBigInt64(host + RECORD.imm, BigInt(decoded.access), true);
};
