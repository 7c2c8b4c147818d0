import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ACCESS } from '../codegen/exits';
import { faultOf, type Fixture, longMode, mapPage, setLevel } from '../cpu/processor.fixture';
import { writeCr3, writeCr4 } from '../cpu/control-registers';
import { CONTROL, FLAGS, INLINE, MACHINE, MSRS, PKRU, RAM_BASE, SCRATCH } from '../state/layout';

const PAGE_AT = 0x5_0000;
const PAGE = BigInt(PAGE_AT);
const CR4 = { PAE: 0x20n, PGE: 0x80n, PCIDE: 0x2_0000n, PKE: 0x40_0000n, PKS: 0x100_0000n, LAM_SUP: 0x1000_0000n };
const LAM_U57 = 1n << 61n;
const LAM_U48 = 1n << 62n;
const TABLES = 0x2_0000n;

/** Inline entries of the active bank as [linear page, host address of it]. */
function inlineEntries({ memory }: Fixture, map: number): (readonly [bigint, number])[] {
  const { u32 } = memory;
  const bank = u32[SCRATCH.bank >> 2];
  const found: (readonly [bigint, number])[] = [];
  for (let i = 0; i < INLINE.entries; i++) {
    const at = (map + bank + i * INLINE.entrySize) >> 2;
    if (u32[at] === 0xffff_ffff) continue;
    found.push([(BigInt(u32[at + 1]) << 32n) | BigInt(u32[at]), (u32[at] + u32[at + 2]) >>> 0]);
  }
  return found;
}

test('LAM ignores the metadata of data pointers, and demands that bit 63 equals the top address bit', () => {
  const fixture = longMode();
  const { cpu, access } = fixture;
  const tag48 = 0x5aaa_0000_0000_0000n;
  assert.equal(faultOf(() => access.slowLoad(tag48 | PAGE, 4))?.vector, 13);
  writeCr3(cpu, TABLES | LAM_U48);
  assert.equal(access.slowLoad(tag48 | PAGE, 4), RAM_BASE + PAGE_AT);
  assert.equal(access.slowLoad(tag48 | PAGE, 4), RAM_BASE + PAGE_AT);
  // Bit 47 set, bit 63 clear; and a supervisor pointer.
  assert.equal(faultOf(() => access.slowLoad(0x5aaa_8000_0000_0000n, 4))?.vector, 13);
  assert.equal(faultOf(() => access.slowLoad(0xdaaa_8000_0000_0000n, 4))?.vector, 13);
  assert.equal(faultOf(() => access.fetchPhysical(tag48 | PAGE))?.vector, 13);
  // A page fault tells the address without metadata.
  const absent = faultOf(() => access.slowLoad(tag48 | 0x4_0000_0000n, 4));
  assert.deepEqual(absent, { vector: 14, errorCode: 0, address: 0x4_0000_0000n });
  writeCr3(cpu, TABLES | LAM_U57);
  assert.equal(faultOf(() => access.slowLoad(tag48 | PAGE, 4))?.vector, 13);
  assert.equal(access.slowLoad(0x7e00_0000_0000_0000n | PAGE, 4), RAM_BASE + PAGE_AT);
  writeCr3(cpu, TABLES);
  writeCr4(cpu, CR4.PAE | CR4.LAM_SUP);
  const supervisor = faultOf(() => access.slowLoad(0x8123_8000_0000_0000n, 4));
  assert.deepEqual(supervisor, { vector: 14, errorCode: 0, address: 0xffff_8000_0000_0000n });
  assert.equal(faultOf(() => access.slowLoad(0x8123_0000_0000_0000n, 4))?.vector, 13);
});

test('a misaligned access at CPL 3 with CR0.AM and RFLAGS.AC is #AC(0), before any page fault, and never answered inline', () => {
  const fixture = longMode();
  const { cpu, access } = fixture;
  cpu.setField(CONTROL.cr0, cpu.cr0 | 0x4_0000n);
  setLevel(cpu, 3);
  assert.equal(
    faultOf(() => access.slowLoad(PAGE + 1n, 4)),
    undefined,
  );
  cpu.rflags |= 0x4_0000;
  access.contextChanged();
  access.slowLoad(PAGE, 8);
  access.slowStore(PAGE, 0n, ACCESS.WRITE | 8);
  assert.deepEqual([...inlineEntries(fixture, INLINE.load), ...inlineEntries(fixture, INLINE.store)], []);
  const misaligned = { vector: 17, errorCode: 0, address: 0n };
  for (const size of [2, 4, 8]) {
    for (const act of [
      () => access.slowLoad(PAGE + 1n, size),
      () => access.slowStore(PAGE + 1n, 0n, ACCESS.WRITE | size),
      () => access.slowModify(PAGE + 1n, ACCESS.WRITE | size),
      () => access.slowLoad(0x4000_0001n, size),
    ]) {
      assert.deepEqual(faultOf(act), misaligned);
    }
  }
  // What MOVUPS does is left to the implementation; processors do not check.
  for (const size of [1, 16, 32]) {
    assert.equal(
      faultOf(() => access.slowLoad(PAGE + 1n, size)),
      undefined,
    );
  }
  assert.equal(
    faultOf(() => access.readSystem(PAGE + 1n, 4)),
    undefined,
  );
  setLevel(cpu, 0);
  assert.equal(
    faultOf(() => access.slowLoad(PAGE + 1n, 4)),
    undefined,
  );
});

test('pages with an armed data breakpoint stay off the inline maps, and every access to them is told', () => {
  const fixture = longMode();
  const { cpu, access } = fixture;
  const told: string[] = [];
  access.watch = {
    accessed: (linear, size, write) => void told.push(`${write ? 'write' : 'read'} ${size} at ${linear.toString(16)}`),
  };
  access.slowLoad(PAGE, 4);
  assert.equal(inlineEntries(fixture, INLINE.load).length, 1);
  // DR1: reads and writes of 4 bytes, locally enabled; DR2: an instruction breakpoint.
  cpu.setField(CONTROL.dr + 8, PAGE + 0x10n);
  cpu.setField(CONTROL.dr + 16, PAGE + 0x3000n);
  cpu.setField(CONTROL.dr + 56, 0x400n | 4n | 0x10n | (0xfn << 20n));
  access.contextChanged();
  assert.deepEqual(inlineEntries(fixture, INLINE.load), []);
  access.slowLoad(PAGE, 8);
  access.slowStore(PAGE + 0x10n, 1n, ACCESS.WRITE | 4);
  access.slowModify(PAGE + 0x20n, ACCESS.WRITE | 2);
  access.slowLoad(PAGE - 2n, 4);
  access.slowLoad(PAGE + 0x3000n, 4);
  access.slowLoad(PAGE + 0x1000n, 4);
  assert.deepEqual(told, ['read 8 at 50000', 'write 4 at 50010', 'write 2 at 50020', 'read 4 at 4fffe']);
  assert.deepEqual(
    inlineEntries(fixture, INLINE.load).map(([page]) => page),
    [PAGE + 0x1000n, PAGE + 0x3000n],
  );
  // Another page instead.
  cpu.setField(CONTROL.dr + 8, PAGE + 0x1010n);
  access.contextChanged();
  assert.deepEqual(inlineEntries(fixture, INLINE.load), []);
  access.slowLoad(PAGE, 4);
  cpu.setField(CONTROL.dr + 56, 0x400n);
  access.contextChanged();
  told.length = 0;
  access.slowLoad(PAGE + 0x1010n, 4);
  assert.deepEqual(told, []);
  // Armed again, for the page that has just been filled.
  cpu.setField(CONTROL.dr + 56, 0x400n | 4n | (0xfn << 20n));
  access.contextChanged();
  assert.ok(inlineEntries(fixture, INLINE.load).every(([page]) => page !== PAGE + 0x1000n));
});

test('accesses of 16 and 32 bytes reach RAM, both sides of a page border, and devices in parts of 8', () => {
  const { cpu, access, memory } = longMode();
  mapPage(memory, PAGE_AT + 0x1000, 0x9000_0000n | 7n);
  mapPage(memory, PAGE_AT + 0x3000, BigInt(PAGE_AT + 0x7000) | 7n);
  const log: string[] = [];
  cpu.bus = {
    read: (at, size) => (log.push(`r${size} ${at.toString(16)}`), BigInt(at & 0xff) * 0x0101_0101_0101_0101n),
    write: (at, size, value) => void log.push(`w${size} ${at.toString(16)} ${value.toString(16)}`),
    claims: () => false,
  };
  for (const size of [16, 32]) {
    assert.equal(access.slowLoad(PAGE + 0x20n, size), RAM_BASE + PAGE_AT + 0x20);
    for (let i = 0; i < 64; i++) memory.u8[RAM_BASE + PAGE_AT + 0x2fe0 + i] = 0;
    // Crossing from one page of RAM to another.
    const split = access.slowModify(PAGE + 0x2ff8n, ACCESS.WRITE | size);
    assert.equal(split, SCRATCH.bounce);
    for (let i = 0; i < size; i++) memory.u8[split + i] = i + 1;
    access.commitModify();
    assert.equal(memory.u8[RAM_BASE + PAGE_AT + 0x2fff], 8);
    assert.equal(memory.u8[RAM_BASE + PAGE_AT + 0x7000], 9);
    assert.equal(memory.u8[RAM_BASE + PAGE_AT + 0x7000 + size - 9], size);
    const back = access.slowLoad(PAGE + 0x2ff8n, size);
    assert.deepEqual(
      [...memory.u8.subarray(back, back + size)],
      Array.from({ length: size }, (_, i) => i + 1),
    );
    // A device, written without being read.
    log.length = 0;
    const device = access.slowModify(PAGE + 0x1040n, ACCESS.WRITE | ACCESS.BLIND | size);
    memory.u8.fill(0x11, device, device + size);
    access.commitModify();
    const parts = Array.from({ length: size / 8 }, (_, i) => 0x9000_0040 + 8 * i);
    assert.deepEqual(
      log,
      parts.map((at) => `w8 ${at.toString(16)} 1111111111111111`),
    );
    log.length = 0;
    access.slowLoad(PAGE + 0x1040n, size);
    assert.deepEqual(
      log,
      parts.map((at) => `r8 ${at.toString(16)}`),
    );
  }
});

test('translations are tagged by PCID: MOV to CR3 with bit 63 keeps them, INVPCID takes what its type says', () => {
  const { cpu, access, memory } = longMode();
  const load = (): number => access.slowLoad(PAGE, 1) - RAM_BASE;
  const remap = (to: number, global = false): void =>
    mapPage(memory, PAGE_AT, BigInt(to) | 7n | (global ? 0x100n : 0n));
  const enter = (pcid: bigint): void => writeCr3(cpu, TABLES | pcid | (1n << 63n));
  writeCr4(cpu, CR4.PAE | CR4.PCIDE | CR4.PGE);
  const homes = [0x6_0000, 0x6_1000, 0x6_2000];
  const learn = (): void => {
    homes.forEach((home, pcid) => {
      writeCr3(cpu, TABLES | BigInt(pcid));
      remap(home);
      load();
    });
    remap(0x7_0000);
  };
  const seen = (): number[] =>
    homes.map((_, pcid) => {
      enter(BigInt(pcid));
      return load();
    });
  learn();
  assert.deepEqual(seen(), homes);
  writeCr3(cpu, TABLES | 1n);
  assert.deepEqual(seen(), [0x6_0000, 0x7_0000, 0x6_2000]);
  learn();
  access.invalidatePcid('address', 1, PAGE + 8n);
  assert.deepEqual(seen(), [0x6_0000, 0x7_0000, 0x6_2000]);
  learn();
  access.invalidatePcid('address', 1, PAGE + 0x1000n);
  assert.deepEqual(seen(), homes);
  access.invalidatePcid('context', 2, 0n);
  assert.deepEqual(seen(), [0x6_0000, 0x6_1000, 0x7_0000]);
  learn();
  access.invalidatePcid('all-but-global', 0, 0n);
  assert.deepEqual(seen(), [0x7_0000, 0x7_0000, 0x7_0000]);
  // Global translations belong to every PCID; only INVLPG and type 2 take them.
  access.invalidatePcid('all', 0, 0n);
  remap(0x6_0000, true);
  load();
  remap(0x7_0000);
  assert.deepEqual(seen(), [0x6_0000, 0x6_0000, 0x6_0000]);
  for (const type of ['address', 'context', 'all-but-global'] as const) access.invalidatePcid(type, 1, PAGE);
  writeCr3(cpu, TABLES | 1n);
  assert.deepEqual(seen(), [0x6_0000, 0x6_0000, 0x6_0000]);
  access.invalidatePage(PAGE);
  assert.deepEqual(seen(), [0x7_0000, 0x7_0000, 0x7_0000]);
});

test('each processor has translations of its own', () => {
  const { access, memory } = longMode();
  const run = (number: number): number => {
    memory.u32[MACHINE.activeProcessor >> 2] = number;
    access.contextChanged();
    return access.slowLoad(PAGE, 1) - RAM_BASE;
  };
  assert.equal(run(0), PAGE_AT);
  mapPage(memory, PAGE_AT, 0x7_0007n);
  assert.equal(run(1), 0x7_0000);
  assert.equal(run(0), PAGE_AT);
  access.invalidatePage(PAGE);
  assert.equal(run(0), 0x7_0000);
  mapPage(memory, PAGE_AT, PAGE | 7n);
  assert.deepEqual([run(0), run(1), run(2)], [0x7_0000, 0x7_0000, PAGE_AT]);
});

test('what an inline map answers, the slow path of the same context answers alike', () => {
  const step = fc.record({
    what: fc.constantFrom(
      'load',
      'store',
      'pkru',
      'pkrs',
      'cr3',
      'cr4',
      'level',
      'ac',
      'am',
      'watch',
      'invlpg',
      'processor',
    ),
    page: fc.integer({ min: 0, max: 7 }),
    value: fc.nat({ max: 0xffff }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 80 }), (steps) => {
      const fixture = longMode();
      const { cpu, access, memory } = fixture;
      access.watch = { accessed: () => undefined };
      for (let i = 0; i < 8; i++) {
        const rights = [7n, 5n, 3n, 7n, 7n, 3n, 7n, 1n][i];
        mapPage(memory, PAGE_AT + i * 0x1000, BigInt(PAGE_AT + i * 0x1000) | rights | (BigInt(i & 3) << 59n));
      }
      for (const { what, page, value } of steps) {
        const tag = value & 1 ? 0x5a00_0000_0000_0000n : 0n;
        const linear = tag | (PAGE + BigInt(page * 0x1000));
        const bit = (n: number): boolean => ((value >> n) & 1) === 1;
        switch (what) {
          case 'load':
            faultOf(() => access.slowLoad(linear, 4));
            break;
          case 'store':
            memory.beforeWrite(PAGE_AT + page * 0x1000, 1);
            faultOf(() => access.slowStore(linear, 0n, ACCESS.WRITE | 4));
            break;
          case 'pkru':
            cpu.setField32(PKRU, value & 0xff);
            break;
          case 'pkrs':
            cpu.setField(MSRS.pkrs, BigInt(value & 0xff));
            break;
          case 'cr3':
            faultOf(() => writeCr3(cpu, TABLES | (bit(1) ? LAM_U48 : 0n) | (bit(2) ? LAM_U57 : 0n)));
            break;
          case 'cr4':
            writeCr4(cpu, CR4.PAE | (bit(1) ? CR4.PKE : 0n) | (bit(2) ? CR4.PKS : 0n) | (bit(3) ? 1n << 21n : 0n));
            break;
          case 'level':
            setLevel(cpu, bit(1) ? 3 : 0);
            break;
          case 'ac':
            cpu.setField32(FLAGS.system, bit(1) ? 0x4_0002 : 2);
            break;
          case 'am':
            cpu.setField(CONTROL.cr0, (cpu.cr0 & ~0x4_0000n) | (bit(1) ? 0x4_0000n : 0n));
            break;
          case 'watch':
            cpu.setField(CONTROL.dr, PAGE + BigInt(page * 0x1000));
            cpu.setField(CONTROL.dr + 56, bit(1) ? 0x1_0401n : 0x400n);
            break;
          case 'invlpg':
            access.invalidatePage(PAGE + BigInt(page * 0x1000));
            break;
          case 'processor':
            memory.u32[MACHINE.activeProcessor >> 2] = value & 1;
        }
        access.contextChanged();
        const watched = cpu.field(CONTROL.dr + 56) === 0x400n ? -1n : cpu.field(CONTROL.dr);
        if (cpu.cpl === 3 && (cpu.cr0 & 0x4_0000n) !== 0n && (cpu.rflags & 0x4_0000) !== 0) {
          assert.deepEqual([...inlineEntries(fixture, INLINE.load), ...inlineEntries(fixture, INLINE.store)], []);
        }
        for (const [at, host] of inlineEntries(fixture, INLINE.load)) {
          assert.notEqual(at & 0xff_f000n, watched);
          assert.equal(access.slowLoad(at, 1), host);
        }
        for (const [at, host] of inlineEntries(fixture, INLINE.store)) {
          assert.notEqual(at & 0xff_f000n, watched);
          assert.equal(access.slowModify(at, ACCESS.WRITE | 1), host);
        }
      }
    }),
    { seed: 20261122, numRuns: 100 },
  );
});
