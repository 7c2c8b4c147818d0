/**
 * What VMX does, reported by a guest that exercises it group by group, on Bochs and on the machine. The SDM decides where they
 * differ: see `known-differences.ts`.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { before, describe, test } from 'node:test';
import { runBochs } from '../bochs/bochs';
import { runStrata } from '../bochs/strata';
import { KNOWN_DIFFERENCES, RF_DIFFERS, savesResume } from './known-differences';

const GUEST = join(__dirname, 'guest');
const IMAGE = join(GUEST, 'build/vmx-conformance.elf');
const SUCCESS = 33;

interface Line {
  readonly name: string;
  readonly text: string;
}

/** Lines by name; one without a name of its own belongs to the line before. */
function linesOf(serial: string): Line[] {
  const lines: Line[] = [];
  for (const line of serial.replaceAll('\r', '').split('\n')) {
    const colon = line.indexOf(':');
    const previous = lines.at(-1)?.name ?? '';
    if (colon >= 0) lines.push({ name: line.slice(0, colon), text: line.slice(colon + 1) });
    else lines.push({ name: `${previous.replace(/, then$/, '')}, then`, text: line });
  }
  return lines;
}

const withoutRf = (text: string): string => (RF_DIFFERS.test(text) ? text.replace(/ rf=0x1\b/, '') : text);
const isField = ({ name }: Line): boolean => name.startsWith('field ');
const show = ({ name, text }: Line): string => `${name}:${text}`;

describe('VMX does here what it does on Bochs, or what the SDM says', () => {
  let bochs: Line[];
  let ours: Line[];

  before(async () => {
    execFileSync('make', ['-s'], { cwd: GUEST, stdio: ['ignore', 'inherit', 'inherit'] });
    const oracle = runBochs({ image: IMAGE });
    const run = runStrata({ image: IMAGE, maxInstructions: 50_000_000 });
    assert.deepEqual(run.stop, { kind: 'poweroff', status: SUCCESS, reset: false }, run.serial.slice(-500));
    ours = linesOf(run.serial);
    bochs = linesOf((await oracle).serial);
  });

  test('every VMCS field both have keeps the same bits', () => {
    const theirs = new Map(bochs.filter(isField).map(({ name, text }) => [name, text]));
    const readOnly = / error=0xd$/;
    let compared = 0;
    for (const { name, text } of ours.filter(isField)) {
      const other = theirs.get(name);
      assert.notEqual(other, undefined, `Bochs has no ${name}`);
      // Bochs allows VMWRITE to read-only fields and says so in IA32_VMX_MISC; the machine does not.
      if (readOnly.test(text)) continue;
      assert.equal(text, other, name);
      compared++;
    }
    assert.ok(compared > 100, `only ${compared} fields`);
  });

  test('instructions, entries, exits, events and EPT report the same', () => {
    const known = new Map(KNOWN_DIFFERENCES.flatMap(({ lines }) => Object.entries(lines)));
    const expected = bochs.filter((line) => !isField(line));
    const actual = ours.filter((line) => !isField(line));
    assert.deepEqual(
      actual.map(({ name }) => name),
      expected.map(({ name }) => name),
    );
    const wrong: string[] = [];
    actual.forEach((line, index) => {
      const rule = known.get(line.name);
      if (rule === undefined ? withoutRf(line.text) !== withoutRf(expected[index].text) : !rule.test(line.text)) {
        wrong.push(`${show(line)}\n  Bochs:${expected[index].text}`);
      }
    });
    assert.equal(wrong.join('\n'), '');
  });

  test('RF is saved as the SDM has it', () => {
    for (const line of ours) {
      if (RF_DIFFERS.test(line.text)) assert.equal(/ rf=0x1\b/.test(line.text), savesResume(line.text), show(line));
    }
  });

  test('every known difference is still one', () => {
    const theirs = new Map(bochs.map(({ name, text }) => [name, text]));
    for (const { reason, lines } of KNOWN_DIFFERENCES) {
      for (const [name, rule] of Object.entries(lines)) {
        const text = theirs.get(name);
        assert.ok(text !== undefined && !rule.test(text), `${name}: ${reason}`);
      }
    }
  });
});
