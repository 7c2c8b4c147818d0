import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DecodedRecord } from '../decode/decoded-record';
import { RECORD } from '../decode/record';
import { BOUNDARY, CONTROL, GPR, PSEUDO, SCRATCH } from '../state/layout';
import { INSTRUCTIONS } from '../tables/instructions';
import { COLD as RESULT } from './cold';
import { COLD } from './cold-table';
import { deliverInterrupt } from './exceptions';
import { AT, faultOf, type Fixture, longMode, mapPage, SELECTOR, setGate, setLevel } from './processor.fixture';
import { SEG } from './processor';
import { RAX, RCX, RSP } from './registers';

/** Runs one cold instruction with a register operand RAX. */
function run({ cpu, memory }: Fixture, key: string, imm = 0n, size: 2 | 4 | 8 = 8): number {
  const { view } = memory;
  memory.u8.fill(0, SCRATCH.single, SCRATCH.single + 48);
  view.setUint16(SCRATCH.single + RECORD.d, GPR + RAX * 8, true);
  view.setUint16(SCRATCH.single + RECORD.s, GPR + RAX * 8, true);
  view.setUint16(SCRATCH.single + RECORD.base, PSEUDO.ZERO, true);
  view.setUint16(SCRATCH.single + RECORD.index, PSEUDO.ZERO, true);
  view.setUint8(SCRATCH.single + RECORD.prefixes, 8 | (Math.log2(size) << 4) | (3 << 6));
  view.setUint8(SCRATCH.single + RECORD.length, 2);
  view.setUint16(SCRATCH.single + RECORD.next, 2, true);
  view.setBigInt64(SCRATCH.single + RECORD.imm, imm, true);
  return COLD[key](cpu, new DecodedRecord(view).at(SCRATCH.single));
}

test('every cold row of the instruction table that is not VMX has its function', () => {
  const vmx = /^(vm|inv(ept|vpid)|getsec)/;
  const missing = INSTRUCTIONS.map(({ semantic }) => semantic)
    .filter(({ kind, key }) => kind === 'cold' && !vmx.test(key) && !(key in COLD))
    .map(({ key }) => key);
  assert.deepEqual(missing, []);
});

test('IRET undoes an interrupt from user mode: RIP, RSP, RFLAGS, CS and SS are back', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  setGate(memory, 32, 0x1_0000n);
  setLevel(cpu, 3);
  cpu.rip = 0x4_1234n;
  cpu.rflags = 0x2d7;
  cpu.setGpr(RSP, 0xb123n);
  deliverInterrupt(cpu, 32);
  assert.equal(cpu.cpl, 0);
  assert.equal(run(fixture, 'iret'), RESULT.JUMPED);
  assert.deepEqual(
    [cpu.rip, cpu.gpr(RSP), cpu.rflags, cpu.selector(SEG.CS), cpu.selector(SEG.SS), cpu.cpl],
    [0x4_1234n, 0xb123n, 0x2d7, SELECTOR.userCode, SELECTOR.userData, 3],
  );
});

test('IRET to user mode makes DS and GS of level 0 null and unusable, and leaves the base of GS', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  setGate(memory, 32, 0x1_0000n);
  setLevel(cpu, 3);
  deliverInterrupt(cpu, 32);
  cpu.setSegment(SEG.DS, SELECTOR.data, 0n, 0xffff_ffff, 0xc093);
  cpu.setSegment(SEG.GS, SELECTOR.data, 0xffff_8000_0040_0000n, 0xffff_ffff, 0xc093);
  cpu.setSegment(SEG.FS, SELECTOR.userData, 0x1000n, 0xffff_ffff, 0xc0f3);
  assert.equal(run(fixture, 'iret'), RESULT.JUMPED);
  assert.deepEqual(
    [SEG.DS, SEG.GS, SEG.FS].map((index) => [cpu.selector(index), cpu.base(index), (cpu.access(index) >> 16) & 1]),
    [
      [0, 0n, 1],
      [0, 0xffff_8000_0040_0000n, 1],
      [SELECTOR.userData, 0x1000n, 0],
    ],
  );
});

test('SYSCALL and SYSRET go to level 0 and back', () => {
  const fixture = longMode();
  const { cpu } = fixture;
  fixture.memory.u64[PSEUDO.RIP_PAGE >> 3] = 0x4_0000n;
  cpu.setGpr(RAX, 0x0013_0008_0000_0000n & 0xffff_ffffn);
  cpu.setGpr(2, 0x0013_0008n);
  cpu.setGpr(RCX, 0xc000_0081n);
  run(fixture, 'wrmsr');
  cpu.setGpr(RAX, 0x1_2345n);
  cpu.setGpr(2, 0n);
  cpu.setGpr(RCX, 0xc000_0082n);
  run(fixture, 'wrmsr');
  setLevel(cpu, 3);
  cpu.rflags = 0x202;
  run(fixture, 'syscall');
  assert.deepEqual([cpu.rip, cpu.cpl, cpu.selector(SEG.CS), cpu.gpr(RCX)], [0x1_2345n, 0, 8, 0x4_0002n]);
  run(fixture, 'sysret');
  assert.deepEqual([cpu.rip, cpu.cpl, cpu.selector(SEG.CS), cpu.selector(SEG.SS)], [0x4_0002n, 3, 0x23, 0x1b]);
});

test('setting CR0.PG with EFER.LME activates long mode; clearing it in 64-bit mode is #GP(0)', () => {
  const fixture = longMode();
  const { cpu } = fixture;
  cpu.setField(CONTROL.cr0, 0x11n);
  cpu.setField(CONTROL.efer, 0x100n);
  cpu.setSegment(SEG.CS, 8, 0n, 0xffff_ffff, 0xc09b);
  cpu.mmu.contextChanged();
  cpu.setGpr(RAX, 0x8000_0011n);
  run(fixture, 'mov_to_cr', 0n);
  assert.equal(cpu.efer, 0x500n);
  setLevel(cpu, 0);
  cpu.setGpr(RAX, 0x11n);
  assert.deepEqual(
    faultOf(() => run(fixture, 'mov_to_cr', 0n)),
    { vector: 13, errorCode: 0, address: 0n },
  );
  cpu.setGpr(RAX, 0x8000_0010n);
  assert.equal(faultOf(() => run(fixture, 'mov_to_cr', 0n))?.vector, 13);
});

test('privileged instructions raise #GP(0) in user mode', () => {
  for (const key of [
    'hlt',
    'mov_to_cr',
    'mov_from_cr',
    'mov_to_dr',
    'wrmsr',
    'rdmsr',
    'clts',
    'lmsw',
    'invlpg',
    'invd',
    'wbinvd',
    'lgdt',
    'lidt',
    'lldt',
    'ltr',
    'cli',
    'sti',
    'in_dx',
    'out_dx',
    'swapgs',
  ]) {
    const fixture = longMode();
    setLevel(fixture.cpu, 3);
    assert.deepEqual(
      faultOf(() => run(fixture, key)),
      { vector: 13, errorCode: 0, address: 0n },
      key,
    );
  }
});

test('LTR marks the TSS busy and refuses a busy one', () => {
  const fixture = longMode();
  fixture.memory.write64(AT.gdt + SELECTOR.tss, 0x0000_8900_3000_0067n);
  fixture.cpu.setGpr(RAX, BigInt(SELECTOR.tss));
  run(fixture, 'ltr', 0n, 2);
  assert.equal(fixture.cpu.access(SEG.TR), 0x8b);
  assert.deepEqual(
    faultOf(() => run(fixture, 'ltr', 0n, 2)),
    { vector: 13, errorCode: SELECTOR.tss, address: 0n },
  );
});

test('STI casts a shadow of one instruction, and MOV SS one that also holds traps', () => {
  const fixture = longMode();
  run(fixture, 'sti');
  assert.equal(fixture.cpu.field32(BOUNDARY.interruptibility), 1);
  const other = longMode();
  other.cpu.setGpr(RAX, BigInt(SELECTOR.data));
  run(other, 'mov_to_sreg', 2n, 2);
  assert.equal(other.cpu.field32(BOUNDARY.interruptibility), 2);
});

test('a far return that cannot set the accessed bit of its code segment leaves RSP as it was', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  memory.write64(AT.gdt + SELECTOR.code, 0x00af_9a00_0000_ffffn);
  mapPage(memory, AT.gdt, BigInt(AT.gdt) | 1n);
  const top = BigInt(AT.stack - 16);
  memory.write64(AT.stack - 16, 0x4_0000n);
  memory.write64(AT.stack - 8, BigInt(SELECTOR.code));
  cpu.setGpr(RSP, top);
  assert.deepEqual(
    faultOf(() => run(fixture, 'retf')),
    { vector: 14, errorCode: 3, address: BigInt(AT.gdt + SELECTOR.code + 5) },
  );
  assert.equal(cpu.gpr(RSP), top);
});

test('MOV to CR3 under PAE paging is #GP(0) where the table has reserved bits set or is not RAM', () => {
  const fixture = longMode();
  const { cpu, memory } = fixture;
  cpu.setField(CONTROL.efer, 0n);
  cpu.setSegment(SEG.CS, SELECTOR.code, 0n, 0xffff_ffff, 0xc09b);
  cpu.mmu.contextChanged();
  const load = (table: bigint): number | undefined => {
    cpu.setGpr(RAX, table);
    return faultOf(() => run(fixture, 'mov_to_cr', 3n, 4))?.vector;
  };
  memory.write64(0x8000, 0x1_0001n);
  assert.equal(load(0x8000n), undefined);
  assert.equal(cpu.field(CONTROL.pdpte), 0x1_0001n);
  memory.write64(0x8018, 0x1_0003n);
  assert.equal(load(0x8000n), 13);
  assert.equal(load(0xffff_0000n), 13, 'all ones');
  assert.equal(cpu.field(CONTROL.pdpte), 0x1_0001n);
});
