import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TestPlatform } from './test-platform.fixture';

const SECOND = 1_000_000_000n;
const A = 0x0a;
const B = 0x0b;
const C = 0x0c;
const PERIODIC = 0x40;
const ALARM = 0x20;
const UPDATE = 0x10;
const SET = 0x80;

class Board extends TestPlatform {
  constructor() {
    super();
    this.initPic(0xfb, 0xfe);
  }
  get(register: number): number {
    this.out(0x70, register);
    return this.in(0x71);
  }
  set(register: number, value: number): void {
    this.out(0x70, register);
    this.out(0x71, value);
  }
  /** Year with century, month, day, hours, minutes, seconds. */
  get calendar(): number[] {
    return [0x32, 9, 8, 7, 4, 2, 0].map((register) => this.get(register));
  }
  eoi(): void {
    this.out(0xa0, 0x20);
    this.out(0x20, 0x20);
  }
}

test('the clock is in 24-hour BCD with the crystal running at 32768 Hz and a good battery', () => {
  const pc = new Board();
  assert.deepEqual(
    [A, B, 0x0d].map((register) => pc.get(register)),
    [0x26, 0x02, 0x80],
  );
});

test('hours are counted from 1 to 12 with a mark in the afternoon, or from 0 to 23; in BCD or binary', () => {
  const pc = new Board();
  pc.pass(13n * 3600n * SECOND);
  assert.equal(pc.get(4), 0x13);
  pc.set(B, 0x00);
  assert.equal(pc.get(4), 0x81);
  pc.set(B, 0x06);
  assert.equal(pc.get(4), 13);
  pc.pass(9n * 3600n * SECOND);
  assert.equal(pc.get(4), 22);
  pc.set(B, 0x04);
  assert.equal(pc.get(4), 0x80 | 10);
  pc.pass(2n * 3600n * SECOND);
  assert.equal(pc.get(4), 12, 'midnight is 12 in the morning');
});

test('a calendar that is set goes on from there, also over the end of a leap February', () => {
  const pc = new Board();
  pc.pass(SECOND / 4n);
  pc.set(B, SET | 0x02);
  for (const [register, value] of [
    [0x32, 0x20],
    [9, 0x24],
    [8, 0x02],
    [7, 0x28],
    [4, 0x23],
    [2, 0x59],
    [0, 0x58],
  ]) {
    pc.set(register, value);
  }
  pc.pass(10n * SECOND);
  assert.deepEqual(pc.calendar, [0x20, 0x24, 0x02, 0x28, 0x23, 0x59, 0x58], 'held while SET is');
  pc.set(B, 0x02);
  pc.pass(2n * SECOND);
  assert.deepEqual(pc.calendar, [0x20, 0x24, 0x02, 0x29, 0, 0, 0]);
  assert.equal(pc.get(6), 5, 'a Thursday');
  pc.pass(86_400n * SECOND);
  assert.deepEqual(pc.calendar, [0x20, 0x24, 0x03, 0x01, 0, 0, 0]);
});

test('update in progress is said for a while before each second', () => {
  const pc = new Board();
  assert.equal(pc.get(A) & 0x80, 0);
  pc.pass(SECOND - 1_000_000n);
  assert.equal(pc.get(A) & 0x80, 0x80);
  assert.equal(pc.get(0), 0);
  pc.pass(1_000_000n);
  assert.equal(pc.get(A) & 0x80, 0);
  assert.equal(pc.get(0), 1);
});

test('periodic interrupts come at the rate chosen, one for each reading of register C', () => {
  for (const [rate, hz] of [
    [15, 2n],
    [6, 1024n],
    [3, 8192n],
    [2, 128n],
    [1, 256n],
  ] as const) {
    const pc = new Board();
    pc.set(A, 0x20 | rate);
    pc.set(B, PERIODIC | 0x02);
    const times = [1n, 2n, 3n].map((n) => {
      pc.nextEvent();
      assert.equal(pc.interrupt(), 0x28);
      assert.equal(pc.platform.nextEvent(), undefined, 'nothing more before register C is read');
      assert.equal(pc.get(C) & ~UPDATE, 0x80 | PERIODIC);
      assert.equal(pc.get(C), 0);
      pc.eoi();
      return { at: pc.time, due: (n * SECOND + hz - 1n) / hz };
    });
    for (const { at, due } of times) assert.equal(at, due);
  }
});

test('flags are set whether they interrupt or not', () => {
  const pc = new Board();
  pc.pass(3n * SECOND);
  assert.equal(pc.get(C), PERIODIC | UPDATE);
  assert.equal(pc.interrupt(), undefined);
});

test('an update interrupt comes at each second, and setting the clock forbids it', () => {
  const pc = new Board();
  pc.pass(SECOND / 2n);
  pc.set(B, UPDATE | 0x02);
  assert.equal(pc.nextEvent(), SECOND);
  assert.equal(pc.get(C) & (0x80 | UPDATE), 0x80 | UPDATE);
  assert.equal(pc.nextEvent(), 2n * SECOND);
  pc.set(B, SET | UPDATE | 0x02);
  assert.equal(pc.get(B), SET | 0x02);
});

test('an alarm comes when hours, minutes and seconds agree; a don’t-care agrees always', () => {
  const pc = new Board();
  pc.pass(SECOND / 3n);
  const at = (hours: number, minutes: number, seconds: number): bigint | undefined => {
    pc.set(5, hours);
    pc.set(3, minutes);
    pc.set(1, seconds);
    pc.get(C);
    return pc.platform.nextEvent();
  };
  pc.set(B, ALARM | 0x02);
  assert.equal(at(0x01, 0x02, 0x03), 3723n * SECOND);
  assert.equal(at(0xff, 0x02, 0x03), 123n * SECOND);
  assert.equal(at(0xff, 0xff, 0x03), 3n * SECOND);
  assert.equal(at(0xc0, 0xc0, 0xc0), 1n * SECOND);
  assert.equal(at(0x00, 0x00, 0x00), 86_400n * SECOND);
  assert.equal(at(0x25, 0x00, 0x00), undefined);
  at(0xff, 0x02, 0x03);
  assert.equal(pc.nextEvent(), 123n * SECOND);
  assert.equal(pc.interrupt(), 0x28);
  assert.equal(pc.get(C) & (0x80 | ALARM), 0x80 | ALARM);
});

test('an alarm at a second that never comes is not looked for again and again', () => {
  const pc = new Board();
  pc.set(B, ALARM | 0x02);
  pc.set(5, 0xff);
  pc.set(3, 0xff);
  pc.set(1, 0x7f);
  const began = performance.now();
  for (let looks = 0; looks < 10_000; looks++) assert.equal(pc.platform.nextEvent(), undefined);
  assert.ok(performance.now() - began < 2000);
});

test('the alarm found by rule is the alarm found by trying every second', () => {
  const field = (max: number): fc.Arbitrary<number> => fc.oneof(fc.constant(0xff), fc.nat(max));
  fc.assert(
    fc.property(field(23), field(59), field(59), fc.nat(86_399), (hours, minutes, seconds, from) => {
      const pc = new Board();
      pc.set(B, 0x06);
      pc.pass(BigInt(from) * SECOND);
      pc.set(5, hours);
      pc.set(3, minutes);
      pc.set(1, seconds);
      pc.get(C);
      pc.set(B, ALARM | 0x06);
      const agrees = (alarm: number, value: number): boolean => alarm === 0xff || alarm === value;
      let second = from + 1;
      while (
        !agrees(hours, Math.floor(second / 3600) % 24) ||
        !agrees(minutes, Math.floor(second / 60) % 60) ||
        !agrees(seconds, second % 60)
      ) {
        second++;
      }
      assert.equal(pc.platform.nextEvent(), BigInt(second) * SECOND);
    }),
    { numRuns: 60, seed: 146_818 },
  );
});

test('the divider held in reset stops the clock; the first update is half a second after its release', () => {
  const pc = new Board();
  pc.pass(SECOND / 10n);
  pc.set(A, 0x76);
  pc.pass(100n * SECOND);
  assert.equal(pc.get(0), 0);
  pc.set(A, 0x26);
  pc.pass(SECOND / 2n - 1n);
  assert.equal(pc.get(0), 0);
  pc.pass(1n);
  assert.equal(pc.get(0), 1);
  pc.pass(SECOND);
  assert.equal(pc.get(0), 2);
});

test('CMOS RAM keeps what is written; registers C and D are read-only', () => {
  const pc = new Board();
  pc.set(0x50, 0xa5);
  pc.set(C, 0xff);
  pc.set(0x0d, 0);
  assert.deepEqual(
    [0x50, C, 0x0d].map((register) => pc.get(register)),
    [0xa5, 0, 0x80],
  );
});
