/** All line tables of a file in one searchable index. Addresses here are the file's own, before any load bias. */
import type { AddressRange } from './elf';
import { ROW_PROLOGUE_END, ROW_STATEMENT, type LineSequence, type LineTable } from './line-program';
import { joinPath, matchSources } from './source-path';

export interface LinePosition {
  /** Full path, normalised. */
  readonly file: string;
  readonly line: number;
  /** From 1; 0 where the compiler said nothing. */
  readonly column: number;
  readonly isStatement: boolean;
}

export interface StatementRange extends AddressRange {
  readonly file: string;
  readonly line: number;
}

interface IndexedSequence extends LineSequence {
  /** Source index by file register; -1 where the register names no file. */
  readonly sources: Int32Array;
  /** Highest end of this and all sequences before it, to know how far back a search must look. */
  readonly reach: bigint;
}

interface LineRow {
  readonly sequence: number;
  readonly row: number;
  readonly line: number;
}

export interface TableContext {
  readonly table: LineTable;
  /** Compilation directory of the unit that owns the table; empty where none does. */
  readonly directory: string;
}

export class LineIndex {
  readonly #sequences: readonly IndexedSequence[];
  readonly #sources: readonly string[];
  /** Statement rows of each source, by ascending line then address; built when first asked for. */
  readonly #rowsBySource = new Map<number, readonly LineRow[]>();
  readonly #tableSources = new Map<number, Int32Array>();

  constructor(tables: readonly TableContext[], loaded: readonly AddressRange[]) {
    const sources = new SourceNames();
    const sequences: Omit<IndexedSequence, 'reach'>[] = [];
    for (const context of tables) {
      const map = sourceMap(context, sources);
      this.#tableSources.set(context.table.offset, map);
      for (const sequence of context.table.sequences) {
        // Code of dropped sections keeps its lines, at address 0 or near it.
        const isLoaded = loaded.some((range) => sequence.low < range.high && sequence.high > range.low);
        if (isLoaded && sequence.high > sequence.low) sequences.push({ ...sequence, sources: map });
      }
    }
    sequences.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
    let reach = 0n;
    this.#sequences = sequences.map((sequence) => {
      if (sequence.high > reach) reach = sequence.high;
      return { ...sequence, reach };
    });
    this.#sources = sources.all;
  }

  /** Files that have code or are named by a line table, in order of first mention. */
  get sources(): readonly string[] {
    return this.#sources;
  }

  /** Full path of a file register of the table at an offset of .debug_line. */
  sourceOf(tableOffset: number, register: number): string | undefined {
    const index = this.#tableSources.get(tableOffset)?.[register] ?? -1;
    return index < 0 ? undefined : this.#sources[index];
  }

  #find(address: bigint): { readonly sequence: IndexedSequence; readonly row: number } | undefined {
    let low = 0;
    let high = this.#sequences.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#sequences[middle].low <= address) low = middle + 1;
      else high = middle;
    }
    for (let i = low - 1; i >= 0 && this.#sequences[i].reach > address; i--) {
      const sequence = this.#sequences[i];
      if (address < sequence.high) return { sequence, row: lastRowAt(sequence, address) };
    }
    return undefined;
  }

  positionAt(address: bigint): LinePosition | undefined {
    const found = this.#find(address);
    if (found === undefined) return undefined;
    const { sequence, row } = found;
    const source = sequence.sources[sequence.files[row]] ?? -1;
    // Line 0 is code that belongs to no line.
    if (source < 0 || sequence.lines[row] === 0) return undefined;
    return {
      file: this.#sources[source],
      line: sequence.lines[row],
      column: sequence.columns[row],
      isStatement: (sequence.flags[row] & ROW_STATEMENT) !== 0,
    };
  }

  /**
   * Addresses around `address` that belong to the same line without a gap: where stepping by statement goes on. Code that
   * belongs to no line counts to the line before it.
   */
  statementRange(address: bigint): StatementRange | undefined {
    const found = this.#find(address);
    if (found === undefined) return undefined;
    const { sequence } = found;
    let first = found.row;
    while (first > 0 && sequence.lines[first] === 0) first--;
    const line = sequence.lines[first];
    const source = sequence.sources[sequence.files[first]] ?? -1;
    if (line === 0 || source < 0) return undefined;
    const belongs = (row: number): boolean =>
      sequence.lines[row] === 0 ||
      (sequence.lines[row] === line && (sequence.sources[sequence.files[row]] ?? -1) === source);
    while (first > 0 && belongs(first - 1)) first--;
    // Code of no line before the first real row is not this line's.
    while (sequence.lines[first] === 0 && first < found.row) first++;
    // Several rows at one address: the last of them speaks, the others are empty.
    let next = found.row + 1;
    while (next < sequence.lines.length && (belongs(next) || isEmpty(sequence, next))) next++;
    const high = next < sequence.lines.length ? sequence.addresses[next] : sequence.high;
    return { low: sequence.addresses[first], high, file: this.#sources[source], line };
  }

  #rowsOf(source: number): readonly LineRow[] {
    const known = this.#rowsBySource.get(source);
    if (known !== undefined) return known;
    const rows: LineRow[] = [];
    this.#sequences.forEach((sequence, index) => {
      const files = new Set<number>();
      sequence.sources.forEach((s, register) => {
        if (s === source) files.add(register);
      });
      if (files.size === 0) return;
      for (let row = 0; row < sequence.lines.length; row++) {
        const counts = (sequence.flags[row] & ROW_STATEMENT) !== 0 && sequence.lines[row] !== 0;
        if (!counts || !files.has(sequence.files[row])) continue;
        // A further row of the same line right behind is the same place.
        const before = row - 1;
        const continues =
          before >= 0 && sequence.lines[before] === sequence.lines[row] && files.has(sequence.files[before]);
        if (!continues || (sequence.flags[before] & ROW_STATEMENT) === 0) {
          rows.push({ sequence: index, row, line: sequence.lines[row] });
        }
      }
    });
    rows.sort((a, b) => {
      if (a.line !== b.line) return a.line - b.line;
      const x = this.#addressOf(a);
      const y = this.#addressOf(b);
      return x < y ? -1 : x > y ? 1 : 0;
    });
    this.#rowsBySource.set(source, rows);
    return rows;
  }

  #addressOf(row: LineRow): bigint {
    return this.#sequences[row.sequence].addresses[row.row];
  }

  /** The asked line, or the next that has code, with the start of each of its pieces of code; undefined at a file's end. */
  nextLine(file: string, line: number): { readonly line: number; readonly addresses: readonly bigint[] } | undefined {
    let best: { line: number; addresses: bigint[] } | undefined;
    for (const source of matchSources(file, this.#sources)) {
      const rows = this.#rowsOf(source);
      let low = 0;
      let high = rows.length;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (rows[middle].line < line) low = middle + 1;
        else high = middle;
      }
      if (low === rows.length) continue;
      const found = rows[low].line;
      if (best !== undefined && best.line < found) continue;
      if (best === undefined || found < best.line) best = { line: found, addresses: [] };
      for (let i = low; i < rows.length && rows[i].line === found; i++) best.addresses.push(this.#addressOf(rows[i]));
    }
    if (best === undefined) return undefined;
    const addresses = [...new Set(best.addresses)].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
    return { line: best.line, addresses };
  }

  /** All lines of a file that have code, ascending. */
  linesOf(file: string): readonly number[] {
    const lines = new Set<number>();
    for (const source of matchSources(file, this.#sources)) for (const row of this.#rowsOf(source)) lines.add(row.line);
    return [...lines].sort((a, b) => a - b);
  }

  /**
   * Where a function's own code begins after the code that sets up its frame: the row the compiler marked, else the second
   * line's first address. `low` itself where neither lies within the function.
   */
  afterPrologue(low: bigint, high: bigint): bigint {
    const found = this.#find(low);
    if (found === undefined || found.sequence.addresses[found.row] !== low) return low;
    const { sequence } = found;
    let first = found.row;
    while (first > 0 && sequence.addresses[first - 1] === low) first--;
    const opening = sequence.lines[first];
    let second: bigint | undefined;
    for (let row = first; row < sequence.lines.length && sequence.addresses[row] < high; row++) {
      if ((sequence.flags[row] & ROW_PROLOGUE_END) !== 0) return sequence.addresses[row];
      if (row === first || sequence.lines[row] === 0) continue;
      // Optimised code may do another line's work at once: then nothing sets up a frame.
      if (sequence.addresses[row] > low || sequence.lines[row] !== opening) second ??= sequence.addresses[row];
    }
    return second ?? low;
  }
}

function isEmpty(sequence: LineSequence, row: number): boolean {
  const next = row + 1 < sequence.addresses.length ? sequence.addresses[row + 1] : sequence.high;
  return next === sequence.addresses[row];
}

function lastRowAt(sequence: LineSequence, address: bigint): number {
  let low = 0;
  let high = sequence.addresses.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sequence.addresses[middle] <= address) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Longest path that a system opens, and what all paths of a program may take together. */
const MAXIMUM_PATH = 4096;
const MAXIMUM_PATHS = 0x400_0000;

/** Distinct source paths, numbered. */
class SourceNames {
  readonly #numbers = new Map<string, number>();
  #budget = MAXIMUM_PATHS;

  get all(): readonly string[] {
    return [...this.#numbers.keys()];
  }

  /** Number of the path that the parts make together; -1 where it is too long to be one. */
  add(...parts: readonly string[]): number {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    if (length > MAXIMUM_PATH) return -1;
    const path = parts.reduce(joinPath, '');
    const known = this.#numbers.get(path);
    if (known !== undefined) return known;
    this.#budget -= path.length;
    if (this.#budget < 0) return -1;
    this.#numbers.set(path, this.#numbers.size);
    return this.#numbers.size - 1;
  }
}

function sourceMap(context: TableContext, sources: SourceNames): Int32Array {
  const { table, directory: unitDirectory } = context;
  const map = new Int32Array(table.files.length).fill(-1);
  table.files.forEach((file, register) => {
    if (file === undefined || file.name === '') return;
    const isUnitDirectory = file.directory === 0 && table.version < 5;
    const directory = isUnitDirectory ? '' : (table.directories[file.directory] ?? '');
    map[register] = sources.add(unitDirectory, directory, file.name);
  });
  return map;
}
