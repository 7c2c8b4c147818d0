import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareCases } from './compare';
import { describeFailure } from './describe';
import { generateCase } from './generate';
import { Random } from './random';
import { TESTED_ROWS } from './rows';

/** For longer runs: HOST_ORACLE_CASES=2000000 HOST_ORACLE_SEED=7 npx tsx --test test/host-oracle/integer.spec.ts */
const CASES = Number(process.env.HOST_ORACLE_CASES ?? 50_000);
const SEED = Number(process.env.HOST_ORACLE_SEED ?? 20_240_601);
const SHOWN = 12;

test('every integer instruction form does what the host processor does', (t) => {
  const random = new Random(SEED);
  const cases = Array.from({ length: CASES }, (_, i) => generateCase(random, TESTED_ROWS[i % TESTED_ROWS.length]));
  const endings: Record<string, number> = {};
  const failures = compareCases(cases, (ending) => (endings[ending] = (endings[ending] ?? 0) + 1));
  t.diagnostic(`seed ${SEED}, ${cases.length} cases, endings ${JSON.stringify(endings)}`);
  assert.equal(
    failures.length,
    0,
    `${failures.length} cases differ\n${failures.slice(0, SHOWN).map(describeFailure).join('\n')}`,
  );
});
