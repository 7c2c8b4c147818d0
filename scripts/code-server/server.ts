/** A running VS Code in the browser with the packaged extension, in folders of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installCodeServer } from './install';
import { endGroup } from './process-group';

const STARTS = 3;
const START_SECONDS = 40;

export interface ServerOptions {
  /** A folder for everything the server writes: its HOME, settings, extensions and log. */
  readonly home: string;
  readonly vsix: string;
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Lets a page run tests inside the extension host; changes how dialogs look. */
  readonly forTests?: boolean;
  readonly port?: number;
  readonly say: (line: string) => void;
}

export interface RunningServer {
  readonly port: number;
  /** http://127.0.0.1:PORT */
  readonly url: string;
  readonly log: string;
  /** Changes the settings of all windows at once. */
  changeSettings(settings: Readonly<Record<string, unknown>>): void;
  /** Resolves when the server has ended, for whatever reason. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

const SETTINGS = {
  'workbench.startupEditor': 'none',
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.tips.enabled': false,
  'workbench.welcomePage.walkthroughs.openOnInstall': false,
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'remote.autoForwardPorts': false,
  'extensions.ignoreRecommendations': true,
  'chat.disableAIFeatures': true,
};

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() =>
        address !== null && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/healthz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

/** Installs the extension and starts the server. Throws with the end of its log if it does not come up. */
export async function startCodeServer(options: ServerOptions): Promise<RunningServer> {
  const { node, entry } = await installCodeServer(options.say);
  const { home } = options;
  mkdirSync(join(home, 'data', 'User'), { recursive: true });
  const changeSettings = (settings: Readonly<Record<string, unknown>>): void => {
    const all = { ...SETTINGS, ...options.settings, ...settings };
    writeFileSync(join(home, 'data', 'User', 'settings.json'), JSON.stringify(all, null, 2));
  };
  changeSettings({});
  const env: NodeJS.ProcessEnv = { ...process.env, HOME: home, EXTENSIONS_GALLERY: '{"serviceUrl":""}' };
  // Both would send the server elsewhere than told to.
  delete env.PORT;
  delete env.VSCODE_IPC_HOOK_CLI;
  const folders = [
    '--user-data-dir',
    join(home, 'data'),
    '--extensions-dir',
    join(home, 'extensions'),
    '--config',
    join(home, 'config.yaml'),
  ];

  const installation = spawnSync(node, [entry, ...folders, '--install-extension', options.vsix, '--force'], {
    env,
    encoding: 'utf8',
  });
  if (!installation.stdout.includes('successfully installed')) {
    throw new Error(`code-server did not install ${options.vsix}:\n${installation.stdout}${installation.stderr}`);
  }

  const log = join(home, 'server.log');
  for (let attempt = 1; ; attempt++) {
    const port = options.port ?? (await freePort());
    const url = `http://127.0.0.1:${port}`;
    const output = openSync(log, 'w');
    const server = spawn(
      node,
      [
        entry,
        ...['--auth', 'none', '--bind-addr', `127.0.0.1:${port}`],
        ...[
          '--disable-telemetry',
          '--disable-update-check',
          '--disable-workspace-trust',
          '--disable-getting-started-override',
        ],
        ...(options.forTests === true ? ['--vscode-option', 'enable-smoke-test-driver'] : []),
        ...folders,
      ],
      { env, stdio: ['ignore', output, output], detached: true },
    );
    closeSync(output);
    const ended = new Promise<void>((resolve) => {
      server.once('exit', () => resolve());
      server.once('error', () => resolve());
    });
    const stop = (): Promise<void> => endGroup(server);
    const limit = Date.now() + START_SECONDS * 1000;
    while (server.exitCode === null && server.pid !== undefined && Date.now() < limit) {
      if (await isHealthy(url)) return { port, url, log, changeSettings, ended, stop };
      await sleep(100);
    }
    await stop();
    if (attempt === STARTS)
      throw new Error(`code-server did not start; the end of its log:\n${readFileSync(log, 'utf8').slice(-2000)}`);
  }
}
