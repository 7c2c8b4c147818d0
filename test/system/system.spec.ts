/** Guests that try what system software can do to the processor report the same here as on Bochs. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runBochs } from '../bochs/bochs';
import { runStrata } from '../bochs/strata';
import { DEVIATIONS } from './deviations';
import { assembleGuests, type GuestImages, SUBJECTS } from './guest-image';

/** Lines of a report by the name of their test. */
function byTest(report: string): ReadonlyMap<string, string> {
  const lines = new Map<string, string>();
  for (const line of report.split('\n')) {
    const name = /^(.*?)( ok | #|$)/.exec(line)?.[1] ?? line;
    assert.ok(!lines.has(name) || name === '', `two tests are named "${name}"`);
    lines.set(name, line);
  }
  return lines;
}

describe('system mode', () => {
  let images: GuestImages;
  let expected: ReadonlyMap<string, string>;

  before(async () => {
    images = assembleGuests(SUBJECTS);
    const runs = SUBJECTS.map(async (subject) => {
      const { serial } = await runBochs({ image: images.path(subject), megabytes: 64 });
      return [subject, serial] as const;
    });
    expected = new Map(await Promise.all(runs));
  });
  after(() => images.remove());

  for (const subject of SUBJECTS) {
    test(`the guest "${subject}" reports as on Bochs, known deviations apart`, () => {
      const run = runStrata({ image: images.path(subject), megabytes: 64, maxInstructions: 20_000_000 });
      assert.equal(run.stop.kind, 'poweroff', `it ended by ${run.stop.kind} after:\n${run.serial.slice(-600)}`);
      const bochs = byTest(expected.get(subject) ?? '');
      const strata = byTest(run.serial);
      const deviating = new Set(DEVIATIONS.filter(({ guest }) => guest === subject).map((deviation) => deviation.test));
      assert.deepEqual([...strata.keys()], [...bochs.keys()]);
      for (const [name, line] of bochs) {
        if (deviating.has(name)) assert.notEqual(strata.get(name), line, `"${name}" deviates no longer`);
        else assert.equal(strata.get(name), line);
      }
    });
  }
});
