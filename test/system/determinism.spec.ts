/** The same image ends in the same state however the run is cut into pieces, looked at, or taken up from a snapshot. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { Machine } from '../../emulator/api';
import { bootStrata } from '../bochs/strata';
import { Random } from '../host-oracle/random';
import { assembleGuests, type GuestImages, SUBJECTS } from './guest-image';

const SAMPLES_FOLDER = join(import.meta.dirname, '../../samples');
const SAMPLES = ['hello-vmx', 'broken-entry'] as const;
const GUESTS: readonly string[] = [...SAMPLES, ...SUBJECTS];
/** A mistake that is found only among the checks of guest state, the last ones. */
const CMDLINES: Readonly<Record<string, string>> = { 'broken-entry': 'mistake=guest-cs' };
const SEED = 20;
/** Long enough for every guest to end. */
const END = 20_000_000n;

/** Runs until the time is reached or the machine has ended; `slice` gives the length of each piece. */
function runTo(machine: Machine, time: bigint, slice: () => number): void {
  while (machine.time < time) {
    const left = Number(time - machine.time);
    const { kind } = machine.run(Math.min(left, slice()));
    if (kind !== 'limit' && kind !== 'breakpoint' && kind !== 'transition') return;
  }
}

const whole = (): number => 1_000_000;

describe('a run is the same', () => {
  let images: GuestImages;
  const boot = (guest: string): Machine => {
    const sample = SAMPLES.some((name) => name === guest);
    const image = sample ? join(SAMPLES_FOLDER, guest, 'build', `${guest}.elf`) : images.path(guest);
    return bootStrata({ image, megabytes: 16, cmdline: CMDLINES[guest] });
  };
  /** Times within a run, ascending, and the state at each. */
  const marks = new Map<string, { readonly time: bigint; readonly hash: string }[]>();

  before(() => {
    for (const sample of SAMPLES) {
      execFileSync('make', ['-s'], { cwd: join(SAMPLES_FOLDER, sample), stdio: ['ignore', 'inherit', 'inherit'] });
    }
    images = assembleGuests(SUBJECTS);
    for (const guest of GUESTS) {
      const random = new Random(SEED);
      const first = boot(guest);
      runTo(first, END, whole);
      const length = Number(first.retired);
      const times = Array.from({ length: 6 }, () => BigInt(random.below(length))).sort((a, b) => Number(a - b));
      const machine = boot(guest);
      const states = times.map((time) => {
        runTo(machine, time, whole);
        return { time: machine.time, hash: machine.stateHash() };
      });
      runTo(machine, END, whole);
      assert.equal(machine.stateHash(), first.stateHash(), `${guest}: stopping on the way changes the end`);
      marks.set(guest, [...states, { time: END, hash: first.stateHash() }]);
    }
  });
  after(() => images.remove());

  /** The last `window` instructions before each mark in pieces of `slice`. */
  const compare = (guest: string, machine: Machine, slice: () => number, window = END): void => {
    for (const { time, hash } of marks.get(guest) ?? []) {
      runTo(machine, time > window ? time - window : 0n, whole);
      runTo(machine, time, slice);
      assert.equal(machine.stateHash(), hash, `at time ${time} of ${guest}, now at ${machine.time}`);
    }
  };

  for (const guest of GUESTS) {
    test(`one instruction at a time (${guest})`, () => compare(guest, boot(guest), () => 1, 5000n));

    test(`in pieces of any length (${guest})`, () => {
      const random = new Random(SEED + 1);
      compare(guest, boot(guest), () => 1 + random.below(random.oneIn(3) ? 5 : 5000));
    });

    test(`with breakpoints set, met or not (${guest})`, () => {
      const random = new Random(SEED + 2);
      const machine = boot(guest);
      const linears = [1n];
      const probe = boot(guest);
      for (let i = 0; i < 3; i++) {
        runTo(probe, probe.time + BigInt(random.below(5000)), whole);
        linears.push(probe.state(probe.current).rip);
      }
      machine.setBreakpoints(linears.map((linear) => ({ linear, layer: undefined })));
      compare(guest, machine, whole);
    });

    test(`with stops at transitions (${guest})`, () => {
      const machine = boot(guest);
      Object.assign(machine.stopMask, { exit: true, entry: true, entryFailure: true, vmfail: true });
      compare(guest, machine, whole);
    });

    test(`after going back to a snapshot (${guest})`, () => {
      const random = new Random(SEED + 3);
      const machine = boot(guest);
      const states = marks.get(guest) ?? [];
      for (const [i, { time, hash }] of states.slice(0, -1).entries()) {
        runTo(machine, time, whole);
        const snapshot = machine.snapshot();
        const later = states[i + 1];
        runTo(machine, later.time, whole);
        assert.equal(machine.stateHash(), later.hash, `${guest} after a snapshot at ${time}`);
        machine.restore(snapshot);
        assert.equal(machine.stateHash(), hash, `${guest} put back to ${time}`);
        runTo(machine, later.time, () => 1 + random.below(3000));
        assert.equal(machine.stateHash(), later.hash, `${guest} run again from ${time}`);
        machine.restore(snapshot);
      }
    });
  }
});
