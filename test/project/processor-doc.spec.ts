import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PROCESSOR_DOC, withTables } from '../../scripts/processor-doc';

test('docs/processor.md says of features, leaves and MSRs what the tables say; else run scripts/processor-doc.ts', async () => {
  const page = readFileSync(PROCESSOR_DOC, 'utf8');
  assert.equal(await withTables(page), page);
});
