import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Disassembler } from './disassembler';

const SEED = 0x5354;
const disassembler = new Disassembler();

/** Memory with some bytes at an address and nothing else. */
function memory(base: bigint, bytes: Uint8Array): (address: bigint, length: number) => Uint8Array {
  return (address, length) => {
    const start = address - base;
    if (start < 0n || start >= BigInt(bytes.length)) return new Uint8Array();
    return bytes.subarray(Number(start), Number(start) + length);
  };
}

describe('the disassembler', () => {
  it('gives as many instructions as asked for, end to end, whatever the bytes', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 0x1000 }),
        fc.integer({ min: 0, max: 0x1000 }),
        fc.integer({ min: 1, max: 80 }),
        (bytes, offset, count) => {
          const base = 0x40_0000n;
          const read = memory(base, bytes);
          const start = base + BigInt(offset);
          const forward = disassembler.forward(64, start, count, read);
          assert.equal(forward.length, count);
          const backward = disassembler.backward(64, start, count, read, () => undefined);
          assert.equal(backward.length, count);
          const all = [...backward, ...forward];
          for (let index = 1; index < all.length; index++) {
            const { address, bytes: before } = all[index - 1];
            assert.equal(all[index].address, address + BigInt(Math.max(before.length, 1)));
          }
        },
      ),
      { seed: SEED, numRuns: 200 },
    );
  });

  it('writes NASM', () => {
    const bytes = Uint8Array.of(0x48, 0x8b, 0x44, 0x24, 0x08, 0x0f, 0x01, 0xc2);
    const found = disassembler.forward(64, 0n, 2, memory(0n, bytes));
    assert.deepEqual(
      found.map(({ text }) => text),
      ['mov rax, [rsp+8]', 'vmlaunch'],
    );
  });

  it('shows addresses below zero as what they are, and keeps the count', () => {
    const found = disassembler.backward(64, 2n, 5, memory(0n, Uint8Array.of(0x90, 0x90)), () => undefined);
    assert.deepEqual(
      found.map(({ text }) => text),
      ['(no address)', '(no address)', '(no address)', 'nop', 'nop'],
    );
  });
});
