import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestFault } from '../cpu/faults';
import { readMsr, writeMsr } from '../cpu/msr-access';
import type { Processor } from '../cpu/processor';
import { bareProcessor } from '../cpu/processor.fixture';
import { Platform } from '../devices/platform';
import { MSRS } from '../state/layout';
import { connectApic } from './apic-registers';

const BASE = 0x1b;
const DISABLED = 0xfee0_0100n;
const XAPIC = 0xfee0_0900n;
const X2APIC = 0xfee0_0d00n;
const INVALID = 0xfee0_0500n;

function processor(): { cpu: Processor; platform: Platform } {
  const { cpu, memory } = bareProcessor();
  const platform = new Platform(memory, () => 0n, { output: () => undefined });
  connectApic(cpu, platform);
  return { cpu, platform };
}

const faults = (cpu: Processor, index: number, value: bigint): boolean => {
  try {
    writeMsr(cpu, index, value);
    return false;
  } catch (thrown) {
    assert.ok(thrown instanceof GuestFault && thrown.vector === 13 && thrown.errorCode === 0);
    return true;
  }
};

test('modes of the local APIC change as the SDM’s x2APIC state transitions allow, and not otherwise', () => {
  const modes = { disabled: DISABLED, xAPIC: XAPIC, x2APIC: X2APIC, invalid: INVALID } as const;
  const legal: Readonly<Record<string, readonly string[]>> = {
    disabled: ['disabled', 'xAPIC'],
    xAPIC: ['disabled', 'xAPIC', 'x2APIC'],
    x2APIC: ['disabled', 'x2APIC'],
  };
  for (const [from, targets] of Object.entries(legal)) {
    for (const [to, value] of Object.entries(modes)) {
      const { cpu } = processor();
      cpu.setField(MSRS.apicBase, modes[from as keyof typeof modes]);
      const before = readMsr(cpu, BASE);
      assert.equal(faults(cpu, BASE, value), !targets.includes(to), `${from} to ${to}`);
      assert.equal(readMsr(cpu, BASE), targets.includes(to) ? value : before);
    }
  }
});

test('reserved bits of IA32_APIC_BASE fault, those above the physical-address width too', () => {
  const { cpu } = processor();
  for (const bit of [0n, 7n, 9n, BigInt(cpu.model.physicalBits), 63n]) {
    assert.equal(faults(cpu, BASE, XAPIC | (1n << bit)), true, `bit ${bit}`);
  }
  assert.equal(faults(cpu, BASE, 0x0012_3000n | 0x900n), false);
});

test('a local APIC that was disabled starts as after a reset; entering x2APIC mode keeps its registers', () => {
  const { cpu, platform } = processor();
  const { active } = platform.apics;
  active.tpr = 0x50;
  active.write(0x32, 0x2_0061, 0n, false);
  writeMsr(cpu, BASE, X2APIC);
  assert.deepEqual([readMsr(cpu, 0x808), readMsr(cpu, 0x832), readMsr(cpu, 0x80f)], [0x50n, 0x2_0061n, 0x1ffn]);
  writeMsr(cpu, BASE, DISABLED);
  assert.throws(() => readMsr(cpu, 0x808));
  cpu.taskPriority.write(3);
  assert.equal(cpu.taskPriority.read(), 3, 'CR8 is there without an APIC');
  cpu.taskPriority.write(0);
  writeMsr(cpu, BASE, XAPIC);
  assert.deepEqual([active.tpr, active.read(0x32, 0n, false), active.read(0x0f, 0n, false)], [0, 0x1_0000, 0xff]);
});

test('a write that moves the TSC moves its deadline’s time', () => {
  for (const msr of [0x10, 0x3b]) {
    const { cpu, platform } = processor();
    writeMsr(cpu, BASE, X2APIC);
    writeMsr(cpu, 0x832, 0x4_0040n);
    writeMsr(cpu, 0x6e0, 5000n);
    writeMsr(cpu, msr, 4999n);
    assert.equal(platform.nextEvent(), 1n);
    writeMsr(cpu, msr, 5000n);
    assert.equal(platform.nextEvent(), 0n);
    platform.advance(0n);
    assert.equal(platform.apics.request(0), 0x40);
  }
});

test('every x2APIC register refuses its reserved bits, and the ones it does not have', () => {
  const { cpu } = processor();
  writeMsr(cpu, BASE, X2APIC);
  const writable: Readonly<Partial<Record<number, bigint>>> = {
    0x808: 0xffn,
    0x80b: 0n,
    0x828: 0n,
    0x832: 0x7_10ffn,
    0x835: 0x1_f7ffn,
    0x837: 0x1_10ffn,
    0x838: 0xffff_ffffn,
    0x83e: 0xbn,
    0x83f: 0xffn,
  };
  /** Held elsewhere: their masks are those of their neighbours. */
  const others = [0x80f, 0x830, 0x833, 0x834, 0x836];
  for (let index = 0x800; index <= 0x8ff; index++) {
    const allowed = writable[index] ?? 0n;
    if (others.includes(index)) continue;
    for (let bit = 0n; bit < 64n; bit++) {
      if ((allowed & (1n << bit)) !== 0n) continue;
      assert.equal(faults(cpu, index, 1n << bit), true, `MSR 0x${index.toString(16)} bit ${bit}`);
    }
  }
  for (const writeOnly of [0x80b, 0x83f, 0x831, 0x80e]) assert.throws(() => readMsr(cpu, writeOnly));
  for (const bit of [13n, 16n, 20n, 31n]) assert.equal(faults(cpu, 0x830, 1n << bit), true, `ICR bit ${bit}`);
});
