/**
 * Makes the machine ready for one npm script (`node scripts/setup.mjs test`; no argument: for all of them): npm packages as
 * the lock file says, and on Debian, where this is root, the distribution packages. Elsewhere it says what is missing.
 * Runs before node_modules exists, so it imports nothing from there. Silent and quick when there is nothing to do.
 */
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { COMMANDS, PURPOSES, REQUIREMENTS } from './requirements.mjs';

/** @typedef {import('./requirements.mjs').Requirement} Requirement */

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const OLDEST_NODE = [20, 19];

/** @param {string} sentence @returns {never} */
function giveUp(sentence) {
  console.error(`\nset-up: ${sentence}`);
  process.exit(1);
}

/** @param {string} command */
function inPath(command) {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** @param {Requirement} requirement */
const isMissing = ({ commands, files }) => !commands.every(inPath) || !files.every((file) => existsSync(file));

/**
 * Runs a program, handing each line of descriptor 3 to `onStatus`; shows what it printed only if it fails.
 *
 * @param {string} program @param {readonly string[]} args @param {(line: string) => void} [onStatus]
 * @returns {Promise<boolean>} whether it succeeded
 */
function quietly(program, args, onStatus) {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'pipe', 'pipe', onStatus === undefined ? 'ignore' : 'pipe'],
  });
  let output = '';
  const keep = (/** @type {Buffer} */ chunk) => {
    output += chunk.toString();
  };
  child.stdout?.on('data', keep);
  child.stderr?.on('data', keep);
  child.stdio[3]?.on('data', (/** @type {Buffer} */ chunk) => {
    for (const line of chunk.toString().split('\n')) onStatus?.(line);
  });
  return new Promise((resolve) => {
    child.on('error', (error) => {
      console.error(`${program}: ${error.message}`);
      resolve(false);
    });
    child.on('close', (status) => {
      if (status !== 0) console.error(output.trimEnd());
      resolve(status === 0);
    });
  });
}

/**
 * A percentage that overwrites itself on a terminal; elsewhere a line every quarter, so that a log shows it is alive.
 *
 * @param {string} title
 */
function progress(title) {
  let shown = -1;
  return (/** @type {number} */ percent) => {
    const step = process.stdout.isTTY ? Math.floor(percent) : Math.floor(percent / 25) * 25;
    if (step <= shown) return;
    shown = step;
    if (process.stdout.isTTY) process.stdout.write(`\r${title} ${step} %${step >= 100 ? '\n' : ''}`);
    else console.log(`${title} ${step} %`);
  };
}

/** @param {readonly Requirement[]} missing */
async function installWithApt(missing) {
  const names = missing.map(({ name }) => name);
  const title = `set-up: installing ${names.join(', ')} ...`;
  const show = progress(title);
  show(0);
  // Old lists name package versions that servers no longer hold. A failure here need not be one of the installation.
  await quietly('apt-get', ['update', '-qq']);
  const options = ['-y', '-qq', '--no-install-recommends', '-o', 'APT::Status-Fd=3', '-o', 'Dpkg::Use-Pty=0'];
  const worked = await quietly('apt-get', ['install', ...options, ...names], (line) => {
    // dlstatus:ID:PERCENT:TEXT is the first half, pmstatus:PACKAGE:PERCENT:TEXT the second.
    const [kind, , percent] = line.split(':');
    if (kind === 'dlstatus') show(Number(percent) / 2);
    else if (kind === 'pmstatus') show(50 + Number(percent) / 2);
  });
  if (worked) show(100);
  return worked;
}

/** @param {readonly Requirement[]} missing @param {string} command @returns {never} */
function nameMissing(missing, command) {
  const width = Math.max(...missing.map(({ name }) => name.length));
  const list = missing.map(({ name, use }) => `  ${name.padEnd(width)}  needed to ${use}`).join('\n');
  const lacking = new Set(missing.flatMap(({ purposes }) => purposes));
  const working = Object.entries(COMMANDS)
    .filter(
      ([, purposes]) =>
        !purposes.some((purpose) => REQUIREMENTS.some((r) => r.purposes.includes(purpose) && missing.includes(r))),
    )
    .map(([name]) => `npm run ${name}`);
  giveUp(
    `\`npm run ${command}\` needs what is not installed here (names of Debian's packages):\n${list}\n` +
      `They serve ${[...lacking].map((purpose) => PURPOSES[purpose]).join('; ')}.\n` +
      `Install them (on Debian: sudo apt-get install ${missing.map(({ name }) => name).join(' ')}) and run the command again.\n` +
      `What works without them: ${['npm run build', 'npm run lint', 'npm run typecheck', ...working].join(', ')}.`,
  );
}

/** @param {string} command */
async function distributionPackages(command) {
  const purposes = COMMANDS[command] ?? [];
  const needed = REQUIREMENTS.filter((requirement) =>
    requirement.purposes.some((purpose) => purposes.includes(purpose)),
  );
  let missing = needed.filter(isMissing);
  if (missing.length === 0) return;
  const canInstall = process.getuid?.() === 0 && existsSync('/etc/debian_version') && inPath('apt-get');
  if (canInstall) {
    await installWithApt(missing);
    missing = missing.filter(isMissing);
  }
  if (missing.length > 0) nameMissing(missing, command);
}

/** @typedef {Readonly<Record<string, { version?: string, integrity?: string, optional?: boolean }>>} LockedPackages */

/** @param {string} file */
function lockedPackages(file) {
  /** @type {{ packages: LockedPackages }} */
  const lock = JSON.parse(readFileSync(join(ROOT, file), 'utf8'));
  return lock.packages;
}

/** Whether node_modules holds other packages than the lock file asks for. npm leaves its own record of what it installed. */
function packagesAreStale() {
  if (!existsSync(join(ROOT, 'node_modules', '.package-lock.json'))) return true;
  const installed = lockedPackages('node_modules/.package-lock.json');
  return Object.entries(lockedPackages('package-lock.json')).some(([path, wanted]) => {
    if (path === '') return false;
    const found = installed[path];
    // Optional packages of other platforms are left out.
    if (found === undefined) return wanted.optional !== true;
    return found.version !== wanted.version || found.integrity !== wanted.integrity;
  });
}

function npmPackages() {
  if (!packagesAreStale()) return;
  if (!existsSync(join(ROOT, 'package-lock.json')))
    giveUp('package-lock.json is missing; this needs a whole checkout.');
  console.log('set-up: installing the npm packages of package-lock.json ...');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const started = Date.now();
  const { status } = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
  });
  if (status !== 0) giveUp('`npm ci` failed; what it said is above. It needs the npm registry, or a cache of it.');
  console.log(`set-up: npm packages installed in ${Math.round((Date.now() - started) / 1000)} s`);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  if (isOld) giveUp(`Strata needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.versions.node}.`);
}

const command = process.argv[2] ?? 'test';
checkNode();
await distributionPackages(command);
npmPackages();
