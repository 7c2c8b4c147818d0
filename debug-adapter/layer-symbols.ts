import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Layer, LayerState } from '../emulator/api';
import type { SymbolFile, SymbolScope } from './configuration';
import type { LinePosition } from './symbols/line-index';
import { SymbolTable } from './symbols/symbol-table';

/** Where code runs: what a symbol file's scope is compared with. */
export interface Place {
  readonly layer: Layer;
  readonly state: LayerState;
}

export interface ScopedTable {
  readonly table: SymbolTable;
  readonly scope: SymbolScope;
  readonly name: string;
}

/** An address in words. */
export interface NamedAddress {
  /** `handle_exit+0x12`, or `handle_exit` at its start. */
  readonly text: string;
  readonly module: ScopedTable;
}

function applies(scope: SymbolScope, place: Place, address: bigint): boolean {
  switch (scope.kind) {
    case 'any':
      return true;
    case 'layer':
      return place.layer.level === scope.level;
    case 'vmcs':
      return place.layer.vmcs === scope.vmcs;
    case 'cr3': {
      // Bits 11:0 are PCID or cache controls, bit 63 never stays.
      const mask = 0x7fff_ffff_ffff_f000n;
      return (place.state.control('CR3') & mask) === (scope.cr3 & mask);
    }
    case 'range':
      return address >= scope.start && address <= scope.end;
  }
}

/** All symbols of a session: each file speaks for its own layer or address space; files without a scope speak for the rest. */
export class LayerSymbols {
  constructor(readonly files: readonly ScopedTable[]) {}

  static readonly NONE = new LayerSymbols([]);

  /** Tables that know an address of a place, the most specific first. */
  at(place: Place, address: bigint): readonly ScopedTable[] {
    const found = this.files.filter(({ table, scope }) => applies(scope, place, address) && table.covers(address));
    return found.sort((a, b) => Number(a.scope.kind === 'any') - Number(b.scope.kind === 'any'));
  }

  /** Whether a table's symbols mean anything where the machine is. */
  speaksFor(file: ScopedTable, place: Place, address: bigint): boolean {
    return applies(file.scope, place, address);
  }

  name(place: Place, address: bigint): NamedAddress | undefined {
    for (const module of this.at(place, address)) {
      const symbol = module.table.symbolAt(address);
      if (symbol !== undefined) {
        const text = symbol.offset === 0n ? symbol.name : `${symbol.name}+0x${symbol.offset.toString(16)}`;
        return { text, module };
      }
      const owner = module.table.functionAt(address);
      if (owner !== undefined) {
        const offset = address - owner.low;
        return { text: offset === 0n ? owner.name : `${owner.name}+0x${offset.toString(16)}`, module };
      }
    }
    return undefined;
  }

  line(place: Place, address: bigint): LinePosition | undefined {
    for (const { table } of this.at(place, address)) {
      const line = table.addressToLine(address);
      if (line !== undefined) return line;
    }
    return undefined;
  }

  /** Address of a symbol, as seen from a place if there is one. `file!symbol` asks one file only. */
  symbol(name: string, place?: Place): bigint | undefined {
    const [first, second] = name.split('!', 2);
    const wanted = second === undefined ? first : second;
    const candidates = this.files
      .filter(({ name: file }) => second === undefined || file === first || file.replace(/\.[^.]*$/, '') === first)
      .filter(({ scope }) => place === undefined || scope.kind === 'range' || applies(scope, place, 0n))
      .sort((a, b) => Number(a.scope.kind === 'any') - Number(b.scope.kind === 'any'));
    for (const { table } of candidates) {
      const address = table.symbolByName(wanted);
      if (address !== undefined) return address;
    }
    return undefined;
  }
}

export interface LoadedSymbols {
  readonly symbols: LayerSymbols;
  /** Sentences about files without use or with damage. */
  readonly problems: readonly string[];
}

const ELF_MAGIC = [0x7f, 0x45, 0x4c, 0x46];
const isElf = (bytes: Uint8Array): boolean => ELF_MAGIC.every((byte, index) => bytes[index] === byte);

/** Reads the program's own symbols and the configured files'. Nothing here stops a launch. */
export async function loadSymbols(program: string, configured: readonly SymbolFile[]): Promise<LoadedSymbols> {
  const files: ScopedTable[] = [];
  const problems: string[] = [];
  const read = async (file: string, scope: SymbolScope, loadBias: bigint, optional: boolean): Promise<void> => {
    let bytes: Uint8Array;
    try {
      bytes = await readFile(file);
    } catch {
      problems.push(`Symbols: ${file} cannot be read.`);
      return;
    }
    if (optional && !isElf(bytes)) return;
    const loaded = SymbolTable.load(bytes, file, { loadBias });
    if (!loaded.ok) {
      problems.push(`Symbols: ${loaded.error.message}`);
      return;
    }
    problems.push(...loaded.value.problems.map(({ message }) => `Symbols: ${message}`));
    files.push({ table: loaded.value, scope, name: basename(file) });
  };
  for (const { file, scope, loadBias } of configured) await read(file, scope, loadBias, false);
  // A person who names the program itself among the symbols says for which layer it speaks.
  if (!configured.some(({ file }) => file === program)) await read(program, { kind: 'any' }, 0n, true);
  return { symbols: new LayerSymbols(files), problems };
}
