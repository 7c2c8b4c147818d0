import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLD as RESULT } from '../cpu/cold';
import { COLD } from '../cpu/cold-table';
import { bareProcessor, faultOf, longMode, mapPage, type Fixture } from '../cpu/processor.fixture';
import { RBX } from '../cpu/registers';
import { DecodedRecord } from '../decode/decoded-record';
import { RECORD } from '../decode/record';
import { CONTROL, GPR, PSEUDO, SCRATCH, X87 } from '../state/layout';

const AT = 0x1_0000;
const ONE = 0x3fff_8000_0000_0000_0000n;

/** Runs an x87 instruction on [RBX], or on ST(`imm`). */
function run({ cpu, memory }: Fixture, key: string, { imm = 0n, size = 4, address = AT } = {}): number {
  const { view } = memory;
  memory.u8.fill(0, SCRATCH.single, SCRATCH.single + 48);
  view.setUint16(SCRATCH.single + RECORD.base, GPR + RBX * 8, true);
  view.setUint16(SCRATCH.single + RECORD.index, PSEUDO.ZERO, true);
  view.setUint8(SCRATCH.single + RECORD.segment, 3);
  view.setUint8(SCRATCH.single + RECORD.prefixes, (Math.log2(size) << 4) | ((cpu.is64Bit ? 3 : 2) << 6));
  view.setBigInt64(SCRATCH.single + RECORD.imm, imm, true);
  view.setUint16(SCRATCH.single + RECORD.offset, 0x123, true);
  cpu.setGpr(RBX, BigInt(address));
  return COLD[key](cpu, new DecodedRecord(view).at(SCRATCH.single));
}

/** Divides 1 by 0 with that exception unmasked. */
function divideByZero(fixture: Fixture): void {
  run(fixture, 'fninit');
  fixture.memory.writeBytes(AT, Uint8Array.of(0x7b, 3));
  run(fixture, 'fldcw', { size: 2 });
  run(fixture, 'fldz');
  run(fixture, 'fld1');
  run(fixture, 'fdiv_st0', { imm: 0xf1n });
}

const status = ({ memory }: Fixture): number => memory.view.getUint16(X87.status, true);

test('an unmasked exception is #MF at the next waiting instruction, and not at those that do not wait', () => {
  const fixture = longMode();
  divideByZero(fixture);
  assert.equal(status(fixture) & 0x80ff, 0x8084);
  for (const key of ['fwait', 'fld1', 'fldcw', 'frstor', 'emms'])
    assert.equal(faultOf(() => run(fixture, key))?.vector, 16, key);
  for (const key of ['fnstcw', 'fnstsw', 'fxsave']) assert.equal(run(fixture, key), RESULT.NEXT, key);
  run(fixture, 'fnclex');
  assert.equal(run(fixture, 'fwait'), RESULT.NEXT);
});

test('with CR0.NE clear the exception is signalled outside, and an enabled interrupt comes before the instruction', () => {
  const fixture = longMode();
  const { cpu } = fixture;
  cpu.setField(CONTROL.cr0, cpu.cr0 & ~0x20n);
  let signals = 0;
  cpu.numericError = () => signals++;
  divideByZero(fixture);
  assert.equal(run(fixture, 'fwait'), RESULT.NEXT);
  cpu.rflags = 0x202;
  cpu.interrupts = { ...cpu.interrupts, interruptPending: () => true };
  assert.equal(run(fixture, 'fwait'), RESULT.REPEAT);
  assert.equal(signals, 2);
});

test('a store that faults leaves stack, status and pointers as they were', () => {
  const fixture = longMode();
  run(fixture, 'fninit');
  run(fixture, 'fldpi');
  mapPage(fixture.memory, AT, 0n);
  fixture.cpu.mmu.flush(true);
  const before = fixture.memory.u8.slice(X87.registers, X87.dataSelector + 2);
  for (const key of ['fstp_m32', 'fstp_m80', 'fistp_i64', 'fbstp', 'fnsave', 'fnstenv', 'fxsave'])
    assert.equal(faultOf(() => run(fixture, key))?.vector, 14, key);
  assert.deepEqual(fixture.memory.u8.slice(X87.registers, X87.dataSelector + 2), before);
});

test('FXSAVE and FXRSTOR want 16-byte alignment, and FXRSTOR no unknown bit of MXCSR', () => {
  const fixture = longMode();
  fixture.cpu.setField(CONTROL.cr4, fixture.cpu.cr4 | 0x200n);
  for (const key of ['fxsave', 'fxrstor'])
    assert.equal(faultOf(() => run(fixture, key, { address: AT + 8 }))?.vector, 13, key);
  run(fixture, 'fxsave');
  assert.equal(fixture.memory.read32(AT + 28), 0xffff);
  fixture.memory.write32(AT + 24, 0x1_1f80);
  assert.equal(faultOf(() => run(fixture, 'fxrstor'))?.vector, 13);
});

test('FNSTENV in real mode stores linear addresses and the opcode, in 14 and in 28 bytes', () => {
  const fixture = bareProcessor();
  const { memory } = fixture;
  run(fixture, 'fninit');
  const { view } = memory;
  view.setBigUint64(X87.instructionPointer, 0x1_2345n, true);
  view.setBigUint64(X87.dataPointer, 0xa_bcden, true);
  view.setUint16(X87.opcode, 0x5a5, true);
  run(fixture, 'fnstenv', { size: 2, address: 0x8000 });
  const words = (from: number, count: number): number[] =>
    Array.from({ length: count }, (_, i) => (memory.read32(from + i * 2) & 0xffff) >>> 0);
  assert.deepEqual(words(0x8000, 7), [0x37f, 0, 0xffff, 0x2345, 0x15a5, 0xbcde, 0xa000]);
  run(fixture, 'fnstenv', { size: 4, address: 0x9000 });
  assert.deepEqual(
    Array.from({ length: 7 }, (_, i) => memory.read32(0x9000 + i * 4)),
    [0xffff_037f, 0xffff_0000, 0xffff_ffff, 0xffff_2345, 0x15a5, 0xffff_bcde, 0xa000],
  );
  run(fixture, 'fninit');
  run(fixture, 'fldenv', { size: 4, address: 0x9000 });
  assert.deepEqual(
    [view.getBigUint64(X87.instructionPointer, true), view.getBigUint64(X87.dataPointer, true)],
    [0x1_2345n, 0xa_bcden],
  );
});

test('FNSAVE and FRSTOR of 94 bytes keep the stack, and FNSAVE initializes', () => {
  const fixture = longMode();
  run(fixture, 'fninit');
  run(fixture, 'fldpi');
  run(fixture, 'fld1');
  run(fixture, 'fnsave', { size: 2 });
  assert.equal(fixture.memory.view.getUint16(X87.tag, true), 0);
  assert.equal(fixture.memory.read64(AT + 14), BigInt.asUintN(64, ONE));
  run(fixture, 'frstor', { size: 2 });
  assert.equal(fixture.memory.view.getUint16(X87.tag, true), 0xc0);
  assert.equal((status(fixture) >> 11) & 7, 6);
});
