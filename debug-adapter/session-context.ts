import type { BreakpointSet } from './breakpoints/breakpoint-set';
import type { ExceptionFilters } from './breakpoints/exception-filters';
import type { Debuggee } from './debuggee';
import type { Disassembler } from './disassembler';
import type { Execution } from './execution/execution';
import type { HandleTree } from './handles';
import type { RequestArguments } from './request-arguments';
import type { Frame } from './stack';
import type { VariableNode } from './variables/node';

/** What the client counts and understands. */
export interface ClientTraits {
  readonly linesFromOne: boolean;
  readonly columnsFromOne: boolean;
}

/** Something with children in the Variables view. */
export interface Container {
  readonly frame: Frame;
  readonly children: () => readonly VariableNode[];
}

/** A machine that has been launched. */
export interface Launched {
  readonly debuggee: Debuggee;
  readonly execution: Execution;
}

/** What request handlers work with. */
export interface SessionContext {
  client: ClientTraits;
  readonly breakpoints: BreakpointSet;
  readonly filters: ExceptionFilters;
  readonly containers: HandleTree<Container>;
  /** Addresses offered to jump to. */
  readonly gotoTargets: HandleTree<bigint>;
  readonly disassembler: Disassembler;
  /** Undefined before launch. */
  readonly launched: Launched | undefined;
  /** The same, for requests that need it: throws a `RequestError` that says so. */
  require(): Launched;
  /** Like `require`, for requests that need the machine at rest. */
  requireStopped(): Launched;
  launch(values: Readonly<Record<string, unknown>>): Promise<void>;
  restart(values: Readonly<Record<string, unknown>> | undefined): Promise<void>;
  configurationDone(): void;
  /** Ends the machine; the client is told unless it asked to be left. */
  end(status: number | undefined): void;
  /** Ends the session itself. */
  close(): void;
  /** Frames of a layer at this stop; kept until the machine moves. */
  frames(layerId: number): readonly Frame[];
  /** Something wrote to the machine: caches of its state are void. */
  stateChanged(): void;
  output(category: 'console' | 'stdout' | 'stderr' | 'important', text: string): void;
  event(name: string, body: object): void;
}

/** The body of the response, or undefined for an empty one. Throws a `RequestError` for whatever the client did wrong. */
export type RequestHandler = (
  session: SessionContext,
  args: RequestArguments,
) => object | undefined | Promise<object | undefined>;

/** Handlers by command. */
export type RequestTable = Readonly<Record<string, RequestHandler>>;
