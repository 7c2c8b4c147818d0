import { ProtocolServer } from '@vscode/debugadapter/lib/protocol';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Boot } from './boot';
import { BreakpointSet } from './breakpoints/breakpoint-set';
import { ExceptionFilters } from './breakpoints/exception-filters';
import { readConfiguration } from './configuration';
import { Debuggee } from './debuggee';
import { Disassembler } from './disassembler';
import { messageOf, RequestError, requestErrors } from './errors';
import { symbolNames } from './evaluation';
import { Execution } from './execution/execution';
import { CONTINUE } from './execution/goals';
import { report, type StopReport } from './execution/stop-report';
import { HandleTree } from './handles';
import { loadSymbols } from './layer-symbols';
import { GuestOutput } from './guest-output';
import { RequestArguments } from './request-arguments';
import { breakpointBody } from './requests/breakpoint-body';
import { REQUESTS } from './requests/index';
import type { Container, Launched, SessionContext } from './session-context';
import { stackOf, type Frame } from './stack';

/** One client's session: takes requests in turn, and holds what outlives a request. */
export class Session extends ProtocolServer implements SessionContext {
  client = { linesFromOne: true, columnsFromOne: true };
  readonly breakpoints = new BreakpointSet();
  readonly filters = new ExceptionFilters();
  readonly containers = new HandleTree<Container>();
  readonly gotoTargets = new HandleTree<bigint>();
  readonly disassembler = new Disassembler();
  launched: Launched | undefined;

  private values: Readonly<Record<string, unknown>> = {};
  private configured = false;
  private announced = false;
  private guestOutput: GuestOutput | undefined;
  private readonly stacks = new Map<number, readonly Frame[]>();
  private turn: Promise<void> = Promise.resolve();

  /** `close` is called once the client has left. */
  constructor(
    private readonly boot: Boot,
    private readonly onClose: () => void,
  ) {
    super();
    // A message that is no JSON ends nothing; a stream that closes ends the session.
    this.on('error', () => undefined);
    this.on('close', () => this.close());
  }

  protected override dispatchRequest(request: DebugProtocol.Request): void {
    // A turn that failed must not keep the next one from its answer.
    this.turn = this.turn.then(() => this.answer(request)).catch((error: unknown) => this.broken(request, error));
  }

  /** An answer that cannot be sent: the client hears that much. */
  private broken(request: DebugProtocol.Request, error: unknown): void {
    const command = String(request.command);
    const { message } = requestErrors.internal(command, messageOf(error));
    this.sendResponse({ type: 'response', seq: 0, request_seq: request.seq, command, success: false, message });
  }

  private async answer(request: DebugProtocol.Request): Promise<void> {
    const command = String(request.command);
    const response: DebugProtocol.Response = {
      type: 'response',
      seq: 0,
      request_seq: request.seq,
      command,
      success: true,
    };
    try {
      const handler = Object.hasOwn(REQUESTS, command) ? REQUESTS[command] : undefined;
      if (handler === undefined) throw requestErrors.unknownRequest(command);
      response.body = await handler(this, new RequestArguments(command, request.arguments));
    } catch (error) {
      const known = error instanceof RequestError ? error : requestErrors.internal(command, messageOf(error));
      // Braces would be taken for variables of the format.
      const format = known.message.replace(/[{}]/g, (brace) => (brace === '{' ? '(' : ')'));
      response.success = false;
      response.message = known.message;
      response.body = { error: { id: known.id, format, showUser: known.notify } satisfies DebugProtocol.Message };
    }
    this.sendResponse(response);
  }

  require(): Launched {
    if (this.launched === undefined) throw requestErrors.notLaunched();
    return this.launched;
  }

  requireStopped(): Launched {
    const launched = this.require();
    if (launched.execution.running) throw requestErrors.running();
    return launched;
  }

  async launch(values: Readonly<Record<string, unknown>>): Promise<void> {
    if (this.launched !== undefined) throw requestErrors.alreadyLaunched();
    await this.begin(values);
    setImmediate(() => {
      this.event('initialized', {});
      this.startIfReady();
    });
  }

  async restart(values: Readonly<Record<string, unknown>> | undefined): Promise<void> {
    const resume = this.require().execution.suspend();
    try {
      await this.begin(values ?? this.values);
    } catch (error) {
      resume();
      throw error;
    }
    setImmediate(() => this.startIfReady());
  }

  /** Makes a machine; what stood before goes only when all has gone well. */
  private async begin(values: Readonly<Record<string, unknown>>): Promise<void> {
    const configuration = readConfiguration(values);
    const machine = await this.boot(configuration);
    const { symbols, problems } = await loadSymbols(configuration.program, configuration.symbols);
    const guestOutput = new GuestOutput(configuration.serial, (text) => this.output('stdout', text));
    const wrong = this.filters.launch(configuration.exitBreakpoints, symbolNames(symbols));
    if (wrong !== undefined) {
      guestOutput.close();
      throw requestErrors.badConfiguration(`Launch configuration: ${wrong}`);
    }
    this.guestOutput?.close();
    this.guestOutput = guestOutput;
    machine.onOutput = (_channel, bytes) => guestOutput.write(bytes);
    const debuggee = new Debuggee(machine, symbols, configuration);
    const execution = new Execution(debuggee, this.breakpoints, this.filters, {
      stopped: (what) => this.onStopped(what),
      ended: (status) => this.end(status),
      log: (text) => {
        // What the guest wrote before comes before.
        guestOutput.flush();
        this.output('console', `${text}\n`);
      },
      sliceEnded: () => guestOutput.sliceEnded(),
    });
    this.values = values;
    this.launched = { debuggee, execution };
    this.announced = false;
    this.stateChanged();
    for (const problem of problems) this.output('console', `${problem}\n`);
    for (const breakpoint of this.breakpoints.resolveAll(debuggee)) {
      this.event('breakpoint', { reason: 'changed', breakpoint: breakpointBody(this, breakpoint) });
    }
  }

  configurationDone(): void {
    this.configured = true;
    setImmediate(() => this.startIfReady());
  }

  private startIfReady(): void {
    if (this.launched === undefined || !this.configured || this.announced) return;
    this.announced = true;
    const { debuggee, execution } = this.launched;
    if (debuggee.configuration.stopOnEntry && !debuggee.configuration.noDebug) {
      execution.announce(report('entry', 'Paused on entry'));
    } else execution.start(CONTINUE);
  }

  private onStopped(what: StopReport): void {
    this.guestOutput?.flush();
    this.stacks.clear();
    this.containers.nextGeneration();
    if (what.stop !== undefined && what.reason === 'exception' && what.text !== undefined) {
      this.output(what.stop.kind === 'transition' ? 'console' : 'important', `${what.text}\n`);
    }
    this.event('stopped', {
      reason: what.reason,
      description: what.description,
      text: what.text,
      threadId: this.require().debuggee.current.id,
      allThreadsStopped: true,
      preserveFocusHint: false,
      hitBreakpointIds: what.hitBreakpointIds.length === 0 ? undefined : [...what.hitBreakpointIds],
    } satisfies DebugProtocol.StoppedEvent['body']);
  }

  end(status: number | undefined): void {
    this.launched?.execution.halt();
    this.guestOutput?.flush();
    this.stateChanged();
    if (status !== undefined) this.event('exited', { exitCode: status });
    this.event('terminated', {});
  }

  close(): void {
    this.launched?.execution.halt();
    this.guestOutput?.close();
    this.launched = undefined;
    this.onClose();
  }

  frames(layerId: number): readonly Frame[] {
    const { debuggee } = this.require();
    let frames = this.stacks.get(layerId);
    if (frames === undefined) {
      const layer = debuggee.layer(layerId);
      if (layer === undefined)
        throw requestErrors.unknownThread(
          layerId,
          debuggee.layers.map(({ id }) => String(id)),
        );
      frames = stackOf(debuggee, layer);
      this.stacks.set(layerId, frames);
    }
    return frames;
  }

  stateChanged(): void {
    this.launched?.debuggee.invalidate();
    this.stacks.clear();
  }

  output(category: 'console' | 'stdout' | 'stderr' | 'important', text: string): void {
    this.event('output', { category, output: text });
  }

  event(name: string, body: object): void {
    this.sendEvent({ type: 'event', seq: 0, event: name, body });
  }
}
