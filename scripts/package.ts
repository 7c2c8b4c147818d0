/** Builds and packages the extension: `npx tsx scripts/package.ts [OUTPUT.vsix]`. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = join(__dirname, '..');

function run(...args: readonly string[]): void {
  execFileSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Bundles the sources, minified, and packs what .vscodeignore lets through. Throws if a step fails. */
export function packageExtension(output: string = join(ROOT, 'strata.vsix')): string {
  run('--import', 'tsx', join(ROOT, 'scripts', 'build.ts'), '--minify');
  const licence = existsSync(join(ROOT, 'LICENSE')) ? [] : ['--skip-license'];
  run(
    join(ROOT, 'node_modules', '@vscode', 'vsce', 'vsce'),
    'package',
    '--no-dependencies',
    '--allow-missing-repository',
    '--no-rewrite-relative-links',
    ...licence,
    '--out',
    output,
  );
  return output;
}

if (require.main === module)
  console.log(`packaged ${packageExtension(process.argv[2] === undefined ? undefined : resolve(process.argv[2]))}`);
