import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestPlatform } from './test-platform.fixture';

const BASE = 0xfec0_0000;
const REG = { id: 0, version: 1, arbitration: 2 } as const;
const LEVEL = 0x8000;
const ACTIVE_LOW = 0x2000;
const MASKED = 0x1_0000;
const LOGICAL = 0x800;
const REMOTE_IRR = 0x4000;
/** The test device's port for an interrupt line. */
const LINE = 0x2000;

class Board extends TestPlatform {
  constructor(processors = 1) {
    super(processors);
    // Only the I/O APIC is heard.
    this.initPic(0xff, 0xff);
  }
  get(register: number): number {
    this.platform.write(BASE, 4, BigInt(register));
    return Number(this.platform.read(BASE + 0x10, 4));
  }
  set(register: number, value: number): void {
    this.platform.write(BASE, 4, BigInt(register));
    this.platform.write(BASE + 0x10, 4, BigInt(value >>> 0));
  }
  redirect(pin: number, low: number, destination = 0): void {
    this.set(0x11 + 2 * pin, destination << 24);
    this.set(0x10 + 2 * pin, low);
  }
  line(number: number, level: 0 | 1): void {
    this.platform.writePort(LINE + number, 4, level);
  }
  eoi(): void {
    this.setApic(0xb0, 0);
  }
}

test('the I/O APIC has 24 inputs, version 0x20, a 4-bit ID that arbitration follows, and starts masked', () => {
  const pc = new Board();
  assert.equal(pc.get(REG.version), 0x0017_0020);
  pc.set(REG.version, 0xffff_ffff);
  assert.equal(pc.get(REG.version), 0x0017_0020);
  pc.set(REG.id, 0xffff_ffff);
  assert.equal(pc.get(REG.id), 0x0f00_0000);
  assert.equal(pc.get(REG.arbitration), 0x0f00_0000);
  pc.set(REG.arbitration, 0);
  assert.equal(pc.get(REG.arbitration), 0x0f00_0000);
  for (let pin = 0; pin < 24; pin++) {
    assert.equal(pc.get(0x10 + 2 * pin), MASKED);
    assert.equal(pc.get(0x11 + 2 * pin), 0);
  }
  assert.equal(pc.get(0x40), 0);
});

test('delivery status and remote IRR of an entry cannot be written, reserved bits read as zero', () => {
  const pc = new Board();
  pc.set(0x10 + 2 * 20, 0xffff_ffff);
  pc.set(0x11 + 2 * 20, 0xffff_ffff);
  assert.equal(pc.get(0x10 + 2 * 20), 0x1_afff);
  assert.equal(pc.get(0x11 + 2 * 20), 0xff00_0000);
});

test('an edge-triggered input gives one interrupt an edge, and an edge while masked is lost', () => {
  const pc = new Board();
  pc.redirect(14, 0x76);
  pc.line(14, 1);
  assert.equal(pc.interrupt(), 0x76);
  pc.eoi();
  assert.equal(pc.interrupt(), undefined);
  pc.line(14, 0);
  pc.line(14, 1);
  assert.equal(pc.interrupt(), 0x76);
  pc.eoi();
  pc.line(14, 0);
  pc.redirect(14, 0x76 | MASKED);
  pc.line(14, 1);
  pc.redirect(14, 0x76);
  assert.equal(pc.interrupt(), undefined);
});

test('edges of a timer that nobody looked at while it was masked are lost too', () => {
  const pc = new Board();
  pc.initPic(0xff, 0xff);
  pc.out(0x43, 0x34);
  pc.out(0x40, 0x10, 0x27);
  pc.time = 100_000_000n;
  pc.redirect(2, 0x31);
  assert.equal(pc.interrupt(), undefined);
  assert.ok((pc.platform.nextEvent() ?? 0n) > pc.time);
  pc.nextEvent();
  assert.equal(pc.interrupt(), 0x31);
});

test('a level-triggered input interrupts until it is released, and not again before the end of interrupt', () => {
  const pc = new Board();
  pc.redirect(14, 0x77 | LEVEL);
  pc.line(14, 1);
  assert.equal(pc.get(0x10 + 28), 0x77 | LEVEL | REMOTE_IRR);
  assert.equal(pc.apic(0x180 + 0x10 * 3), 1 << 0x17, 'trigger mode register');
  assert.equal(pc.interrupt(), 0x77);
  pc.line(14, 0);
  pc.line(14, 1);
  assert.equal(pc.interrupt(), undefined);
  pc.eoi();
  assert.equal(pc.interrupt(), 0x77);
  pc.line(14, 0);
  pc.eoi();
  assert.equal(pc.interrupt(), undefined);
  assert.equal(pc.get(0x10 + 28), 0x77 | LEVEL);
});

test('an active level waits behind the mask', () => {
  const pc = new Board();
  pc.redirect(14, 0x82 | LEVEL | MASKED);
  pc.line(14, 1);
  assert.equal(pc.interrupt(), undefined);
  pc.redirect(14, 0x82 | LEVEL);
  assert.equal(pc.interrupt(), 0x82);
});

test('the EOI register services the vector named, and a change to edge-triggered forgets the remote IRR', () => {
  const pc = new Board();
  pc.redirect(20, 0x55 | LEVEL);
  pc.line(20, 1);
  pc.line(20, 0);
  pc.platform.write(BASE + 0x40, 4, 0x54n);
  assert.equal(pc.get(0x10 + 40), 0x55 | LEVEL | REMOTE_IRR);
  pc.platform.write(BASE + 0x40, 4, 0x55n);
  assert.equal(pc.get(0x10 + 40), 0x55 | LEVEL);
  pc.line(20, 1);
  pc.line(20, 0);
  pc.redirect(20, 0x55);
  pc.redirect(20, 0x55 | LEVEL);
  assert.equal(pc.get(0x10 + 40), 0x55 | LEVEL);
});

test('an active-low input is active while its line is low', () => {
  const pc = new Board();
  pc.line(21, 1);
  pc.redirect(21, 0x60 | LEVEL | ACTIVE_LOW);
  assert.equal(pc.interrupt(), undefined);
  pc.line(21, 0);
  assert.equal(pc.interrupt(), 0x60);
  pc.line(21, 1);
  pc.eoi();
  assert.equal(pc.interrupt(), undefined);
});

test('an edge to a destination where nobody is is gone', () => {
  const pc = new Board();
  pc.redirect(14, 0x76, 5);
  pc.line(14, 1);
  assert.equal(pc.interrupt(), undefined);
});

test('physical, logical and broadcast destinations reach the processors they name; lowest priority reaches one', () => {
  const pc = new Board(2);
  for (const processor of [0, 1]) {
    pc.switchTo(processor);
    pc.setApic(0xf0, 0x1ff);
    pc.setApic(0xd0, (1 << processor) << 24);
  }
  const taken = (): (number | undefined)[] => [0, 1].map((processor) => pc.interrupt(processor));
  const toggle = (): void => {
    pc.line(22, 1);
    pc.line(22, 0);
  };
  const end = (): void => {
    for (const processor of [0, 1]) {
      pc.switchTo(processor);
      pc.eoi();
    }
  };
  for (const [low, destination, expected] of [
    [0x40, 1, [undefined, 0x40]],
    [0x40 | LOGICAL, 2, [undefined, 0x40]],
    [0x40 | LOGICAL, 3, [0x40, 0x40]],
    [0x40, 0xff, [0x40, 0x40]],
    [0x140 | LOGICAL, 3, [0x40, undefined]],
  ] as const) {
    pc.redirect(22, low, destination);
    toggle();
    assert.deepEqual(taken(), expected);
    end();
  }
});

test('the timer is at input 2, the PIC at input 0 as an external interrupt', () => {
  const pc = new Board();
  pc.redirect(2, 0x31);
  pc.out(0x43, 0x34);
  pc.out(0x40, 0x10, 0x27);
  pc.nextEvent();
  assert.equal(pc.interrupt(), 0x31);
  pc.eoi();
  pc.redirect(2, MASKED);
  // LINT0 closed: the PIC's request comes as a message.
  pc.setApic(0x350, MASKED);
  pc.redirect(0, 0x700);
  pc.initPic(0xef, 0xff);
  pc.line(4, 1);
  assert.equal(pc.interrupt(), 0x24);
});

test('an NMI of the I/O APIC is latched at the processor', () => {
  const pc = new Board();
  pc.redirect(23, 0x400);
  pc.line(23, 1);
  assert.equal(pc.latched() & 1, 1);
});

test('registers narrower than 32 bits are not written, and the space between them reads as zero', () => {
  const pc = new Board();
  pc.platform.write(BASE, 1, 0x10n + 28n);
  pc.platform.write(BASE + 0x10, 2, 0x55n);
  assert.equal(pc.get(0x10 + 28), MASKED);
  assert.equal(pc.platform.read(BASE + 4, 4), 0n);
  assert.equal(pc.platform.claims(BASE / 4096), true);
  assert.equal(pc.platform.claims(BASE / 4096 + 1), false);
});
