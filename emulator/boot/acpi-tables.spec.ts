import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACPI_BASE, acpiTables } from './acpi-tables';

const memory = Buffer.from(acpiTables(3));
const at = (physical: number): number => physical - ACPI_BASE;
const bytes = (physical: number, length: number): Buffer => memory.subarray(at(physical), at(physical) + length);
const sum = (part: Buffer): number => part.reduce((total, byte) => total + byte, 0) & 0xff;
const u32 = (physical: number): number => memory.readUInt32LE(at(physical));
const u64 = (physical: number): number => Number(memory.readBigUInt64LE(at(physical)));

/** Addresses of the tables that the root table lists, by signature. */
function listed(root: number, width: 4 | 8): ReadonlyMap<string, number> {
  const count = (u32(root + 4) - 36) / width;
  const addresses = Array.from({ length: count }, (_, i) => (width === 4 ? u32 : u64)(root + 36 + i * width));
  return new Map(addresses.map((address) => [bytes(address, 4).toString('latin1'), address]));
}

const rsdt = u32(ACPI_BASE + 16);
const xsdt = u64(ACPI_BASE + 24);
const tables = listed(xsdt, 8);
const find = (signature: string): number => {
  const address = tables.get(signature);
  assert.ok(address !== undefined, signature);
  return address;
};

test('the root pointer is where software searches, with both checksums right', () => {
  assert.equal(ACPI_BASE % 16, 0);
  assert.ok(ACPI_BASE >= 0xe_0000 && ACPI_BASE + memory.length <= 0x10_0000);
  assert.equal(bytes(ACPI_BASE, 8).toString('latin1'), 'RSD PTR ');
  assert.equal(sum(bytes(ACPI_BASE, 20)), 0);
  assert.equal(sum(bytes(ACPI_BASE, 36)), 0);
  assert.equal(memory[15], 2);
});

test('both root tables list the same tables, and every table has its length and sums to zero', () => {
  assert.deepEqual([...listed(rsdt, 4)], [...tables]);
  assert.deepEqual([...tables.keys()], ['FACP', 'APIC', 'HPET']);
  for (const address of [rsdt, xsdt, ...tables.values(), u32(find('FACP') + 40)]) {
    assert.equal(sum(bytes(address, u32(address + 4))), 0);
  }
});

test('the FADT names the power-management ports, the reset register, an aligned FACS and the DSDT', () => {
  const fadt = find('FACP');
  assert.equal(u32(fadt + 4), 244);
  assert.equal(u32(fadt + 48), 0, 'no SMI command port');
  assert.deepEqual([u32(fadt + 56), u32(fadt + 64), u32(fadt + 76)], [0x600, 0x604, 0x608]);
  assert.deepEqual([...bytes(fadt + 88, 4)], [4, 2, 0, 4]);
  assert.equal(u32(fadt + 112) & 0x400, 0x400);
  assert.deepEqual([...bytes(fadt + 116, 13)], [1, 8, 0, 0, 0xf9, 0x0c, 0, 0, 0, 0, 0, 0, 6]);
  for (const [short, long] of [
    [36, 132],
    [40, 140],
  ]) {
    assert.equal(u32(fadt + short), u64(fadt + long));
  }
  for (const [block, generic] of [
    [56, 148],
    [64, 172],
    [76, 208],
  ]) {
    assert.equal(memory[at(fadt + generic)], 1);
    assert.equal(u32(fadt + block), u64(fadt + generic + 4));
  }
  const facs = u32(fadt + 36);
  assert.equal(facs % 64, 0);
  assert.equal(bytes(facs, 4).toString('latin1'), 'FACS');
  assert.equal(u32(facs + 4), 64);
});

test('the MADT lists every processor, the I/O APIC, and where requests 0 and 9 go', () => {
  const madt = find('APIC');
  const entries: number[][] = [];
  for (let next = madt + 44; next < madt + u32(madt + 4); next += memory[at(next + 1)]) {
    entries.push([...bytes(next, memory[at(next + 1)])]);
  }
  assert.deepEqual(entries, [
    ...[0, 1, 2].map((id) => [0, 8, id, id, 1, 0, 0, 0]),
    [1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0],
    [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
    [2, 10, 0, 9, 9, 0, 0, 0, 13, 0],
    [4, 6, 0xff, 0, 0, 1],
  ]);
});

test('the DSDT defines the sleep states S3 and S5 as packages', () => {
  const dsdt = u32(find('FACP') + 40);
  const aml = bytes(dsdt + 36, u32(dsdt + 4) - 36);
  const state = (name: string, type: number): number[] => [
    ...[0x08, 0x5c, ...Buffer.from(name), 0x12, 10, 4],
    ...[0x0a, type, 0x0a, type, 0x0a, 0, 0x0a, 0],
  ];
  assert.deepEqual([...aml], [...state('_S3_', 1), ...state('_S5_', 0)]);
});
