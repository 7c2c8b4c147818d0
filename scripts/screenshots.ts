/** Runs the editor tests and takes the README's pictures from what they saw: `npm run screenshots`. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageExtension } from './package';

const ROOT = join(__dirname, '..');
const IMAGES = join(ROOT, 'docs', 'images');

/** Names in docs/images, and the pictures the tests leave. */
const CHOSEN = {
  'hello-vmx.png': 'hello-vmx-light-vmcs.png',
  'broken-entry.png': 'broken-entry-dark-explanation.png',
};

const files = ['hello-vmx', 'broken-entry'].map((name) => join(ROOT, 'test', 'vscode', 'ui', `${name}.test.ts`));
const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', '--test', '--test-concurrency=1', '--test-reporter=spec', ...files],
  {
    cwd: ROOT,
    env: { ...process.env, STRATA_VSIX: packageExtension() },
    stdio: 'inherit',
  },
);
if (status === 0) {
  mkdirSync(IMAGES, { recursive: true });
  for (const [name, taken] of Object.entries(CHOSEN)) {
    copyFileSync(join(ROOT, 'test-results', 'vscode', taken), join(IMAGES, name));
    console.log(`docs/images/${name}`);
  }
} else {
  console.error('The editor tests failed, so docs/images is as it was.');
  process.exitCode = 1;
}
