/** Runs spec files with node:test: a line for each file, and for each failure what was said. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { run } from 'node:test';
import { inspect } from 'node:util';
import pc from 'picocolors';
import type { Tally } from './tally';

const ROOT = join(__dirname, '..', '..');
/** test/vscode runs inside the editor, under a runner of its own. */
const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', '.cache', '.git', 'samples', 'vscode']);
const CONCURRENCY = 2;
const FILE_TIMEOUT_MS = 15 * 60_000;

/** Every spec below a folder of the repository, in order of name. */
export function specFiles(folder = '.'): readonly string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(entry.name) ? [] : specFiles(path);
      return entry.name.endsWith('.spec.ts') ? [path] : [];
    });
}

/** What one file has reported so far. The runner reports file after file, whichever ends first. */
class FileReport {
  passed = 0;
  readonly failures: { readonly name: string; readonly error: unknown }[] = [];
  output = '';
  milliseconds = 0;

  constructor(readonly name: string) {}

  print(): void {
    const count = this.passed + this.failures.length;
    const summary = `${this.name} ${pc.dim(`${count} test${count === 1 ? '' : 's'}, ${(this.milliseconds / 1000).toFixed(1)} s`)}`;
    if (this.failures.length === 0) {
      console.log(`  ${pc.green('✔')} ${summary}`);
      return;
    }
    console.log(`  ${pc.red('✖')} ${summary}`);
    for (const { name, error } of this.failures) {
      console.log(`    ${pc.red(`✖ ${name}`)}\n${indent(inspect(error, { depth: 4 }))}`);
    }
    if (this.output !== '') console.log(indent(this.output.trimEnd()));
  }
}

const indent = (text: string): string => text.replace(/^/gm, '      ');

/** Needs a process that can load TypeScript: the files run in processes with the same options as this one. */
export async function runSpecs(files: readonly string[]): Promise<Tally> {
  const total = { passed: 0, failed: 0 };
  let report: FileReport | undefined;
  const reportOf = (file: string | undefined): FileReport => {
    const name = file === undefined ? '' : relative(ROOT, file);
    if (report?.name === name) return report;
    report?.print();
    report = new FileReport(name);
    return report;
  };
  const fail = (file: string | undefined, name: string, error: unknown): void => {
    total.failed++;
    reportOf(file).failures.push({ name, error });
  };

  const paths = files.map((file) => join(ROOT, file));
  const events = run({ files: paths, concurrency: CONCURRENCY, timeout: FILE_TIMEOUT_MS });
  events.on('test:pass', ({ details, file, name, skip, nesting }) => {
    if (nesting === 0) reportOf(file).milliseconds += details.duration_ms;
    if (details.type === 'suite') return;
    // A test that does not run shows nothing, so it must not look as if it had passed.
    if (skip !== undefined) return fail(file, name, `skipped${typeof skip === 'string' ? `: ${skip}` : ''}`);
    total.passed++;
    reportOf(file).passed++;
  });
  events.on('test:fail', ({ details, file, name }) => {
    const { cause, failureType } = details.error as { readonly cause?: unknown; readonly failureType?: string };
    if (failureType === 'subtestsFailed') return;
    fail(file, name, cause ?? details.error);
  });
  for (const event of ['test:stdout', 'test:stderr'] as const) {
    events.on(event, ({ file, message }: { readonly file?: string; readonly message: string }) => {
      reportOf(file).output += message;
    });
  }
  await new Promise<void>((resolve, reject) => {
    events.on('end', resolve);
    events.on('error', reject);
    events.resume();
  });
  report?.print();
  return total;
}
