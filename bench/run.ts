/** Bundles the benchmark as the product is bundled, and runs it: loaded file by file the code is slower. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { buildSync } from 'esbuild';

const ROOT = join(import.meta.dirname, '..');
const OUTPUT = join(ROOT, '.cache/bench');

buildSync({
  entryPoints: ['bench.ts', 'run-for-memory.ts'].map((file) => join(ROOT, 'bench', file)),
  outdir: OUTPUT,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  platform: 'node',
  format: 'esm',
  packages: 'external',
  logLevel: 'warning',
});
const { status } = spawnSync(process.execPath, [join(OUTPUT, 'bench.mjs'), ...process.argv.slice(2)], {
  cwd: ROOT,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
