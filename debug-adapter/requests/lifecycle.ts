import type { DebugProtocol } from '@vscode/debugprotocol';
import { EXCEPTION_FILTERS } from '../breakpoints/exception-filters';
import type { RequestTable } from '../session-context';

const CAPABILITIES: DebugProtocol.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsFunctionBreakpoints: true,
  supportsConditionalBreakpoints: true,
  supportsHitConditionalBreakpoints: true,
  supportsLogPoints: true,
  supportsInstructionBreakpoints: true,
  supportsBreakpointLocationsRequest: true,
  supportsEvaluateForHovers: true,
  supportsSetVariable: true,
  supportsSetExpression: true,
  supportsGotoTargetsRequest: true,
  supportsCompletionsRequest: true,
  completionTriggerCharacters: ['.'],
  supportsModulesRequest: true,
  supportsLoadedSourcesRequest: true,
  supportsRestartRequest: true,
  supportsTerminateRequest: true,
  supportTerminateDebuggee: true,
  supportsExceptionInfoRequest: true,
  supportsExceptionOptions: false,
  supportsExceptionFilterOptions: true,
  supportsValueFormattingOptions: true,
  supportsDelayedStackTraceLoading: true,
  supportsReadMemoryRequest: true,
  supportsWriteMemoryRequest: true,
  supportsDisassembleRequest: true,
  supportsSteppingGranularity: true,
  supportsClipboardContext: true,
  supportsCancelRequest: true,
  exceptionBreakpointFilters: EXCEPTION_FILTERS.map((filter) => ({ ...filter })),
};

/** The session's beginning and end. */
export const LIFECYCLE_REQUESTS: RequestTable = {
  initialize: (session, args) => {
    session.client = {
      linesFromOne: args.boolean('linesStartAt1', true),
      columnsFromOne: args.boolean('columnsStartAt1', true),
    };
    return CAPABILITIES;
  },

  launch: async (session, args) => {
    await session.launch(args.raw);
    return undefined;
  },

  restart: async (session, args) => {
    const nested = args.object('arguments').raw;
    await session.restart(Object.keys(nested).length === 0 ? undefined : nested);
    return undefined;
  },

  configurationDone: (session) => {
    session.configurationDone();
    return undefined;
  },

  terminate: (session) => {
    setImmediate(() => session.end(undefined));
    return undefined;
  },

  disconnect: (session) => {
    session.launched?.execution.halt();
    setImmediate(() => session.close());
    return undefined;
  },

  // Requests are answered one after the other and quickly: there is never one to cancel.
  cancel: () => undefined,
};
