/** `.debug_frame` and `.eh_frame` ("Call Frame Information"): entries by address, run into the rules of one row. */
import { Cursor } from './cursor';
import type { ElfFile, Machine } from './elf';

/** How the value a register had in the caller is found. */
export type RegisterRule =
  | { readonly kind: 'same' }
  | { readonly kind: 'undefined' }
  /** Stored at CFA + offset. */
  | { readonly kind: 'offset'; readonly offset: bigint }
  /** Is CFA + offset. */
  | { readonly kind: 'value-offset'; readonly offset: bigint }
  | { readonly kind: 'register'; readonly register: number }
  | { readonly kind: 'expression'; readonly bytes: Uint8Array }
  | { readonly kind: 'value-expression'; readonly bytes: Uint8Array };

export type CfaRule =
  | { readonly kind: 'register'; readonly register: number; readonly offset: bigint }
  | { readonly kind: 'expression'; readonly bytes: Uint8Array };

export interface FrameRow {
  readonly cfa: CfaRule;
  /** By DWARF register number; absent means the standard's "unspecified": the same value. */
  readonly rules: ReadonlyMap<number, RegisterRule>;
  readonly returnRegister: number;
  readonly isSignalFrame: boolean;
}

interface CommonEntry {
  readonly codeAlignment: bigint;
  readonly dataAlignment: bigint;
  readonly returnRegister: number;
  readonly addressSize: number;
  readonly pointerEncoding: number;
  readonly augmented: boolean;
  readonly isSignalFrame: boolean;
  readonly instructions: Uint8Array;
  readonly instructionsOffset: number;
}

export interface FrameEntry {
  readonly low: bigint;
  readonly high: bigint;
  readonly common: CommonEntry;
  readonly instructions: Uint8Array;
  /** Address of the first instruction byte in memory, for position-relative operands. */
  readonly instructionsAddress: bigint;
}

const MAXIMUM_AUGMENTATION = 16;
const DW_EH_PE_OMIT = 0xff;
const SECTIONS = ['.debug_frame', '.eh_frame'] as const;

export class CallFrames {
  readonly #entries: readonly FrameEntry[];

  constructor(readonly elf: ElfFile) {
    const entries: FrameEntry[] = [];
    for (const name of SECTIONS) {
      const contents = elf.section(name);
      if (contents?.ok === true)
        readEntries(contents.value, name === '.eh_frame', elf.sectionAddress(name), elf, entries);
    }
    this.#entries = entries.sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
  }

  get machine(): Machine {
    return this.elf.machine;
  }

  get entries(): readonly FrameEntry[] {
    return this.#entries;
  }

  entryAt(address: bigint): FrameEntry | undefined {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle].low <= address) low = middle + 1;
      else high = middle;
    }
    // The same function may be described in both sections.
    for (let i = low - 1; i >= 0 && i >= low - 2; i--) if (address < this.#entries[i].high) return this.#entries[i];
    return undefined;
  }

  /** The row of rules in force at an address of the file. */
  rowAt(address: bigint): FrameRow | undefined {
    const entry = this.entryAt(address);
    return entry === undefined ? undefined : runTo(entry, address);
  }
}

function readEntries(bytes: Uint8Array, isEh: boolean, base: bigint, elf: ElfFile, entries: FrameEntry[]): void {
  const commons = new Map<number, CommonEntry | undefined>();
  const cursor = new Cursor(bytes);
  while (cursor.more) {
    let offsetSize: 4 | 8 = 4;
    let length = cursor.u32();
    if (length === 0xffff_ffff) {
      offsetSize = 8;
      length = cursor.offset64();
    }
    // A length of zero ends .eh_frame.
    if (length === 0 && isEh) return;
    const start = cursor.position;
    const end = start + length;
    if (cursor.failed || end > bytes.length) return;
    const entry = new Cursor(bytes, start, end);
    // .eh_frame keeps 4-byte ids even in the 64-bit format's entries, relative to themselves.
    const idSize = isEh ? 4 : offsetSize;
    const id = entry.unsigned(idSize);
    const isCommon = isEh ? id === 0n : id === (idSize === 4 ? 0xffff_ffffn : 0xffff_ffff_ffff_ffffn);
    if (!isCommon && !entry.failed) {
      const commonAt = isEh ? start - Number(id) : Number(id);
      let common = commons.get(commonAt);
      if (common === undefined && !commons.has(commonAt)) {
        common = readCommon(bytes, commonAt, isEh, elf);
        commons.set(commonAt, common);
      }
      if (common !== undefined) {
        const low = readPointer(entry, common.pointerEncoding, common.addressSize, base);
        const size = readPointer(entry, common.pointerEncoding & 0x0f, common.addressSize, 0n);
        if (common.augmented) entry.skip(entry.uleb());
        if (!entry.failed && low !== undefined && size !== undefined && size > 0n) {
          entries.push({
            low,
            high: low + size,
            common,
            instructionsAddress: base + BigInt(entry.position),
            instructions: entry.take(entry.remaining),
          });
        }
      }
    }
    cursor.position = end;
  }
}

function readCommon(bytes: Uint8Array, at: number, isEh: boolean, elf: ElfFile): CommonEntry | undefined {
  if (at < 0) return undefined;
  const outer = new Cursor(bytes, at);
  let offsetSize: 4 | 8 = 4;
  let length = outer.u32();
  if (length === 0xffff_ffff) {
    offsetSize = 8;
    length = outer.offset64();
  }
  if (outer.failed || outer.position + length > bytes.length) return undefined;
  const cursor = new Cursor(bytes, outer.position, outer.position + length);
  cursor.skip(isEh ? 4 : offsetSize);
  const version = cursor.u8();
  if (version !== 1 && version !== 3 && version !== 4) return undefined;
  // Real augmentations have up to five letters.
  const nul = bytes.subarray(cursor.position, cursor.position + MAXIMUM_AUGMENTATION).indexOf(0);
  if (nul < 0) return undefined;
  const augmentation = cursor.string();
  let addressSize = elf.bits / 8;
  if (version === 4) {
    addressSize = cursor.u8();
    cursor.skip(1);
  }
  const codeAlignment = cursor.ulebBig();
  const dataAlignment = cursor.slebBig();
  const returnRegister = version === 1 ? cursor.u8() : cursor.uleb();
  let pointerEncoding = 0;
  let isSignalFrame = false;
  const augmented = augmentation.startsWith('z');
  if (augmented) {
    const size = cursor.uleb();
    const end = cursor.position + size;
    for (const letter of augmentation.slice(1)) {
      if (letter === 'R') pointerEncoding = cursor.u8();
      else if (letter === 'S') isSignalFrame = true;
      else if (letter === 'L') cursor.skip(1);
      else if (letter === 'P') {
        const encoding = cursor.u8();
        readPointer(cursor, encoding, addressSize, 0n);
      } else break;
    }
    if (cursor.failed || end > cursor.end) return undefined;
    cursor.position = end;
  } else if (augmentation !== '') return undefined;
  if (cursor.failed || (addressSize !== 4 && addressSize !== 8)) return undefined;
  return {
    codeAlignment,
    dataAlignment,
    returnRegister,
    addressSize,
    pointerEncoding,
    augmented,
    isSignalFrame,
    instructionsOffset: cursor.position,
    instructions: cursor.take(cursor.remaining),
  };
}

/** A pointer in one of the encodings of the LSB core specification, "DWARF Exception Header Encoding". */
function readPointer(cursor: Cursor, encoding: number, addressSize: number, base: bigint): bigint | undefined {
  if (encoding === DW_EH_PE_OMIT) return undefined;
  const at = base + BigInt(cursor.position);
  let value: bigint;
  switch (encoding & 0x0f) {
    case 0x00:
      value = cursor.unsigned(addressSize);
      break;
    case 0x01:
      value = cursor.ulebBig();
      break;
    case 0x02:
    case 0x03:
    case 0x04:
      value = cursor.unsigned(1 << ((encoding & 0x0f) - 1));
      break;
    case 0x09:
      value = cursor.slebBig();
      break;
    case 0x0a:
      value = cursor.signed(2);
      break;
    case 0x0b:
      value = cursor.signed(4);
      break;
    case 0x0c:
      value = cursor.signed(8);
      break;
    default:
      cursor.fail();
      return undefined;
  }
  switch (encoding & 0x70) {
    case 0x00:
      break;
    case 0x10:
      value += at;
      break;
    default:
      // Relative to text, data or function: no x86 compiler writes these in frames.
      return undefined;
  }
  return BigInt.asUintN(addressSize * 8, value);
}

const MAXIMUM_STATES = 64;

interface MutableRow {
  cfa: CfaRule;
  rules: Map<number, RegisterRule>;
}

function runTo(entry: FrameEntry, address: bigint): FrameRow | undefined {
  const row: MutableRow = { cfa: { kind: 'register', register: 0, offset: 0n }, rules: new Map() };
  const { common } = entry;
  if (!run(common.instructions, entry, row, undefined, entry.low, address)) return undefined;
  const initial = new Map(row.rules);
  if (!run(entry.instructions, entry, row, initial, entry.low, address)) return undefined;
  return { cfa: row.cfa, rules: row.rules, returnRegister: common.returnRegister, isSignalFrame: common.isSignalFrame };
}

/** Runs instructions until one moves the location beyond `address`; false where they are damaged. */
function run(
  bytes: Uint8Array,
  entry: FrameEntry,
  row: MutableRow,
  initial: ReadonlyMap<number, RegisterRule> | undefined,
  start: bigint,
  address: bigint,
): boolean {
  const { codeAlignment, dataAlignment, addressSize, pointerEncoding } = entry.common;
  const cursor = new Cursor(bytes);
  const saved: { cfa: CfaRule; rules: Map<number, RegisterRule> }[] = [];
  let location = start;
  const set = (register: number, rule: RegisterRule): void => void row.rules.set(register, rule);
  const restore = (register: number): void => {
    const rule = initial?.get(register);
    if (rule === undefined) row.rules.delete(register);
    else row.rules.set(register, rule);
  };
  const setCfa = (register: number, offset: bigint): void => {
    row.cfa = { kind: 'register', register, offset };
  };
  while (cursor.more) {
    const opcode = cursor.u8();
    const low = opcode & 0x3f;
    switch (opcode & 0xc0) {
      case 0x40:
        location += BigInt(low) * codeAlignment;
        if (location > address) return true;
        continue;
      case 0x80:
        set(low, { kind: 'offset', offset: cursor.ulebBig() * dataAlignment });
        continue;
      case 0xc0:
        restore(low);
        continue;
    }
    switch (opcode) {
      case 0x00:
        break;
      case 0x01: {
        const target = readPointer(cursor, pointerEncoding, addressSize, entry.instructionsAddress);
        if (target === undefined) return false;
        location = target;
        break;
      }
      case 0x02:
        location += BigInt(cursor.u8()) * codeAlignment;
        break;
      case 0x03:
        location += BigInt(cursor.u16()) * codeAlignment;
        break;
      case 0x04:
        location += BigInt(cursor.u32()) * codeAlignment;
        break;
      case 0x05:
        set(cursor.uleb(), { kind: 'offset', offset: cursor.ulebBig() * dataAlignment });
        break;
      case 0x06:
        restore(cursor.uleb());
        break;
      case 0x07:
        set(cursor.uleb(), { kind: 'undefined' });
        break;
      case 0x08:
        set(cursor.uleb(), { kind: 'same' });
        break;
      case 0x09:
        set(cursor.uleb(), { kind: 'register', register: cursor.uleb() });
        break;
      case 0x0a:
        if (saved.length >= MAXIMUM_STATES) return false;
        saved.push({ cfa: row.cfa, rules: new Map(row.rules) });
        break;
      case 0x0b: {
        const state = saved.pop();
        if (state === undefined) return false;
        row.cfa = state.cfa;
        row.rules = state.rules;
        break;
      }
      case 0x0c:
        setCfa(cursor.uleb(), cursor.ulebBig());
        break;
      case 0x0d:
        if (row.cfa.kind !== 'register') return false;
        setCfa(cursor.uleb(), row.cfa.offset);
        break;
      case 0x0e:
        if (row.cfa.kind !== 'register') return false;
        setCfa(row.cfa.register, cursor.ulebBig());
        break;
      case 0x0f:
        row.cfa = { kind: 'expression', bytes: cursor.take(cursor.uleb()) };
        break;
      case 0x10:
        set(cursor.uleb(), { kind: 'expression', bytes: cursor.take(cursor.uleb()) });
        break;
      case 0x11:
        set(cursor.uleb(), { kind: 'offset', offset: cursor.slebBig() * dataAlignment });
        break;
      case 0x12:
        setCfa(cursor.uleb(), cursor.slebBig() * dataAlignment);
        break;
      case 0x13:
        if (row.cfa.kind !== 'register') return false;
        setCfa(row.cfa.register, cursor.slebBig() * dataAlignment);
        break;
      case 0x14:
        set(cursor.uleb(), { kind: 'value-offset', offset: cursor.ulebBig() * dataAlignment });
        break;
      case 0x15:
        set(cursor.uleb(), { kind: 'value-offset', offset: cursor.slebBig() * dataAlignment });
        break;
      case 0x16:
        set(cursor.uleb(), { kind: 'value-expression', bytes: cursor.take(cursor.uleb()) });
        break;
      case 0x2e:
        // GNU_args_size concerns only exception landing.
        cursor.uleb();
        break;
      case 0x2f:
        set(cursor.uleb(), { kind: 'offset', offset: -cursor.ulebBig() * dataAlignment });
        break;
      default:
        return false;
    }
    if (location > address) return true;
  }
  return !cursor.failed;
}
