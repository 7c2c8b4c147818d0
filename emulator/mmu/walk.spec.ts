import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACCESS } from '../codegen/exits';
import { bareProcessor, faultOf, type Fixture } from '../cpu/processor.fixture';
import { SEG } from '../cpu/processor';
import { CONTROL, FLAGS, MSRS, PKRU, RAM_BASE } from '../state/layout';
import { type PagingMode, type ReferenceAccess, type ReferenceControls, referenceWalk } from './reference-walk.fixture';

const MODES: readonly PagingMode[] = ['none', '32-bit', 'PAE', '4-level', '5-level'];
const CASES = 12_000;
const SEED = 20261122;

/** Numbers below 2^32, the same for the same seed. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b_3c6d) + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) % below;
  };
}

interface Case {
  readonly controls: ReferenceControls;
  readonly access: ReferenceAccess;
  readonly linear: bigint;
  readonly size: 1 | 4 | 8;
}

/** Random controls of a mode and tables for a random address: mostly usable, with a few random bits flipped. */
function prepare({ cpu, memory }: Fixture, mode: PagingMode, random: (below: number) => number): Case {
  const chance = (percent: number): boolean => random(100) < percent;
  const word = (): bigint => BigInt(random(2 ** 32));
  const long = mode === '4-level' || mode === '5-level';
  const pae = long || mode === 'PAE';
  const { physicalBits } = cpu.model;
  let cr4 = 0n;
  for (const n of [4, 7, 20, 21, 22, 24]) if (chance(50)) cr4 |= 1n << BigInt(n);
  if (pae) cr4 |= 0x20n;
  if (mode === '5-level') cr4 |= 0x1000n;
  const cr0 = (mode === 'none' ? 0x31n : 0x8000_0031n) | (chance(50) ? 0x1_0000n : 0n);
  const efer = (long ? 0x500n : 0n) | (chance(70) ? 0x800n : 0n);

  const pages = [0x10_0000, 0x10_1000, 0x10_2000, 0x10_3000, 0x10_4000, 0x10_5000];
  const levels = { none: 0, '32-bit': 2, PAE: 2, '4-level': 4, '5-level': 5 }[mode];
  const linearBits = long ? (mode === '5-level' ? 57 : 48) : 32;
  let linear = BigInt.asUintN(linearBits, (word() << 32n) | word());
  if (linearBits > 32) linear = BigInt.asUintN(64, BigInt.asIntN(linearBits, linear));
  const size = ([1, 4, 8] as const)[random(3)];
  if ((linear & 0xfffn) > 0xff8n) linear -= 8n;

  const entrySize = mode === '32-bit' ? 4 : 8;
  const random4K = (): bigint => BigInt(random(0x100)) << 12n;
  const leafLevel = levels - 1 - (chance(35) ? 1 + random(Math.max(1, levels - 2)) : 0);
  for (let level = 0; level < levels; level++) {
    const shift = mode === '32-bit' ? (level === 0 ? 22 : 12) : 12 + 9 * (levels - 1 - level);
    const index = Number((linear >> BigInt(shift)) & (mode === '32-bit' ? 0x3ffn : 0x1ffn));
    const leaf = level === leafLevel;
    let entry = (leaf ? random4K() : BigInt(pages[level + 1])) | 7n;
    if (leaf && level < levels - 1) {
      entry |= 0x80n;
      // Most large pages are aligned as they must be.
      if (chance(80)) entry &= ~((1n << BigInt(shift)) - 1n) | 0xfffn;
      if (mode === '32-bit' && chance(50)) entry |= BigInt(random(256)) << 13n;
    }
    if (entrySize === 8 && leaf) entry |= BigInt(random(16)) << 59n;
    for (const n of [5, 6, 8]) if (chance(30)) entry |= 1n << BigInt(n);
    for (const n of [1, 2]) if (chance(20)) entry &= ~(1n << BigInt(n));
    if (entrySize === 8 && chance(10)) entry |= 1n << 63n;
    if (entrySize === 8 && chance(10)) entry |= 1n << BigInt(32 + random(31));
    if (chance(5)) entry ^= 1n << BigInt(random(entrySize * 8));
    const at = pages[level] + index * entrySize;
    if (entrySize === 8) memory.write64(at, entry);
    else memory.write32(at, Number(entry & 0xffff_ffffn));
  }
  const pdptes = [0, 1, 2, 3].map(() => (chance(90) ? BigInt(pages[0]) | 1n : 0n));
  const cr3 = mode === 'PAE' ? 0n : BigInt(pages[0]) | (chance(20) ? 0x18n : 0n);
  const access: ReferenceAccess = {
    kind: (['read', 'write', 'fetch'] as const)[random(3)],
    user: chance(50),
    implicit: false,
  };
  const implicit = access.kind !== 'fetch' && chance(25);
  return {
    controls: {
      ...{ cr0, cr3, cr4, efer, pdptes, physicalBits },
      pkru: chance(50) ? random(2 ** 32) : 0,
      pkrs: chance(50) ? random(2 ** 32) : 0,
      ac: chance(50),
    },
    access: { ...access, implicit },
    linear,
    size,
  };
}

function install({ cpu, access }: Fixture, { controls, access: { user } }: Case): void {
  cpu.setField(CONTROL.cr0, controls.cr0);
  cpu.setField(CONTROL.cr3, controls.cr3);
  cpu.setField(CONTROL.cr4, controls.cr4);
  cpu.setField(CONTROL.efer, controls.efer);
  cpu.setField32(PKRU, controls.pkru);
  cpu.setField(MSRS.pkrs, BigInt(controls.pkrs));
  cpu.setField32(FLAGS.system, controls.ac ? 0x4_0002 : 2);
  controls.pdptes.forEach((entry, i) => cpu.setField(CONTROL.pdpte + i * 8, entry));
  const dpl = user ? 0x60 : 0;
  cpu.setSegment(SEG.CS, 8, 0n, 0xffff_ffff, (controls.efer & 0x400n ? 0xa09b : 0xc09b) | dpl);
  cpu.setSegment(SEG.SS, 16, 0n, 0xffff_ffff, 0xc093 | dpl);
  access.flush(true);
  access.contextChanged();
}

/** The bus outside RAM: reads give 0, the first address asked for is kept. */
class Recorder {
  first: number | undefined;
  read(physical: number): bigint {
    this.first ??= physical;
    return 0n;
  }
  write(physical: number): void {
    this.first ??= physical;
  }
  claims(): boolean {
    return false;
  }
}

test(`walks agree with the SDM's chapter over random tables and controls of all five paging modes (seed ${SEED})`, () => {
  const fixture = bareProcessor();
  const { cpu, access, memory } = fixture;
  const outcomes = { fault: 0, translated: 0 };
  for (let number = 0; number < CASES; number++) {
    const seed = SEED + number;
    const mode = MODES[number % MODES.length];
    const drawn = prepare(fixture, mode, generator(seed));
    const { controls, linear, size } = drawn;
    const name = `seed ${seed}: ${mode} ${JSON.stringify(drawn, (_k, v: unknown) => (typeof v === 'bigint' ? v.toString(16) : v))}`;
    const expected = referenceWalk(controls, drawn.access, linear, (at, width) => {
      if (!memory.isRam(Number(at), width)) return 0n;
      return width === 8 ? memory.read64(Number(at)) : BigInt(memory.read32(Number(at)) >>> 0);
    });
    install(fixture, drawn);
    const recorder = new Recorder();
    let physical: number | undefined;
    const act = (): void => {
      const { kind, implicit } = drawn.access;
      recorder.first = undefined;
      cpu.bus = recorder;
      if (kind === 'fetch') {
        physical = access.fetchPhysical(linear);
      } else if (kind === 'write') {
        if (implicit) access.writeSystem(linear, size, 0n);
        else access.slowStore(linear, 0n, ACCESS.WRITE | size);
        physical = undefined;
      } else if (implicit) {
        access.readSystem(linear, size);
      } else {
        physical = access.slowLoad(linear, size) - RAM_BASE;
        if (physical < 0) physical = undefined;
      }
    };
    // A walk of a table that is not RAM asks the bus too: its reads come before the access.
    const fault = faultOf(act);
    if ('errorCode' in expected) {
      outcomes.fault++;
      assert.deepEqual(fault, { vector: 14, errorCode: expected.errorCode, address: linear }, name);
      assert.deepEqual(faultOf(act), fault, `again, ${name}`);
      continue;
    }
    outcomes.translated++;
    assert.equal(fault, undefined, name);
    const inRam = memory.isRam(Number(expected.physical - (expected.physical & 0xfffn)), 4096);
    if (physical !== undefined && physical >= 0) assert.equal(BigInt(physical), expected.physical, name);
    else if (!inRam && drawn.access.kind !== 'fetch') assert.equal(recorder.first, Number(expected.physical), name);
    for (const [at, entry] of expected.entries) {
      // A store may have gone to the tables themselves.
      if (drawn.access.kind === 'write' && inRam && at >> 12n === expected.physical >> 12n) continue;
      const now: bigint =
        expected.entrySize === 8 ? memory.read64(Number(at)) : BigInt(memory.read32(Number(at)) >>> 0);
      assert.equal(now, entry, `entry at ${at.toString(16)}: ${name}`);
    }
    assert.equal(faultOf(act), undefined, `from the TLB, ${name}`);
  }
  // Neither kind is rare.
  assert.ok(outcomes.fault > CASES / 5 && outcomes.translated > CASES / 5, JSON.stringify(outcomes));
});
