/** Guests of newer paging features report the same here as on Bochs, and as on QEMU where Bochs lacks the feature or errs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runBochs } from '../bochs/bochs';
import { runStrata } from '../bochs/strata';
import { runQemu } from '../qemu/qemu';
import { assembleGuests, type GuestImages } from './guest-image';
import { PAGING_SUBJECTS } from './paging-subjects';

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
    images = assembleGuests(PAGING_SUBJECTS.map(({ guest }) => guest));
  });
  after(() => images.remove());

  for (const { guest, oracle, deviations } of PAGING_SUBJECTS) {
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
