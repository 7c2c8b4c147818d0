import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCases, type Failure } from './compare';
import { UNIT_NAMES, unitNameOf } from './corpus';
import { describeFailure } from './describe';
import { generateCase, type GeneratedCase } from './generate';
import { generateProgram, isFitForPrograms } from './programs';
import { Random } from './random';
import { hostHas, rowName, TESTED_ROWS } from './rows';
import { shrink } from './shrink';

/** For longer runs: HOST_ORACLE_CASES=2000000 HOST_ORACLE_SEED=7 npx tsx --test test/host-oracle/host.spec.ts */
const CASES = Number(process.env.HOST_ORACLE_CASES ?? 40_000);
const SEED = Number(process.env.HOST_ORACLE_SEED ?? 20_240_601);
const SHOWN = 5;
/** Cases that are held in memory at once. */
const PORTION = 4096;

/** One program for so many cases of single instructions. */
const CASES_A_PROGRAM = 10;

/** Compares generated cases and says how they ended; failures are shown shrunk. */
function hold(count: number, generate: (index: number) => GeneratedCase, say: (text: string) => void): void {
  const endings: Record<string, number> = {};
  const failures: Failure[] = [];
  for (let done = 0; done < count; done += PORTION) {
    const cases = Array.from({ length: Math.min(PORTION, count - done) }, (_, i) => generate(done + i));
    failures.push(...compareCases(cases, (ending) => (endings[ending] = (endings[ending] ?? 0) + 1)));
  }
  say(`seed ${SEED}, ${count} cases, endings ${JSON.stringify(endings)}`);
  const shown = failures.slice(0, SHOWN).map((failure) => describeFailure(shrink(failure)));
  assert.equal(failures.length, 0, `${failures.length} cases differ\n${shown.join('\n')}`);
}

const HOST_ROWS = TESTED_ROWS.filter(hostHas);

for (const unit of UNIT_NAMES)
  test(`every ${unit} instruction form does what the host processor does`, (t) => {
    const rows = HOST_ROWS.filter((row) => unitNameOf(row) === unit);
    const without = TESTED_ROWS.filter((row) => unitNameOf(row) === unit && !hostHas(row));
    if (without.length > 0) t.diagnostic(`this host is no oracle for ${without.map(rowName).join('; ')}`);
    const random = new Random(SEED);
    const count = Math.ceil(CASES / HOST_ROWS.length) * rows.length;
    hold(
      count,
      (i) => generateCase(random, rows[i % rows.length]),
      (text) => t.diagnostic(text),
    );
  });

test('programs of up to twenty instructions do what the host processor does', (t) => {
  const rows = HOST_ROWS.filter(isFitForPrograms);
  const random = new Random(SEED);
  hold(
    Math.ceil(CASES / CASES_A_PROGRAM),
    () => generateProgram(random, rows),
    (text) => t.diagnostic(text),
  );
});
