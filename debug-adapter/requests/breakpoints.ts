import type { Target, Wanted } from '../breakpoints/breakpoint';
import { NO_SYMBOLS } from '../conditions/names';
import { requestErrors } from '../errors';
import { symbolNames } from '../evaluation';
import { parseReference } from '../references';
import type { RequestArguments } from '../request-arguments';
import type { RequestTable, SessionContext } from '../session-context';
import { breakpointBody } from './breakpoint-body';

function wanted(target: Target, args: RequestArguments): Wanted {
  return {
    target,
    condition: args.optionalString('condition'),
    hitCondition: args.optionalString('hitCondition'),
    logMessage: args.optionalString('logMessage'),
  };
}

function replace(session: SessionContext, list: string, all: readonly Wanted[]): object {
  const breakpoints = session.breakpoints.replace(list, all, session.launched?.debuggee);
  session.launched?.execution.breakpointsChanged();
  return { breakpoints: breakpoints.map((breakpoint) => breakpointBody(session, breakpoint)) };
}

function instructionTarget(session: SessionContext, args: RequestArguments): Target {
  const { debuggee } = session.require();
  const { layer, address, qualified } = parseReference(debuggee, args.string('instructionReference'));
  const offset = BigInt(args.optionalInteger('offset', 0, -0x8000_0000));
  return {
    kind: 'instruction',
    address: BigInt.asUintN(64, address + offset),
    layer: qualified ? layer.id : undefined,
  };
}

/** Breakpoints at addresses, and the exception filters. */
export const BREAKPOINT_REQUESTS: RequestTable = {
  setBreakpoints: (session, args) => {
    const path = args.object('source').optionalString('path');
    if (path === undefined) {
      throw requestErrors.badArgument(
        'setBreakpoints',
        'source.path',
        'the path of a file: other sources have no code',
      );
    }
    const shift = session.client.linesFromOne ? 0 : 1;
    return replace(
      session,
      `source:${path}`,
      args
        .objects('breakpoints')
        .map((item) => wanted({ kind: 'source', path, line: item.integer('line') + shift }, item)),
    );
  },

  setFunctionBreakpoints: (session, args) =>
    replace(
      session,
      'function',
      args.objects('breakpoints').map((item) => wanted({ kind: 'function', name: item.string('name') }, item)),
    ),

  setInstructionBreakpoints: (session, args) =>
    replace(
      session,
      'instruction',
      args.objects('breakpoints').map((item) => wanted(instructionTarget(session, item), item)),
    ),

  setExceptionBreakpoints: (session, args) => {
    const options = args.objects('filterOptions');
    const all = [
      ...args.strings('filters').map((filter) => ({ filter, condition: undefined })),
      ...options.map((option) => ({
        filter: option.string('filterId'),
        condition: option.optionalString('condition'),
      })),
    ];
    const symbols = session.launched?.debuggee.symbols;
    return { breakpoints: session.filters.set(all, symbols === undefined ? NO_SYMBOLS : symbolNames(symbols)) };
  },

  breakpointLocations: (session, args) => {
    const path = args.object('source').optionalString('path');
    const files = session.launched?.debuggee.symbols.files ?? [];
    if (path === undefined) return { breakpoints: [] };
    const shift = session.client.linesFromOne ? 0 : 1;
    const first = args.integer('line') + shift;
    const last = args.optionalInteger('endLine', first - shift) + shift;
    const lines = new Set(
      files.flatMap(({ table }) => table.linesOf(path).filter((line) => line >= first && line <= last)),
    );
    return { breakpoints: [...lines].sort((a, b) => a - b).map((line) => ({ line: line - shift })) };
  },
};
