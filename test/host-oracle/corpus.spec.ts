import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareWithMachine, type Failure } from './compare';
import { readCorpus, UNIT_NAMES, unitNameOf } from './corpus';
import { describeFailure } from './describe';
import { rowName, TESTED_ROWS } from './rows';

const SHOWN = 5;
const PATHS = ['inline', 'slow'] as const;

/** Rows that no processor was at hand for, with what it would have to be. */
const WITHOUT_RECORD: Readonly<Record<string, string>> = {
  'WRMSRNS  (NP 0F 01 C6)': 'a processor after Sapphire Rapids',
};

const unrecorded: string[] = [];

for (const unit of UNIT_NAMES)
  test(`every ${unit} instruction form does what was recorded of a processor`, (t) => {
    const rows = TESTED_ROWS.filter((row) => unitNameOf(row) === unit);
    const cases = readCorpus(unit, rows);
    const have = new Set(cases.map(({ generated }) => generated.rows[0]));
    unrecorded.push(...rows.filter((row) => !have.has(row)).map(rowName));
    const failures = cases.flatMap(({ generated, outcome }): readonly Failure[] =>
      PATHS.flatMap((path) => {
        const differences = compareWithMachine(outcome, generated, path);
        return differences.length === 0 ? [] : [{ generated, differences, path }];
      }),
    );
    t.diagnostic(`${cases.length} cases of ${have.size} rows`);
    const shown = failures.slice(0, SHOWN).map(describeFailure);
    assert.equal(failures.length, 0, `${failures.length} cases differ\n${shown.join('\n')}`);
  });

test('every row that can be compared has a recorded case', () => {
  const missing = unrecorded.filter((name) => WITHOUT_RECORD[name] === undefined);
  assert.deepEqual(missing, [], 'record them with: npx tsx test/host-oracle/record-corpus.ts');
});
