import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS } from '../codegen/exits';
import { faultOf, longMode, mapPage, setLevel } from '../cpu/processor.fixture';
import { SEG } from '../cpu/processor';
import { CONTROL, INLINE, INLINE_BANK_SIZE, RAM_BASE, SCRATCH } from '../state/layout';
import { PAGE } from '../state/memory';
import { highWord } from '../state/words';
import { peekLinear } from './peek';

const PAGE_AT = 0x5_0000;
const NX = 1n << 63n;

test('access rights of a page follow the SDM for every combination of U/S, R/W, NX, CR0.WP, SMEP, SMAP and privilege', () => {
  for (const user of [0, 1])
    for (const writable of [0, 1])
      for (const nx of [0, 1])
        for (const wp of [0, 1])
          for (const smep of [0, 1])
            for (const smap of [0, 1])
              for (const cpl of [0, 3] as const)
                for (const kind of ['read', 'write', 'fetch'] as const) {
                  const { cpu, access, memory } = longMode();
                  cpu.setField(CONTROL.cr0, wp ? 0x8001_0031n : 0x8000_0031n);
                  cpu.setField(CONTROL.cr4, 0x20n | (smep ? 1n << 20n : 0n) | (smap ? 1n << 21n : 0n));
                  mapPage(
                    memory,
                    PAGE_AT,
                    BigInt(PAGE_AT) | 1n | (writable ? 2n : 0n) | (user ? 4n : 0n) | (nx ? NX : 0n),
                  );
                  setLevel(cpu, cpl);
                  const allowed =
                    cpl === 3
                      ? user === 1 && (kind === 'read' || (kind === 'write' ? writable === 1 : nx === 0))
                      : kind === 'fetch'
                        ? nx === 0 && !(user && smep)
                        : !(user && smap) && (kind === 'read' || writable === 1 || wp === 0);
                  const act = (): void => {
                    if (kind === 'read') access.slowLoad(BigInt(PAGE_AT), 4);
                    else if (kind === 'write') access.slowStore(BigInt(PAGE_AT), 1n, ACCESS.WRITE | 4);
                    else access.fetchPhysical(BigInt(PAGE_AT));
                  };
                  const code = 1 | (kind === 'write' ? 2 : 0) | (cpl === 3 ? 4 : 0) | (kind === 'fetch' ? 16 : 0);
                  const expected = allowed ? undefined : { vector: 14, errorCode: code, address: BigInt(PAGE_AT) };
                  const name = JSON.stringify({ user, writable, nx, wp, smep, smap, cpl, kind });
                  assert.deepEqual(faultOf(act), expected, name);
                  // Again, from the TLB.
                  assert.deepEqual(faultOf(act), expected, name);
                }
});

test('reads set the accessed bit, the first write the dirty bit, and a fault neither', () => {
  const { access, memory } = longMode();
  const at = 0x2_3000 + (PAGE_AT >>> 12) * 8;
  mapPage(memory, PAGE_AT, BigInt(PAGE_AT) | 1n);
  faultOf(() => access.slowStore(BigInt(PAGE_AT), 0n, ACCESS.WRITE | 1));
  assert.equal(memory.read64(at) & 0x60n, 0n);
  mapPage(memory, PAGE_AT, BigInt(PAGE_AT) | 3n);
  access.slowLoad(BigInt(PAGE_AT), 1);
  assert.equal(memory.read64(at) & 0x60n, 0x20n);
  access.slowStore(BigInt(PAGE_AT), 0n, ACCESS.WRITE | 1);
  assert.equal(memory.read64(at) & 0x60n, 0x60n);
});

test('a store that crosses into a page that faults writes nothing', () => {
  const { access, memory } = longMode();
  mapPage(memory, PAGE_AT + 0x1000, 0n);
  memory.write64(PAGE_AT + 0xff8, 0x1122_3344_5566_7788n);
  const fault = faultOf(() => access.slowStore(BigInt(PAGE_AT + 0xffc), 0n, ACCESS.WRITE | 8));
  assert.deepEqual(fault, { vector: 14, errorCode: 2, address: BigInt(PAGE_AT + 0x1000) });
  assert.equal(memory.read64(PAGE_AT + 0xff8), 0x1122_3344_5566_7788n);
});

test('a modify across two pages reads both and commits both', () => {
  const { access, memory } = longMode();
  mapPage(memory, PAGE_AT, BigInt(PAGE_AT + 0x2000) | 3n);
  memory.write32(PAGE_AT + 0x2ffe, 0xaaaa_bbbb);
  memory.write32(PAGE_AT + 0x1000, 0xcccc_dddd);
  const host = access.slowModify(BigInt(PAGE_AT + 0xffe), ACCESS.WRITE | 4);
  assert.equal(host, SCRATCH.bounce);
  assert.equal(memory.view.getUint32(host, true), 0xdddd_bbbb);
  memory.view.setUint32(host, 0x1234_5678, true);
  access.commitModify();
  assert.equal(memory.u16[(RAM_BASE + PAGE_AT + 0x2ffe) >> 1], 0x5678);
  assert.equal(memory.u16[(RAM_BASE + PAGE_AT + 0x1000) >> 1], 0x1234);
});

test('a non-canonical address is #GP(0), or #SS(0) for the stack', () => {
  const { access } = longMode();
  for (const linear of [0x0000_8000_0000_0000n, 0xffff_7fff_ffff_ffffn, 0x0000_7fff_ffff_fffcn, -(1n << 60n)]) {
    assert.equal(faultOf(() => access.slowLoad(linear, 8))?.vector, 13, linear.toString(16));
    assert.equal(faultOf(() => access.slowLoad(linear, 8 | ACCESS.STACK))?.vector, 12);
  }
});

test('an access that wraps from the top of the address space to its bottom goes on at 0', () => {
  const { cpu, access, memory } = longMode();
  // The last page: PML4, PDPT, PD and PT entries 511, on tables of their own.
  memory.write64(0x2_0ff8, 0x3_0007n);
  memory.write64(0x3_0ff8, 0x3_1007n);
  memory.write64(0x3_1ff8, 0x3_2007n);
  memory.write64(0x3_2ff8, BigInt(PAGE_AT) | 7n);
  memory.write32(PAGE_AT + 0xffc, 0x1111_2222);
  memory.write32(0, 0x3333_4444);
  const top = 0xffff_ffff_ffff_fffcn;
  assert.equal(cpu.mmu.linear(SEG.SS, top, 8, false, 8), top);
  assert.equal(cpu.mmu.read(top, 8), 0x3333_4444_1111_2222n);
  access.slowStore(top, 0x5555_6666_7777_8888n, ACCESS.WRITE | 8);
  assert.deepEqual([memory.read32(PAGE_AT + 0xffc), memory.read32(0)], [0x7777_8888, 0x5555_6666]);
});

test('a stale translation lives until INVLPG', () => {
  const { access, memory } = longMode();
  access.slowLoad(BigInt(PAGE_AT), 1);
  mapPage(memory, PAGE_AT, BigInt(0x7_0000) | 3n);
  assert.equal(access.slowLoad(BigInt(PAGE_AT), 1), RAM_BASE + PAGE_AT);
  access.invalidatePage(BigInt(PAGE_AT));
  assert.equal(access.slowLoad(BigInt(PAGE_AT), 1), RAM_BASE + 0x7_0000);
});

test('the inline maps never hold what a flush, an eviction or a privilege change took away', () => {
  const page = fc.integer({ min: 0x40, max: 0x60 });
  const step = fc.oneof(
    fc.record({ what: fc.constantFrom('load', 'store', 'invlpg', 'remap', 'code', 'watch'), page }),
    fc.record({ what: fc.constantFrom('flush', 'user', 'supervisor', 'snapshot'), page }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { cpu, access, memory } = longMode();
      const mapped = new Map<number, number>();
      // Where the TLB may still send each page: what it was at its last walk.
      const seen = new Map<number, number>();
      for (const { what, page: number } of steps) {
        const linear = number * 0x1000;
        const target = mapped.get(number) ?? linear;
        const expect = (): number => seen.get(number) ?? target;
        switch (what) {
          case 'load':
            assert.equal(access.slowLoad(BigInt(linear), 4), RAM_BASE + expect());
            seen.set(number, expect());
            break;
          case 'store':
            if ((seen.get(number) ?? target) === target) {
              access.slowStore(BigInt(linear), 5n, ACCESS.WRITE | 4);
              seen.set(number, target);
            }
            break;
          case 'invlpg':
            access.invalidatePage(BigInt(linear));
            seen.delete(number);
            break;
          case 'remap':
            mapped.set(number, 0x10_0000 + linear);
            mapPage(memory, linear, BigInt(0x10_0000 + linear) | 7n);
            break;
          case 'flush':
            access.flush(false);
            seen.clear();
            break;
          case 'code':
            memory.pages[target >>> 12] |= PAGE.CODE;
            access.evictStores(target >>> 12);
            break;
          case 'watch':
            memory.pages[target >>> 12] |= PAGE.WATCHED;
            access.evictPhysical(target >>> 12);
            break;
          case 'snapshot':
            for (let i = 0; i < memory.pages.length; i++) memory.pages[i] &= ~PAGE.DIRTY;
            access.evictAllStores();
            break;
          case 'user':
            setLevel(cpu, 3);
            break;
          case 'supervisor':
            setLevel(cpu, 0);
            break;
        }
        for (const map of [INLINE.load, INLINE.store]) {
          for (let i = 0; i < INLINE.banks * INLINE.entries; i++) {
            const at = (map + Math.floor(i / INLINE.entries) * INLINE_BANK_SIZE + (i % INLINE.entries) * 16) >> 2;
            const tag = memory.u32[at];
            if (tag === 0xffff_ffff) continue;
            const physical = ((tag + memory.u32[at + 2]) >>> 0) - RAM_BASE;
            assert.equal(physical, seen.get(tag >>> 12));
            const bits = memory.pages[physical >>> 12];
            assert.equal(bits & PAGE.WATCHED, 0);
            if (map === INLINE.store) assert.equal(bits & (PAGE.CODE | PAGE.DIRTY), PAGE.DIRTY);
          }
        }
      }
    }),
    { seed: 20261122, numRuns: 60 },
  );
});

test('peeking agrees with walking and changes nothing', () => {
  const { cpu, access, memory } = longMode();
  mapPage(memory, PAGE_AT, BigInt(0x6_0000) | 1n);
  const space = { cr0: cpu.cr0, cr3: cpu.cr3, cr4: cpu.cr4, efer: cpu.efer, eptp: undefined };
  const peeked = peekLinear(memory, space, () => undefined, BigInt(PAGE_AT + 0x123));
  assert.deepEqual(peeked, { layerPhysical: 0x6_0123n, physical: 0x6_0123n });
  assert.equal(memory.read64(0x2_3000 + (PAGE_AT >>> 12) * 8) & 0x60n, 0n);
  assert.equal(access.slowLoad(BigInt(PAGE_AT + 0x123), 1), RAM_BASE + 0x6_0123);
});

test('descriptor tables above 4 GBytes may cross a page in compatibility mode', () => {
  const { cpu, access, memory } = longMode();
  const high = 0xffff_8000_0000_0000n;
  // Only the upper half is mapped.
  memory.write64(0x2_0000 + 256 * 8, memory.read64(0x2_0000));
  memory.write64(0x2_0000, 0n);
  memory.write64(PAGE_AT + 0xffc, 0x1122_3344_5566_7788n);
  cpu.setSegment(SEG.CS, 0x1b, 0n, 0xffff_ffff, 0xc09b);
  access.contextChanged();
  assert.equal(access.readSystem(high + BigInt(PAGE_AT) + 0xffcn, 8), 0x1122_3344_5566_7788n);
  assert.equal(
    faultOf(() => access.probeWriteAs(PAGE_AT + 0xffc, highWord(high), 8, false)),
    undefined,
  );
});
