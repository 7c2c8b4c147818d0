/** Runs the mocha tests inside the extension host of a real editor: VS Code where it can be had, else the one in the browser. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath, runTests } from '@vscode/test-electron';
import { chromium } from 'playwright-core';
import { startCodeServer } from '../../scripts/code-server/server';

const LIMIT_MINUTES = 4;

export interface HostRun {
  readonly vsix: string;
  /** Holds index.js, the bundle of the tests. */
  readonly tests: string;
  readonly workspace: string;
  /** A folder for everything the editor writes. */
  readonly home: string;
}

export interface Counts {
  readonly passed: number;
  readonly failed: number;
}

/** The editor wants an extension under development; the one that is tested is the installed package. */
function stubExtension(home: string): string {
  const folder = join(home, 'stub');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'package.json'),
    '{"name":"stub","publisher":"test","version":"0.0.0","engines":{"vscode":"*"}}',
  );
  return folder;
}

function countsIn(text: string): Counts {
  const match = /EXTENSION HOST (\d+) passed, (\d+) failed/.exec(text);
  if (match === null) throw new Error(`The tests in the extension host did not finish:\n${text.slice(-3000)}`);
  return { passed: Number(match[1]), failed: Number(match[2]) };
}

async function onDesktop({ vsix, tests, workspace, home }: HostRun, executable: string): Promise<Counts> {
  const folders = ['--extensions-dir', join(home, 'extensions'), '--user-data-dir', join(home, 'data')];
  const [cli, ...args] = resolveCliArgsFromVSCodeExecutablePath(executable);
  spawnSync(cli, [...args, ...folders, '--install-extension', vsix, '--force'], { stdio: 'inherit' });
  const report = join(home, 'report.txt');
  await runTests({
    vscodeExecutablePath: executable,
    extensionDevelopmentPath: stubExtension(home),
    extensionTestsPath: join(tests, 'index.js'),
    extensionTestsEnv: { STRATA_REPORT: report },
    launchArgs: [workspace, ...folders, '--disable-workspace-trust', '--no-sandbox'],
  }).catch((error: unknown) => console.error(error));
  return countsIn(readFileSync(report, 'utf8'));
}

async function inBrowser({ vsix, tests, workspace, home }: HostRun): Promise<Counts> {
  const server = await startCodeServer({ home, vsix, forTests: true, say: (line) => console.log(line) });
  const browser = await chromium
    .launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1'],
    })
    .catch(async (error: unknown) => {
      await server.stop();
      throw error;
    });
  let output = '';
  try {
    const page = await browser.newPage();
    const limit = new Promise<void>((_, fail) => {
      setTimeout(
        () => fail(new Error(`The extension host did not finish in ${LIMIT_MINUTES} minutes:\n${output}`)),
        LIMIT_MINUTES * 60_000,
      ).unref();
      page.on('crash', () => fail(new Error('The page crashed.')));
    });
    const finished = new Promise<void>((done) => {
      void page.exposeFunction('codeAutomationExit', () => done());
    });
    await page.exposeFunction('codeAutomationLog', (_kind: string, values: readonly unknown[]) => {
      output += `${format(...values)}\n`;
    });
    const remote = (path: string): string => `vscode-remote://127.0.0.1:${server.port}${path}`;
    const payload = [
      ['extensionDevelopmentPath', remote(stubExtension(home))],
      ['extensionTestsPath', remote(join(tests, 'index.js'))],
      ['skipWelcome', 'true'],
    ];
    await page.goto(
      `${server.url}/?folder=${encodeURIComponent(workspace)}&payload=${encodeURIComponent(JSON.stringify(payload))}`,
    );
    await Promise.race([finished, limit]);
  } finally {
    await browser.close();
    await server.stop();
  }
  const marks = /^\s+(✔|\d+\)|at |[A-Z]\w*Error)|^\s*\d+ (passing|failing)|EXTENSION HOST/;
  console.log(
    output
      .split('\n')
      .filter((line) => marks.test(line))
      .join('\n'),
  );
  return countsIn(output);
}

const isNetworkError = (error: unknown): boolean =>
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|403|fetch failed|getaddrinfo|timed? ?out/i.test(
    String(error),
  );

/** VSCODE_EXECUTABLE names a VS Code that is here; STRATA_TEST_HOST=browser or desktop takes no other. */
export async function runInExtensionHost(run: HostRun): Promise<Counts> {
  const wanted = process.env.STRATA_TEST_HOST;
  if (wanted === 'browser') return inBrowser(run);
  let executable = process.env.VSCODE_EXECUTABLE;
  if (executable === undefined) {
    try {
      executable = await downloadAndUnzipVSCode({ version: 'stable', cachePath: join(run.home, '..', 'vscode-test') });
    } catch (error) {
      // Only a download that cannot be: a test that fails must not get a second chance elsewhere.
      if (wanted === 'desktop' || !isNetworkError(error)) throw error;
      console.log('VS Code cannot be downloaded here: testing in the browser');
      return inBrowser(run);
    }
  }
  return onDesktop(run, executable);
}
