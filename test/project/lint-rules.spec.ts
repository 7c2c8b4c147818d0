import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ESLint } from 'eslint';

const ROOT = join(__dirname, '..', '..');
/** Rules that need types cannot judge a file that does not exist; those tested here need none. */
const eslint = new ESLint({
  cwd: ROOT,
  overrideConfig: { languageOptions: { parserOptions: { projectService: false } } },
  ruleFilter: ({ ruleId }) => ruleId.startsWith('no-restricted-') || ruleId === '@typescript-eslint/no-explicit-any',
});

async function complaints(filePath: string, code: string): Promise<readonly string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(ROOT, filePath) });
  return result.messages.map(({ message, fatal }) => {
    assert.notEqual(fatal, true, message);
    return message;
  });
}

const FORBIDDEN: readonly (readonly [file: string, code: string, message: RegExp])[] = [
  [
    'emulator/cpu/x.ts',
    `import { a } from '../../debug-adapter/explain';`,
    /emulator\/ may import from emulator\/ only/,
  ],
  ['emulator/cpu/x.ts', `import type { A } from '../../cli/host';`, /emulator\/ may import from emulator\/ only/],
  ['emulator/cpu/x.ts', `export * from '../../extension/launch';`, /emulator\/ may import from emulator\/ only/],
  ['emulator/cpu/x.ts', `import { Decoder } from 'iced-x86';`, /nothing but Node itself/],
  ['emulator/cpu/x.ts', `import * as vscode from 'vscode';`, /nothing but Node itself/],
  ['emulator/x.ts', `const a = import('../cli/host');`, /Import statically/],
  ['emulator/x.ts', `export const now = Date.now();`, /only clock/],
  ['emulator/x.ts', `export const now = new Date();`, /only clock/],
  ['emulator/x.ts', `export const now = performance.now();`, /only clock/],
  ['emulator/x.ts', `export const now = process.hrtime.bigint();`, /only clock/],
  ['emulator/x.ts', `export const chance = Math.random();`, /needs a seed/],
  ['debug-adapter/x.ts', `import * as vscode from 'vscode';`, /Only extension\/ knows the editor/],
  ['debug-adapter/requests/x.ts', `import { a } from '../../extension/launch';`, /debug-adapter\/ may import from/],
  ['debug-adapter/x.ts', `import { a } from '../cli/host';`, /debug-adapter\/ may import from/],
  ['cli/x.ts', `import type { Uri } from 'vscode';`, /Only extension\/ knows the editor/],
  ['cli/x.ts', `import { a } from '../extension/launch';`, /cli\/ may import from/],
  ['extension/x.ts', `import { a } from '../cli/host';`, /extension\/ may import from/],
  ['cli/x.ts', `export default 1;`, /default/],
  ['cli/x.ts', `export const a: any = 1;`, /any/],
];

const ALLOWED: readonly (readonly [file: string, code: string])[] = [
  ['emulator/cpu/x.ts', `import { a } from '../mmu/tlb'; import { join } from 'node:path'; export const b = join(a);`],
  ['emulator/x.ts', `export const epoch = new Date(0);`],
  ['emulator/x.spec.ts', `import { Decoder } from 'iced-x86'; export const a = Decoder;`],
  [
    'debug-adapter/x.ts',
    `import { a } from '../emulator/api'; import { Decoder } from 'iced-x86'; export { a, Decoder };`,
  ],
  ['cli/x.ts', `import { a } from '../debug-adapter/explain'; import { b } from '../emulator/api'; export { a, b };`],
  [
    'extension/x.ts',
    `import * as vscode from 'vscode'; import { a } from '../debug-adapter/schema'; export { a, vscode };`,
  ],
];

describe('the lint rules', () => {
  for (const [file, code, message] of FORBIDDEN) {
    it(`refuse in ${file}: ${code}`, async () => {
      const found = await complaints(file, code);
      assert.ok(
        found.some((text) => message.test(text)),
        `said only: ${found.join('; ') || 'nothing'}`,
      );
    });
  }
  for (const [file, code] of ALLOWED) {
    it(`accept in ${file}: ${code}`, async () => assert.deepEqual(await complaints(file, code), []));
  }
});
