/**
 * ELF32 and ELF64 files of x86: sections (compressed ones inflated when first read), loadable segments and the symbol
 * table. Layouts are those of the System V ABI, "Object Files".
 */
import { inflateSync } from 'node:zlib';
import { Cursor } from './cursor';
import { StringTable } from './string-table';
import { symbolError, type Result, type SymbolError } from './symbol-error';

const EM_386 = 3;
const EM_X86_64 = 62;
const ET_REL = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHT_DYNSYM = 11;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;
const SHF_COMPRESSED = 0x800;
const SHN_XINDEX = 0xffff;
const ELFCOMPRESS_ZLIB = 1;
const PT_LOAD = 1;

/** Deflate cannot do better than about 1032 to 1, so a header that claims more lies. */
const MAXIMUM_INFLATION = 1040;
/** No debug section is larger than this once inflated. */
const MAXIMUM_SECTION = 0x4000_0000;

export type Machine = 'x86-64' | 'i386';

export interface ElfSection {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

/** Addresses a section or segment occupies, [low, high). */
export interface AddressRange {
  readonly low: bigint;
  readonly high: bigint;
}

export interface ElfSymbol {
  readonly name: string;
  /** Before any load bias. */
  readonly address: bigint;
  readonly size: bigint;
  readonly kind: 'function' | 'object' | 'label' | 'other';
  readonly binding: 'local' | 'global' | 'weak';
  /** Absolute symbols are constants rather than places. */
  readonly absolute: boolean;
}

export class ElfFile {
  readonly #contents = new Map<string, Result<Uint8Array, SymbolError> | undefined>();

  private constructor(
    readonly file: string,
    readonly bytes: Uint8Array,
    readonly machine: Machine,
    /** ELF class: 32 or 64. */
    readonly bits: 32 | 64,
    readonly entry: bigint,
    readonly sections: readonly ElfSection[],
    readonly segments: readonly AddressRange[],
  ) {}

  static parse(bytes: Uint8Array, file: string): Result<ElfFile, SymbolError> {
    const bad = (offset: number, what: string): Result<ElfFile, SymbolError> => ({
      ok: false,
      error: symbolError(file, undefined, offset, what),
    });
    if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
      return bad(0, 'not an ELF file');
    }
    const cursor = new Cursor(bytes, 4);
    const elfClass = cursor.u8();
    const encoding = cursor.u8();
    if (elfClass !== 1 && elfClass !== 2) return bad(4, `ELF class ${elfClass} is neither 32-bit nor 64-bit`);
    if (encoding !== 1) return bad(5, 'not a little-endian ELF file');
    const bits = elfClass === 2 ? 64 : 32;
    const wide = bits === 64;
    cursor.position = 16;
    const type = cursor.u16();
    const machine = cursor.u16();
    if (machine !== EM_386 && machine !== EM_X86_64) return bad(18, `ELF machine ${machine} is not x86`);
    if (type === ET_REL) return bad(16, 'an object file whose addresses are not final; link it first');
    cursor.skip(4);
    const word = (): number => cursor.offset(wide ? 8 : 4);
    const entry = cursor.unsigned(wide ? 8 : 4);
    const programOffset = word();
    const sectionOffset = word();
    cursor.skip(4 + 2);
    const programEntrySize = cursor.u16();
    const programCount = cursor.u16();
    const sectionEntrySize = cursor.u16();
    let sectionCount = cursor.u16();
    let nameIndex = cursor.u16();
    if (cursor.failed) return bad(cursor.failedAt, 'the ELF header is cut short');

    const segments: AddressRange[] = [];
    for (let i = 0; i < programCount; i++) {
      const at = programOffset + i * programEntrySize;
      const p = new Cursor(bytes, at);
      const kind = p.u32();
      let address: bigint;
      let size: bigint;
      if (wide) {
        p.skip(4 + 8);
        address = p.u64();
        p.skip(16);
        size = p.u64();
      } else {
        p.skip(4);
        address = BigInt(p.u32());
        p.skip(8);
        size = BigInt(p.u32());
      }
      if (p.failed || programEntrySize < (wide ? 56 : 32)) return bad(at, `program header ${i} is outside the file`);
      if (kind === PT_LOAD && size > 0n) segments.push({ low: address, high: address + size });
    }

    const sections: ElfSection[] = [];
    if (sectionOffset !== 0) {
      const minimum = wide ? 64 : 40;
      const nameOffsets: number[] = [];
      const header = (index: number): (ElfSection & { nameOffset: number }) | undefined => {
        const s = new Cursor(bytes, sectionOffset + index * sectionEntrySize);
        const nameOffset = s.u32();
        const sectionType = s.u32();
        const flags = s.unsigned(wide ? 8 : 4);
        const address = s.unsigned(wide ? 8 : 4);
        const offset = s.offset(wide ? 8 : 4);
        const size = s.offset(wide ? 8 : 4);
        const link = s.u32();
        if (s.failed || sectionEntrySize < minimum) return undefined;
        return {
          name: '',
          nameOffset,
          type: sectionType,
          flags: Number(flags & 0xffff_ffffn),
          address,
          offset,
          size,
          link,
        };
      };
      const first = header(0);
      if (first === undefined) return bad(sectionOffset, 'the section header table is outside the file');
      // More than 0xff00 sections: the real numbers stand in section 0.
      if (sectionCount === 0) sectionCount = first.size;
      if (nameIndex === SHN_XINDEX) nameIndex = first.link;
      if (sectionCount * sectionEntrySize > bytes.length) {
        return bad(sectionOffset, `${sectionCount} section headers do not fit in the file`);
      }
      for (let i = 0; i < sectionCount; i++) {
        const section = header(i);
        const at = sectionOffset + i * sectionEntrySize;
        if (section === undefined) return bad(at, `section header ${i} is outside the file`);
        if (section.type !== SHT_NOBITS && section.type !== 0 && section.offset + section.size > bytes.length) {
          return bad(at, `section ${i} lies outside the file`);
        }
        nameOffsets.push(section.nameOffset);
        sections.push(section);
      }
      const names = sections[nameIndex];
      if (names !== undefined && names.type !== SHT_NOBITS) {
        const strings = new StringTable(bytes.subarray(names.offset, names.offset + names.size));
        for (let i = 0; i < sections.length; i++)
          sections[i] = { ...sections[i], name: strings.at(nameOffsets[i]) ?? '' };
      }
    }
    return {
      ok: true,
      value: new ElfFile(file, bytes, machine === EM_386 ? 'i386' : 'x86-64', bits, entry, sections, segments),
    };
  }

  /** Bytes of the first section of this name, inflated; undefined where there is none. */
  section(name: string): Result<Uint8Array, SymbolError> | undefined {
    if (this.#contents.has(name)) return this.#contents.get(name);
    const section =
      this.sections.find((s) => s.name === name && s.type !== SHT_NOBITS) ??
      // GNU's older form: ".zdebug_line" begins with "ZLIB" and a big-endian size.
      (name.startsWith('.debug_')
        ? this.sections.find((s) => s.name === `.z${name.slice(1)}` && s.type !== SHT_NOBITS)
        : undefined);
    const contents = section === undefined ? undefined : this.#read(section);
    this.#contents.set(name, contents);
    return contents;
  }

  /** Address of a section in memory, for position-relative encodings. */
  sectionAddress(name: string): bigint {
    return this.sections.find((s) => s.name === name)?.address ?? 0n;
  }

  /** Addresses that hold something once loaded; code whose section the linker dropped is in none of them. */
  loadedRanges(): readonly AddressRange[] {
    const ranges = this.sections
      .filter((s) => (s.flags & SHF_ALLOC) !== 0 && s.size > 0)
      .map((s) => ({ low: s.address, high: s.address + BigInt(s.size) }));
    return ranges.length > 0 ? ranges : this.segments;
  }

  codeRanges(): readonly AddressRange[] {
    return this.sections
      .filter((s) => (s.flags & (SHF_ALLOC | SHF_EXECINSTR)) === (SHF_ALLOC | SHF_EXECINSTR) && s.size > 0)
      .map((s) => ({ low: s.address, high: s.address + BigInt(s.size) }));
  }

  #read(section: ElfSection): Result<Uint8Array, SymbolError> {
    const raw = this.bytes.subarray(section.offset, section.offset + section.size);
    if ((section.flags & SHF_COMPRESSED) !== 0) {
      const cursor = new Cursor(raw);
      const algorithm = cursor.u32();
      if (this.bits === 64) cursor.skip(4);
      const size = cursor.offset(this.bits === 64 ? 8 : 4);
      cursor.skip(this.bits === 64 ? 8 : 4);
      if (cursor.failed) return this.#bad(section, 'the compression header is cut short');
      if (algorithm !== ELFCOMPRESS_ZLIB) {
        return this.#bad(section, `compression ${algorithm} is not zlib; link with --compress-debug-sections=zlib`);
      }
      return this.#inflate(section, raw.subarray(cursor.position), size);
    }
    if (section.name.startsWith('.zdebug_')) {
      const magic = raw.length >= 12 ? String.fromCharCode(raw[0], raw[1], raw[2], raw[3]) : '';
      if (magic !== 'ZLIB') return this.#bad(section, 'the "ZLIB" header is missing');
      const size = new DataView(raw.buffer, raw.byteOffset, raw.byteLength).getBigUint64(4, false);
      return this.#inflate(section, raw.subarray(12), size > BigInt(MAXIMUM_SECTION) ? Infinity : Number(size));
    }
    return { ok: true, value: raw };
  }

  #inflate(section: ElfSection, raw: Uint8Array, size: number): Result<Uint8Array, SymbolError> {
    if (size > MAXIMUM_SECTION || size > raw.length * MAXIMUM_INFLATION + 1024) {
      return this.#bad(section, `an uncompressed size of ${size} bytes is not possible for ${raw.length} bytes`);
    }
    try {
      // zlib refuses a limit of zero.
      const value = inflateSync(raw, { maxOutputLength: Math.max(size, 1) });
      if (value.length !== size) return this.#bad(section, `inflates to ${value.length} bytes instead of ${size}`);
      return { ok: true, value };
    } catch {
      return this.#bad(section, 'the compressed data is damaged');
    }
  }

  #bad(section: ElfSection, what: string): Result<Uint8Array, SymbolError> {
    return { ok: false, error: symbolError(this.file, section.name, 0, what) };
  }

  /** Symbols of `.symtab`, or of `.dynsym` in a stripped file; sections, files and nameless ones are left out. */
  symbols(): Result<readonly ElfSymbol[], SymbolError> {
    const table = this.sections.find((s) => s.type === SHT_SYMTAB) ?? this.sections.find((s) => s.type === SHT_DYNSYM);
    if (table === undefined) return { ok: true, value: [] };
    const read = this.#read(table);
    if (!read.ok) return read;
    const link = this.sections[table.link];
    if (link === undefined || link.type === SHT_NOBITS) {
      return { ok: false, error: symbolError(this.file, table.name, 0, 'the symbol names are missing') };
    }
    const names = this.#read(link);
    if (!names.ok) return names;
    const strings = new StringTable(names.value);
    const symbols: ElfSymbol[] = [];
    const wide = this.bits === 64;
    const cursor = new Cursor(read.value);
    while (cursor.remaining >= (wide ? 24 : 16)) {
      const start = cursor.position;
      const nameOffset = cursor.u32();
      let address: bigint;
      let size: bigint;
      let info: number;
      let index: number;
      if (wide) {
        info = cursor.u8();
        cursor.skip(1);
        index = cursor.u16();
        address = cursor.u64();
        size = cursor.u64();
      } else {
        address = BigInt(cursor.u32());
        size = BigInt(cursor.u32());
        info = cursor.u8();
        cursor.skip(1);
        index = cursor.u16();
      }
      const type = info & 15;
      const isNamed = nameOffset !== 0 && index !== 0 && type !== 3 && type !== 4;
      if (!isNamed) continue;
      const name = strings.at(nameOffset);
      if (name === undefined) {
        return { ok: false, error: symbolError(this.file, table.name, start, 'a symbol name is outside its table') };
      }
      if (name === '') continue;
      symbols.push({
        name,
        address,
        size,
        kind: type === 2 || type === 10 ? 'function' : type === 1 ? 'object' : type === 0 ? 'label' : 'other',
        binding: info >> 4 === 0 ? 'local' : info >> 4 === 2 ? 'weak' : 'global',
        absolute: index === 0xfff1,
      });
    }
    return { ok: true, value: symbols };
  }
}
