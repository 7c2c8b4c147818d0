import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MACHINE } from '../state/layout';
import { TestPlatform } from './test-platform.fixture';

const SECOND = 1_000_000_000n;
const PM = { status: 0x600, enable: 0x602, control: 0x604, timer: 0x608 } as const;

test('the power-management timer counts 3.579545 MHz in 24 bits', () => {
  const pc = new TestPlatform();
  pc.pass(SECOND);
  assert.equal(pc.in(PM.timer, 4), 3_579_545);
  assert.equal(pc.in(PM.timer, 1), 3_579_545 & 0xff);
  pc.pass(9n * SECOND);
  assert.equal(pc.in(PM.timer, 4), 35_795_450 % 2 ** 24);
});

test('the timer’s status is set whenever its topmost bit changes, and gives a system control interrupt', () => {
  const pc = new TestPlatform();
  pc.initPic(0xfb, 0xfd);
  pc.out(0x4d1, 0x02);
  pc.platform.writePort(PM.enable, 2, 1);
  const half = (2n ** 23n * SECOND + 3_579_544n) / 3_579_545n;
  assert.equal(pc.nextEvent(), half);
  assert.equal(pc.in(PM.status, 2), 1);
  assert.equal(pc.interrupt(), 0x29);
  pc.platform.writePort(PM.status, 2, 1);
  assert.equal(pc.in(PM.status, 4), 0x1_0000);
  pc.out(0xa0, 0x20);
  pc.out(0x20, 0x20);
  assert.equal(pc.interrupt(), undefined);
  pc.nextEvent();
  assert.equal(pc.interrupt(), 0x29);
});

test('the machine is in ACPI mode; sleep type 0 with the sleep bit powers off, the type alone does not', () => {
  const pc = new TestPlatform();
  assert.equal(pc.in(PM.control, 2), 1);
  pc.platform.writePort(PM.control, 2, 0x0400);
  assert.equal(pc.in(PM.control, 2), 0x0401);
  assert.equal(pc.memory.u32[MACHINE.poweredOff >> 2], 0);
  pc.platform.writePort(PM.control, 2, 0x2000);
  assert.equal(pc.memory.u32[MACHINE.poweredOff >> 2], 0x8000_0000);
});

test('fw_cfg gives its signature, the size of RAM and the number of processors, and zeros behind their ends', () => {
  const pc = new TestPlatform(3);
  const item = (key: number, length: number): number[] => {
    pc.platform.writePort(0x510, 2, key);
    return Array.from({ length }, () => pc.in(0x511));
  };
  assert.deepEqual(item(0x00, 5), [...Buffer.from('QEMU'), 0]);
  assert.deepEqual(item(0x03, 8), [0, 0, 0, 1, 0, 0, 0, 0]);
  assert.deepEqual(item(0x05, 3), [3, 0, 0]);
  assert.deepEqual(item(0x0f, 2), [3, 0]);
  assert.deepEqual(item(0x19, 4), [0, 0, 0, 0]);
  assert.deepEqual(item(0x7777, 2), [0, 0]);
});

test('PCI configuration shows a host bridge and an ISA bridge, and all ones everywhere else', () => {
  const pc = new TestPlatform();
  const at = (address: number, size = 4, within = 0): number => {
    pc.platform.writePort(0xcf8, 4, (0x8000_0000 | address) >>> 0);
    return pc.in(0xcfc + within, size);
  };
  assert.equal(at(0x0000), 0x1237_8086);
  assert.equal(at(0x0800), 0x7000_8086);
  assert.equal(at(0x0808, 2, 2), 0x0601);
  assert.equal(at(0x0008, 1, 3), 0x06);
  for (const absent of [0x1000, 0x0100, 0x1_0000]) assert.equal(at(absent), 0xffff_ffff);
  pc.platform.writePort(0xcf8, 4, 0);
  assert.equal(pc.in(0xcfc, 4), 0xffff_ffff);
});

test('the test device keeps four bytes in port space and a page on the bus, and drives interrupt lines', () => {
  const pc = new TestPlatform();
  pc.platform.writePort(0xe0, 4, 0x1234_5678);
  assert.equal(pc.in(0xe0, 4), 0x1234_5678);
  assert.equal(pc.in(0xe2, 2), 0x1234);
  pc.out(0xe1, 0xab);
  assert.equal(pc.in(0xe8, 4) & 0xff, 0x78, 'port 0xe9 is the debug console');
  assert.equal(pc.in(0xe0, 2), 0xab78);
  pc.platform.writePort(0xe4, 4, 0x1000);
  pc.platform.write(0xff00_0010, 8, 0x0102_0304_0506_0708n);
  assert.equal(pc.platform.read(0xff00_0014, 2), 0x0304n);
  pc.initPic(0xfb, 0xf7);
  pc.platform.writePort(0x2000 + 11, 4, 1);
  assert.equal(pc.interrupt(), 0x2b);
});
