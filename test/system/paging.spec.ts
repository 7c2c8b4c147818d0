/** Guests of newer paging features report the same here as on Bochs, and as on QEMU where Bochs lacks the feature or errs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runBochs } from '../bochs/bochs';
import { runStrata } from '../bochs/strata';
import { runQemu } from '../qemu/qemu';
import { assembleGuests, type GuestImages } from './guest-image';

interface Subject {
  readonly guest: string;
  readonly oracle: 'Bochs' | 'QEMU';
  /** Tests whose report rightly differs from the oracle's, with the reason. */
  readonly deviations: Readonly<Record<string, string>>;
}

const RESERVED = 'SDM "Page-Fault Exceptions": RSVD is only ever set together with P; QEMU clears P.';
const TARGET = 'SDM "JMP", "RET": a target that is not canonical faults in the branch; QEMU faults at the target.';

const SUBJECTS: readonly Subject[] = [
  {
    guest: 'paging-features',
    oracle: 'Bochs',
    deviations: {
      'smap descriptor table':
        'SDM "Determination of Access Rights": RFLAGS.AC excuses no implicit supervisor access; Bochs lets it.',
    },
  },
  { guest: 'protection-keys', oracle: 'QEMU', deviations: {} },
  {
    guest: 'five-level',
    oracle: 'QEMU',
    deviations: {
      'ps in a pml5 entry': RESERVED,
      'reserved bit 51 of a pml5 entry': RESERVED,
      'jump not canonical': TARGET,
      'ret not canonical': TARGET,
      'cross the top of the lower half':
        'SDM "Canonical Addressing": each byte of an access must be canonical; QEMU looks at the first alone.',
    },
  },
];

/** Without RFLAGS.RF, which QEMU does not set in what a fault pushes. */
const withoutRf = (line: string): string =>
  line.replace(/ rfl=([0-9a-f]{8})/, (_all, flags: string) => ` rfl=${(parseInt(flags, 16) & ~0x1_0000).toString(16)}`);

const lines = (report: string): readonly string[] =>
  report
    .split('\n')
    .map((line) => withoutRf(line.trimEnd()))
    .filter((line) => line !== '');
const nameOf = (line: string): string => /^(.*?)( ok | #|$)/.exec(line)?.[1] ?? line;

describe('newer paging features', () => {
  let images: GuestImages;
  before(() => {
    images = assembleGuests(SUBJECTS.map(({ guest }) => guest));
  });
  after(() => images.remove());

  for (const { guest, oracle, deviations } of SUBJECTS) {
    test(`the guest "${guest}" reports as on ${oracle}, known deviations apart`, async () => {
      const options = { image: images.path(guest), megabytes: 64 };
      const expected = lines(oracle === 'Bochs' ? (await runBochs(options)).serial : await runQemu(options));
      const run = runStrata({ ...options, maxInstructions: 20_000_000 });
      assert.equal(run.stop.kind, 'poweroff', `it ended by ${run.stop.kind} after:\n${run.serial.slice(-600)}`);
      const reported = lines(run.serial);
      assert.deepEqual(reported.map(nameOf), expected.map(nameOf));
      reported.forEach((line, i) => {
        if (nameOf(line) in deviations) assert.notEqual(line, expected[i], `"${nameOf(line)}" deviates no longer`);
        else assert.equal(line, expected[i]);
      });
      assert.ok(reported.length > 20 && reported.at(-1) === 'end');
    });
  }
});
