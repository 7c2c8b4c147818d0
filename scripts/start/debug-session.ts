/** A scripted debug session: the real adapter in a process of its own, spoken to as an editor would. */
import { join } from 'node:path';
import { DebugClient } from '@vscode/debugadapter-testsupport';
import type { DebugProtocol } from '@vscode/debugprotocol';

const ADAPTER = join(__dirname, '..', '..', 'dist', 'debug-adapter.js');
const PATIENCE_MS = 60_000;

export interface LayerThread {
  readonly id: number;
  readonly name: string;
}

export interface Pause {
  readonly kind: 'stopped' | 'terminated';
  /** The thread that stopped; 0 at the end. */
  readonly thread: number;
  readonly text: string;
}

export class DebugSession {
  private readonly client = new DebugClient(process.execPath, ADAPTER, 'vmx');
  /** What the machine ended with. */
  exitCode: number | undefined;

  /** `serial` gets what the guest prints. */
  constructor(serial: (text: string) => void) {
    this.client.defaultTimeout = PATIENCE_MS;
    this.client.on('output', ({ body }: DebugProtocol.OutputEvent) => {
      if (body.category === 'stdout') serial(body.output);
    });
    this.client.on('exited', ({ body }: DebugProtocol.ExitedEvent) => {
      this.exitCode = body.exitCode;
    });
  }

  /** Boots an image and runs it to the first VM exit for which the condition holds. */
  async launch(program: string, condition: string): Promise<Pause> {
    await this.client.start();
    await this.client.initializeRequest();
    const configuration: DebugProtocol.LaunchRequestArguments & { readonly program: string } = { program };
    await Promise.all([this.client.waitForEvent('initialized'), this.client.launchRequest(configuration)]);
    await this.stopAtExits(condition);
    return this.untilPause(() => this.client.configurationDoneRequest());
  }

  /** Stops at exits from now on: those of the condition, all (''), or none (undefined). */
  async stopAtExits(condition: string | undefined): Promise<void> {
    const filterOptions = condition === undefined ? [] : [{ filterId: 'vm-exit', condition }];
    await this.client.setExceptionBreakpointsRequest({ filters: [], filterOptions });
  }

  continue(): Promise<Pause> {
    return this.untilPause(() => this.client.continueRequest({ threadId: 1 }));
  }

  step(thread: number, granularity: 'statement' | 'instruction'): Promise<Pause> {
    return this.untilPause(() =>
      granularity === 'instruction'
        ? this.client.stepInRequest({ threadId: thread, granularity })
        : this.client.nextRequest({ threadId: thread, granularity }),
    );
  }

  async threads(): Promise<readonly LayerThread[]> {
    return (await this.client.threadsRequest()).body.threads;
  }

  async frames(thread: number): Promise<readonly DebugProtocol.StackFrame[]> {
    return (await this.client.stackTraceRequest({ threadId: thread })).body.stackFrames;
  }

  /** The variables below a path that begins with a scope's name, as a stopped thread sees them. */
  async variables(thread: number, ...path: readonly string[]): Promise<readonly DebugProtocol.Variable[]> {
    const frame = (await this.frames(thread)).find(({ presentationHint }) => presentationHint !== 'label');
    if (frame === undefined) return [];
    const { scopes } = (await this.client.scopesRequest({ frameId: frame.id })).body;
    let reference = scopes.find(({ name }) => name.startsWith(path[0]))?.variablesReference;
    let found: readonly DebugProtocol.Variable[] = [];
    for (const name of [...path.slice(1), undefined]) {
      if (reference === undefined || reference === 0) return [];
      found = (await this.client.variablesRequest({ variablesReference: reference })).body.variables;
      reference = found.find((variable) => variable.name === name)?.variablesReference;
    }
    return found;
  }

  /** What the debug console answers. */
  async ask(expression: string): Promise<string> {
    return (await this.client.evaluateRequest({ expression, context: 'repl' })).body.result;
  }

  async disassemble(reference: string, count: number): Promise<readonly DebugProtocol.DisassembledInstruction[]> {
    const response = await this.client.disassembleRequest({ memoryReference: reference, instructionCount: count });
    return response.body?.instructions ?? [];
  }

  async close(): Promise<void> {
    await this.client.stop();
  }

  private async untilPause(request: () => Promise<unknown>): Promise<Pause> {
    const pause = new Promise<Pause>((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(limit);
        this.client.off('stopped', stopped).off('terminated', terminated);
      };
      const stopped = ({ body }: DebugProtocol.StoppedEvent): void => {
        settle();
        resolve({ kind: 'stopped', thread: body.threadId ?? 0, text: body.description ?? body.reason });
      };
      const terminated = (): void => {
        settle();
        resolve({ kind: 'terminated', thread: 0, text: '' });
      };
      const limit = setTimeout(() => {
        settle();
        reject(new Error(`The debug adapter did not stop within ${PATIENCE_MS / 1000} s.`));
      }, PATIENCE_MS);
      this.client.on('stopped', stopped).on('terminated', terminated);
    });
    await request();
    return pause;
  }
}
