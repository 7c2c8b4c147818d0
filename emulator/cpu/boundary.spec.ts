import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDARY, CONTROL, YMM } from '../state/layout';
import { ACTIVITY, BLOCKING, LATCHED } from '../tables/boundary-state';
import { boundary } from './boundary';
import { AT, longMode, setGate } from './processor.fixture';
import { RSP } from './registers';
import { resetProcessor } from './reset';

const SINGLE_STEP = 0x4000n;

test('the single-step trap of HLT is delivered behind it and ends the HLT state', () => {
  const { cpu, memory } = longMode();
  setGate(memory, 1, 0x1_0000n);
  cpu.rip = 0x4_0001n;
  cpu.setField32(BOUNDARY.activity, ACTIVITY.HLT);
  cpu.setField(BOUNDARY.pendingDebug, SINGLE_STEP);
  assert.equal(boundary(cpu), 'delivered');
  assert.equal(cpu.field32(BOUNDARY.activity), ACTIVITY.ACTIVE);
  assert.equal(cpu.rip, 0x1_0000n);
  assert.equal(memory.read64(Number(cpu.gpr(RSP))), 0x4_0001n);
  assert.equal(cpu.field(CONTROL.dr + 48) & SINGLE_STEP, SINGLE_STEP);
  assert.equal(cpu.field(BOUNDARY.pendingDebug), 0n);
});

test('a trap does not end shutdown', () => {
  const { cpu, memory } = longMode();
  setGate(memory, 1, 0x1_0000n);
  cpu.setField32(BOUNDARY.activity, ACTIVITY.SHUTDOWN);
  cpu.setField(BOUNDARY.pendingDebug, SINGLE_STEP);
  assert.equal(boundary(cpu), undefined);
  assert.equal(cpu.field32(BOUNDARY.activity), ACTIVITY.SHUTDOWN);
});

test('an NMI and an interrupt wake a processor from HLT', () => {
  for (const nmi of [true, false]) {
    const { cpu, memory } = longMode();
    setGate(memory, 2, 0x1_2000n);
    setGate(memory, 0x30, 0x1_3000n);
    cpu.rflags = 0x202;
    cpu.setField32(BOUNDARY.activity, ACTIVITY.HLT);
    if (nmi) cpu.setField32(BOUNDARY.latched, LATCHED.NMI);
    else cpu.interrupts = { interruptPending: () => true, acknowledge: () => 0x30, initialize: () => undefined };
    assert.equal(boundary(cpu), 'delivered');
    assert.equal(cpu.field32(BOUNDARY.activity), ACTIVITY.ACTIVE);
    assert.equal(cpu.rip, nmi ? 0x1_2000n : 0x1_3000n);
  }
});

test('an NMI waits for the end of the shadow of STI, as for that of MOV SS', () => {
  for (const shadow of [BLOCKING.STI, BLOCKING.MOV_SS]) {
    const { cpu, memory } = longMode();
    setGate(memory, 2, 0x1_2000n);
    cpu.rip = 0x4_0001n;
    cpu.setField32(BOUNDARY.latched, LATCHED.NMI);
    cpu.setField32(BOUNDARY.interruptibility, shadow);
    assert.equal(boundary(cpu), undefined);
    cpu.setField32(BOUNDARY.interruptibility, 0);
    assert.equal(boundary(cpu), 'delivered');
    assert.equal(cpu.rip, 0x1_2000n);
  }
});

test('INIT resets the processor and its local APIC', () => {
  const { cpu } = longMode();
  const initialized: number[] = [];
  cpu.interrupts = {
    interruptPending: () => false,
    acknowledge: () => 0,
    initialize: (processor) => void initialized.push(processor),
  };
  cpu.setGpr(RSP, BigInt(AT.stack));
  cpu.setField32(BOUNDARY.latched, LATCHED.INIT);
  assert.equal(boundary(cpu), undefined);
  assert.deepEqual(initialized, [0]);
  assert.equal(cpu.rip, 0xfff0n);
  assert.equal(cpu.gpr(RSP), 0n);
  assert.equal(cpu.field32(BOUNDARY.latched), 0);
});

test('INIT keeps XCR0, CR0.CD and what the vector units hold; power-up does not', () => {
  const { cpu } = longMode();
  cpu.setField(CONTROL.xcr0, 7n);
  cpu.setField(CONTROL.cr0, cpu.cr0 | 0x4000_0000n);
  cpu.setField(YMM, 0x1234n);
  resetProcessor(cpu, 'init');
  assert.deepEqual([cpu.field(CONTROL.xcr0), cpu.cr0, cpu.field(YMM)], [7n, 0x4000_0010n, 0x1234n]);
  resetProcessor(cpu);
  assert.deepEqual([cpu.field(CONTROL.xcr0), cpu.cr0, cpu.field(YMM)], [1n, 0x6000_0010n, 0n]);
});
