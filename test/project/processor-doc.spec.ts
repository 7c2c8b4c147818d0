import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { test } from 'node:test';
import { GENERATED_PAGES, withTables } from '../../scripts/processor-doc';

for (const file of GENERATED_PAGES)
  test(`docs/${basename(file)} says what the tables it is made from say; else run scripts/processor-doc.ts`, async () => {
    const page = readFileSync(file, 'utf8');
    assert.equal(await withTables(page), page);
  });
