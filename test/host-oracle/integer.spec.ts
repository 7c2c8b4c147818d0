import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareWithHost } from './compare';

/** For longer runs: HOST_ORACLE_CASES=2000000 HOST_ORACLE_SEED=7 npx tsx --test test/host-oracle/integer.spec.ts */
const CASES = Number(process.env.HOST_ORACLE_CASES ?? 50_000);
const SEED = Number(process.env.HOST_ORACLE_SEED ?? 20_240_601);
const SHOWN = 12;

test('every integer instruction form does what the host processor does', (t) => {
  const { cases, failures, endings } = compareWithHost(SEED, CASES);
  t.diagnostic(`seed ${SEED}, ${cases} cases, endings ${JSON.stringify(endings)}`);
  assert.equal(failures.length, 0, `${failures.length} cases differ\n${failures.slice(0, SHOWN).join('\n')}`);
});
