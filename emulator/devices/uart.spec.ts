import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestPlatform } from './test-platform.fixture';

const RBR = 0x3f8;
const IER = 0x3f9;
const IIR = 0x3fa;
const LCR = 0x3fb;
const MCR = 0x3fc;
const LSR = 0x3fd;
const MSR = 0x3fe;

const bytes = (text: string): Uint8Array => Buffer.from(text);

test('the driver sequence of a 16550 prints and finds the transmitter empty', () => {
  const pc = new TestPlatform();
  pc.out(IER, 0);
  pc.out(LCR, 0x80);
  pc.out(RBR, 0x01);
  pc.out(IER, 0x00);
  assert.equal(pc.in(RBR), 1, 'divisor latch');
  pc.out(LCR, 0x03);
  pc.out(IIR, 0xc7);
  assert.equal(pc.in(IIR), 0xc1, 'FIFOs enabled, nothing pending');
  for (const byte of bytes('hi\n')) {
    assert.equal(pc.in(LSR) & 0x60, 0x60);
    pc.out(RBR, byte);
  }
  assert.equal(pc.serial, 'hi\n');
});

test('the scratch register holds a byte, LSR and MSR are read-only', () => {
  const pc = new TestPlatform();
  pc.out(0x3ff, 0xa5);
  pc.out(LSR, 0);
  pc.out(MSR, 0);
  assert.equal(pc.in(0x3ff), 0xa5);
  assert.equal(pc.in(LSR), 0x60);
  assert.equal(pc.in(MSR), 0xb0);
});

test('loopback sends what is transmitted to the receiver and modem outputs to modem inputs', () => {
  const pc = new TestPlatform();
  pc.out(IIR, 0x07);
  pc.out(MCR, 0x1e);
  pc.out(RBR, 0xae);
  assert.equal(pc.serial, '');
  assert.equal(pc.in(LSR) & 1, 1);
  assert.equal(pc.in(RBR), 0xae);
  // RTS as CTS, OUT1 as RI, OUT2 as DCD; DTR is off, so DSR is.
  assert.equal(pc.in(MSR) & 0xf0, 0xd0);
  pc.out(MCR, 0x11);
  assert.equal(pc.in(MSR), 0x2f, 'CTS, DSR and DCD changed, RI ended');
  assert.equal(pc.in(MSR), 0x20, 'reading clears the deltas');
});

test('input waits in the queue until the guest has made room, and none is lost', () => {
  const pc = new TestPlatform();
  pc.out(IIR, 0x01);
  const text = 'a'.repeat(100) + 'end';
  assert.equal(pc.platform.input(bytes(text)), 103);
  let read = '';
  while (pc.in(LSR) & 1) read += String.fromCharCode(pc.in(RBR));
  assert.equal(read, text);
  assert.equal(pc.in(LSR) & 2, 0, 'no overrun');
  assert.equal(pc.platform.input(new Uint8Array(10000)) <= 4112, true);
});

test('an overrun in loopback is reported once', () => {
  const pc = new TestPlatform();
  pc.out(MCR, 0x10);
  pc.out(RBR, 1, 2);
  assert.equal(pc.in(LSR) & 3, 3);
  assert.equal(pc.in(LSR) & 3, 1);
  assert.equal(pc.in(RBR), 2, 'without FIFO the new character replaces the old');
});

test('interrupts are identified by priority: line status, data, transmitter, modem', () => {
  const pc = new TestPlatform();
  pc.out(MCR, 0x10);
  pc.out(IER, 0x0f);
  pc.out(RBR, 1, 2);
  pc.out(MCR, 0x12);
  assert.equal(pc.in(IIR), 0x06);
  pc.in(LSR);
  assert.equal(pc.in(IIR), 0x04);
  pc.in(RBR);
  assert.equal(pc.in(IIR), 0x02);
  assert.equal(pc.in(IIR), 0x00, 'reading IIR clears the transmitter interrupt');
  pc.in(MSR);
  assert.equal(pc.in(IIR), 0x01);
});

test('below the trigger level the FIFO gives a character timeout, at it received data', () => {
  const pc = new TestPlatform();
  pc.out(IIR, 0x41);
  pc.out(IER, 1);
  pc.platform.input(bytes('abc'));
  assert.equal(pc.in(IIR), 0xcc);
  pc.platform.input(bytes('d'));
  assert.equal(pc.in(IIR), 0xc4);
});

test('interrupt request 4 reaches the processor only while OUT2 is set', () => {
  const pc = new TestPlatform();
  pc.initPic(0xef, 0xff);
  pc.out(IER, 1);
  pc.platform.input(bytes('x'));
  assert.equal(pc.interrupt(), undefined);
  pc.out(MCR, 0x08);
  assert.equal(pc.interrupt(), 0x24);
});

test('every received character gives a new edge to the controller', () => {
  const pc = new TestPlatform();
  pc.initPic(0xef, 0xff);
  pc.out(MCR, 0x0b);
  pc.out(IER, 1);
  pc.platform.input(bytes('xyz'));
  let got = '';
  for (let vector = pc.interrupt(); vector !== undefined; vector = pc.interrupt()) {
    assert.equal(vector, 0x24);
    got += String.fromCharCode(pc.in(RBR));
    pc.out(0x20, 0x20);
  }
  assert.equal(got, 'xyz');
});

test('a driver that transmits from its interrupt sends everything', () => {
  const pc = new TestPlatform();
  pc.initPic(0xef, 0xff);
  pc.out(MCR, 0x0b);
  const text = [...'interrupt-driven'];
  pc.out(IER, 2);
  for (let vector = pc.interrupt(); vector !== undefined; vector = pc.interrupt()) {
    assert.equal(pc.in(IIR) & 0x0f, 2);
    const next = text.shift();
    if (next !== undefined) pc.out(RBR, next.charCodeAt(0));
    pc.out(0x20, 0x20);
  }
  assert.equal(pc.serial, 'interrupt-driven');
});
