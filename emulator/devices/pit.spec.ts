import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PIT_HZ, ticksAt, timeOfTick } from '../tables/clock';
import { TestPlatform } from './test-platform.fixture';

const CONTROL = 0x43;
const tick = (n: bigint): bigint => timeOfTick(n, PIT_HZ);

/** A platform at 8254 tick `at`, with channel 0 programmed and its interrupt alone unmasked. */
function programmed(control: number, count: number, at = 1000n): TestPlatform {
  const pc = new TestPlatform();
  pc.initPic(0xfe, 0xff);
  pc.pass(tick(at));
  // Take what channel 0 requested as firmware left it.
  if (pc.interrupt() !== undefined) pc.out(0x20, 0x20);
  pc.out(CONTROL, control);
  pc.out(0x40, count & 0xff, count >> 8);
  return pc;
}

/** 8254 ticks at which the next `n` interrupts come. */
function interrupts(pc: TestPlatform, n: number): (bigint | undefined)[] {
  return Array.from({ length: n }, () => {
    if (pc.nextEvent() === undefined) return undefined;
    assert.equal(pc.interrupt(), 0x20);
    pc.out(0x20, 0x20);
    return ticksAt(pc.time, PIT_HZ);
  });
}

const count = (pc: TestPlatform, channel = 0): number => {
  pc.out(CONTROL, channel << 6);
  return pc.in(0x40 + channel) | (pc.in(0x40 + channel) << 8);
};

test('clock conversion is exact: a tick begins at the first time that has it', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 1n << 60n), (ticks) => {
      const time = timeOfTick(ticks, PIT_HZ);
      assert.equal(ticksAt(time, PIT_HZ), ticks);
      if (ticks > 0n) assert.equal(ticksAt(time - 1n, PIT_HZ), ticks - 1n);
    }),
    { seed: 11 },
  );
});

test('mode 2 interrupts every N ticks, for ever on the same grid', () => {
  const pc = programmed(0x34, 11932);
  const first = 1001n + 11932n;
  assert.deepEqual(
    interrupts(pc, 4),
    [0n, 1n, 2n, 3n].map((k) => first + k * 11932n),
  );
  // 100 Hz as PCs program it, for an hour of machine time: no drift.
  pc.pass(3600n * 1_000_000_000n);
  pc.interrupt();
  pc.out(0x20, 0x20);
  const [later] = interrupts(pc, 1);
  assert.equal(((later ?? 0n) - first) % 11932n, 0n);
});

test('mode 3 interrupts every N ticks too, and its OUT is high for the first half', () => {
  const pc = programmed(0x36, 1000);
  assert.deepEqual(interrupts(pc, 2), [2001n, 3001n]);
  const out = (at: bigint): number => {
    pc.pass(tick(at) - pc.time);
    pc.out(CONTROL, 0xe2);
    return pc.in(0x40) >> 7;
  };
  assert.equal(out(3001n + 499n), 1);
  assert.equal(out(3001n + 500n), 0);
  assert.equal(out(3001n + 999n), 0);
  assert.equal(out(4001n), 1);
});

test('mode 0 interrupts once, N + 1 ticks after the count is written, and counts on from ffff', () => {
  const pc = programmed(0x30, 500);
  assert.deepEqual(interrupts(pc, 2), [1501n, undefined]);
  pc.pass(tick(1511n) - pc.time);
  assert.equal(count(pc), 0x1_0000 - 10);
});

test('mode 4 strobes once', () => {
  const pc = programmed(0x38, 500);
  assert.deepEqual(interrupts(pc, 2), [1502n, undefined]);
});

test('a count of 0 stands for 65536', () => {
  const pc = programmed(0x34, 0);
  assert.deepEqual(interrupts(pc, 1), [1001n + 65536n]);
});

test('a latched count stands still until it has been read', () => {
  const pc = programmed(0x34, 1000);
  pc.pass(tick(1001n + 250n) - pc.time);
  pc.out(CONTROL, 0x00);
  pc.pass(tick(100n));
  pc.out(CONTROL, 0x00);
  assert.equal(pc.in(0x40) | (pc.in(0x40) << 8), 750);
  assert.equal(count(pc), 650);
});

test('in mode 3 the count goes down by two', () => {
  const pc = programmed(0x36, 1000);
  pc.pass(tick(1001n + 100n) - pc.time);
  assert.equal(count(pc), 800);
});

test('read-back latches status before count', () => {
  const pc = programmed(0x34, 1000);
  pc.pass(tick(1001n + 1n) - pc.time);
  pc.out(CONTROL, 0xc2);
  assert.equal(pc.in(0x40), 0xb4, 'OUT high, count loaded, both bytes, mode 2');
  assert.equal(pc.in(0x40) | (pc.in(0x40) << 8), 999);
});

test('a new count for a running rate generator takes effect after the current period', () => {
  const pc = programmed(0x34, 1000);
  pc.pass(tick(1501n) - pc.time);
  pc.out(0x40, 100, 0);
  assert.deepEqual(interrupts(pc, 3), [2001n, 2101n, 2201n]);
});

test('BCD counts in decimal', () => {
  const pc = programmed(0x31, 0x1234);
  pc.pass(tick(1001n + 35n) - pc.time);
  assert.equal(count(pc), 0x1199);
});

test('low-byte and high-byte access read and write one byte', () => {
  const pc = new TestPlatform();
  pc.out(CONTROL, 0x90);
  pc.out(0x42, 200);
  assert.equal(pc.in(0x42), 200);
  pc.out(CONTROL, 0xa0);
  pc.out(0x42, 3);
  assert.equal(pc.in(0x42), 3);
});

test('channel 2 counts only while its gate is open, and shows OUT in port 0x61', () => {
  const pc = new TestPlatform();
  pc.out(CONTROL, 0xb0);
  pc.out(0x42, 100, 0);
  pc.pass(tick(500n));
  assert.equal(pc.in(0x61) & 0x20, 0);
  assert.equal(count(pc, 2), 100);
  pc.out(0x61, 1);
  pc.pass(tick(60n));
  pc.out(0x61, 0);
  pc.pass(tick(500n));
  assert.equal(count(pc, 2), 40);
  pc.out(0x61, 1);
  pc.pass(tick(41n));
  assert.equal(pc.in(0x61) & 0x20, 0x20);
});

test('calibration as kernels do it: channel 2 gives 10 ms of TSC', () => {
  const pc = new TestPlatform();
  pc.out(0x61, 0x01);
  pc.out(CONTROL, 0xb0);
  pc.out(0x42, 11932 & 0xff, 11932 >> 8);
  const start = pc.time;
  while (!(pc.in(0x61) & 0x20)) pc.pass(100n);
  const elapsed = Number(pc.time - start);
  assert.ok(Math.abs(elapsed - 10_000_000) < 2_000, `${elapsed}`);
});

test('the refresh bit of port 0x61 toggles every 15 microseconds', () => {
  const pc = new TestPlatform();
  let toggles = 0;
  let last = pc.in(0x61) & 0x10;
  for (let i = 0; i < 1000; i++) {
    pc.pass(1000n);
    const now = pc.in(0x61) & 0x10;
    if (now !== last) toggles++;
    last = now;
  }
  assert.equal(toggles, 66);
});

test('a masked or already requested timer has no next event, and is right again when unmasked', () => {
  const pc = programmed(0x34, 1000);
  pc.out(0x21, 0xff);
  assert.equal(pc.platform.nextEvent(), undefined);
  pc.pass(tick(5600n) - pc.time);
  pc.out(0x21, 0xfe);
  assert.equal(pc.interrupt(), 0x20);
  pc.out(0x20, 0x20);
  assert.equal(pc.interrupt(), undefined);
  assert.deepEqual(interrupts(pc, 1), [6001n]);
});
