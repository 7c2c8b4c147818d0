/** What the specs share: samples built, and the real adapter driven in a process of its own. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
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

/** One adapter process with a client that remembers what it heard. */
export class AdapterClient extends DebugClient {
  outputs = '';
  exitCode: number | undefined;

  static async begin(): Promise<AdapterClient> {
    const env = { ...process.env, NODE_OPTIONS: '--import tsx' };
    const client = new AdapterClient(process.execPath, join(ROOT, 'debug-adapter/main.ts'), 'vmx', { cwd: ROOT, env });
    client.defaultTimeout = 20_000;
    client.on('output', (event: DebugProtocol.OutputEvent) => (client.outputs += event.body.output));
    client.on('exited', (event: DebugProtocol.ExitedEvent) => (client.exitCode = event.body.exitCode));
    await client.start();
    await client.initializeRequest();
    return client;
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
