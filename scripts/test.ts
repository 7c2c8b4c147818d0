/**
 * Runs the checks: `npx tsx scripts/test.ts [--long] [GROUP...]`, every group when none is named. The last line says
 * `N passed, N failed` over all of them, and the status is 0 only if nothing failed.
 */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import pc from 'picocolors';
import { buildSamples } from './samples';
import { runSpecs, specFiles } from './test/specs';
import { add, NOTHING, readTally, tallyLine, type Tally } from './test/tally';

const ROOT = join(__dirname, '..');
const BIN = join(ROOT, 'node_modules', '.bin');

/** Generated cases are many times as many under --long: hours rather than minutes on a slow machine. */
const LONG: Readonly<Record<string, string>> = {
  HOST_ORACLE_CASES: '2000000',
  DECODER_CASES: '1000000',
  FUZZ_SECONDS: '600',
};

interface Group {
  readonly name: string;
  readonly title: string;
  readonly run: () => Promise<Tally>;
}

const PASSED: Tally = { passed: 1, failed: 0 };
const FAILED: Tally = { passed: 0, failed: 1 };

/** Runs a program to its end, showing and returning what it prints. */
function execute(
  program: string,
  args: readonly string[],
): Promise<{ readonly status: number; readonly output: string }> {
  const child = spawn(program, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    process.stdout.write(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${program}: ${error.message}`);
      resolve({ status: 1, output });
    });
    child.on('close', (status) => {
      resolve({ status: status ?? 1, output });
    });
  });
}

/** A check that is one test: it passes if the tool ends with 0. */
const tool = (name: string, title: string, program: string, ...args: readonly string[]): Group => ({
  name,
  title,
  run: async () => ((await execute(join(BIN, program), args)).status === 0 ? PASSED : FAILED),
});

/** A program that counts its own tests and says so in its last line. */
const suite = (name: string, title: string, script: string): Group => ({
  name,
  title,
  run: async () => {
    const { status, output } = await execute(process.execPath, ['--import', 'tsx', join(ROOT, script)]);
    const tally = readTally(output) ?? NOTHING;
    // One that fails without a failed test broke down, and one without any test showed nothing.
    const brokeDown = tally.failed === 0 && (status !== 0 || tally.passed === 0);
    return brokeDown ? add(tally, FAILED) : tally;
  },
});

const specs = (name: string, title: string, files: () => readonly string[]): Group => ({
  name,
  title,
  run: () => runSpecs(files()),
});

const crossesRooms = (file: string): boolean => file.startsWith('test/');

const GROUPS: readonly Group[] = [
  tool('build', 'bundles', 'tsx', 'scripts/build.ts'),
  {
    name: 'samples',
    title: 'samples build',
    run: () => {
      try {
        console.log(`  ${buildSamples().join(', ')}`);
        return Promise.resolve(PASSED);
      } catch (error) {
        console.error(error instanceof Error ? error.message : error);
        return Promise.resolve(FAILED);
      }
    },
  },
  tool('typecheck', 'types', 'tsc', '--noEmit', '-p', '.'),
  tool('lint', 'lint', 'eslint', '.'),
  tool('format', 'format', 'prettier', '--check', '--log-level=warn', '.'),
  specs('specs', 'specs beside their source', () => specFiles().filter((file) => !crossesRooms(file))),
  specs('suites', 'suites that cross rooms', () => specFiles().filter(crossesRooms)),
  suite('vscode', 'the extension in VS Code', 'test/vscode/run.ts'),
];

/** The groups named, in the order of GROUPS; undefined after saying which name is wrong. */
function chosenGroups(names: readonly string[]): readonly Group[] | undefined {
  const unknown = names.find((name) => !GROUPS.some((group) => group.name === name));
  if (unknown !== undefined) {
    console.error(`There is no group "${unknown}"; the groups are ${GROUPS.map(({ name }) => name).join(', ')}.`);
    return undefined;
  }
  return names.length === 0 ? GROUPS : GROUPS.filter(({ name }) => names.includes(name));
}

async function main(): Promise<number> {
  const words = process.argv.slice(2);
  if (words.includes('--long')) Object.assign(process.env, LONG);
  const groups = chosenGroups(words.filter((word) => word !== '--long'));
  if (groups === undefined) return 2;
  let total = NOTHING;
  const summary: string[] = [];
  for (const [i, { title, run }] of groups.entries()) {
    const started = performance.now();
    console.log(pc.bold(`[${i + 1}/${groups.length}] ${title}`));
    const tally = await run();
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    const mark = tally.failed === 0 ? pc.green('✔') : pc.red('✖');
    summary.push(`${mark} ${title}: ${tallyLine(tally)} ${pc.dim(`(${seconds} s)`)}`);
    total = add(total, tally);
  }
  console.log(`\n${summary.join('\n')}\n`);
  console.log(tallyLine(total));
  return total.failed === 0 ? 0 : 1;
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(error);
    process.exitCode = 1;
  },
);
