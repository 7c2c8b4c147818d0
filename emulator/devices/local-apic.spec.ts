import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOUNDARY, MSRS } from '../state/layout';
import { MachineMemory } from '../state/memory';
import { windowShift } from '../state/windows';
import { ACTIVITY } from '../tables/boundary-state';
import { DeviceState } from './device-state';
import { LocalApics } from './local-apics';
import { TestPlatform } from './test-platform.fixture';

const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const SVR = 0xf0;
const ISR = 0x100;
const IRR = 0x200;
const ICR = 0x300;
const TIMER = 0x320;
const LINT0 = 0x350;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;
const SELF = 0x4_0000;
const MASKED = 0x1_0000;
/** 100 MHz: machine time units in an undivided timer tick. */
const TICK = 10n;

function enabled(): TestPlatform {
  const pc = new TestPlatform();
  pc.setApic(SVR, 0x1ff);
  pc.setApic(LINT0, MASKED);
  return pc;
}

test('identification and reset values are the SDM’s', () => {
  const pc = new TestPlatform();
  assert.equal(pc.apic(0x20), 0);
  assert.equal(pc.apic(0x30) & 0xff, 0x14);
  assert.equal((pc.apic(0x30) >> 16) & 0xff, 5, 'no CMCI, as MCG_CAP says');
  assert.equal(pc.apic(0xe0), 0xffff_ffff);
  pc.platform.initialize(0);
  assert.equal(pc.apic(SVR), 0xff);
  for (const lvt of [0x320, 0x330, 0x340, 0x350, 0x360, 0x370]) assert.equal(pc.apic(lvt), MASKED);
});

test('a self IPI is requested, delivered, in service, and over at EOI', () => {
  const pc = enabled();
  pc.setApic(ICR, SELF | 0x61);
  assert.equal(pc.apic(IRR + 0x30), 2);
  assert.equal(pc.interrupt(), 0x61);
  assert.equal(pc.apic(IRR + 0x30), 0);
  assert.equal(pc.apic(ISR + 0x30), 2);
  assert.equal(pc.apic(PPR), 0x60);
  pc.setApic(EOI, 0);
  assert.equal(pc.apic(ISR + 0x30), 0);
  assert.equal(pc.apic(PPR), 0);
});

test('the highest vector wins; one of the class in service waits, a higher class interrupts', () => {
  const pc = enabled();
  for (const vector of [0x45, 0x41, 0x52]) pc.setApic(ICR, SELF | vector);
  assert.equal(pc.interrupt(), 0x52);
  assert.equal(pc.interrupt(), undefined);
  pc.setApic(ICR, SELF | 0x5f);
  assert.equal(pc.interrupt(), undefined);
  pc.setApic(ICR, SELF | 0x60);
  assert.equal(pc.interrupt(), 0x60);
  pc.setApic(EOI, 0);
  pc.setApic(EOI, 0);
  assert.equal(pc.interrupt(), 0x5f);
  pc.setApic(EOI, 0);
  assert.equal(pc.interrupt(), 0x45);
});

test('task priority holds back its class and those below', () => {
  const pc = enabled();
  pc.setApic(TPR, 0x4f);
  assert.equal(pc.platform.apics.active.tpr, 0x4f);
  pc.setApic(ICR, SELF | 0x4f);
  assert.equal(pc.interrupt(), undefined);
  pc.platform.apics.active.tpr = 0x30;
  assert.equal(pc.apic(TPR), 0x30);
  assert.equal(pc.interrupt(), 0x4f);
});

test('a one-shot timer fires once, after its count at the divided clock', () => {
  const pc = enabled();
  pc.pass(12345n);
  pc.setApic(TIMER, 0x40);
  pc.setApic(DIVIDE, 0x3);
  pc.setApic(INITIAL, 1000);
  const start = 12340n;
  pc.pass(5000n);
  assert.equal(pc.apic(CURRENT), 1000 - Math.floor(5000 / 160));
  assert.equal(pc.nextEvent(), start + 1000n * 16n * TICK);
  assert.equal(pc.interrupt(), 0x40);
  assert.equal(pc.platform.nextEvent(), undefined);
  assert.equal(pc.apic(CURRENT), 0);
});

test('every divide configuration divides as the SDM lists it', () => {
  const divisors = [2n, 4n, 8n, 16n, 32n, 64n, 128n, 1n];
  divisors.forEach((divisor, index) => {
    const pc = enabled();
    pc.setApic(TIMER, 0x40);
    pc.setApic(DIVIDE, (index & 3) | ((index & 4) << 1));
    pc.setApic(INITIAL, 100);
    assert.equal(pc.platform.nextEvent(), 100n * divisor * TICK);
  });
});

test('a periodic timer keeps its grid, however late it is looked at', () => {
  const pc = enabled();
  pc.setApic(TIMER, 0x2_0040);
  pc.setApic(DIVIDE, 0xb);
  pc.setApic(INITIAL, 777);
  const period = 777n * TICK;
  assert.equal(pc.nextEvent(), period);
  assert.equal(pc.interrupt(), 0x40);
  pc.setApic(EOI, 0);
  assert.equal(pc.nextEvent(), 2n * period);
  assert.equal(pc.platform.nextEvent(), undefined, 'while one is requested, another changes nothing');
  pc.pass(10n * period + 33n);
  assert.equal(pc.interrupt(), 0x40);
  pc.setApic(EOI, 0);
  assert.equal(pc.interrupt(), undefined);
  assert.equal(pc.nextEvent(), 13n * period);
});

test('changing the divider keeps the current count', () => {
  const pc = enabled();
  pc.setApic(TIMER, 0x40);
  pc.setApic(DIVIDE, 0xb);
  pc.setApic(INITIAL, 1000);
  pc.pass(400n * TICK);
  assert.equal(pc.apic(CURRENT), 600);
  pc.setApic(DIVIDE, 0x0);
  assert.equal(pc.apic(CURRENT), 600);
  assert.equal(pc.platform.nextEvent(), 400n * TICK + 1200n * TICK);
});

test('an initial count of zero stops the timer', () => {
  const pc = enabled();
  pc.setApic(TIMER, 0x2_0040);
  pc.setApic(INITIAL, 1000);
  pc.setApic(INITIAL, 0);
  assert.equal(pc.platform.nextEvent(), undefined);
});

test('the TSC deadline fires when the TSC reaches it, adjusted as the TSC is', () => {
  const pc = enabled();
  pc.platform.apics.tscDeadline = 5000n;
  assert.equal(pc.platform.apics.tscDeadline, 0n, 'the MSR is dead outside TSC-deadline mode');
  pc.setApic(TIMER, 0x4_0040);
  pc.setApic(INITIAL, 1000);
  assert.equal(pc.apic(CURRENT), 0);
  pc.memory.u64[MSRS.tscAdjust >> 3] = BigInt.asUintN(64, -1000n);
  pc.platform.apics.tscDeadline = 5000n;
  assert.equal(pc.nextEvent(), 6000n);
  assert.equal(pc.interrupt(), 0x40);
  assert.equal(pc.platform.apics.tscDeadline, 0n);
  pc.setApic(EOI, 0);
  pc.platform.apics.tscDeadline = 1n;
  pc.pass(0n);
  assert.equal(pc.interrupt(), 0x40, 'a deadline in the past fires at once');
});

test('the PIC reaches the processor through LINT0 as ExtINT only, or directly when the APIC is off', () => {
  const pc = new TestPlatform();
  pc.initPic(0xef, 0xff);
  pc.out(0x3fc, 8);
  pc.out(0x3f9, 1);
  pc.platform.input(Uint8Array.of(1));
  pc.setApic(LINT0, MASKED | 0x700);
  assert.equal(pc.interrupt(), undefined);
  pc.memory.u64[MSRS.apicBase >> 3] = 0xfee0_0100n;
  assert.equal(pc.platform.interruptPending(0), true);
  pc.memory.u64[MSRS.apicBase >> 3] = 0xfee0_0900n;
  pc.setApic(LINT0, 0x700);
  pc.setApic(ICR, SELF | 0x31);
  assert.equal(pc.interrupt(), 0x31, 'the local APIC goes first');
  assert.equal(pc.interrupt(), 0x24, 'ExtINT has no APIC priority');
});

test('software disable masks the LVT and holds back requests', () => {
  const pc = enabled();
  pc.setApic(TIMER, 0x40);
  pc.setApic(ICR, SELF | 0x40);
  pc.setApic(SVR, 0xff);
  assert.equal(pc.interrupt(), undefined);
  pc.setApic(TIMER, 0x40);
  assert.equal(pc.apic(TIMER), 0x40 | MASKED);
});

test('NMI and INIT commands are latched at the boundary of their destination', () => {
  const pc = new TestPlatform(2);
  pc.setApic(ICR, 0x400);
  assert.equal(pc.latched(), 1);
  pc.setApic(0x310, 1 << 24);
  pc.setApic(ICR, 0x500);
  assert.deepEqual([pc.latched(0), pc.latched(1)], [1, 2]);
  pc.setApic(0x310, 0);
  pc.setApic(ICR, 0x8500);
  assert.equal(pc.latched(), 1, 'INIT level de-assert');
  pc.setApic(ICR, 0xc_4400);
  assert.deepEqual([pc.latched(0), pc.latched(1)], [1, 3]);
});

test('a start-up message counts only for a processor that waits for it or is about to', () => {
  const pc = new TestPlatform(2);
  const activity = (BOUNDARY.activity + windowShift(pc.memory, 1)) >> 2;
  pc.setApic(ICR, 0xc_4608);
  assert.equal(pc.latched(1), 0, 'active');
  pc.setApic(ICR, 0xc_4500);
  pc.setApic(ICR, 0xc_4608);
  assert.equal(pc.latched(1), 0x806);
  pc.setApic(ICR, 0xc_4500);
  assert.equal(pc.latched(1), 2, 'it came before this INIT');
  pc.memory.u32[activity] = ACTIVITY.WAIT_FOR_SIPI;
  pc.setApic(ICR, 0xc_4609);
  assert.equal(pc.latched(1), 0x906);
  pc.setApic(ICR, 0x8_4508);
  pc.setApic(ICR, 0x8_4608);
  assert.equal(pc.latched(0), 2, 'the bootstrap processor does not wait after INIT');
});

test('shorthands name the sender, all, and all others', () => {
  const got = (command: number): (number | undefined)[] => {
    const pc = new TestPlatform(3);
    for (const processor of [2, 1, 0]) {
      pc.switchTo(processor);
      pc.setApic(SVR, 0x1ff);
    }
    pc.switchTo(1);
    pc.setApic(ICR, command | 0x44);
    return [0, 1, 2].map((processor) => pc.interrupt(processor));
  };
  assert.deepEqual(got(0x4_0000), [undefined, 0x44, undefined]);
  assert.deepEqual(got(0x8_0000), [0x44, 0x44, 0x44]);
  assert.deepEqual(got(0xc_0000), [0x44, undefined, 0x44]);
});

test('a lowest-priority message goes to one processor: the one whose arbitration priority is lowest', () => {
  const pc = new TestPlatform(3);
  [0x20, 0x10, 0x30].forEach((priority, processor) => {
    pc.switchTo(processor);
    pc.setApic(SVR, 0x1ff);
    pc.setApic(TPR, priority);
  });
  pc.switchTo(0);
  const message = { vector: 0x71, delivery: 1, destination: 0xff, logical: true, level: false };
  assert.equal(pc.platform.apics.deliver(message), true);
  assert.deepEqual(
    [0, 1, 2].map((processor) => pc.interrupt(processor)),
    [undefined, 0x71, undefined],
  );
  pc.switchTo(1);
  pc.setApic(SVR, 0xff);
  pc.platform.apics.deliver(message);
  assert.equal(pc.interrupt(0), 0x71, 'one that is disabled by software takes no part');
});

test('a message to nobody, or to an APIC that is disabled, is not taken', () => {
  const pc = new TestPlatform(2);
  const message = { vector: 0x71, delivery: 0, destination: 1, logical: false, level: false };
  assert.equal(pc.platform.apics.deliver({ ...message, destination: 5 }), false);
  assert.equal(pc.platform.apics.deliver(message), false, 'disabled by software');
  assert.equal(pc.platform.apics.deliver({ ...message, delivery: 4 }), true, 'but NMIs are taken');
  pc.memory.u64[(MSRS.apicBase + windowShift(pc.memory, 1)) >> 3] = 0xfee0_0000n;
  assert.equal(pc.platform.apics.deliver({ ...message, delivery: 4 }), false);
});

test('TMR tells level-triggered interrupts; only their EOI is broadcast', () => {
  const serviced: number[] = [];
  const memory = new MachineMemory(1 << 20);
  memory.u64[MSRS.apicBase >> 3] = 0xfee0_0900n;
  const apics = new LocalApics(new DeviceState(memory), memory, 1, () => 0n, {
    changed: () => undefined,
    endOfInterrupt: (vector) => serviced.push(vector),
  });
  apics.reset();
  const { active } = apics;
  for (const level of [true, false]) {
    apics.deliver({ vector: 0x61, delivery: 0, destination: 0, logical: false, level });
    assert.equal(active.read(0x1b, 0n, false), level ? 2 : 0);
    active.acknowledge(active.request());
    active.write(0x0b, 0, 0n, false);
    assert.deepEqual(serviced, [0x61]);
  }
});

test('delivering a performance interrupt masks its LVT entry', () => {
  const pc = enabled();
  pc.platform.apics.of(0).performanceInterrupt();
  assert.equal(pc.interrupt(), undefined);
  pc.setApic(0x340, 0x400);
  pc.platform.apics.of(0).performanceInterrupt();
  assert.deepEqual([pc.latched(), pc.apic(0x340)], [1, 0x1_0400]);
  pc.setApic(0x340, 0x55);
  pc.platform.apics.of(0).performanceInterrupt();
  assert.deepEqual([pc.interrupt(), pc.apic(0x340)], [0x55, 0x1_0055]);
});

test('each processor has its own page: its ID, its base address, its timer, its TSC adjustment', () => {
  const pc = new TestPlatform(2);
  pc.switchTo(1);
  assert.equal(pc.apic(0x20), 1 << 24);
  pc.memory.u64[MSRS.apicBase >> 3] = 0x0020_0800n;
  assert.deepEqual([pc.platform.claims(0xfee00), pc.platform.claims(0x200)], [false, true]);
  const { apics } = pc.platform;
  pc.platform.write(0x20_00f0, 4, 0x1ffn);
  pc.platform.write(0x20_0320, 4, 0x4_0044n);
  pc.memory.u64[MSRS.tscAdjust >> 3] = 1000n;
  apics.tscDeadline = 5000n;
  pc.switchTo(0);
  assert.equal(pc.platform.claims(0xfee00), true);
  assert.equal(apics.tscDeadline, 0n);
  assert.equal(pc.nextEvent(), 4000n);
  assert.deepEqual([pc.interrupt(0), pc.interrupt(1)], [undefined, 0x44]);
});

test('logical destinations match by the flat and the cluster model', () => {
  const pc = enabled();
  const reaches = (destination: number): boolean => {
    pc.setApic(0x310, destination << 24);
    pc.setApic(ICR, 0x850);
    const got = pc.interrupt() === 0x50;
    if (got) pc.setApic(EOI, 0);
    return got;
  };
  pc.setApic(0xd0, 0x1200_0000);
  assert.equal(reaches(0x02), true);
  assert.equal(reaches(0x01), false);
  pc.setApic(0xe0, 0x0fff_ffff);
  assert.equal(reaches(0x12), true);
  assert.equal(reaches(0x22), false);
  assert.equal(reaches(0xff), true);
});

test('x2APIC logical IDs are cluster and bit of the ID; all ones name everybody', () => {
  const pc = new TestPlatform(3);
  for (const processor of [0, 1, 2]) {
    pc.switchTo(processor);
    pc.setApic(SVR, 0x1ff);
    pc.memory.u64[MSRS.apicBase >> 3] |= 0x400n;
  }
  const { apics } = pc.platform;
  const reaches = (destination: bigint, logical = 0x800n): number[] => {
    apics.writeMsr(0x830, (destination << 32n) | logical | 0x50n);
    return [0, 1, 2].filter((processor) => {
      const got = pc.interrupt(processor) === 0x50;
      pc.switchTo(processor);
      if (got) apics.writeMsr(0x80b, 0n);
      return got;
    });
  };
  assert.equal(apics.readMsr(0x80d), 4n);
  assert.deepEqual(reaches(0x5n), [0, 2]);
  assert.deepEqual(reaches(0x1_0005n), [], 'another cluster');
  assert.deepEqual(reaches(0xffff_ffffn), [0, 1, 2]);
  assert.deepEqual(reaches(0xffff_ffffn, 0n), [0, 1, 2]);
  assert.deepEqual(reaches(1n, 0n), [1]);
  assert.deepEqual(reaches(0xffn, 0n), [], 'eight ones are no broadcast');
});

test('vectors below 16 and registers that do not exist are reported in ESR', () => {
  const pc = enabled();
  pc.setApic(ICR, SELF | 5);
  pc.apic(0x2f0);
  assert.equal(pc.apic(0x280), 0, 'ESR shows errors after a write to it');
  pc.setApic(0x280, 0);
  assert.equal(pc.apic(0x280), 0xa0);
  pc.setApic(0x280, 0);
  assert.equal(pc.apic(0x280), 0);
});

test('x2APIC registers are MSRs: 64-bit ICR, self IPI, no DFR, reserved bits fault', () => {
  const pc = enabled();
  const { platform } = pc;
  const { apics } = platform;
  assert.equal(apics.readMsr(0x803), undefined, 'not in x2APIC mode');
  pc.memory.u64[MSRS.apicBase >> 3] = 0xfee0_0d00n;
  assert.equal(platform.claims(0xfee00), false);
  assert.equal((apics.readMsr(0x803) ?? 0n) & 0xffn, 0x14n);
  assert.equal(apics.readMsr(0x80d), 1n);
  assert.equal(apics.readMsr(0x80e), undefined);
  assert.equal(apics.writeMsr(0x802, 0n), false);
  assert.equal(apics.writeMsr(0x80b, 1n), false);
  assert.equal(apics.writeMsr(0x808, 1n << 32n), false);
  assert.equal(apics.writeMsr(0x83f, 0x55n), true);
  assert.equal(pc.interrupt(), 0x55);
  assert.equal(apics.writeMsr(0x80b, 0n), true);
  assert.equal(apics.writeMsr(0x830, 0x44n), true);
  assert.equal(pc.interrupt(), 0x44);
  assert.equal(apics.writeMsr(0x830, (1n << 32n) | 0x46n), true);
  assert.equal(pc.interrupt(), undefined);
});

test('the APIC page claims its frame, moves with its base, and leaves other addresses to nobody', () => {
  const pc = enabled();
  const { platform } = pc;
  assert.equal(platform.claims(0xfee00), true);
  assert.equal(platform.read(0xf000_0000, 4), 0xffff_ffffn);
  assert.equal(platform.read(0xfee0_0034, 4), 0n);
  assert.equal(platform.read(0xfee0_0031, 1), BigInt((pc.apic(0x30) >> 8) & 0xff));
  pc.memory.u64[MSRS.apicBase >> 3] = 0x0020_0900n;
  assert.equal(platform.claims(0x200), true);
  assert.equal(platform.read(0x20_0030, 4), 0x5_0014n);
});
