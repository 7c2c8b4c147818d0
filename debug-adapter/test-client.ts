/** What the specs share: samples built, and the real adapter driven in a process of its own. */
import { execFileSync, spawn, type SpawnOptions } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';

const ROOT = join(__dirname, '..');

/** Builds a sample and gives its image. */
export function sample(name: string): string {
  const folder = join(ROOT, 'samples', name);
  execFileSync('make', ['-s', '-C', folder], { stdio: 'pipe' });
  return join(folder, 'build', `${name}.elf`);
}

export function sampleSource(sampleName: string, file: string): string {
  return join(ROOT, 'samples', sampleName, file);
}

/** Line of a source, from 1, that contains a text. */
export function lineWith(file: string, text: string): number {
  const index = readFileSync(file, 'utf8')
    .split('\n')
    .findIndex((line) => line.includes(text));
  if (index < 0) throw new Error(`${file} has no line with "${text}"`);
  return index + 1;
}

/** An event that stops the session's flow: stopped or terminated. */
export interface Pause {
  readonly event: string;
  readonly body: DebugProtocol.StoppedEvent['body'] & { readonly hitBreakpointIds?: readonly number[] };
}

export const ADAPTER_MAIN = join(ROOT, 'debug-adapter/main.ts');

/** How TypeScript is run as it stands. */
export const ADAPTER_PROCESS: SpawnOptions = { cwd: ROOT, env: { ...process.env, NODE_OPTIONS: '--import tsx' } };

let server: Promise<number> | undefined;

/** The port of an adapter process that serves all sessions of a spec file, and ends with it. */
function serverPort(): Promise<number> {
  server ??= new Promise((resolve, reject) => {
    const adapter = spawn(process.execPath, [ADAPTER_MAIN, '--port', '0'], { ...ADAPTER_PROCESS, stdio: 'pipe' });
    let said = '';
    adapter.stderr.on('data', (data: Buffer) => {
      said += data.toString();
      const match = /^Listening on port (\d+)\.$/m.exec(said);
      if (match === null) return;
      // From here on it must not keep the specs' own process alive.
      adapter.unref();
      for (const stream of adapter.stdio) if (stream instanceof Socket) stream.unref();
      resolve(Number(match[1]));
    });
    adapter.on('exit', () => reject(new Error(`The adapter has ended: ${said}`)));
    process.on('exit', () => adapter.kill());
  });
  return server;
}

/** One session with the adapter, whose client remembers what it heard. */
export class AdapterClient extends DebugClient {
  outputs = '';
  readonly outputEvents: DebugProtocol.OutputEvent['body'][] = [];
  exitCode: number | undefined;

  static async begin(): Promise<AdapterClient> {
    const client = new AdapterClient(process.execPath, ADAPTER_MAIN, 'vmx');
    await client.start(await serverPort());
    return client.introduce();
  }

  /** A session on stdio with a process of its own. */
  static async beginProcess(
    main: string = ADAPTER_MAIN,
    options: SpawnOptions = ADAPTER_PROCESS,
  ): Promise<AdapterClient> {
    const client = new AdapterClient(process.execPath, main, 'vmx', options);
    await client.start();
    return client.introduce();
  }

  private async introduce(): Promise<this> {
    this.defaultTimeout = 20_000;
    this.on('output', ({ body }: DebugProtocol.OutputEvent) => {
      this.outputs += body.output;
      this.outputEvents.push(body);
    });
    this.on('exited', (event: DebugProtocol.ExitedEvent) => (this.exitCode = event.body.exitCode));
    await this.initializeRequest();
    return this;
  }

  /** Launches up to the point where breakpoints may be set. */
  async prepare(configuration: Readonly<Record<string, unknown>>): Promise<void> {
    const initialized = new Promise((resolve) => this.once('initialized', resolve));
    await this.launchRequest(configuration);
    await initialized;
  }

  nextPause(): Promise<Pause> {
    return new Promise((resolve, reject) => {
      const done = (pause: Pause): void => {
        clearTimeout(timer);
        this.off('stopped', done).off('terminated', done);
        resolve(pause);
      };
      const timer = setTimeout(() => {
        this.off('stopped', done).off('terminated', done);
        reject(new Error(`no pause within ${this.defaultTimeout} ms`));
      }, this.defaultTimeout);
      this.on('stopped', done).on('terminated', done);
    });
  }

  /** Sends a request and waits for the pause it leads to. */
  async pauseAfter(request: () => Promise<unknown>): Promise<Pause> {
    const pause = this.nextPause();
    await request();
    return pause;
  }

  /** Does something while the machine runs that stops it, and waits for both. */
  async pauseAfterSetting<T>(set: () => Promise<T>): Promise<T> {
    const pause = this.nextPause();
    const result = await set();
    await pause;
    return result;
  }

  run(): Promise<Pause> {
    return this.pauseAfter(() => this.continueRequest({ threadId: 1 }));
  }

  async frames(threadId: number): Promise<DebugProtocol.StackFrame[]> {
    return (await this.stackTraceRequest({ threadId })).body.stackFrames;
  }

  /** Children of a path through the scopes of a thread's first frame. */
  async children(
    threadId: number,
    ...path: readonly string[]
  ): Promise<{ reference: number; variables: DebugProtocol.Variable[] }> {
    const frame = (await this.frames(threadId)).find(({ presentationHint }) => presentationHint !== 'label');
    const { scopes } = (await this.scopesRequest({ frameId: frame?.id ?? 0 })).body;
    let reference = scopes.find(({ name }) => name.startsWith(path[0]))?.variablesReference ?? 0;
    let { variables } = (await this.variablesRequest({ variablesReference: reference })).body;
    for (const name of path.slice(1)) {
      reference = variables.find((variable) => variable.name === name)?.variablesReference ?? 0;
      ({ variables } = (await this.variablesRequest({ variablesReference: reference })).body);
    }
    return { reference, variables };
  }

  /** The message a request fails with; undefined if it succeeds. */
  async failure(command: string, args: object): Promise<string | undefined> {
    try {
      await this.customRequest(command, args);
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async evaluate(expression: string, context = 'watch'): Promise<string> {
    return (await this.evaluateRequest({ expression, context })).body.result;
  }
}
