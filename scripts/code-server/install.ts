/** VS Code in the browser: code-server and the Node it needs, from the npm registry into a cache folder. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const CODE_SERVER_VERSION = '4.139.1';
/** code-server 4.139 refuses any other major version. */
const NODE_VERSION = '24.21.0';
const INSTALLATION_MINUTES = 15;

export interface CodeServer {
  /** The Node that runs it. */
  readonly node: string;
  readonly entry: string;
}

/** Where downloads are kept: STRATA_CACHE, or .cache/ in the repository. */
export function cacheFolder(): string {
  return resolve(process.env.STRATA_CACHE ?? join(__dirname, '..', '..', '.cache'));
}

/**
 * The environment without what a running npm script says of itself: packages look there for the version of Node they are
 * installed for.
 */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const own = ['npm_config_user_agent', 'npm_node_execpath', 'npm_execpath', 'NODE'];
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !own.includes(name)));
}

/** Installs one package into an empty folder. */
function npmInstall(folder: string, name: string, extra: NodeJS.ProcessEnv): Promise<void> {
  // What a broken-off installation left would not be mended by another.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const child = spawn('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', name], {
    cwd: folder,
    env: { ...cleanEnvironment(), ...extra },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-8000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  return new Promise((done, fail) => {
    child.on('error', fail);
    child.on('close', (status) =>
      status === 0 ? done() : fail(new Error(`npm install ${name} failed:\n${output.trim()}`)),
    );
  });
}

/** The C headers of the Node just installed: node-gyp would otherwise download, or take those of another version. */
function headersFolder(nodePackage: string): string {
  const around = [join(nodePackage, 'node_modules'), join(nodePackage, '..')];
  for (const folder of around.filter((candidate) => existsSync(candidate))) {
    const platform = readdirSync(folder).find(
      (name) => name.startsWith('node-') && existsSync(join(folder, name, 'include')),
    );
    if (platform !== undefined) return join(folder, platform);
  }
  throw new Error(`The npm package node@${NODE_VERSION} holds no headers below ${nodePackage}.`);
}

/** Runs `work` while no other process does, waiting for its turn. A lock whose owner is long gone is taken over. */
async function alone<T>(lock: string, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      mkdirSync(lock);
      break;
    } catch {
      const age = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
      if (age > INSTALLATION_MINUTES * 60_000) rmSync(lock, { recursive: true, force: true });
      await sleep(500);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/**
 * Installs code-server unless it is there. Takes about two minutes and 800 MB the first time. `say` hears of progress.
 * Throws with npm's own words if a step fails.
 */
export async function installCodeServer(say: (line: string) => void): Promise<CodeServer> {
  const home = join(cacheFolder(), 'code-server');
  const nodePackage = join(home, 'node', 'node_modules', 'node');
  const installed: CodeServer = {
    node: join(nodePackage, 'bin', 'node'),
    entry: join(home, 'cs', 'node_modules', 'code-server', 'out', 'node', 'entry.js'),
  };
  const stamp = join(home, `.ok-${CODE_SERVER_VERSION}-${NODE_VERSION}`);
  if (existsSync(stamp)) return installed;
  mkdirSync(home, { recursive: true });
  return alone(join(home, '.lock'), async () => {
    if (existsSync(stamp)) return installed;
    const started = Date.now();
    const progress = setInterval(
      () => say(`  still installing, ${Math.round((Date.now() - started) / 1000)} s`),
      20_000,
    );
    try {
      say(
        `installing VS Code in the browser (code-server ${CODE_SERVER_VERSION}) into ${home}: about two minutes, 800 MB`,
      );
      await npmInstall(join(home, 'node'), `node@${NODE_VERSION}`, {});
      await npmInstall(join(home, 'cs'), `code-server@${CODE_SERVER_VERSION}`, {
        PATH: `${join(nodePackage, 'bin')}${delimiter}${process.env.PATH ?? ''}`,
        npm_config_nodedir: headersFolder(nodePackage),
      });
      if (!existsSync(installed.entry))
        throw new Error(`code-server@${CODE_SERVER_VERSION} has no ${installed.entry}.`);
      writeFileSync(stamp, '');
      say(`  installed in ${Math.round((Date.now() - started) / 1000)} s`);
    } finally {
      clearInterval(progress);
    }
    return installed;
  });
}
