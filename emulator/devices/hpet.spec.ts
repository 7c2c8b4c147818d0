import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestPlatform } from './test-platform.fixture';

const BASE = 0xfed0_0000;
const IO_APIC = 0xfec0_0000;
const ENABLE = 1n;
const LEGACY = 2n;
const LEVEL = 0x2n;
const INTERRUPT = 0x4n;
const PERIODIC = 0x8n;
const SET_VALUE = 0x40n;
const MODE32 = 0x100n;
const route = (pin: number): bigint => BigInt(pin) << 9n;

class Board extends TestPlatform {
  get(offset: number, size = 8): bigint {
    return this.platform.read(BASE + offset, size);
  }
  set(offset: number, value: bigint, size = 8): void {
    this.platform.write(BASE + offset, size, value);
  }
  redirect(pin: number, low: number): void {
    this.platform.write(IO_APIC, 4, BigInt(0x10 + 2 * pin));
    this.platform.write(IO_APIC + 0x10, 4, BigInt(low));
  }
  timer(n: number, configuration: bigint, comparator: bigint): void {
    this.set(0x100 + 0x20 * n, configuration);
    this.set(0x108 + 0x20 * n, comparator);
  }
  eoi(): void {
    this.setApic(0xb0, 0);
  }
}

test('the capabilities say 100 MHz, 64 bits, three timers, legacy replacement', () => {
  const pc = new Board();
  assert.equal(pc.get(0), 0x0098_9680_8086_a201n);
  assert.equal(pc.get(4, 4), 10_000_000n);
  pc.set(0, 0n);
  assert.equal(pc.get(0), 0x0098_9680_8086_a201n);
});

test('the counter counts while enabled only, and is written while halted only', () => {
  const pc = new Board();
  pc.pass(1000n);
  assert.equal(pc.get(0xf0), 0n);
  pc.set(0xf0, 0xffff_ffffn);
  pc.set(0x10, ENABLE);
  pc.pass(20n);
  assert.equal(pc.get(0xf0), 0x1_0000_0001n);
  assert.equal(pc.get(0xf4, 4), 1n);
  pc.set(0xf0, 5n);
  pc.pass(10n);
  assert.equal(pc.get(0xf0), 0x1_0000_0002n);
  pc.set(0x10, 0n);
  pc.pass(1000n);
  assert.equal(pc.get(0xf0), 0x1_0000_0002n);
});

test('a one-shot timer interrupts once, through the input it is routed to', () => {
  const pc = new Board();
  pc.redirect(20, 0x40);
  pc.timer(2, INTERRUPT | route(20), 500n);
  pc.set(0x10, ENABLE);
  assert.equal(pc.nextEvent(), 5000n);
  assert.equal(pc.interrupt(), 0x40);
  pc.eoi();
  pc.pass(100_000n);
  assert.equal(pc.interrupt(), undefined);
});

test('a periodic timer stays on its grid, whenever somebody looks', () => {
  const pc = new Board();
  pc.redirect(21, 0x41);
  pc.timer(0, INTERRUPT | PERIODIC | SET_VALUE | route(21), 1000n);
  pc.set(0x10, ENABLE);
  for (const at of [10_000n, 20_000n, 30_000n]) {
    assert.equal(pc.nextEvent(), at);
    assert.equal(pc.interrupt(), 0x41);
    pc.eoi();
  }
  pc.pass(1_234_567n);
  pc.interrupt();
  pc.eoi();
  assert.equal(pc.nextEvent(), 1_270_000n);
});

test('with the set-value bit first the comparator is written, then the period', () => {
  const pc = new Board();
  pc.redirect(21, 0x41);
  pc.set(0x100, INTERRUPT | PERIODIC | SET_VALUE | route(21));
  pc.set(0x108, 300n);
  assert.equal(pc.get(0x100) & SET_VALUE, 0n);
  pc.set(0x108, 1000n);
  pc.set(0x10, ENABLE);
  assert.deepEqual([pc.nextEvent(), pc.nextEvent()], [3000n, 13_000n]);
  assert.equal(pc.get(0x108), 2300n);
});

test('a level-triggered timer holds its line until its status bit is cleared', () => {
  const pc = new Board();
  pc.redirect(22, 0x8042);
  pc.timer(1, INTERRUPT | LEVEL | route(22), 10n);
  pc.set(0x10, ENABLE);
  pc.nextEvent();
  assert.equal(pc.get(0x20), 2n);
  assert.equal(pc.interrupt(), 0x42);
  pc.eoi();
  assert.equal(pc.interrupt(), 0x42);
  pc.set(0x20, 2n);
  assert.equal(pc.get(0x20), 0n);
  pc.eoi();
  assert.equal(pc.interrupt(), undefined);
});

test('in 32-bit mode the comparator is compared with half the counter', () => {
  const pc = new Board();
  pc.redirect(20, 0x40);
  pc.set(0xf0, 0x7_ffff_fff0n);
  pc.timer(2, INTERRUPT | MODE32 | route(20), 0x10n);
  pc.set(0x10, ENABLE);
  assert.equal(pc.nextEvent(), 320n);
  assert.equal(pc.interrupt(), 0x40);
});

test('a route a timer does not have is not taken', () => {
  const pc = new Board();
  pc.set(0x100, route(20));
  pc.set(0x100, route(3));
  assert.equal(pc.get(0x100) & 0x3e00n, route(20));
  assert.equal(pc.get(0x104, 4), 0x00f0_0000n);
});

test('in legacy replacement timer 0 is interrupt request 0 and the 8254 is not heard', () => {
  const pc = new Board();
  pc.initPic(0xfe, 0xff);
  pc.out(0x43, 0x34);
  pc.out(0x40, 0x10, 0x27);
  pc.set(0x10, ENABLE | LEGACY);
  assert.equal(pc.platform.nextEvent(), undefined);
  pc.timer(0, INTERRUPT | PERIODIC | SET_VALUE, 100n);
  assert.equal(pc.nextEvent(), 1000n);
  assert.equal(pc.interrupt(), 0x20);
  pc.out(0x20, 0x20);
  assert.equal(pc.nextEvent(), 2000n);
  assert.equal(pc.interrupt(), 0x20);
});

test('a level-triggered request follows its timer into legacy replacement, and leaves no line behind', () => {
  const pc = new Board();
  pc.initPic(0xff, 0xff);
  pc.setApic(0xf0, 0x1ff);
  pc.timer(0, INTERRUPT | LEVEL | route(20), 10n);
  pc.set(0x10, ENABLE);
  pc.pass(1000n);
  pc.set(0x10, ENABLE | LEGACY);
  pc.set(0x20, 1n);
  pc.redirect(20, 0x8050);
  assert.equal(pc.interrupt(), undefined);
});
