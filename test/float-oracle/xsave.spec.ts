import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { COLD } from '../../emulator/cpu/cold-table';
import { faultOf, longMode, type Fixture } from '../../emulator/cpu/processor.fixture';
import { RAX, RBX, RDX } from '../../emulator/cpu/registers';
import { DecodedRecord } from '../../emulator/decode/decoded-record';
import { RECORD } from '../../emulator/decode/record';
import { CONTROL, GPR, MSRS, MXCSR, PKRU, PSEUDO, SCRATCH, YMM } from '../../emulator/state/layout';
import { IS_INTEL_HOST } from '../host-oracle/rows';
import { Random } from './operands';

const SEED = Number(process.env.FLOAT_ORACLE_SEED ?? '1');
const CASES = 3000;
const AREA = 3072;
/** What the host of this spec had: x87, SSE and AVX state. */
const COMPONENTS = 7;
const AT = 0x1_0000;
const INITIAL = 0x1_4000;
const KEYS = ['xsave', 'xsaveopt', 'xsavec', 'xrstor'] as const;

interface AreaCase {
  /** Index in KEYS. */
  readonly operation: number;
  readonly mask: number;
  /** Distance of the area from a multiple of 64. */
  readonly displacement: number;
  readonly initial: Uint8Array;
  readonly area: Uint8Array;
}

/** A standard area with every component either present, and not as it is initially, or absent. */
function standardArea(random: Random): Uint8Array {
  const area = new Uint8Array(AREA);
  const view = new DataView(area.buffer);
  for (let i = 0; i < 832; i++) area[i] = random.below(256);
  area.fill(0, 416, 576);
  view.setUint16(0, 0x7f | (random.below(16) << 8), true);
  view.setUint16(2, random.below(8) << 11, true);
  view.setUint16(4, random.below(256), true);
  view.setUint16(6, random.below(0x800), true);
  for (let i = 0; i < 8; i++) area.fill(0, 42 + i * 16, 48 + i * 16);
  // Pointers keep to what the processor can hold of an address.
  view.setBigUint64(8, random.next() >> 20n, true);
  view.setBigUint64(16, random.next() >> 20n, true);
  view.setUint32(24, random.below(3) === 0 ? 0x1f80 : random.below(0x1_0000) | 0x1f80, true);
  view.setUint32(28, 0xffff, true);
  view.setUint32(512, random.below(8), true);
  return area;
}

/** The same content compacted, with the components of `layout`, or a header spoilt in one place. */
function anyArea(random: Random): Uint8Array {
  const area = standardArea(random);
  const view = new DataView(area.buffer);
  if (random.below(2) === 0) {
    const layout = random.below(8);
    view.setUint32(512, view.getUint32(512, true) & layout, true);
    view.setBigUint64(520, BigInt(layout) | (1n << 63n), true);
  }
  if (random.below(4) === 0) {
    const at = random.pick([24, 26, 512, 513, 516, 519, 520, 521, 524, 528, 540, 575]);
    // AVX-512, which the host has enabled and the machine lacks, has bits 7:5 of the first bytes of the bitmaps.
    area[at] = random.below(256) & (at === 512 || at === 520 ? 0x1f : 0xff);
  }
  return area;
}

const makeCase = (random: Random): AreaCase => {
  const operation = random.below(KEYS.length);
  const area = operation === 3 ? anyArea(random) : standardArea(random);
  if (operation !== 3) for (let i = 0; i < AREA; i++) area[i] = i >= 512 && i < 576 ? area[i] : 0xaa;
  return {
    operation,
    mask: random.below(8),
    displacement: random.below(30) === 0 ? random.pick([8, 16, 32]) : 0,
    initial: standardArea(random),
    area,
  };
};

interface AreaOutcome {
  readonly refused: boolean;
  readonly area: string;
  readonly state: string;
}

function runOnHost(cases: readonly AreaCase[]): readonly AreaOutcome[] {
  const cache = join(__dirname, '..', '..', '.cache', 'float-oracle');
  const binary = join(cache, 'xsave');
  mkdirSync(cache, { recursive: true });
  execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-mgeneral-regs-only', '-o', binary, join(__dirname, 'xsave.c')]);
  const size = 16 + 2 * AREA;
  const input = new Uint8Array(cases.length * size);
  const view = new DataView(input.buffer);
  cases.forEach(({ operation, mask, displacement, initial, area }, i) => {
    [operation, mask, displacement].forEach((word, n) => {
      view.setUint32(i * size + n * 4, word, true);
    });
    input.set(initial, i * size + 16);
    input.set(area, i * size + 16 + AREA);
  });
  const length = 8 + 2 * AREA;
  const { status, stdout } = spawnSync(binary, { input, maxBuffer: cases.length * length + 1 });
  assert.equal(status, 0);
  assert.equal(stdout.length, cases.length * length);
  return cases.map((_, i) => {
    const at = i * length;
    const part = (offset: number): string => stdout.subarray(at + offset, at + offset + AREA).toString('hex');
    return { refused: stdout.readUInt32LE(at) !== 0, area: part(8), state: part(8 + AREA) };
  });
}

function instruction({ cpu, memory }: Fixture, key: string, address: number, mask: number): number | undefined {
  const { view } = memory;
  memory.u8.fill(0, SCRATCH.single, SCRATCH.single + 48);
  view.setUint16(SCRATCH.single + RECORD.base, GPR + RBX * 8, true);
  view.setUint16(SCRATCH.single + RECORD.index, PSEUDO.ZERO, true);
  view.setUint8(SCRATCH.single + RECORD.segment, 3);
  view.setUint8(SCRATCH.single + RECORD.prefixes, (3 << 4) | (3 << 6));
  cpu.setGpr(RBX, BigInt(address));
  cpu.setGpr(RAX, BigInt(mask));
  cpu.setGpr(RDX, 0n);
  return faultOf(() => COLD[key](cpu, new DecodedRecord(view).at(SCRATCH.single)))?.vector;
}

/** A processor in 64-bit mode with the XSAVE feature set of the harness. */
function machine(): Fixture {
  const fixture = longMode();
  const { cpu } = fixture;
  cpu.setField(CONTROL.cr4, cpu.cr4 | 0x4_0200n);
  cpu.setField(CONTROL.xcr0, BigInt(COMPONENTS));
  return fixture;
}

function runHere(fixture: Fixture, { operation, mask, displacement, initial, area }: AreaCase): AreaOutcome {
  const { memory } = fixture;
  const state = INITIAL + 0x1000;
  memory.writeBytes(INITIAL, initial);
  memory.writeBytes(AT + displacement, area);
  memory.writeBytes(state, new Uint8Array(AREA));
  assert.equal(instruction(fixture, 'xrstor', INITIAL, COMPONENTS), undefined);
  const fault = instruction(fixture, KEYS[operation], AT + displacement, mask);
  if (fault === undefined) instruction(fixture, 'xsave', state, COMPONENTS);
  const hex = (at: number): string => Buffer.from(memory.readBytes(at, AREA)).toString('hex');
  return { refused: fault !== undefined, area: hex(AT + displacement), state: hex(state) };
}

/** Places where two areas differ, for a message. */
const differences = (a: string, b: string): string =>
  Array.from({ length: AREA }, (_, i) => i)
    .filter((i) => a.slice(i * 2, i * 2 + 2) !== b.slice(i * 2, i * 2 + 2))
    .slice(0, 8)
    .map((i) => `${i}: ${a.slice(i * 2, i * 2 + 2)} ${b.slice(i * 2, i * 2 + 2)}`)
    .join(', ');

if (IS_INTEL_HOST)
  test(`XSAVE, XSAVEOPT, XSAVEC and XRSTOR do what the host does (seed ${SEED}, ${CASES} cases)`, () => {
    const random = new Random(SEED);
    const cases = Array.from({ length: CASES }, () => makeCase(random));
    const outcomes = runOnHost(cases);
    const fixture = machine();
    const found = cases.flatMap((one, i) => {
      const here = runHere(fixture, one);
      const isSame = ({ refused, area, state }: (typeof outcomes)[number]): boolean =>
        refused === here.refused && area === here.area && state === here.state;
      // An operating system that switched tasks in the middle has changed what the host has in use: the case is run again.
      const host = isSame(outcomes[i]) ? outcomes[i] : runOnHost([one])[0];
      if (isSame(host)) return [];
      const what = host.refused === here.refused ? '' : `refused by host ${host.refused} here ${here.refused}`;
      return `${KEYS[one.operation]} ${one.mask.toString(16)} ${what} area ${differences(host.area, here.area)} state ${differences(host.state, here.state)} header ${Buffer.from(one.area.subarray(512, 576)).toString('hex')}`;
    });
    assert.equal(found.length, 0, `${found.length} differ:\n${found.slice(0, 8).join('\n')}`);
  });

test('the XSAVE family is #UD without CR4.OSXSAVE, #NM with CR0.TS, and its supervisor forms are #GP at level 3', () => {
  const fixture = machine();
  const { cpu } = fixture;
  cpu.setField(CONTROL.cr4, cpu.cr4 & ~0x4_0000n);
  for (const key of [...KEYS, 'xsaves', 'xrstors']) assert.equal(instruction(fixture, key, AT, 7), 6, key);
  cpu.setField(CONTROL.cr4, cpu.cr4 | 0x4_0000n);
  cpu.setField(CONTROL.cr0, cpu.cr0 | 8n);
  for (const key of [...KEYS, 'xsaves', 'xrstors']) assert.equal(instruction(fixture, key, AT, 7), 7, key);
});

test('XSAVES saves compacted what XRSTORS puts back; XRSTORS refuses the standard format', () => {
  const fixture = machine();
  const { cpu, memory } = fixture;
  cpu.setField(CONTROL.xcr0, 0x207n);
  cpu.setField(MSRS.xss, 0n);
  memory.u64[(YMM + 16) >> 3] = 0x1234n;
  cpu.setField32(PKRU, 0x50);
  cpu.setField32(MXCSR, 0x3f80);
  memory.writeBytes(AT, new Uint8Array(AREA));
  assert.equal(instruction(fixture, 'xsaves', AT, 0x206), undefined);
  assert.equal(memory.read64(AT + 512), 0x206n);
  assert.equal(memory.read64(AT + 520), 0x8000_0000_0000_0206n);
  assert.equal(memory.read64(AT + 832), 0x50n);
  memory.u64[(YMM + 16) >> 3] = 0n;
  cpu.setField32(PKRU, 0);
  cpu.setField32(MXCSR, 0x1f80);
  assert.equal(instruction(fixture, 'xrstors', AT, 0x206), undefined);
  assert.deepEqual([memory.u64[(YMM + 16) >> 3], cpu.field32(PKRU), cpu.field32(MXCSR)], [0x1234n, 0x50, 0x3f80]);
  memory.write64(AT + 520, 0n);
  assert.equal(instruction(fixture, 'xrstors', AT, 0x206), 13);
});
