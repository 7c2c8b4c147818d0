import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDARY, CONTROL, FLAGS } from '../state/layout';
import { instructionBreakpoint } from './boundary';
import { REDO_ALONE } from './faults';
import { longMode } from './processor.fixture';
import type { Processor } from './processor';

const RF = 0x1_0000;
const WRITE = 1;
const ACCESS = 3;

/** Enables breakpoint 0 by L0. */
function arm(cpu: Processor, address: bigint, condition: number, lengthField: number): void {
  cpu.setField(CONTROL.dr, address);
  cpu.setField(CONTROL.dr + 56, BigInt(0x401 | (condition << 16) | (lengthField << 18)));
  cpu.debug.sync();
}

function hit(cpu: Processor, linear: bigint, size: number, write: boolean): boolean {
  cpu.setField(BOUNDARY.pendingDebug, 0n);
  cpu.debug.accessed(linear, size, write);
  return cpu.field(BOUNDARY.pendingDebug) === 0x1001n;
}

test('LEN 10 watches 8 bytes at a multiple of 8, whatever the low address bits say', () => {
  const { cpu } = longMode();
  arm(cpu, 0x5003n, WRITE, 2);
  assert.ok(hit(cpu, 0x5007n, 1, true));
  assert.ok(hit(cpu, 0x4fffn, 2, true));
  assert.ok(!hit(cpu, 0x5008n, 8, true));
  assert.ok(!hit(cpu, 0x4ff8n, 8, true));
  assert.ok(!hit(cpu, 0x5000n, 8, false));
});

test('an access of 32 bytes meets a breakpoint anywhere in it', () => {
  const { cpu } = longMode();
  arm(cpu, 0x5010n, ACCESS, 0);
  assert.ok(hit(cpu, 0x5000n, 32, false));
  assert.ok(!hit(cpu, 0x5011n, 32, false));
});

test('stores and loads of cold code leave a pending debug exception; in a block they are abandoned before they are made', () => {
  const { cpu, access, memory } = longMode();
  access.watch = cpu.debug;
  arm(cpu, 0x5000n, ACCESS, 3);
  cpu.mmu.write(0x5002n, 2, 0x1234n);
  assert.equal(cpu.field(BOUNDARY.pendingDebug), 0x1001n);
  cpu.debug.inBlock = true;
  assert.throws(
    () => cpu.mmu.write(0x5002n, 2, 0x5678n),
    (thrown) => thrown === REDO_ALONE,
  );
  assert.equal(memory.read64(0x5000) & 0xffff_0000n, 0x1234_0000n);
});

test('pages are watched no longer once the breakpoint is off', () => {
  const { cpu, access } = longMode();
  access.watch = cpu.debug;
  arm(cpu, 0x5000n, ACCESS, 3);
  cpu.setField(CONTROL.dr + 56, 0x400n);
  assert.equal(cpu.debug.sync(), false);
  cpu.mmu.write(0x5000n, 4, 1n);
  assert.equal(cpu.field(BOUNDARY.pendingDebug), 0n);
});

test('an instruction breakpoint is met unless RF is set, which lets one instruction pass', () => {
  const { cpu } = longMode();
  cpu.setField(CONTROL.dr, 0x4000n);
  cpu.setField(CONTROL.dr + 56, 0x402n);
  assert.equal(cpu.debug.sync(), true);
  assert.deepEqual(cpu.debug.codeLinears, [0x4000n]);
  assert.equal(instructionBreakpoint(cpu, 0x4001n), 0);
  assert.equal(instructionBreakpoint(cpu, 0x4000n), 1);
  cpu.setField32(FLAGS.system, cpu.field32(FLAGS.system) | RF);
  assert.equal(instructionBreakpoint(cpu, 0x4000n), 0);
  assert.equal(instructionBreakpoint(cpu, 0x4000n), 1);
});
