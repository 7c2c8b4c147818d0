/**
 * Symbols of one program: what stands at an address, and where a name or a source line is. Addresses given and returned
 * are those of the running program (the file's plus the load bias).
 */
import { CallFrames } from './call-frames';
import { DebugInfo, type Unit } from './debug-info';
import { rangesOf } from './address-ranges';
import { ASSEMBLY_LANGUAGES } from './dwarf-constants';
import { ElfFile, type AddressRange, type ElfSymbol, type Machine } from './elf';
import { contains, functionsOf, type DwarfFunction, type InlinedCall } from './functions';
import { LineIndex, type LinePosition, type StatementRange, type TableContext } from './line-index';
import { readLineTable, type LineTable } from './line-program';
import { symbolError, type Result, type SymbolError } from './symbol-error';
import { unwindFrame, type MemoryReader, type UnwindRegisters, type UnwoundFrame } from './unwind';

export interface LoadOptions {
  /** Added to every address of the file; 0 when absent. */
  readonly loadBias?: bigint;
}

export interface SymbolLocation {
  readonly name: string;
  /** Distance from the symbol's start. */
  readonly offset: bigint;
  /** Size of the symbol, or 0 where the file does not say. */
  readonly size: bigint;
}

/** A function that is open at an address only because a call to it was put in line. */
export interface InlinedFrame {
  readonly name: string;
  /** Where the call to it stands, in the frame outside it. */
  readonly callFile: string | undefined;
  readonly callLine: number;
  readonly callColumn: number;
}

export interface FunctionLocation {
  readonly name: string;
  readonly low: bigint;
  readonly high: bigint;
  /** Innermost first; empty where nothing was put in line. */
  readonly inlined: readonly InlinedFrame[];
}

export interface FunctionInfo {
  readonly name: string;
  readonly linkageName: string | undefined;
  readonly low: bigint;
  readonly high: bigint;
  readonly file: string | undefined;
  readonly line: number | undefined;
}

/** A source line's places: the line really used, and the address of each copy of its code. */
export interface LineAddresses {
  readonly line: number;
  readonly addresses: readonly bigint[];
}

const NOWHERE = (line: number): LineAddresses => ({ line, addresses: [] });
const MASK = 0xffff_ffff_ffff_ffffn;

export class SymbolTable {
  readonly #symbols: readonly ElfSymbol[];
  readonly #byName: ReadonlyMap<string, ElfSymbol>;
  readonly #codeRanges: readonly AddressRange[];
  readonly #functionsByUnit = new Map<Unit, readonly DwarfFunction[]>();
  readonly #unitRanges: readonly { readonly unit: Unit; readonly range: AddressRange }[];
  #frames: CallFrames | undefined;
  #functionsByName: Map<string, bigint> | undefined;

  private constructor(
    readonly file: string,
    readonly loadBias: bigint,
    readonly elf: ElfFile,
    symbols: readonly ElfSymbol[],
    readonly info: DebugInfo,
    readonly tables: readonly TableContext[],
    readonly lines: LineIndex,
    readonly problems: readonly SymbolError[],
  ) {
    this.#codeRanges = elf.codeRanges();
    const byName = new Map<string, ElfSymbol>();
    for (const symbol of symbols) {
      const known = byName.get(symbol.name);
      if (known === undefined || (known.binding === 'local' && symbol.binding !== 'local'))
        byName.set(symbol.name, symbol);
    }
    this.#byName = byName;
    this.#symbols = symbols.filter((symbol) => !symbol.absolute).sort(bySpecificity);
    this.#unitRanges = info.compileUnits.flatMap((unit) =>
      rangesOf(info, unit, unit.root).map((range) => ({ unit, range })),
    );
  }

  /**
   * Reads an ELF file of x86 with whatever symbols it has. Damage to the ELF structure is an error; damage within debug
   * information leaves what could be read and is listed in `problems`.
   */
  static load(bytes: Uint8Array, file: string, options: LoadOptions = {}): Result<SymbolTable, SymbolError> {
    const parsed = ElfFile.parse(bytes, file);
    if (!parsed.ok) return parsed;
    const elf = parsed.value;
    const problems: SymbolError[] = [];
    const section = (name: string): Uint8Array | undefined => {
      const contents = elf.section(name);
      if (contents === undefined || contents.ok) return contents?.value;
      if (!problems.includes(contents.error)) problems.push(contents.error);
      return undefined;
    };
    const symbols = elf.symbols();
    if (!symbols.ok) problems.push(symbols.error);
    const info = new DebugInfo(section);
    const tables = readLineTables(elf, info, section, problems);
    for (const { section: where, offset, what } of info.problems) problems.push(symbolError(file, where, offset, what));
    const table = new SymbolTable(
      file,
      options.loadBias ?? 0n,
      elf,
      symbols.ok ? symbols.value : [],
      info,
      tables,
      new LineIndex(tables, elf.loadedRanges()),
      problems,
    );
    return { ok: true, value: table };
  }

  get machine(): Machine {
    return this.elf.machine;
  }

  get hasLines(): boolean {
    return this.lines.sources.length > 0;
  }

  #toFile(address: bigint): bigint {
    return (address - this.loadBias) & MASK;
  }

  #toMemory(address: bigint): bigint {
    return (address + this.loadBias) & MASK;
  }

  /** Whether the address lies in the program as loaded. */
  covers(address: bigint): boolean {
    return contains(this.elf.loadedRanges(), this.#toFile(address));
  }

  addressToLine(address: bigint): LinePosition | undefined {
    return this.lines.positionAt(this.#toFile(address));
  }

  /** Addresses of the line around an address, without a gap: stepping by statement goes on while RIP is within. */
  statementRange(address: bigint): StatementRange | undefined {
    const range = this.lines.statementRange(this.#toFile(address));
    return range && { ...range, low: this.#toMemory(range.low), high: this.#toMemory(range.high) };
  }

  /**
   * Where to stop for a source line. A line without code moves to the next with code, unless that belongs to a function
   * that begins below the asked line. One address for each copy of the code (functions put in line have several).
   * On a function's opening line of a compiled language the address is behind the code that sets up its frame.
   */
  lineToAddresses(file: string, line: number): LineAddresses {
    const found = this.lines.nextLine(file, line);
    if (found === undefined) return NOWHERE(line);
    const lowestByOwner = new Map<unknown, bigint>();
    for (const address of found.addresses) {
      const owner = this.#ownerAt(address);
      // Assembly repeats a line only by macros, and each repetition is a place of its own.
      const key = owner === undefined || this.#isAssembly(owner.unit) ? address : owner.key;
      if (owner?.declarationLine !== undefined && found.line !== line && line < owner.declarationLine) continue;
      const place = owner === undefined ? address : this.#body(owner.function, address);
      const known = lowestByOwner.get(key);
      if (known === undefined || place < known) lowestByOwner.set(key, place);
    }
    const addresses = [...lowestByOwner.values()].map((address) => this.#toMemory(address));
    return addresses.length === 0 ? NOWHERE(line) : { line: found.line, addresses };
  }

  #body(owner: DwarfFunction, address: bigint): bigint {
    if (address !== owner.low || this.#isAssembly(owner.unit)) return address;
    return this.lines.afterPrologue(owner.low, owner.high);
  }

  #isAssembly(unit: Unit): boolean {
    return ASSEMBLY_LANGUAGES.has(unit.language);
  }

  /** Where a function stops once its frame is set up; the address itself for assembly and unknown code. */
  bodyOf(low: bigint): bigint {
    const address = this.#toFile(low);
    const owner = this.#functionAt(address);
    return owner === undefined ? low : this.#toMemory(this.#body(owner, address));
  }

  /** The function, or the call put in line, whose code stands at a file address. */
  #ownerAt(
    address: bigint,
  ): { key: unknown; declarationLine: number | undefined; unit: Unit; function: DwarfFunction } | undefined {
    const owner = this.#functionAt(address);
    if (owner === undefined) return undefined;
    const calls = openCalls(owner.inlined, address);
    const innermost = calls[calls.length - 1];
    return {
      key: innermost ?? owner,
      declarationLine: (innermost ?? owner).declarationLine,
      unit: owner.unit,
      function: owner,
    };
  }

  #functions(unit: Unit): readonly DwarfFunction[] {
    let functions = this.#functionsByUnit.get(unit);
    if (functions === undefined) {
      functions = functionsOf(this.info, unit);
      this.#functionsByUnit.set(unit, functions);
    }
    return functions;
  }

  #functionAt(address: bigint): DwarfFunction | undefined {
    for (const { unit, range } of this.#unitRanges) {
      if (range.low > address || address >= range.high) continue;
      const found = this.#functions(unit).find((f) => contains(f.ranges, address));
      if (found !== undefined) return found;
    }
    return undefined;
  }

  functionAt(address: bigint): FunctionLocation | undefined {
    const at = this.#toFile(address);
    const found = this.#functionAt(at);
    if (found === undefined) return undefined;
    const lineTable = found.unit.lineTable;
    const inlined = openCalls(found.inlined, at)
      .map((call) => ({
        name: call.name,
        callFile: lineTable === undefined ? undefined : this.lines.sourceOf(lineTable, call.callFile),
        callLine: call.callLine,
        callColumn: call.callColumn,
      }))
      .reverse();
    return { name: found.name, low: this.#toMemory(found.low), high: this.#toMemory(found.high), inlined };
  }

  /** Functions DWARF knows, of all units, in the order of the file. */
  functions(): readonly FunctionInfo[] {
    return this.info.compileUnits.flatMap((unit) =>
      this.#functions(unit).map((f) => ({
        name: f.name,
        linkageName: f.linkageName,
        low: this.#toMemory(f.low),
        high: this.#toMemory(f.high),
        file:
          unit.lineTable === undefined || f.declarationFile === undefined
            ? undefined
            : this.lines.sourceOf(unit.lineTable, f.declarationFile),
        line: f.declarationLine,
      })),
    );
  }

  /** The symbol an address lies in: sized ones by their size, labels until the next symbol or the section's end. */
  symbolAt(address: bigint): SymbolLocation | undefined {
    const at = this.#toFile(address);
    let low = 0;
    let high = this.#symbols.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#symbols[middle].address <= at) low = middle + 1;
      else high = middle;
    }
    // Nested symbols are rare and shallow; further back than this lies nothing that covers the address.
    for (let i = low - 1; i >= 0 && i > low - 65; i--) {
      const symbol = this.#symbols[i];
      const offset = at - symbol.address;
      if (
        symbol.size > 0n ? offset < symbol.size : i === low - 1 || symbol.address === this.#symbols[low - 1].address
      ) {
        return this.#shareSection(symbol.address, at) ? { name: symbol.name, offset, size: symbol.size } : undefined;
      }
    }
    return undefined;
  }

  #shareSection(a: bigint, b: bigint): boolean {
    return a === b || this.elf.loadedRanges().some((r) => r.low <= a && a < r.high && r.low <= b && b < r.high);
  }

  /** Address of an ELF symbol, else the entry of a function DWARF knows by this name. */
  symbolByName(name: string): bigint | undefined {
    const symbol = this.#byName.get(name);
    if (symbol !== undefined) return symbol.absolute ? symbol.address : this.#toMemory(symbol.address);
    if (this.#functionsByName === undefined) {
      this.#functionsByName = new Map();
      for (const { name: plain, linkageName, low } of this.functions()) {
        for (const known of [linkageName, plain]) {
          if (known !== undefined && !this.#functionsByName.has(known)) this.#functionsByName.set(known, low);
        }
      }
    }
    return this.#functionsByName.get(name);
  }

  /** All places of a name: static functions of several files may share one. */
  addressesOf(name: string): readonly bigint[] {
    const symbols = this.#symbols
      .filter((symbol) => symbol.name === name)
      .map(({ address }) => this.#toMemory(address));
    const functions = this.functions().filter((f) => f.name === name || f.linkageName === name);
    return [...new Set([...symbols, ...functions.map(({ low }) => low)])];
  }

  symbolNames(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** Whether the file says a place holds code. */
  isCode(address: bigint): boolean {
    return contains(this.#codeRanges, this.#toFile(address));
  }

  /** Source files, full paths, normalised. */
  sources(): readonly string[] {
    return this.lines.sources;
  }

  /** Lines of a source that have code, ascending. */
  linesOf(file: string): readonly number[] {
    return this.lines.linesOf(file);
  }

  /**
   * The caller's registers by call frame information, or undefined where there is none for the address. `address` is RIP in
   * the innermost frame and return address minus 1 in the others, so that a call at a function's end finds its own function.
   */
  unwind(address: bigint, registers: UnwindRegisters, readMemory: MemoryReader): UnwoundFrame | undefined {
    this.#frames ??= new CallFrames(this.elf);
    return unwindFrame(this.#frames, this.#toFile(address), this.loadBias, this.machine, registers, readMemory);
  }
}

/** Best symbol last among those of one address, so that a search backwards meets it first. */
function bySpecificity(a: ElfSymbol, b: ElfSymbol): number {
  if (a.address !== b.address) return a.address < b.address ? -1 : 1;
  return rank(a) - rank(b);
}

function rank(symbol: ElfSymbol): number {
  const kinds = { other: 0, label: 1, object: 2, function: 3 } as const;
  const bindings = { local: 0, weak: 1, global: 2 } as const;
  return kinds[symbol.kind] * 4 + bindings[symbol.binding] + (symbol.size > 0n ? 16 : 0);
}

function openCalls(calls: readonly InlinedCall[], address: bigint): readonly InlinedCall[] {
  const open: InlinedCall[] = [];
  let level = calls;
  for (;;) {
    const next = level.find((call) => contains(call.ranges, address));
    if (next === undefined) return open;
    open.push(next);
    level = next.inlined;
  }
}

/** Tables follow each other without gaps, so reading them in order bounds the work whatever units claim. */
function readLineTables(
  elf: ElfFile,
  info: DebugInfo,
  section: (name: string) => Uint8Array | undefined,
  problems: SymbolError[],
): TableContext[] {
  const bytes = section('.debug_line');
  if (bytes === undefined) return [];
  const owners = new Map<number, Unit>();
  for (const unit of info.units)
    if (unit.lineTable !== undefined && !owners.has(unit.lineTable)) owners.set(unit.lineTable, unit);
  const anyUnit = info.units[0];
  const contexts: TableContext[] = [];
  for (let offset = 0; offset < bytes.length;) {
    const owner = owners.get(offset);
    const text = owner ?? anyUnit;
    const result = readLineTable(bytes, offset, owner?.addressSize ?? elf.bits / 8, (value) =>
      value.kind === 'string'
        ? value.text
        : value.kind === 'string-offset'
          ? info.strings(value.section)?.at(value.offset)
          : text && info.text(text, value),
    );
    if (!result.ok) {
      problems.push(symbolError(elf.file, '.debug_line', result.offset, result.what));
      if (result.end === undefined) break;
      offset = result.end;
      continue;
    }
    const table: LineTable = result.table;
    contexts.push({ table, directory: owner?.directory ?? '' });
    offset = table.end;
  }
  return contexts;
}
