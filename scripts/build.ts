/**
 * Bundles what runs: the extension, the debug adapter and the command. `--minify` for a package, `--watch` while working,
 * `--meta` to leave what each bundle is made of in dist/.
 */
import { chmodSync, copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build, context, type BuildOptions, type Metafile } from 'esbuild';

const ROOT = join(__dirname, '..');
const DIST = join(ROOT, 'dist');

interface Bundle {
  readonly entry: string;
  readonly output: string;
  readonly external?: readonly string[];
  readonly banner?: string;
}

const BUNDLES: readonly Bundle[] = [
  { entry: 'extension/extension.ts', output: 'extension.js', external: ['vscode'] },
  { entry: 'debug-adapter/main.ts', output: 'debug-adapter.js' },
  { entry: 'cli/main.ts', output: 'cli.js', banner: '#!/usr/bin/env node' },
];

/** iced-x86 reads its WebAssembly from the folder of the file it is bundled into. */
const BESIDE = ['iced-x86/iced_x86_bg.wasm'];

/** `--minify`, `--watch`, `--meta`. */
type Flags = ReadonlySet<string>;

function options({ entry, output, external, banner }: Bundle, flags: Flags): BuildOptions {
  return {
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile: join(DIST, output),
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    sourcemap: true,
    // The maps name the files; holding their text too would triple the package.
    sourcesContent: false,
    minify: flags.has('--minify'),
    metafile: true,
    logLevel: 'warning',
    external: external === undefined ? [] : [...external],
    banner: banner === undefined ? {} : { js: banner },
  };
}

/** The licences of the npm packages that are bundled, which ask to go with every copy. Throws if a package has none. */
function licences(bundles: readonly Metafile[]): string {
  const inputs = bundles.flatMap(({ inputs }) => Object.keys(inputs));
  const folders = new Set(inputs.flatMap((file) => /^node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file) ?? []));
  const texts = [...folders].sort().map((folder) => {
    const licence = readdirSync(join(ROOT, folder)).find((name) => /^licen[cs]e/i.test(name));
    if (licence === undefined) throw new Error(`${folder} is bundled but has no licence file.`);
    return `${folder.slice('node_modules/'.length)}\n\n${readFileSync(join(ROOT, folder, licence), 'utf8').trim()}\n`;
  });
  return texts.join(`\n${'-'.repeat(80)}\n\n`);
}

export async function buildBundles(flags: Flags = new Set()): Promise<void> {
  const started = performance.now();
  mkdirSync(DIST, { recursive: true });
  for (const file of BESIDE) {
    const source = require.resolve(file);
    copyFileSync(source, join(DIST, file.slice(file.lastIndexOf('/') + 1)));
  }
  if (flags.has('--watch')) {
    for (const bundle of BUNDLES) await (await context({ ...options(bundle, flags), logLevel: 'info' })).watch();
    return;
  }
  const results = await Promise.all(BUNDLES.map((bundle) => build(options(bundle, flags))));
  chmodSync(join(DIST, 'cli.js'), 0o755);
  writeFileSync(join(DIST, 'licenses.txt'), licences(results.flatMap(({ metafile }) => metafile ?? [])));
  results.forEach(({ metafile }, i) => {
    if (flags.has('--meta')) writeFileSync(join(DIST, `${BUNDLES[i].output}.meta.json`), JSON.stringify(metafile));
  });
  console.log(
    `built ${BUNDLES.map(({ output }) => `dist/${output}`).join(', ')} in ${Math.round(performance.now() - started)} ms`,
  );
}

if (require.main === module) {
  buildBundles(new Set(process.argv.slice(2))).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
