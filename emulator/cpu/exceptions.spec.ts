import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDARY, CONTROL, DESCRIPTOR_TABLES } from '../state/layout';
import { EVENT_TYPE } from '../tables/interruption-info';
import { combine, deliverException, deliverInterrupt, deliverNmi, injectEvent, softwareInterrupt } from './exceptions';
import { AT, bareProcessor, longMode, mapPage, SELECTOR, setGate, setLevel } from './processor.fixture';
import { SEG } from './processor';
import { RSP } from './registers';

const frame = (fixture: ReturnType<typeof longMode>, count: number): readonly bigint[] =>
  Array.from({ length: count }, (_, i) => fixture.memory.read64(Number(fixture.cpu.gpr(RSP)) + i * 8));

test('a page fault from user mode switches to RSP0 and pushes SS, RSP, RFLAGS with RF, CS, RIP and the error code', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  setGate(memory, 14, 0x1_2340n);
  setLevel(cpu, 3);
  cpu.rip = 0x4_0000n;
  cpu.rflags = 0x202;
  assert.equal(deliverException(cpu, { vector: 14, errorCode: 6, address: 0x1234_5000n }), 'delivered');
  assert.equal(cpu.rip, 0x1_2340n);
  assert.equal(cpu.field(CONTROL.cr2), 0x1234_5000n);
  assert.equal(cpu.cpl, 0);
  assert.equal(cpu.rflags & 0x200, 0);
  assert.equal(cpu.gpr(RSP), BigInt(AT.stack0 - 48));
  assert.deepEqual(frame(fixture, 6), [
    6n,
    0x4_0000n,
    BigInt(SELECTOR.userCode),
    0x1_0202n,
    BigInt(AT.stack),
    BigInt(SELECTOR.userData),
  ]);
});

test('an IST gate uses its stack even at the same privilege, aligned to 16 bytes, and leaves SS alone', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  setGate(memory, 2, 0x1_0000n, 1);
  cpu.setGpr(RSP, BigInt(AT.stack - 4));
  deliverNmi(cpu);
  assert.equal(cpu.gpr(RSP), BigInt(AT.ist1 - 40));
  assert.equal(cpu.selector(SEG.SS), SELECTOR.data);
  assert.equal(cpu.field32(BOUNDARY.interruptibility) & 8, 8);
});

test('a fault while delivering #GP is a double fault with error code 0', () => {
  const fixture = longMode();
  setGate(fixture.memory, 8, 0x1_8000n);
  fixture.cpu.rip = 0x4_0000n;
  assert.equal(deliverException(fixture.cpu, { vector: 13, errorCode: 0, address: 0n }), 'delivered');
  assert.equal(fixture.cpu.rip, 0x1_8000n);
  assert.deepEqual(frame(fixture, 2), [0n, 0x4_0000n]);
});

test('an empty IDT turns a page fault into shutdown, and the chain tells each step with its reason', () => {
  const { cpu } = longMode();
  cpu.setField32(DESCRIPTOR_TABLES.idtrLimit, 0);
  assert.equal(deliverException(cpu, { vector: 14, errorCode: 2, address: 0x5000n }), 'shutdown');
  assert.equal(cpu.field32(BOUNDARY.activity), 2);
  assert.deepEqual(
    cpu.faultChain.map(({ vector, reason }) => [vector, reason]),
    [
      [14, 'IDT entry 14 lies beyond the IDTR limit'],
      [8, 'IDT entry 8 lies beyond the IDTR limit'],
    ],
  );
});

test('a page fault while delivering an interrupt is delivered by itself', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  setGate(memory, 14, 0x1_4000n, 1);
  setGate(memory, 32, 0x1_5000n);
  mapPage(memory, AT.stack - 0x1000, 0n);
  assert.equal(deliverInterrupt(cpu, 32), 'delivered');
  assert.equal(cpu.rip, 0x1_4000n);
  assert.equal(cpu.field(CONTROL.cr2), BigInt(AT.stack - 8));
  assert.equal(cpu.delivering, undefined);
});

test('classes of double faults are those of the SDM', () => {
  const event = (vector: number): Parameters<typeof combine>[0] => ({
    type: EVENT_TYPE.HARDWARE_EXCEPTION,
    vector,
    errorCode: undefined,
    instructionLength: 0,
  });
  const table: readonly (readonly [number, number, string])[] = [
    [1, 14, 'serial'],
    [6, 13, 'serial'],
    [0, 13, 'double'],
    [13, 14, 'serial'],
    [13, 11, 'double'],
    [14, 13, 'double'],
    [14, 14, 'double'],
    [14, 6, 'serial'],
    [8, 13, 'triple'],
    [8, 14, 'triple'],
    [8, 1, 'serial'],
  ];
  for (const [first, second, expected] of table) {
    assert.equal(combine(event(first), event(second)), expected, `${first} then ${second}`);
  }
});

test('an injected software interrupt pushes the RIP behind it and checks the gate’s DPL', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  setGate(memory, 0x80, 0x1_6000n, 0, 0xee);
  setGate(memory, 13, 0x1_7000n);
  setGate(memory, 0x81, 0x1_6000n);
  setLevel(cpu, 3);
  cpu.rip = 0x4_0000n;
  injectEvent(cpu, { type: 4, vector: 0x80, errorCode: undefined, instructionLength: 2 });
  assert.equal(frame(fixture, 1)[0], 0x4_0002n);
  setLevel(cpu, 3);
  cpu.rip = 0x4_0000n;
  injectEvent(cpu, { type: 4, vector: 0x81, errorCode: undefined, instructionLength: 2 });
  assert.equal(cpu.rip, 0x1_7000n);
  assert.deepEqual(frame(fixture, 2), [BigInt(0x81 * 8 + 2), 0x4_0000n]);
});

test('INT1 behind MOV SS tells the data breakpoint that MOV SS met in its own #DB; INT3 leaves it waiting', () => {
  const { cpu, memory } = longMode();
  setGate(memory, 1, 0x1_6000n);
  setGate(memory, 3, 0x1_7000n);
  cpu.setField(BOUNDARY.pendingDebug, 0x1002n);
  softwareInterrupt(cpu, EVENT_TYPE.SOFTWARE_EXCEPTION, 3, 0x4_0001n, 1);
  assert.equal(cpu.field(BOUNDARY.pendingDebug), 0x1002n);
  softwareInterrupt(cpu, EVENT_TYPE.PRIVILEGED_SOFTWARE_EXCEPTION, 1, 0x4_0001n, 1);
  assert.equal(cpu.rip, 0x1_6000n);
  assert.equal(cpu.field(CONTROL.dr + 48) & 0xe00fn, 2n);
  assert.equal(cpu.field(BOUNDARY.pendingDebug), 0n);
});

test('an #AC whose own delivery meets #AC without end stops in shutdown', () => {
  const { cpu, memory } = bareProcessor();
  // Protected mode at level 3, with an interrupt gate for #AC to code of level 3.
  memory.write64(AT.gdt + 8, 0x00cf_fb00_0000_ffffn);
  memory.write64(AT.idt + 17 * 8, 0x0001_ee00_000b_8000n);
  cpu.setField(DESCRIPTOR_TABLES.gdtrBase, BigInt(AT.gdt));
  cpu.setField(DESCRIPTOR_TABLES.idtrBase, BigInt(AT.idt));
  cpu.setField(CONTROL.cr0, 0x4_0011n);
  cpu.setSegment(SEG.CS, 0x0b, 0n, 0xffff_ffff, 0xc0fb);
  cpu.setSegment(SEG.SS, 0x13, 0n, 0xffff_ffff, 0xc0f3);
  cpu.rflags = 0x4_0202;
  cpu.setGpr(RSP, BigInt(AT.stack + 1));
  cpu.mmu.contextChanged();
  assert.equal(deliverException(cpu, { vector: 17, errorCode: 0, address: 0n }), 'shutdown');
  assert.ok(cpu.faultChain.length < 100);
});
