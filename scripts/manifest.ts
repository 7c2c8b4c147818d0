/** Writes what the extension contributes by tables into package.json: `npx tsx scripts/manifest.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { breakpointContribution, debuggerContribution } from '../extension/manifest';

const file = resolve(import.meta.dirname, '..', 'package.json');
const manifest = JSON.parse(readFileSync(file, 'utf8')) as { contributes?: Record<string, unknown> };
manifest.contributes = {
  ...manifest.contributes,
  debuggers: [debuggerContribution],
  breakpoints: breakpointContribution,
};
writeFileSync(file, `${JSON.stringify(manifest, null, 2)}\n`);
