import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEVICES, FLAGS, GPR, MACHINE, PENDING, RAM_BASE, STATE_END, STATE_START } from '../state/layout';
import { MachineMemory, PAGE } from '../state/memory';
import { KIND } from '../semantics/flags';
import { DirtyPages, STALE } from './dirty-pages';
import { StateHash } from './hash';
import { PageTable, type FrozenPage } from './page-table';
import { Snapshots } from './snapshot';

const RAM = 0x4_0000;

interface Rig {
  readonly memory: MachineMemory;
  readonly dirty: DirtyPages;
  readonly snapshots: Snapshots;
  readonly hash: StateHash;
  readonly dropped: { stores: number; caches: number };
}

function rig(ram = RAM): Rig {
  const memory = new MachineMemory(ram);
  const dropped = { stores: 0, caches: 0 };
  const dirty = new DirtyPages(memory, () => dropped.stores++);
  const snapshots = new Snapshots(memory, dirty, { dropCaches: () => dropped.caches++ });
  return { memory, dirty, snapshots, hash: new StateHash(memory, dirty), dropped };
}

const state = (memory: MachineMemory): Buffer => Buffer.from(memory.u8.slice(STATE_START, STATE_END));
const ram = (memory: MachineMemory): Buffer => Buffer.from(memory.u8.slice(RAM_BASE, RAM_BASE + memory.ramSize));

type Action =
  | { readonly kind: 'ram'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'zero'; readonly page: number }
  | { readonly kind: 'state'; readonly at: number; readonly value: number }
  | { readonly kind: 'snapshot' }
  | { readonly kind: 'restore'; readonly which: number }
  | { readonly kind: 'hash' };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('ram' as const),
      at: fc.nat(RAM - 5000),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 5000 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('zero' as const), page: fc.nat(RAM / 4096 - 1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('state' as const),
      at: fc.integer({ min: STATE_START, max: STATE_END - 1 }),
      value: fc.nat(255),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('snapshot' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('restore' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('hash' as const) }) },
);

test('a restored machine equals the machine the snapshot was taken of, whatever happened in between', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 30 }), (actions) => {
      const { memory, snapshots, hash } = rig();
      const kept: { snapshot: ReturnType<Snapshots['snapshot']>; state: Buffer; ram: Buffer; hash: string }[] = [];
      for (const step of actions) {
        switch (step.kind) {
          case 'ram':
            memory.writeBytes(step.at, step.bytes);
            break;
          case 'zero':
            memory.writeBytes(step.page * 4096, new Uint8Array(4096));
            break;
          case 'state':
            memory.u8[step.at] = step.value;
            break;
          case 'snapshot':
            kept.push({ snapshot: snapshots.snapshot(), state: state(memory), ram: ram(memory), hash: hash.digest() });
            break;
          case 'hash':
            hash.digest();
            break;
          case 'restore': {
            const entry = kept[step.which % kept.length];
            if (!entry) break;
            snapshots.restore(entry.snapshot);
            assert.ok(state(memory).equals(entry.state), 'state area differs');
            assert.ok(ram(memory).equals(entry.ram), 'RAM differs');
            assert.equal(hash.digest(), entry.hash);
          }
        }
      }
      // However it was reached, the cached hash is the one a machine copied byte for byte has.
      const twin = rig();
      twin.memory.u8.set(state(memory), STATE_START);
      twin.memory.writeBytes(0, ram(memory));
      assert.equal(hash.digest(), twin.hash.digest());
    }),
    { numRuns: 60, seed: 20251 },
  );
});

test('a snapshot holds only the pages that changed since the one before', () => {
  const { memory, snapshots, dropped } = rig();
  snapshots.snapshot();
  memory.write32(0x3000, 1);
  memory.write32(0x5000, 0);
  memory.u32[DEVICES >> 2] = 7;
  const second = snapshots.snapshot();
  assert.equal(second.size, 2 * 4096);
  assert.equal(dropped.stores, 1);
  assert.equal(snapshots.snapshot().size, 0);
  assert.equal(memory.pages[3] & PAGE.DIRTY, 0);
});

test('a snapshot tells the time and transition it was taken at', () => {
  const { memory, snapshots } = rig();
  memory.u64[MACHINE.time >> 3] = 123456789012n;
  memory.u64[MACHINE.transitions >> 3] = 42n;
  const snapshot = snapshots.snapshot();
  assert.equal(snapshot.time, 123456789012n);
  assert.equal(snapshot.transition, 42);
});

test('a restore tells the code cache which code pages it rewrites, and no others', () => {
  const { memory, snapshots, dropped } = rig();
  memory.writeBytes(0x1000, Uint8Array.of(1, 2, 3));
  memory.writeBytes(0x2000, Uint8Array.of(4));
  const snapshot = snapshots.snapshot();
  memory.pages[1] |= PAGE.CODE;
  memory.pages[2] |= PAGE.CODE;
  memory.writeBytes(0x1001, Uint8Array.of(9));
  const told: number[] = [];
  memory.observer = { codeWritten: (physical) => told.push(physical) };
  snapshots.restore(snapshot);
  assert.deepEqual(told, [0x1000]);
  assert.equal(dropped.caches, 1);
});

test('a snapshot of one machine is refused by another', () => {
  assert.throws(() => rig().snapshots.restore(rig().snapshots.snapshot()), TypeError);
});

test('every byte of RAM and of the state area is part of the hash, transient fields are not', () => {
  const { memory, hash } = rig();
  const empty = hash.digest();
  memory.u8[STATE_END - 1] = 1;
  const one = hash.digest();
  assert.notEqual(one, empty);
  memory.writeBytes(0x4321, Uint8Array.of(1));
  const two = hash.digest();
  assert.notEqual(two, one);
  memory.writeBytes(0x4321, Uint8Array.of(0));
  assert.equal(hash.digest(), one, 'a page of zeros hashes like one never written');
  memory.u32[PENDING.vector >> 2] = 14;
  memory.u64[PENDING.address >> 3] = 1n;
  assert.equal(hash.digest(), one);
  memory.u8[GPR] = 1;
  assert.notEqual(hash.digest(), one);
});

test('the hash sees the flags, not the operands they are kept as', () => {
  const { memory, hash } = rig();
  const lazy = (kind: number, a: bigint, b: bigint, r: bigint): string => {
    memory.u32[FLAGS.kind >> 2] = kind;
    memory.u64[FLAGS.a >> 3] = a;
    memory.u64[FLAGS.b >> 3] = b;
    memory.u64[FLAGS.r >> 3] = r;
    return hash.digest();
  };
  assert.equal(lazy(KIND.SUB, 5n, 5n, 0n), lazy(KIND.SUB, 7n, 7n, 0n));
  assert.notEqual(lazy(KIND.SUB, 5n, 5n, 0n), lazy(KIND.SUB, 7n, 6n, 1n));
});

test('page tables derived from one another share leaves and report exactly what differs', () => {
  const page = (n: number): FrozenPage => Uint8Array.of(n);
  const first = PageTable.EMPTY.with(
    new Map([
      [1, page(1)],
      [700, page(2)],
    ]),
  );
  const second = first.with(
    new Map([
      [700, undefined],
      [3, page(3)],
    ]),
  );
  assert.deepEqual(first.differences(second), [3, 700]);
  assert.deepEqual(second.differences(first), [3, 700]);
  assert.deepEqual(first.differences(first), []);
  assert.equal(second.get(1), first.get(1));
  assert.equal(second.get(700), undefined);
  assert.equal(PageTable.EMPTY.get(12345), undefined);
});

test('a second hash of a 512 MB machine looks only at pages written since the first', () => {
  const { memory, dirty, hash } = rig(512 << 20);
  const line = Uint8Array.of(1);
  for (let page = 0; page < 4096; page++) memory.writeBytes(page * 4096 * 32, line);
  const first = hash.digest();
  dirty.collect();
  assert.deepEqual(dirty.take(STALE.HASH), []);
  memory.write32(4096 * 32 * 5, 2);
  assert.notEqual(hash.digest(), first);
  memory.write32(4096 * 32 * 5, 1);
  dirty.collect();
  assert.equal(dirty.bits.filter((bits) => bits & STALE.HASH).length, 1);
  assert.equal(hash.digest(), first);
});
