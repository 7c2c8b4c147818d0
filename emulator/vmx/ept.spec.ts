import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GuestPhysicalAccess } from '../cpu/intercepts';
import { walkEpt } from './ept';
import { TestMachine } from './test-machine.fixture';

const PML4 = 0x10_0000;
const PDPT = 0x10_1000;
const PD = 0x10_2000;
const PT = 0x10_3000;
const RWX = 7n;
const WRITE_BACK = 6n << 3n;
const EPTP = 0x10_001en;
const WITH_FLAGS = EPTP | 0x40n;

/** Guest-physical 0x4000 to 0x30_5000 by four levels; 2 MB at 2 MB and 1 GB at 1 GB, both to physical 0. */
function tables(machine: TestMachine): void {
  const { memory } = machine;
  memory.write64(PML4, BigInt(PDPT) | RWX);
  memory.write64(PDPT, BigInt(PD) | RWX);
  memory.write64(PDPT + 8, 0x80n | WRITE_BACK | RWX);
  memory.write64(PD, BigInt(PT) | RWX);
  memory.write64(PD + 8, 0x80n | WRITE_BACK | RWX);
  memory.write64(PT + 4 * 8, 0x30_5000n | WRITE_BACK | RWX);
}

const READ = { read: true, write: false, fetch: false };
const WRITE = { read: false, write: true, fetch: false };
const FETCH = { read: false, write: false, fetch: true };

function walk(
  change: (machine: TestMachine) => void,
  address: bigint,
  access = READ,
  eptp = EPTP,
): ReturnType<typeof walkEpt> {
  const machine = new TestMachine();
  tables(machine);
  change(machine);
  return walkEpt(machine.cpu, eptp, address, access, true);
}
const nothing = (): void => undefined;
const pte =
  (value: bigint, at = PT + 4 * 8) =>
  (machine: TestMachine): void =>
    machine.memory.write64(at, value);

test('4-KByte, 2-MByte and 1-GByte pages translate with their offset', () => {
  for (const [address, physical, pageShift] of [
    [0x4abcn, 0x30_5abc, 12],
    [0x20_1234n, 0x1234, 21],
    [0x4000_5678n, 0x5678, 30],
  ] as const) {
    const result = walk(nothing, address);
    assert.equal(result.kind, 'mapped');
    if (result.kind === 'mapped') {
      assert.equal(result.translation.physical, physical);
      assert.equal(result.translation.pageShift, pageShift);
      assert.equal(result.memoryType, 6);
    }
  }
});

test('bits 2:0 of an entry: 0 is not present, write without read is a misconfiguration, execute alone is allowed', () => {
  const expected = [
    'violation',
    'mapped',
    'misconfiguration',
    'mapped',
    'violation',
    'mapped',
    'misconfiguration',
    'mapped',
  ];
  for (let permission = 0; permission < 8; permission++) {
    const change = pte(0x30_5000n | WRITE_BACK | BigInt(permission));
    assert.equal(walk(change, 0x4000n).kind, expected[permission], `RWX = ${permission}`);
    if (permission === 4) assert.equal(walk(change, 0x4000n, FETCH).kind, 'mapped');
  }
});

test('an access is a violation unless every level grants it', () => {
  for (const at of [PML4, PDPT, PD]) {
    for (let permission = 1; permission < 8; permission += 2) {
      const change = (machine: TestMachine): void =>
        machine.memory.write64(at, (machine.memory.read64(at) & ~7n) | BigInt(permission));
      assert.equal(walk(change, 0x4000n, READ).kind, 'mapped');
      assert.equal(walk(change, 0x4000n, WRITE).kind, permission & 2 ? 'mapped' : 'violation');
      const fetch = walk(change, 0x4000n, FETCH);
      assert.deepEqual(fetch.kind === 'violation' ? fetch.granted : 'mapped', permission & 4 ? 'mapped' : permission);
    }
  }
});

test('reserved memory types in a leaf are misconfigurations, the others are not', () => {
  for (let type = 0; type < 8; type++) {
    const expected = [2, 3, 7].includes(type) ? 'misconfiguration' : 'mapped';
    assert.equal(walk(pte(0x30_5000n | (BigInt(type) << 3n) | RWX), 0x4000n).kind, expected, `4 KB, type ${type}`);
    const large = pte(0x80n | (BigInt(type) << 3n) | RWX, PD + 8);
    assert.equal(walk(large, 0x20_0000n).kind, expected, `2 MB, type ${type}`);
  }
});

test('each reserved bit of each kind of entry is a misconfiguration, each other bit is none', () => {
  const kinds: readonly [string, number, bigint, bigint, readonly (readonly [number, number])[]][] = [
    [
      'PML4E',
      PML4,
      BigInt(PDPT) | RWX,
      0x4000n,
      [
        [3, 7],
        [40, 51],
      ],
    ],
    [
      'PDPTE',
      PDPT,
      BigInt(PD) | RWX,
      0x4000n,
      [
        [3, 6],
        [40, 51],
      ],
    ],
    [
      '1-GByte PDPTE',
      PDPT + 8,
      0x80n | WRITE_BACK | RWX,
      0x4000_0000n,
      [
        [12, 29],
        [40, 51],
      ],
    ],
    [
      'PDE',
      PD,
      BigInt(PT) | RWX,
      0x4000n,
      [
        [3, 6],
        [40, 51],
      ],
    ],
    [
      '2-MByte PDE',
      PD + 8,
      0x80n | WRITE_BACK | RWX,
      0x20_0000n,
      [
        [12, 20],
        [40, 51],
      ],
    ],
    ['PTE', PT + 32, 0x30_5000n | WRITE_BACK | RWX, 0x4000n, [[40, 51]]],
  ];
  for (const [name, at, entry, address, reserved] of kinds) {
    for (let bit = 3; bit < 64; bit++) {
      const isReserved = reserved.some(([from, to]) => bit >= from && bit <= to);
      // Address, memory-type and page-size bits are no reserved bits but change what the entry says.
      const ignored = [8, 9, 10, 11, ...Array.from({ length: 12 }, (_, i) => 52 + i)].includes(bit);
      if (!isReserved && !ignored) continue;
      const result = walk(pte(entry | (1n << BigInt(bit)), at), address);
      assert.equal(result.kind, isReserved ? 'misconfiguration' : 'mapped', `${name}, bit ${bit}`);
    }
  }
});

test('paging structures outside RAM read as all ones, which is a misconfiguration, never an error', () => {
  assert.equal(walk(nothing, 0x4000n, READ, 0x80_0000_001en).kind, 'misconfiguration');
  assert.equal(walk(nothing, 1n << 48n).kind, 'violation');
});

test('accessed and dirty flags are set only where EPTP bit 6 asks for them', () => {
  const at = PT + 32;
  const run = (eptp: bigint, access: typeof READ): { low: bigint; upper: bigint; needsDirty: boolean | undefined } => {
    const machine = new TestMachine();
    tables(machine);
    const result = walkEpt(machine.cpu, eptp, 0x4000n, access, true);
    return {
      low: machine.memory.read64(at) & 0x300n,
      upper: machine.memory.read64(PML4) & 0x300n,
      needsDirty: result.kind === 'mapped' ? result.translation.needsDirty : undefined,
    };
  };
  assert.deepEqual(run(EPTP, WRITE), { low: 0n, upper: 0n, needsDirty: false });
  assert.deepEqual(run(WITH_FLAGS, READ), { low: 0x100n, upper: 0x100n, needsDirty: true });
  assert.deepEqual(run(WITH_FLAGS, WRITE), { low: 0x300n, upper: 0x100n, needsDirty: false });
});

function guest(eptp = EPTP): TestMachine {
  const machine = new TestMachine();
  machine.launch(() => {
    tables(machine);
    machine.control('secondary.ENABLE_EPT');
    machine.setField('EPT_POINTER', eptp);
  });
  assert.equal(machine.inGuest, true, JSON.stringify(machine.vmx.log.last?.failures.map(({ id }) => id)));
  return machine;
}
function translate(machine: TestMachine, address: bigint, access: Partial<GuestPhysicalAccess>): string {
  return machine.outcome(() => {
    machine.cpu.vmx.translate(Number(address), { ...READ, linear: 0x1234n, pagingStructure: false, ...access });
    return 'mapped';
  });
}

test('the violation qualification tells access, grants, and where the address came from', () => {
  const cases: readonly [string, bigint, Partial<GuestPhysicalAccess>, bigint][] = [
    ['a read of nothing', 0x5000n, {}, 0x181n],
    ['a write of nothing', 0x5000n, WRITE, 0x182n],
    ['a fetch of nothing', 0x5000n, FETCH, 0x184n],
    ['a read-modify-write of nothing', 0x5000n, { write: true }, 0x183n],
    ['a page walk', 0x5000n, { pagingStructure: true }, 0x81n],
    ['no linear address', 0x5000n, { linear: undefined }, 0x1n],
    ['a write to a read-only page', 0x6000n, WRITE, 0x18an],
    ['a fetch from a page without execute', 0x7000n, FETCH, 0x19cn],
  ];
  for (const [name, address, access, qualification] of cases) {
    const machine = guest();
    machine.memory.write64(PT + 6 * 8, 0x30_6000n | WRITE_BACK | 1n);
    machine.memory.write64(PT + 7 * 8, 0x30_7000n | WRITE_BACK | 3n);
    assert.equal(translate(machine, address, access), 'exit', name);
    assert.equal(machine.field('VM_EXIT_REASON'), 48n);
    assert.equal(machine.field('EXIT_QUALIFICATION'), qualification, name);
    assert.equal(machine.field('GUEST_PHYSICAL_ADDRESS'), address);
    assert.equal(
      machine.field('GUEST_LINEAR_ADDRESS'),
      access.linear === undefined && 'linear' in access ? 0n : 0x1234n,
    );
    assert.equal(machine.field('GUEST_RFLAGS') & 0x1_0000n, 0x1_0000n, 'RF is saved as 1');
  }
});

test('with EPT accessed and dirty flags a page-walk access counts as a write', () => {
  const machine = guest(WITH_FLAGS);
  machine.memory.write64(PT + 6 * 8, 0x30_6000n | WRITE_BACK | 1n);
  assert.equal(translate(machine, 0x6000n, { pagingStructure: true }), 'exit');
  assert.equal(machine.field('EXIT_QUALIFICATION'), 0x8bn);
});

test('a misconfiguration is reason 49 with the guest-physical address', () => {
  const machine = guest();
  machine.memory.write64(PT + 6 * 8, 2n);
  assert.equal(translate(machine, 0x6000n, {}), 'exit');
  assert.equal(machine.field('VM_EXIT_REASON'), 49n);
  assert.equal(machine.field('GUEST_PHYSICAL_ADDRESS'), 0x6000n);
});

test('a peek neither exits nor sets a flag', () => {
  const machine = guest(WITH_FLAGS);
  assert.equal(machine.cpu.vmx.peekTranslate(0x4004n, WITH_FLAGS)?.physical, 0x30_5004);
  assert.equal(machine.memory.read64(PT + 32) & 0x300n, 0n);
  assert.equal(machine.cpu.vmx.peekTranslate(0x5000n, WITH_FLAGS), undefined);
  assert.equal(machine.cpu.vmx.peekTranslate(0x4000n, 0x80_0000_001en), undefined);
  assert.equal(machine.inGuest, true);
});
