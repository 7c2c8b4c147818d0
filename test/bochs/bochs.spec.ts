/** The same images on Bochs and on the machine: what they print must be the same, machine-dependent lines apart. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { type BochsResult, runBochs } from './bochs';
import { runStrata } from './strata';

const ROOT = join(import.meta.dirname, '../..');
const HELLO = join(ROOT, 'samples/hello-vmx');
const BROKEN = join(ROOT, 'samples/broken-entry');
const GUESTS = join(ROOT, 'test/guests');

const MISTAKES = ['control', 'host-selector', 'guest-cs', 'guest-rflags', 'link-pointer'] as const;
const SUCCESS = 33;
const FAILURE = 35;

function build(directory: string, image: string): string {
  execFileSync('make', ['-s'], { cwd: directory, stdio: ['ignore', 'inherit', 'inherit'] });
  return join(directory, 'build', image);
}

/** Lines that are the same on every machine. */
function comparable(serial: string): string[] {
  return serial
    .replaceAll('\r', '')
    .split('\n')
    .filter((line) => !line.startsWith('~'));
}

/** Parts of the machine report by subject. */
function subjects(serial: string): Map<string, string[]> {
  const parts = new Map<string, string[]>();
  let part: string[] = [];
  for (const line of comparable(serial)) {
    if (line.startsWith('== ')) parts.set(line.slice(3), (part = []));
    else part.push(line);
  }
  return parts;
}

describe('samples and guest programs print the same on Bochs and here', () => {
  let hello: string;
  let broken: string;
  let report: string;
  let bochs: { readonly hello: BochsResult; readonly broken: readonly BochsResult[]; readonly report: BochsResult };

  before(async () => {
    hello = build(HELLO, 'hello-vmx.elf');
    broken = build(BROKEN, 'broken-entry.elf');
    report = build(GUESTS, 'machine-report.elf');
    // Bochs waits more than it works; all at once they take little longer than one.
    const [helloRun, reportRun, ...brokenRuns] = await Promise.all([
      runBochs({ image: hello }),
      runBochs({ image: report }),
      ...['none', ...MISTAKES].map((mistake) => runBochs({ image: broken, cmdline: `mistake=${mistake}` })),
    ]);
    bochs = { hello: helloRun, broken: brokenRuns, report: reportRun };
  });

  test('hello-vmx runs its guest through every exit', () => {
    const ours = runStrata({ image: hello });
    assert.deepEqual(ours.stop, { kind: 'poweroff', status: SUCCESS, reset: false });
    assert.deepEqual(comparable(ours.serial), comparable(bochs.hello.serial));
    assert.deepEqual(comparable(ours.serial), comparable(readFileSync(join(HELLO, 'expected-output.txt'), 'latin1')));
  });

  test('broken-entry without a mistake runs its guest', () => {
    const ours = runStrata({ image: broken, cmdline: 'mistake=none' });
    assert.deepEqual(ours.stop, { kind: 'poweroff', status: SUCCESS, reset: false });
    assert.deepEqual(comparable(ours.serial), comparable(bochs.broken[0].serial));
  });

  MISTAKES.forEach((mistake, index) => {
    test(`broken-entry with mistake ${mistake} fails its VM entry in the same way`, () => {
      const ours = runStrata({ image: broken, cmdline: `mistake=${mistake}` });
      assert.deepEqual(ours.stop, { kind: 'poweroff', status: FAILURE, reset: false });
      assert.match(ours.serial, new RegExp(`mistake: ${mistake}`));
      assert.deepEqual(comparable(ours.serial), comparable(bochs.broken[index + 1].serial));
      assert.equal(runStrata({ image: broken, cmdline: `mistake=${index + 1}` }).serial, ours.serial);
    });
  });

  test('exceptions, stacks, paging, privilege, modes, strings, changing code, page crossings, arithmetic, segments and timers report the same', () => {
    const ours = runStrata({ image: report });
    assert.deepEqual(ours.stop, { kind: 'poweroff', status: SUCCESS, reset: false });
    const expected = subjects(bochs.report.serial);
    const actual = subjects(ours.serial);
    assert.ok(expected.size > 10, `Bochs's report is short: ${bochs.report.serial}`);
    assert.deepEqual([...actual.keys()], [...expected.keys()]);
    for (const [subject, lines] of expected) assert.deepEqual(actual.get(subject), lines, subject);
  });

  test('two runs of an image end in the same state', () => {
    for (const image of [hello, report]) {
      const first = runStrata({ image });
      const second = runStrata({ image });
      assert.equal(second.stateHash, first.stateHash);
      assert.equal(second.retired, first.retired);
    }
  });
});
