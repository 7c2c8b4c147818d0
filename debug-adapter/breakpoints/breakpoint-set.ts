import { NO_SYMBOLS } from '../conditions/names';
import type { CodeBreakpoint } from '../../emulator/api';
import type { Debuggee } from '../debuggee';
import { symbolNames } from '../evaluation';
import { hex, parseNumber } from '../format';
import type { LayerSymbols, Place, ScopedTable } from '../layer-symbols';
import { Breakpoint, type Spot, type Wanted } from './breakpoint';

/** Breakpoints come in lists that replace each other: one for each source, one of functions, one of instructions. */
function keyOf({ target, condition, hitCondition, logMessage }: Wanted): string {
  const place =
    target.kind === 'source'
      ? target.line
      : target.kind === 'function'
        ? target.name
        : `${target.layer}:${target.address}`;
  return JSON.stringify([place, condition, hitCondition, logMessage].map(String));
}

/** All breakpoints at addresses, resolved as far as the symbols at hand allow. */
export class BreakpointSet {
  private readonly lists = new Map<string, readonly Breakpoint[]>();
  private byAddress = new Map<bigint, { readonly breakpoint: Breakpoint; readonly spot: Spot }[]>();
  private nextId = 1;

  /** Replaces a list; breakpoints that stay the same keep their number and their hits. */
  replace(list: string, wanted: readonly Wanted[], debuggee: Debuggee | undefined): readonly Breakpoint[] {
    const before = new Map((this.lists.get(list) ?? []).map((breakpoint) => [keyOf(breakpoint.wanted), breakpoint]));
    const now = wanted.map((item) => {
      const known = before.get(keyOf(item));
      before.delete(keyOf(item));
      return known ?? new Breakpoint(this.nextId++, item);
    });
    if (now.length === 0) this.lists.delete(list);
    else this.lists.set(list, now);
    for (const breakpoint of now) resolve(breakpoint, debuggee);
    this.index();
    return now;
  }

  get all(): readonly Breakpoint[] {
    return [...this.lists.values()].flat();
  }

  /** Symbols have come or changed: resolves everything again; returns the breakpoints. */
  resolveAll(debuggee: Debuggee): readonly Breakpoint[] {
    for (const breakpoint of this.all) {
      breakpoint.reset();
      resolve(breakpoint, debuggee);
    }
    this.index();
    return this.all;
  }

  private index(): void {
    this.byAddress = new Map();
    for (const breakpoint of this.all) {
      if (!breakpoint.verified) continue;
      for (const spot of breakpoint.spots) {
        const here = this.byAddress.get(spot.linear);
        if (here === undefined) this.byAddress.set(spot.linear, [{ breakpoint, spot }]);
        else here.push({ breakpoint, spot });
      }
    }
  }

  get codeBreakpoints(): readonly CodeBreakpoint[] {
    return [...this.byAddress.keys()].map((linear) => ({ linear, layer: undefined }));
  }

  get isEmpty(): boolean {
    return this.byAddress.size === 0;
  }

  /** Whether any breakpoint, of whatever layer, stands at an address. */
  mayBeAt(linear: bigint): boolean {
    return this.byAddress.has(linear);
  }

  /** Breakpoints that mean this address in this layer. */
  at(linear: bigint, place: Place, symbols: LayerSymbols): readonly Breakpoint[] {
    return (this.byAddress.get(linear) ?? [])
      .filter(({ spot }) => spot.layer === undefined || spot.layer === place.layer.id)
      .filter(({ spot }) => spot.module === undefined || symbols.speaksFor(spot.module, place, linear))
      .map(({ breakpoint }) => breakpoint);
  }
}

function resolve(breakpoint: Breakpoint, debuggee: Debuggee | undefined): void {
  if (debuggee === undefined) {
    // Names cannot be checked before the symbols are there; the grammar is checked then too.
    breakpoint.spots = [];
    breakpoint.message = 'Waits for the machine to be launched.';
    return;
  }
  breakpoint.parse(debuggee.symbols.files.length === 0 ? NO_SYMBOLS : symbolNames(debuggee.symbols));
  breakpoint.line = undefined;
  breakpoint.spots = spotsOf(breakpoint, debuggee.symbols);
  if (breakpoint.spots.length === 0 && !breakpoint.refused)
    breakpoint.message = whyNowhere(breakpoint, debuggee.symbols);
}

function spotsOf(breakpoint: Breakpoint, { files }: LayerSymbols): readonly Spot[] {
  const { target } = breakpoint.wanted;
  switch (target.kind) {
    case 'source': {
      const spots: Spot[] = [];
      for (const module of files) {
        const { line, addresses } = module.table.lineToAddresses(target.path, target.line);
        if (addresses.length > 0) breakpoint.line ??= line;
        spots.push(...addresses.map((linear) => ({ linear, module, layer: undefined })));
      }
      return spots;
    }
    case 'function':
      return functionSpots(target.name, files);
    case 'instruction':
      return [{ linear: target.address, module: undefined, layer: target.layer }];
  }
}

function functionSpots(name: string, files: readonly ScopedTable[]): readonly Spot[] {
  const address = parseNumber(name);
  if (address !== undefined) return [{ linear: BigInt.asUintN(64, address), module: undefined, layer: undefined }];
  const [first, second] = name.trim().replace(/\(\)$/, '').split('!', 2);
  const wanted = second ?? first;
  return files
    .filter((file) => second === undefined || file.name === first || file.name.replace(/\.[^.]*$/, '') === first)
    .flatMap((module) =>
      module.table.addressesOf(wanted).map((low) => ({ linear: module.table.bodyOf(low), module, layer: undefined })),
    );
}

function whyNowhere(breakpoint: Breakpoint, { files }: LayerSymbols): string {
  const { target } = breakpoint.wanted;
  const known = files.map(({ name }) => name).join(', ');
  if (known === '')
    return 'No symbols are loaded: give the program debug information, or name an ELF file under "symbols".';
  switch (target.kind) {
    case 'source':
      return `No code at or below line ${target.line} of this file in ${known}: was it compiled with -g (nasm: -g -F dwarf)?`;
    case 'function':
      return `No symbol "${target.name}" in ${known}.`;
    case 'instruction':
      return `Nothing at ${hex(target.address)}.`;
  }
}
