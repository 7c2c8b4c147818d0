/** Guests that try what system software can do to the processor report the same here as on Bochs and on QEMU. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { runBochs } from '../bochs/bochs';
import { runStrata } from '../bochs/strata';
import { runQemu } from '../qemu/qemu';
import { DEVIATIONS, QEMU_DEVIATIONS } from './deviations';
import { assembleGuests, type GuestImages, QEMU_SUBJECTS, SUBJECTS } from './guest-image';

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

const RF = 0x1_0000;
/** RF of the flags a handler found does not count. */
const withoutResume = (line: string | undefined): string | undefined =>
  line?.replace(/fl=([0-9a-f]+)/, (_match, flags: string) => `fl=${parseInt(flags, 16) & ~RF}`);

function report(image: string): ReadonlyMap<string, string> {
  const run = runStrata({ image, megabytes: 64, maxInstructions: 20_000_000 });
  assert.equal(run.stop.kind, 'poweroff', `it ended by ${run.stop.kind} after:\n${run.serial.slice(-600)}`);
  return byTest(run.serial);
}

describe('system mode', () => {
  let images: GuestImages;
  let expected: ReadonlyMap<string, string>;
  let onQemu: ReadonlyMap<string, string>;

  before(async () => {
    images = assembleGuests(SUBJECTS);
    const runs = SUBJECTS.map(async (subject) => {
      const { serial } = await runBochs({ image: images.path(subject), megabytes: 64 });
      return [subject, serial] as const;
    });
    const qemuRuns = QEMU_SUBJECTS.map(async (subject) => {
      const serial = await runQemu({ image: images.path(subject), megabytes: 64 });
      return [subject, serial.replaceAll('\r', '')] as const;
    });
    expected = new Map(await Promise.all(runs));
    onQemu = new Map(await Promise.all(qemuRuns));
  });
  after(() => images.remove());

  for (const subject of SUBJECTS) {
    test(`the guest "${subject}" reports as on Bochs, known deviations apart`, () => {
      const bochs = byTest(expected.get(subject) ?? '');
      const strata = report(images.path(subject));
      const deviating = new Set(DEVIATIONS.filter(({ guest }) => guest === subject).map((deviation) => deviation.test));
      assert.deepEqual([...strata.keys()], [...bochs.keys()]);
      for (const [name, line] of bochs) {
        if (deviating.has(name)) assert.notEqual(strata.get(name), line, `"${name}" deviates no longer`);
        else assert.equal(strata.get(name), line);
      }
    });
  }

  for (const subject of QEMU_SUBJECTS) {
    test(`the guest "${subject}" reports as on QEMU, known deviations apart`, () => {
      const qemu = byTest(onQemu.get(subject) ?? '');
      const strata = report(images.path(subject));
      const deviating = new Set(QEMU_DEVIATIONS.filter(({ guest }) => guest === subject).flatMap(({ tests }) => tests));
      assert.deepEqual([...strata.keys()], [...qemu.keys()]);
      for (const [name, line] of qemu) {
        const same = withoutResume(line) === withoutResume(strata.get(name));
        assert.equal(same, !deviating.has(name), `${name}: ${line}\n${strata.get(name)}`);
      }
    });
  }
});
