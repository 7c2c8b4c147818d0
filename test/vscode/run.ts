/** `npm run test:vscode`: packages the extension and tests it in a real VS Code. */
import { spawn, execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { packageExtension } from '../../scripts/package';
import { runInExtensionHost, type Counts } from './host';

const ROOT = join(__dirname, '..', '..');

async function extensionHost(vsix: string, folder: string): Promise<Counts> {
  const samples = join(folder, 'samples');
  cpSync(join(ROOT, 'samples'), samples, { recursive: true, filter: (path) => !/[\\/]build$/.test(path) });
  for (const sample of ['hello-vmx', 'broken-entry'])
    execFileSync('make', ['--silent'], { cwd: join(samples, sample), stdio: 'inherit' });
  const tests = join(folder, 'tests');
  await build({
    entryPoints: [join(__dirname, 'extension-host', 'index.ts')],
    outfile: join(tests, 'index.js'),
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    external: ['vscode', 'mocha'],
    logLevel: 'warning',
  });
  // Mocha finds its reporters by path, so it is taken from here instead of bundled.
  symlinkSync(join(ROOT, 'node_modules'), join(tests, 'node_modules'), 'dir');
  return runInExtensionHost({ vsix, tests, workspace: samples, home: join(folder, 'home') });
}

/** Runs test files one after the other in one node:test process. */
function nodeTests(vsix: string, files: readonly string[]): Promise<Counts> {
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--test',
      '--test-concurrency=1',
      '--test-reporter=spec',
      ...files.map((file) => join(__dirname, file)),
    ],
    { cwd: ROOT, env: { ...process.env, STRATA_VSIX: vsix }, stdio: ['ignore', 'pipe', 'inherit'] },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    process.stdout.write(chunk);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => {
      const count = (name: string): number => Number(new RegExp(`^\\W*${name} (\\d+)`, 'm').exec(output)?.[1] ?? 0);
      const failed = count('fail') + count('cancelled');
      resolve({ passed: count('pass'), failed: status !== 0 && failed === 0 ? 1 : failed });
    });
  });
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'strata-vscode-'));
  try {
    const vsix = packageExtension(join(folder, 'strata.vsix'));
    const parts = [
      await nodeTests(vsix, ['vsix.test.ts']),
      await extensionHost(vsix, folder).catch((error: unknown) => {
        console.error(error);
        return { passed: 0, failed: 1 };
      }),
      await nodeTests(vsix, ['ui/hello-vmx.test.ts', 'ui/broken-entry.test.ts', 'ui/processors.test.ts']),
    ];
    const passed = parts.reduce((sum, part) => sum + part.passed, 0);
    const failed = parts.reduce((sum, part) => sum + part.failed, 0);
    console.log(`${passed} passed, ${failed} failed`);
    process.exitCode = failed === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

main().catch((error: unknown) => {
  console.error(error);
  console.log('0 passed, 1 failed');
  process.exitCode = 1;
});
