import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MachineMemory } from '../state/memory';
import { DeviceState } from './device-state';
import { PicPair } from './pic';

function pair(icw4 = 0x01, masks = 0): PicPair {
  const pic = new PicPair(new DeviceState(new MachineMemory(0x1_0000)), () => undefined);
  pic.reset();
  const program: readonly (readonly [number, number])[] = [
    [0x20, 0x11],
    [0x21, 0x20],
    [0x21, 0x04],
    [0x21, icw4],
    [0x21, masks],
    [0xa0, 0x11],
    [0xa1, 0x28],
    [0xa1, 0x02],
    [0xa1, icw4 & 0x0f],
    [0xa1, masks],
  ];
  for (const [port, value] of program) pic.write(port, value);
  return pic;
}

const pulse = (pic: PicPair, irq: number): void => {
  pic.setLine(irq, true);
  pic.setLine(irq, false);
};
const isr = (pic: PicPair, port: number): number => {
  pic.write(port, 0x0b);
  return pic.read(port);
};
const irr = (pic: PicPair, port: number): number => {
  pic.write(port, 0x0a);
  return pic.read(port);
};

test('the lower request wins, and blocks equal and higher ones until its end', () => {
  const pic = pair();
  pulse(pic, 5);
  pulse(pic, 3);
  assert.equal(irr(pic, 0x20), 0x28);
  assert.equal(pic.acknowledge(), 0x23);
  assert.equal(isr(pic, 0x20), 0x08);
  assert.equal(pic.requested, false);
  pulse(pic, 1);
  assert.equal(pic.acknowledge(), 0x21);
  pic.write(0x20, 0x20);
  assert.equal(isr(pic, 0x20), 0x08, 'a non-specific EOI ends the highest priority');
  assert.equal(pic.requested, false);
  pic.write(0x20, 0x63);
  assert.equal(pic.acknowledge(), 0x25);
});

test('a masked request is remembered and appears when it is unmasked', () => {
  const pic = pair(1, 0xff);
  pulse(pic, 4);
  assert.equal(pic.requested, false);
  pic.write(0x21, 0xef);
  assert.equal(pic.acknowledge(), 0x24);
});

test('requests 8 to 15 come through input 2 and need two EOIs', () => {
  const pic = pair();
  pulse(pic, 10);
  pulse(pic, 3);
  assert.equal(pic.acknowledge(), 0x2a);
  assert.equal(isr(pic, 0x20), 0x04);
  assert.equal(isr(pic, 0xa0), 0x04);
  pic.write(0xa0, 0x20);
  assert.equal(pic.requested, false, 'the first chip still has input 2 in service');
  pic.write(0x20, 0x20);
  assert.equal(pic.acknowledge(), 0x23);
});

test('two requests of the second chip are delivered one after the other', () => {
  const pic = pair();
  pulse(pic, 12);
  pulse(pic, 9);
  assert.equal(pic.acknowledge(), 0x29);
  pic.write(0xa0, 0x20);
  pic.write(0x20, 0x20);
  assert.equal(pic.acknowledge(), 0x2c);
});

test('special fully nested mode lets a higher request of the second chip interrupt a lower one', () => {
  const pic = pair(0x11);
  pulse(pic, 12);
  assert.equal(pic.acknowledge(), 0x2c);
  pulse(pic, 9);
  assert.equal(pic.requested, true);
  assert.equal(pic.acknowledge(), 0x29);
});

test('an acknowledge without a request gives the spurious vector and nothing in service', () => {
  const pic = pair();
  assert.equal(pic.acknowledge(), 0x27);
  assert.equal(isr(pic, 0x20), 0);
});

test('automatic EOI leaves nothing in service', () => {
  const pic = pair(0x03);
  pulse(pic, 4);
  assert.equal(pic.acknowledge(), 0x24);
  assert.equal(isr(pic, 0x20), 0);
});

test('rotation on EOI makes the input just served the lowest', () => {
  const pic = pair();
  pulse(pic, 0);
  assert.equal(pic.acknowledge(), 0x20);
  pic.write(0x20, 0xa0);
  pulse(pic, 0);
  pulse(pic, 7);
  assert.equal(pic.acknowledge(), 0x27);
});

test('set priority makes the named input the lowest', () => {
  const pic = pair();
  pic.write(0x20, 0xc0 | 4);
  pulse(pic, 4);
  pulse(pic, 5);
  assert.equal(pic.acknowledge(), 0x25);
});

test('special mask mode lets lower requests through a masked input in service', () => {
  const pic = pair();
  pulse(pic, 1);
  assert.equal(pic.acknowledge(), 0x21);
  pulse(pic, 6);
  pic.write(0x21, 0x02);
  assert.equal(pic.requested, false);
  pic.write(0x20, 0x68);
  assert.equal(pic.acknowledge(), 0x26);
});

test('a poll reads the request and acknowledges it', () => {
  const pic = pair();
  pulse(pic, 6);
  pic.write(0x20, 0x0c);
  assert.equal(pic.read(0x20), 0x86);
  assert.equal(isr(pic, 0x20), 0x40);
});

test('an edge-triggered line requests once, a level-triggered one as long as it is high', () => {
  const pic = pair();
  pic.setLine(5, true);
  assert.equal(pic.acknowledge(), 0x25);
  pic.write(0x20, 0x20);
  assert.equal(pic.requested, false);
  pic.setLine(5, false);

  pic.write(0x4d0, 0xff);
  assert.equal(pic.read(0x4d0), 0xf8, 'timer, keyboard and cascade stay edge-triggered');
  pic.setLine(5, true);
  assert.equal(pic.acknowledge(), 0x25);
  pic.write(0x20, 0x20);
  assert.equal(pic.requested, true);
  pic.setLine(5, false);
  assert.equal(pic.requested, false);
});
