/**
 * Opens the editor with the extension on samples/: `npm run code`. VS Code (or VSCODE_EXECUTABLE) where it is found, else VS Code
 * in the browser. `--browser` chooses the latter, `--port N` its port; `--smoke` only sees that it starts; any other argument is
 * the folder or workspace file to open.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { cacheFolder } from './code-server/install';
import { startCodeServer } from './code-server/server';
import { packageExtension } from './package';

const ROOT = join(__dirname, '..');
const WORKSPACE = join(ROOT, 'samples', 'samples.code-workspace');
const DESKTOP_EDITORS = ['code', 'code-insiders', 'codium'];

interface Arguments {
  readonly browser: boolean;
  readonly smoke: boolean;
  readonly port: number | undefined;
  readonly target: string;
}

function readArguments(words: readonly string[]): Arguments | string {
  let [browser, smoke] = [false, false];
  let port: number | undefined;
  let target = WORKSPACE;
  for (let i = 0; i < words.length; i++) {
    const word = words[i];
    if (word === '--browser') browser = true;
    else if (word === '--smoke') smoke = browser = true;
    else if (word === '--port') {
      port = Number(words[++i]);
      if (!Number.isInteger(port) || port < 1 || port > 65535)
        return `--port needs a number from 1 to 65535, not "${words[i] ?? ''}".`;
    } else if (word.startsWith('-'))
      return `There is no option "${word}": --browser, --port N, --smoke, or a folder to open.`;
    else target = resolve(word);
  }
  return { browser, smoke, port, target };
}

function desktopEditor(): string | undefined {
  const wanted = process.env.VSCODE_EXECUTABLE;
  const candidates = wanted === undefined ? DESKTOP_EDITORS : [wanted];
  return candidates.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}

/** The extension goes into folders of its own, so that the person's own editor stays as it is. */
function openDesktop(editor: string, vsix: string, target: string): Promise<number> {
  const folders = [
    '--extensions-dir',
    join(cacheFolder(), 'vscode', 'extensions'),
    '--user-data-dir',
    join(cacheFolder(), 'vscode', 'data'),
  ];
  mkdirSync(join(cacheFolder(), 'vscode'), { recursive: true });
  const installation = spawnSync(editor, [...folders, '--install-extension', vsix, '--force'], { stdio: 'inherit' });
  if (installation.status !== 0) throw new Error(`${editor} did not install ${vsix}.`);
  console.log(`opening ${target} with ${editor}`);
  const child = spawn(editor, [...folders, target], { stdio: 'inherit' });
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (status) => done(status ?? 1));
  });
}

async function openBrowser(vsix: string, { port, target, smoke }: Arguments): Promise<number> {
  const home = join(cacheFolder(), smoke ? `code-smoke-${process.pid}` : 'code');
  const server = await startCodeServer({
    home,
    vsix,
    say: (line) => console.log(line),
    ...(port === undefined ? {} : { port }),
  });
  try {
    const key = target.endsWith('.code-workspace') ? 'workspace' : 'folder';
    console.log(`\nVS Code is at  ${server.url}/?${key}=${encodeURIComponent(target)}`);
    if (smoke) return 0;
    console.log(
      'Open that address in a browser on this machine, open a sample, and press F5. Ctrl+C here ends the editor.',
    );
    const interrupted = new Promise<void>((done) => {
      process.once('SIGINT', done);
      process.once('SIGTERM', done);
    });
    await Promise.race([interrupted, server.ended]);
    return 0;
  } finally {
    await server.stop();
    if (smoke) rmSync(home, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

async function main(): Promise<number> {
  const parsed = readArguments(process.argv.slice(2));
  if (typeof parsed === 'string') {
    console.error(parsed);
    return 2;
  }
  console.log('building and packaging the extension ...');
  const vsix = packageExtension();
  const editor = parsed.browser ? undefined : desktopEditor();
  if (editor !== undefined) return openDesktop(editor, vsix, parsed.target);
  if (!parsed.browser)
    console.log(
      'VS Code is not installed here (no `code` in PATH, no VSCODE_EXECUTABLE): taking VS Code in the browser',
    );
  return openBrowser(vsix, parsed);
}

main().then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  },
);
