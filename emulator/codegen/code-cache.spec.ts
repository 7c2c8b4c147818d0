import assert from 'node:assert/strict';
import { beforeEach, describe, test } from 'node:test';
import { RECORD, RECORD_SIZE } from '../decode/record';
import { CODE_CACHE, INLINE, SCRATCH } from '../state/layout';
import { MachineMemory, PAGE } from '../state/memory';
import { CodeCache, type CodeMode } from './code-cache';
import { HANDLER } from './handlers';

const LONG: CodeMode = { codeSize: 64, stackSize: 8, flat: true, csBase: 0n, csLimit: undefined, index: 0 };
const LEGACY: CodeMode = { ...LONG, codeSize: 32, stackSize: 4, index: 1 };

/** One-byte NOPs, then JMP to itself. */
const NOPS_AND_LOOP = Uint8Array.of(0x90, 0x90, 0x90, 0xeb, 0xfe);
/** MOV EAX, imm32. */
const MOV_EAX = Uint8Array.of(0xb8, 0x11, 0x22, 0x33, 0x44);

describe('the code cache', () => {
  let memory: MachineMemory;
  let cache: CodeCache;
  let evicted: number[];
  /** Physical page of each linear one; identity where not listed. */
  let mapping: Map<bigint, number>;

  beforeEach(() => {
    memory = new MachineMemory(1 << 20);
    evicted = [];
    mapping = new Map();
    cache = new CodeCache(memory, {
      fetchPhysical: (linear) => {
        const page = mapping.get(linear >> 12n) ?? Number(linear >> 12n);
        if (page < 0) return -1;
        return page * 4096 + Number(linear & 0xfffn);
      },
      evictStores: (page) => evicted.push(page),
    });
    memory.observer = cache;
    cache.clear();
    cache.enterMode(LONG);
  });

  const handlerAt = (record: number): number => memory.view.getUint16(record + RECORD.handler, true);
  const countAt = (record: number): number => memory.view.getUint16(record + RECORD.count, true);
  const find = (rip: bigint, mode = LONG): number => {
    const record = cache.lookup(rip, mode);
    assert.ok(record !== undefined);
    return record;
  };

  test('gives the same block for the same page and mode, and another one for another mode', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    const first = find(0x2000n);
    assert.equal(find(0x2000n), first);
    assert.equal(countAt(first), 4);
    assert.notEqual(find(0x2000n, LEGACY), first);
  });

  test('serves two linear addresses of one physical page with one block', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    mapping.set(0x77n, 2);
    assert.equal(find(0x77000n), find(0x2000n));
  });

  test('takes a page off the inline stores when code is decoded from it', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    find(0x2000n);
    assert.deepEqual(evicted, [2]);
    assert.ok(memory.pages[2] & PAGE.CODE);
  });

  test('turns the records of a page stale when decoded bytes are written', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    const block = find(0x2000n);
    memory.writeBytes(0x2002, Uint8Array.of(0xf4));
    assert.equal(handlerAt(block), HANDLER.STALE);
    assert.equal(memory.pages[2] & PAGE.CODE, 0);
    assert.notEqual(find(0x2000n), block);
  });

  test('keeps its blocks when other bytes of the page are written', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    const block = find(0x2000n);
    memory.writeBytes(0x2800, Uint8Array.of(1, 2, 3));
    assert.notEqual(handlerAt(block), HANDLER.STALE);
    assert.equal(find(0x2000n), block);
  });

  test('puts a mark before an instruction that has a breakpoint, also in a block decoded before', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    find(0x2000n);
    cache.setBreakpoints([0x2001n]);
    const block = find(0x2000n);
    assert.notEqual(handlerAt(block), HANDLER.BREAK);
    assert.equal(handlerAt(block + RECORD_SIZE), HANDLER.BREAK);
    assert.equal(countAt(block), 4);
  });

  test('does not mark the same offset of a page that is mapped elsewhere', () => {
    memory.writeBytes(0x3000, NOPS_AND_LOOP);
    cache.setBreakpoints([0x2001n]);
    assert.notEqual(handlerAt(find(0x3000n) + RECORD_SIZE), HANDLER.BREAK);
  });

  test('an instruction across pages is found again only while its second page is what it was', () => {
    memory.writeBytes(0x2ffe, MOV_EAX);
    const block = find(0x2ffen);
    assert.equal(handlerAt(block), HANDLER.CROSSING);
    assert.ok(cache.crossingHolds(block, LONG));
    mapping.set(3n, 9);
    assert.equal(cache.crossingHolds(block, LONG), false);
    assert.equal(handlerAt(block), HANDLER.STALE);
    mapping.delete(3n);
    const again = find(0x2ffen);
    assert.ok(cache.crossingHolds(again, LONG));
    memory.writeBytes(0x3001, Uint8Array.of(0x99));
    assert.equal(cache.crossingHolds(again, LONG), false);
  });

  test('an instruction that reaches to where no memory answers is found again', () => {
    memory.writeBytes(0x2fff, MOV_EAX.subarray(0, 1));
    mapping.set(3n, -1);
    assert.ok(cache.crossingHolds(find(0x2fffn), LONG));
  });

  test('what is too long for an instruction is decoded again when any byte of it is written', () => {
    const prefixes = new Uint8Array(15).fill(0x66);
    memory.writeBytes(0x2038, prefixes);
    memory.writeBytes(0x2ffa, prefixes);
    const [inPage, across] = [find(0x2038n), find(0x2ffan)];
    assert.equal(handlerAt(inPage), HANDLER.LIMIT);
    assert.equal(handlerAt(across + RECORD_SIZE), HANDLER.LIMIT);
    memory.writeBytes(0x2041, Uint8Array.of(0x90));
    assert.equal(handlerAt(inPage), HANDLER.STALE);
    memory.writeBytes(0x3004, Uint8Array.of(0x90));
    assert.equal(cache.crossingHolds(across, LONG), false);
  });

  test('an instruction executed alone carries no mark', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    cache.setBreakpoints([0x2000n]);
    const single = cache.single(0x2000n, LONG);
    assert.equal(single, SCRATCH.single);
    assert.notEqual(handlerAt(SCRATCH.single), HANDLER.BREAK);
    assert.equal(handlerAt(SCRATCH.single + RECORD_SIZE), HANDLER.STOP);
  });

  test('code beyond the segment limit ends in a fault mark', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    const limited: CodeMode = { ...LEGACY, flat: false, csLimit: 0x2001, index: 2 };
    const block = find(0x2000n, limited);
    assert.equal(handlerAt(block + 2 * RECORD_SIZE), HANDLER.LIMIT);
  });

  test('starts over when it is full', () => {
    const small = new CodeCache(
      memory,
      { fetchPhysical: (linear) => Number(linear), evictStores: () => undefined },
      undefined,
      CODE_CACHE + 0x2_0000,
    );
    memory.observer = small;
    small.clear();
    for (let page = 1; page < 64; page++) {
      memory.writeBytes(page * 4096, NOPS_AND_LOOP);
      const block = small.lookup(BigInt(page * 4096), LONG);
      assert.ok(block !== undefined && block + 8 * RECORD_SIZE <= CODE_CACHE + 0x2_0000);
    }
  });

  test('a change of mode empties the inline code map of the bank', () => {
    memory.writeBytes(0x2000, NOPS_AND_LOOP);
    find(0x2000n);
    const entry = (INLINE.code + memory.u32[SCRATCH.bank >> 2] + 2 * INLINE.entrySize) >> 3;
    assert.equal(memory.u64[entry], 0x2000n);
    cache.enterMode(LEGACY);
    assert.notEqual(memory.u64[entry], 0x2000n);
  });
});
