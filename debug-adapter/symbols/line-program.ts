/** `.debug_line` of DWARF 2 to 5 ("Line Number Information"): headers and programs, run into rows. */
import { Cursor } from './cursor';
import { LNCT, LNE, LNS } from './dwarf-constants';
import { readForm, type FormValue, type UnitEncoding } from './dwarf-form';

export const ROW_STATEMENT = 1;
export const ROW_PROLOGUE_END = 2;
export const ROW_EPILOGUE_BEGIN = 4;

/** Rows of one sequence in ascending addresses, column by column. `high` is the end; no row stands for it. */
export interface LineSequence {
  readonly low: bigint;
  readonly high: bigint;
  readonly addresses: BigUint64Array;
  /** File register as the program set it: from 1 before DWARF 5, from 0 since. */
  readonly files: Uint32Array;
  readonly lines: Uint32Array;
  readonly columns: Uint32Array;
  /** ROW_ bits. */
  readonly flags: Uint8Array;
}

export interface LineFile {
  readonly name: string;
  readonly directory: number;
}

export interface LineTable {
  readonly offset: number;
  /** Offset of the next table. */
  readonly end: number;
  readonly version: number;
  /** Entry 0 is undefined before DWARF 5, where it means the compilation directory. */
  readonly directories: readonly (string | undefined)[];
  /** By file register; entry 0 is undefined before DWARF 5. */
  readonly files: readonly (LineFile | undefined)[];
  readonly sequences: readonly LineSequence[];
}

export type LineTableResult =
  | { readonly ok: true; readonly table: LineTable }
  /** `end` is where the next table begins, or undefined where that cannot be known. */
  | { readonly ok: false; readonly offset: number; readonly what: string; readonly end: number | undefined };

export type StringResolver = (value: FormValue) => string | undefined;

export function readLineTable(
  section: Uint8Array,
  offset: number,
  defaultAddressSize: number,
  resolve: StringResolver,
): LineTableResult {
  const start = new Cursor(section, offset);
  let offsetSize: 4 | 8 = 4;
  let length = start.u32();
  if (length === 0xffff_ffff) {
    offsetSize = 8;
    length = start.offset64();
  }
  const end = start.position + length;
  if (start.failed || end > section.length) {
    return { ok: false, offset, what: 'a line table is longer than its section', end: undefined };
  }
  const bad = (at: number, what: string): LineTableResult => ({ ok: false, offset: at, what, end });
  const cursor = new Cursor(section, start.position, end);
  const version = cursor.u16();
  if (version < 2 || version > 5) return bad(offset, `line table version ${version} is not one of 2 to 5`);
  let addressSize = defaultAddressSize;
  if (version >= 5) {
    addressSize = cursor.u8();
    cursor.skip(1);
  }
  if (addressSize !== 4 && addressSize !== 8) return bad(offset, `address size ${addressSize} is neither 4 nor 8`);
  const headerLength = cursor.offset(offsetSize);
  const programStart = cursor.position + headerLength;
  const minimumInstruction = cursor.u8();
  // Operations per instruction matter only for VLIW machines; on x86 it is 1.
  if (version >= 4) cursor.skip(1);
  const defaultIsStatement = cursor.u8() !== 0;
  const lineBase = cursor.i8();
  const lineRange = cursor.u8();
  const opcodeBase = cursor.u8();
  if (cursor.failed || programStart > end) return bad(offset, 'a line table header is cut short');
  if (lineRange === 0) return bad(offset, 'a line table has a line range of zero');
  const operandCounts: number[] = [0];
  for (let i = 1; i < opcodeBase; i++) operandCounts.push(cursor.u8());

  const unit: UnitEncoding = { version, offsetSize, addressSize, start: 0 };
  const directories: (string | undefined)[] = [];
  const files: (LineFile | undefined)[] = [];
  if (version >= 5) {
    for (const entry of entryTable(cursor, unit, resolve)) directories.push(entry.name);
    files.push(...entryTable(cursor, unit, resolve));
  } else {
    directories.push(undefined);
    for (let name = cursor.string(); name !== ''; name = cursor.string()) directories.push(name);
    files.push(undefined);
    for (let name = cursor.string(); name !== ''; name = cursor.string()) {
      const directory = cursor.uleb();
      cursor.uleb();
      cursor.uleb();
      files.push({ name, directory });
    }
  }
  if (cursor.failed) return bad(cursor.failedAt, 'the directory or file names of a line table are damaged');

  cursor.position = programStart;
  const sequences: LineSequence[] = [];
  let rows = new RowBuffer();
  let address = 0n;
  let file = 1;
  let line = 1;
  let column = 0;
  let isStatement = defaultIsStatement;
  let marks = 0;
  const mask = addressSize === 4 ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn;
  const advance = (operations: number): void => {
    address = (address + BigInt(operations * minimumInstruction)) & mask;
  };
  const emit = (): void => {
    rows.push(address, file, line, column, (isStatement ? ROW_STATEMENT : 0) | marks);
    marks = 0;
  };
  while (cursor.more) {
    const opcode = cursor.u8();
    if (opcode >= opcodeBase) {
      const adjusted = opcode - opcodeBase;
      advance(Math.floor(adjusted / lineRange));
      line = (line + lineBase + (adjusted % lineRange)) >>> 0;
      emit();
      continue;
    }
    switch (opcode) {
      case 0: {
        const size = cursor.uleb();
        const next = cursor.position + size;
        if (size === 0) break;
        if (next > end) return bad(cursor.position, 'an extended line opcode leaves its table');
        switch (cursor.u8()) {
          case LNE.end_sequence: {
            const sequence = rows.finish(address);
            if (sequence !== undefined) sequences.push(sequence);
            rows = new RowBuffer();
            address = 0n;
            file = 1;
            line = 1;
            column = 0;
            isStatement = defaultIsStatement;
            marks = 0;
            break;
          }
          case LNE.set_address:
            address = cursor.unsigned(size - 1);
            break;
          case LNE.define_file: {
            const name = cursor.string();
            files.push({ name, directory: cursor.uleb() });
            break;
          }
          default:
            break;
        }
        cursor.position = cursor.failed ? end : next;
        break;
      }
      case LNS.copy:
        emit();
        break;
      case LNS.advance_pc:
        address = (address + cursor.ulebBig() * BigInt(minimumInstruction)) & mask;
        break;
      case LNS.advance_line:
        line = (line + cursor.sleb()) >>> 0;
        break;
      case LNS.set_file:
        file = cursor.uleb();
        break;
      case LNS.set_column:
        column = cursor.uleb();
        break;
      case LNS.negate_stmt:
        isStatement = !isStatement;
        break;
      case LNS.set_basic_block:
        break;
      case LNS.const_add_pc:
        advance(Math.floor((255 - opcodeBase) / lineRange));
        break;
      case LNS.fixed_advance_pc:
        address = (address + BigInt(cursor.u16())) & mask;
        break;
      case LNS.set_prologue_end:
        marks |= ROW_PROLOGUE_END;
        break;
      case LNS.set_epilogue_begin:
        marks |= ROW_EPILOGUE_BEGIN;
        break;
      default:
        // set_isa, and opcodes newer than this reader: the header says how many operands to skip.
        for (let i = 0; i < operandCounts[opcode]; i++) cursor.ulebBig();
        break;
    }
  }
  if (cursor.failed) return bad(cursor.failedAt, 'a line program ends in the middle of an opcode');
  return { ok: true, table: { offset, end, version, directories, files, sequences } };
}

function entryTable(cursor: Cursor, unit: UnitEncoding, resolve: StringResolver): LineFile[] {
  const formats: { readonly content: number; readonly form: number }[] = [];
  const formatCount = cursor.u8();
  for (let i = 0; i < formatCount; i++) formats.push({ content: cursor.uleb(), form: cursor.uleb() });
  const count = cursor.uleb();
  // Every real entry takes at least a byte; forms of no size would otherwise make any number of entries possible.
  if (count > cursor.remaining) {
    cursor.fail();
    return [];
  }
  const entries: LineFile[] = [];
  for (let i = 0; i < count && !cursor.failed; i++) {
    let name = '';
    let directory = 0;
    for (const { content, form } of formats) {
      const value = readForm(cursor, form, unit, 0n);
      if (content === LNCT.path) name = resolve(value) ?? '';
      else if (content === LNCT.directory_index && value.kind === 'constant') directory = Number(value.value);
    }
    entries.push({ name, directory });
  }
  return entries;
}

/** Rows being collected; grows by doubling. */
class RowBuffer {
  #count = 0;
  #addresses = new BigUint64Array(16);
  #files = new Uint32Array(16);
  #lines = new Uint32Array(16);
  #columns = new Uint32Array(16);
  #flags = new Uint8Array(16);
  #ascending = true;

  push(address: bigint, file: number, line: number, column: number, flags: number): void {
    const n = this.#count;
    if (n === this.#files.length) this.#grow(n * 2);
    if (n > 0 && address < this.#addresses[n - 1]) this.#ascending = false;
    this.#addresses[n] = address;
    this.#files[n] = file;
    this.#lines[n] = line;
    this.#columns[n] = column;
    this.#flags[n] = flags;
    this.#count = n + 1;
  }

  #grow(size: number): void {
    const wide = new BigUint64Array(size);
    wide.set(this.#addresses);
    this.#addresses = wide;
    const grown = (from: Uint32Array): Uint32Array<ArrayBuffer> => {
      const to = new Uint32Array(size);
      to.set(from);
      return to;
    };
    this.#files = grown(this.#files);
    this.#lines = grown(this.#lines);
    this.#columns = grown(this.#columns);
    const flags = new Uint8Array(size);
    flags.set(this.#flags);
    this.#flags = flags;
  }

  /** The sequence ending at `high`; undefined where there are no rows. Rows out of order are sorted, ties kept. */
  finish(high: bigint): LineSequence | undefined {
    const n = this.#count;
    if (n === 0) return undefined;
    const order = this.#ascending
      ? undefined
      : Array.from({ length: n }, (_, i) => i).sort((a, b) => {
          const x = this.#addresses[a];
          const y = this.#addresses[b];
          return x < y ? -1 : x > y ? 1 : a - b;
        });
    const pick = <T extends Uint32Array | Uint8Array | BigUint64Array>(from: T): T => {
      const to = from.slice(0, n) as T;
      if (order !== undefined) for (let i = 0; i < n; i++) to[i] = from[order[i]];
      return to;
    };
    const addresses = pick(this.#addresses);
    return {
      low: addresses[0],
      high,
      addresses,
      files: pick(this.#files),
      lines: pick(this.#lines),
      columns: pick(this.#columns),
      flags: pick(this.#flags),
    };
  }
}
