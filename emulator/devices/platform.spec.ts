import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DEVICES, DEVICES_SIZE, MACHINE } from '../state/layout';
import { TestPlatform } from './test-platform.fixture';

const off = (pc: TestPlatform): number => pc.memory.u32[MACHINE.poweredOff >> 2];

test('isa-debug-exit powers off with status (value << 1) | 1, whatever the access size', () => {
  for (const [size, value, status] of [
    [1, 0x10, 33],
    [2, 0, 1],
    [4, 0x7f, 255],
    [4, 0x180, 1],
  ]) {
    const pc = new TestPlatform();
    pc.platform.writePort(0xf4, size, value);
    assert.equal(off(pc), (0x8000_0000 | status) >>> 0);
    assert.equal(pc.platform.changed, true);
  }
});

test('the word "Shutdown" at port 0x8900 powers off with status 0, after false starts too', () => {
  const pc = new TestPlatform();
  for (const character of 'ShutShutdow') pc.out(0x8900, character.charCodeAt(0));
  assert.equal(off(pc), 0);
  pc.out(0x8900, 0x6e);
  assert.equal(off(pc), 0x8000_0000);
});

test('ACPI power-off, the keyboard controller, port 0x92 and port 0xcf9 end the machine', () => {
  const ends: readonly ((pc: TestPlatform) => void)[] = [
    (pc) => pc.platform.writePort(0x604, 2, 0x2000),
    (pc) => pc.out(0x64, 0xfe),
    (pc) => pc.out(0x92, 0x01),
    (pc) => pc.out(0xcf9, 0x06),
  ];
  ends.forEach((end, index) => {
    const pc = new TestPlatform();
    end(pc);
    assert.equal(off(pc), index === 0 ? 0x8000_0000 : 0xc000_0000);
  });
});

test('the debug console takes characters and answers with its own address', () => {
  const pc = new TestPlatform();
  pc.out(0xe9, ...Buffer.from('dbg'));
  assert.equal(pc.debugcon, 'dbg');
  assert.equal(pc.in(0xe9), 0xe9);
});

test('ports and addresses nobody answers read as all ones', () => {
  const pc = new TestPlatform();
  for (const [size, ones] of [
    [1, 0xff],
    [2, 0xffff],
    [4, 0xffff_ffff],
  ]) {
    assert.equal(pc.in(0x1234, size), ones);
    assert.equal(pc.in(0xcfc, size), ones);
  }
  pc.platform.writePort(0xcf8, 4, 0x8000_0000);
  assert.equal(pc.in(0xcf8, 4), 0x8000_0000);
  assert.equal(pc.platform.read(0xe000_0000, 8), 0xffff_ffff_ffff_ffffn);
});

test('a wide access to byte-wide ports touches each of them', () => {
  const pc = new TestPlatform();
  pc.initPic(0x12, 0x34);
  pc.platform.writePort(0x3f8, 2, 0x0541);
  assert.equal(pc.serial, 'A');
  assert.equal(pc.in(0x3f9), 5);
  pc.in(0x3fa);
  assert.equal(pc.in(0x3fa, 2), 0x0001);
});

test('the real-time clock follows machine time', () => {
  const pc = new TestPlatform();
  const cmos = (index: number): number => {
    pc.out(0x70, index);
    return pc.in(0x71);
  };
  assert.deepEqual([9, 8, 7, 4, 2, 0].map(cmos), [0x25, 0x01, 0x01, 0, 0, 0]);
  pc.pass(((26n * 60n + 3n) * 60n + 4n) * 1_000_000_000n);
  assert.deepEqual([7, 4, 2, 0, 0x32].map(cmos), [0x02, 0x02, 0x03, 0x04, 0x20]);
  assert.equal(cmos(0x17) | (cmos(0x18) << 8), 15 * 1024);
});

test('the keyboard controller passes its self-test and says that A20 is open', () => {
  const pc = new TestPlatform();
  assert.equal(pc.in(0x64) & 3, 0);
  pc.out(0x64, 0xaa);
  assert.equal(pc.in(0x64) & 1, 1);
  assert.equal(pc.in(0x60), 0x55);
  assert.equal(pc.in(0x64) & 1, 0);
  pc.out(0x64, 0xd0);
  assert.equal(pc.in(0x60) & 3, 3);
  assert.equal(pc.in(0x92) & 2, 2);
});

test('no sequence of accesses makes a device throw or answer out of range, and its memory is all it remembers', () => {
  const port = fc.oneof(
    fc.constantFrom(
      0x20,
      0x21,
      0x40,
      0x41,
      0x42,
      0x43,
      0x60,
      0x61,
      0x64,
      0x70,
      0x71,
      0xa0,
      0xa1,
      0x3f8,
      0x3f9,
      0x3fa,
      0x3fb,
      0x3fc,
      0x3fd,
      0x3fe,
      0x4d0,
      0x4d1,
      0xcf8,
    ),
    fc.nat(0xffff),
  );
  const access = fc.record({
    what: fc.constantFrom('in', 'out', 'read', 'write', 'interrupt', 'input', 'pass', 'event'),
    port,
    register: fc.nat(0x3f),
    size: fc.constantFrom(1, 2, 4),
    value: fc.oneof(fc.nat(0xff), fc.nat(0xffff_ffff)),
  });
  type Access = typeof access extends fc.Arbitrary<infer T> ? T : never;
  const perform = (pc: TestPlatform, { what, port: at, register, size, value }: Access): unknown => {
    switch (what) {
      case 'in': {
        const got = pc.in(at, size);
        assert.ok(got >= 0 && got < 2 ** (size * 8) && Number.isInteger(got), `${got}`);
        return got;
      }
      case 'out':
        return pc.platform.writePort(at, size, value & (size === 4 ? -1 : (1 << (size * 8)) - 1));
      case 'read': {
        const got = pc.platform.read(0xfee0_0000 + register * 16, 4);
        assert.ok(got >= 0n && got <= 0xffff_ffffn);
        return got;
      }
      case 'write':
        return pc.platform.write(0xfee0_0000 + register * 16, 4, BigInt(value));
      case 'interrupt':
        return pc.interrupt();
      case 'input':
        return pc.platform.input(Uint8Array.of(value & 0xff));
      case 'pass':
        return pc.pass(BigInt(value));
      case 'event': {
        const before = pc.time;
        const next = pc.platform.nextEvent();
        if (next !== undefined && next > before) pc.nextEvent();
        return next;
      }
    }
  };
  fc.assert(
    fc.property(fc.array(access, { maxLength: 60 }), fc.array(access, { maxLength: 60 }), (first, second) => {
      const original = new TestPlatform();
      for (const step of first) perform(original, step);
      // A second platform over a copy of the memory goes on exactly as the first does.
      const copy = new TestPlatform();
      copy.memory.u8.set(original.memory.u8.subarray(0x1000, DEVICES + DEVICES_SIZE), 0x1000);
      copy.time = original.time;
      for (const step of second) assert.deepEqual(perform(copy, step), perform(original, step));
      assert.equal(copy.platform.nextEvent(), original.platform.nextEvent());
    }),
    { numRuns: 150, seed: 4242 },
  );
});

test('an event that is due is not announced again once it has happened', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0x30, 0x34, 0x36, 0x38),
      fc.integer({ min: 2, max: 0xffff }),
      fc.nat(1_000_000),
      (control, count, start) => {
        const pc = new TestPlatform();
        pc.initPic(0xfe, 0xff);
        pc.pass(BigInt(start));
        pc.out(0x43, control);
        pc.out(0x40, count & 0xff, count >> 8);
        for (let i = 0; i < 5; i++) {
          const before = pc.time;
          if (pc.interrupt() !== undefined) pc.out(0x20, 0x20);
          const next = pc.nextEvent();
          if (next === undefined) return;
          assert.ok(next > before);
        }
      },
    ),
    { numRuns: 200, seed: 99 },
  );
});
