import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GPR, PSEUDO } from '../state/layout';
import { shapeKey } from '../semantics/shape';
import { INSTRUCTIONS } from '../tables/instructions';
import { Decoder, type DecodeMode } from './decoder';
import { DecodedRecord } from './decoded-record';
import { writeEaRecord, writeRecord } from './encode-record';
import { COLD_SHAPE, shapeIndex, SHAPES } from './shapes';

const SEED = 0xc0de;
const LONG: DecodeMode = { codeSize: 64, stackSize: 8, flat: true };
const MODES: readonly DecodeMode[] = [
  LONG,
  ...([16, 32] as const).flatMap((codeSize) =>
    ([2, 4] as const).flatMap((stackSize) => [true, false].map((flat) => ({ codeSize, stackSize, flat }))),
  ),
];

const decoder = new Decoder();
const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const decode = (text: string, mode: DecodeMode = LONG): string => {
  const bytes = hex(text);
  return decoder.decode(bytes, 0, bytes.length, mode).kind;
};

test('no two shapes are the same, and each finds its own index', () => {
  assert.equal(new Set(SHAPES.map(shapeKey)).size, SHAPES.length);
  SHAPES.forEach((shape, index) => assert.equal(shapeIndex({ ...shape }), index));
});

test(`whatever decodes in any mode has a handler's shape, and one byte less is truncated (seed ${SEED})`, () => {
  let state = SEED;
  const bytes = Uint8Array.from({ length: 40_000 }, () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state >>> 20;
  });
  for (let at = 0; at < bytes.length - 16; at++) {
    const mode = MODES[at % MODES.length];
    if ((at & 3) === 0) bytes[at] = 0x0f;
    if (decoder.decode(bytes, at, 16, mode).kind !== 'ok') continue;
    const { row, shape, shapeIndex: index, length, ea, eaIndex } = decoder.decoded;
    const { kind, key } = INSTRUCTIONS[row].semantic;
    assert.equal(index === COLD_SHAPE, kind === 'cold', `${key} in ${JSON.stringify(mode)}`);
    if (kind === 'hot') assert.equal(shape.semantic, key);
    if (ea !== undefined) assert.equal(SHAPES[eaIndex].semantic, 'ea');
    const short = decoder.decode(bytes, at, length - 1, mode);
    assert.ok(short.kind === 'truncated' && short.needed >= length && short.needed <= 15, `${key}: ${short.kind}`);
  }
});

test('fifteen bytes decode and sixteen do not', () => {
  assert.equal(decode('66 66 66 66 66 66 66 66 66 66 66 66 66 66 90'), 'ok');
  assert.equal(decode('66 66 66 66 66 66 66 66 66 66 66 66 66 66 66 90'), 'too-long');
  assert.equal(decode('66 66 66 66 66 66 66 66 66 66 81 84 80 00 00 00 00 00 00'), 'too-long');
});

test('LOCK is undefined but for memory destinations that are read and written', () => {
  assert.equal(decode('f0 01 00'), 'ok');
  assert.equal(decode('f0 01 c0'), 'undefined');
  assert.equal(decode('f0 03 00'), 'undefined');
  assert.equal(decode('f0 39 00'), 'undefined');
  assert.equal(decode('f0 0f a3 00'), 'undefined');
  assert.equal(decode('f0 90'), 'undefined');
  assert.equal(INSTRUCTIONS[decoder.decoded.row].mnemonic, 'UD2');
});

test('a record of a RIP-relative operand counts from the next instruction in its page', () => {
  assert.equal(decode('48 8b 05 10 00 00 00'), 'ok');
  const view = new DataView(new ArrayBuffer(64));
  writeRecord(view, 8, decoder.decoded, decoder.decoded.shapeIndex, { offset: 0xffd, before: 3, count: 9 });
  const record = new DecodedRecord(view).at(8);
  assert.deepEqual(
    [
      record.base,
      record.disp,
      record.offset,
      record.next,
      record.before,
      record.length,
      record.size,
      record.addressSize,
    ],
    [PSEUDO.RIP_PAGE, 0x1014n, 0xffd, 0x1004, 3, 7, 8, 8],
  );
});

test('an operand behind GS is computed by an address record first', () => {
  assert.equal(decode('65 48 01 5c 88 f0'), 'ok');
  const { decoded } = decoder;
  const view = new DataView(new ArrayBuffer(96));
  writeEaRecord(view, 0, decoded, decoded.eaIndex, { offset: 0, before: 0, count: 1 });
  writeRecord(view, 48, decoded, decoded.shapeIndex, { offset: 0, before: 0, count: 1 });
  const record = new DecodedRecord(view);
  assert.deepEqual(
    [record.at(0).base, record.index, record.scale, record.disp, record.segment, record.imm, record.next],
    [GPR, GPR + 8, 2, -16n, 5, 0x108n, 6],
  );
  assert.deepEqual([record.at(48).base, record.index, record.disp, record.s], [PSEUDO.EA, PSEUDO.ZERO, 0n, GPR + 24]);
  assert.equal(decoded.shape.indexed, false);
});
