/**
 * Several processors: a guest that starts them, locks, interrupts, shoots down translations and changes code across them
 * reports the same here as on QEMU and Bochs; and whatever way a run is cut into pieces, it is the same run.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import type { Machine } from '../../emulator/api';
import { runBochs } from '../bochs/bochs';
import { bootStrata, runStrata, type StrataOptions } from '../bochs/strata';
import { Random } from '../host-oracle/random';
import { runQemu } from '../qemu/qemu';

const GUEST = join(import.meta.dirname, 'guest');
const IMAGE = join(GUEST, 'build/smp.elf');
/** Long enough for every run to end. */
const END = 60_000_000n;
const SEED = 4;

const options = (processors: number): StrataOptions => ({
  image: IMAGE,
  megabytes: 64,
  processors,
  cmdline: `cpus=${processors}`,
});

/** Debian's QEMU 7.2 emulates neither x2APIC nor VMX. */
const QEMU_LACKS = /^(x2apic|vmx) /;
/**
 * SDM "Error Handling": a send of a vector below 16 sets bit 5 of ESR. Bochs does not; QEMU delivers such vectors. And Bochs forgets an INIT
 * that VMX root operation blocks.
 */
const DIFFERS = /^(illegal vector|exception|vmx init taken):/;
const comparable = (report: string, oracle: string): string[] =>
  report
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => !DIFFERS.test(line) && !(oracle === 'QEMU' && QEMU_LACKS.test(line)));

/** QEMU's processors run on threads of their own, and on a busy host it may end in the middle: it is asked again. */
const ATTEMPTS = 4;
async function reportOf(oracle: () => Promise<string | { readonly serial: string }>): Promise<string> {
  let report = '';
  for (let attempt = 0; attempt < ATTEMPTS && !/^end\r?$/m.test(report); attempt++) {
    const result = await oracle();
    report = typeof result === 'string' ? result : result.serial;
  }
  return report;
}

/** Runs until the time is reached or the machine has ended; `slice` gives the length of each piece. */
function runTo(machine: Machine, time: bigint, slice: () => number): void {
  while (machine.time < time) {
    const { kind } = machine.run(Math.min(Number(time - machine.time), slice()));
    if (kind !== 'limit' && kind !== 'breakpoint') return;
  }
}
const whole = (): number => 1_000_000;

before(() => execFileSync('make', ['-s'], { cwd: GUEST, stdio: ['ignore', 'inherit', 'inherit'] }));

describe('what several processors do together', () => {
  for (const [processors, oracles] of [
    [2, { Bochs: runBochs }],
    [4, { Bochs: runBochs, QEMU: runQemu }],
    [8, { QEMU: runQemu }],
  ] as const) {
    test(`${processors} processors report what they do on ${Object.keys(oracles).join(' and ')}`, async () => {
      const expected = Object.entries(oracles).map(async ([name, oracle]) => {
        return [name, await reportOf(() => oracle(options(processors)))] as const;
      });
      const run = runStrata({ ...options(processors), maxInstructions: Number(END) });
      assert.equal(run.stop.kind, 'poweroff', run.serial.slice(-600));
      assert.match(run.serial, /^illegal vector: 20$/m);
      assert.match(run.serial, /^vmx init taken: 1$/m);
      for (const [name, report] of await Promise.all(expected)) {
        assert.deepEqual(comparable(run.serial, name), comparable(report, name), name);
      }
    });
  }

  test('the length of a turn changes when things happen, not what', () => {
    const { serial } = runStrata({ ...options(3), maxInstructions: Number(END) });
    for (const turn of [37, 100_000]) {
      const other = runStrata({ ...options(3), turn, maxInstructions: Number(END) });
      assert.equal(other.serial, serial, `turns of ${turn}`);
    }
  });
});

describe('a run of four processors is the same', () => {
  const marks: { readonly time: bigint; readonly hash: string }[] = [];

  before(() => {
    const random = new Random(SEED);
    const first = bootStrata(options(4));
    runTo(first, END, whole);
    const length = Number(first.retired);
    const times = Array.from({ length: 5 }, () => BigInt(random.below(length))).sort((a, b) => Number(a - b));
    const machine = bootStrata(options(4));
    for (const time of times) {
      runTo(machine, time, whole);
      marks.push({ time: machine.time, hash: machine.stateHash() });
    }
    runTo(machine, END, whole);
    assert.equal(machine.stateHash(), first.stateHash(), 'stopping on the way changes the end');
    marks.push({ time: END, hash: first.stateHash() });
  });

  test('however it is cut into slices', () => {
    const random = new Random(SEED + 1);
    for (let i = 0; i < 2; i++) {
      const machine = bootStrata(options(4));
      for (const { time, hash } of marks) {
        runTo(machine, time, () => 1 + random.below(i === 0 ? 300 : 30_000));
        assert.equal(machine.stateHash(), hash, `seed ${SEED}, time ${time}`);
      }
    }
  });

  test('with breakpoints, steps and looks at every processor’s layers on the way', () => {
    const random = new Random(SEED + 2);
    const machine = bootStrata(options(4));
    runTo(machine, marks[0].time, whole);
    const rips = machine.layers.map((layer) => ({ linear: machine.state(layer).rip, layer: layer.id }));
    machine.setBreakpoints(rips);
    let stops = 0;
    for (const { time, hash } of marks) {
      runTo(machine, time, () => {
        for (const layer of machine.layers) {
          const state = machine.state(layer);
          state.peek(state.rip, 8);
          state.control('CR8');
        }
        const before = machine.current;
        // A step may go beyond the mark, which is then not looked at.
        if (stops++ < 20 && time - machine.time > 100_000n) machine.step();
        assert.ok(before.id <= 4);
        return 1 + random.below(50_000);
      });
      assert.equal(machine.stateHash(), hash, `seed ${SEED + 2}, time ${time}`);
    }
  });

  test('taken up from a snapshot in the middle of a turn', () => {
    const machine = bootStrata(options(4));
    runTo(machine, marks[1].time, whole);
    const snapshot = machine.snapshot();
    runTo(machine, marks[3].time, whole);
    machine.restore(snapshot);
    assert.equal(machine.stateHash(), marks[1].hash);
    for (const { time, hash } of marks.slice(2)) {
      runTo(machine, time, whole);
      assert.equal(machine.stateHash(), hash);
    }
  });
});
