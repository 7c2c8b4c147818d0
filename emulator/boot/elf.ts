/** Reads what a loader needs of an ELF file: its header and program headers, validated against the file's size. */

export type ElfResult = { readonly ok: true; readonly elf: ElfImage } | { readonly ok: false; readonly error: string };

export interface ElfImage {
  readonly bits: 32 | 64;
  /** e_machine. */
  readonly machine: number;
  /** e_type: 2 executable, 3 shared object or position-independent executable. */
  readonly type: number;
  readonly entry: bigint;
  /** PT_LOAD segments in file order; `fileSize` bytes at `offset` are known to be in the file. */
  readonly segments: readonly ElfSegment[];
}

export interface ElfSegment {
  /** Index in the program header table. */
  readonly index: number;
  readonly offset: number;
  readonly virtual: bigint;
  readonly physical: bigint;
  readonly fileSize: number;
  readonly memorySize: bigint;
}

export const ELF_MACHINE = { i386: 3, x86_64: 62 } as const;

/** Where the fields of both ELF classes are: file header, then program header. */
const LAYOUT = {
  32: {
    header: 52,
    entry: 24,
    programOffset: 28,
    programEntrySize: 42,
    programCount: 44,
    sectionOffset: 32,
    sectionEntrySize: 46,
    sectionCount: 48,
    program: { size: 32, offset: 4, virtual: 8, physical: 12, fileSize: 16, memorySize: 20 },
  },
  64: {
    header: 64,
    entry: 24,
    programOffset: 32,
    programEntrySize: 54,
    programCount: 56,
    sectionOffset: 40,
    sectionEntrySize: 58,
    sectionCount: 60,
    program: { size: 56, offset: 8, virtual: 16, physical: 24, fileSize: 32, memorySize: 40 },
  },
} as const;

const PT_LOAD = 1;
/** More program headers than this stand in a section header; no boot image needs that. */
const PN_XNUM = 0xffff;

export function isElf(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** @param name the file's name, for the error sentences */
export function readElf(bytes: Uint8Array, name: string): ElfResult {
  const fail = (sentence: string): ElfResult => ({ ok: false, error: `${name}: ${sentence}` });
  if (!isElf(bytes)) return fail('not an ELF file: it does not start with 7f 45 4c 46.');
  if (bytes.length < 6)
    return fail(`the ELF header is cut off at ${bytes.length} bytes; build or copy the file again.`);
  const fileClass = bytes[4];
  if (fileClass !== 1 && fileClass !== 2)
    return fail(`the ELF class byte is ${fileClass}, neither 1 (32-bit) nor 2 (64-bit).`);
  if (bytes[5] !== 1) return fail('the ELF file is not little-endian; build it for x86.');

  const bits = fileClass === 1 ? 32 : 64;
  const layout = LAYOUT[bits];
  if (bytes.length < layout.header) {
    return fail(
      `the ELF header is cut off at ${bytes.length} of ${layout.header} bytes; build or copy the file again.`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const address = (at: number): bigint =>
    bits === 32 ? BigInt(view.getUint32(at, true)) : view.getBigUint64(at, true);

  const machine = view.getUint16(18, true);
  if (machine !== ELF_MACHINE.i386 && machine !== ELF_MACHINE.x86_64) {
    return fail(`the ELF file is for machine ${machine}, not for x86 (3) or x86-64 (62).`);
  }
  const count = view.getUint16(layout.programCount, true);
  const entrySize = view.getUint16(layout.programEntrySize, true);
  const tableOffset = address(layout.programOffset);
  if (count === 0) return fail('the ELF file has no program headers; link it into an executable.');
  if (count === PN_XNUM) return fail('the ELF file has 65535 program headers or more, which no loader supports.');
  if (entrySize < layout.program.size) {
    return fail(
      `ELF program headers of ${entrySize} bytes are shorter than the ${layout.program.size} of their class.`,
    );
  }
  if (tableOffset + BigInt(count * entrySize) > BigInt(bytes.length)) {
    return fail(
      `the ELF program headers at file offset ${hex(tableOffset)} lie outside the ${bytes.length} bytes of the file; it is cut off or damaged.`,
    );
  }

  // Linkers put the section headers last, so they tell of a file that lost its end behind the last segment.
  const sections = address(layout.sectionOffset);
  const sectionBytes = view.getUint16(layout.sectionCount, true) * view.getUint16(layout.sectionEntrySize, true);
  if (sections + BigInt(sectionBytes) > BigInt(bytes.length)) {
    return fail(
      `the ELF section headers at file offset ${hex(sections)} lie outside the ${bytes.length} bytes of the file; it is cut off or damaged.`,
    );
  }

  const segments: ElfSegment[] = [];
  for (let index = 0; index < count; index++) {
    const at = Number(tableOffset) + index * entrySize;
    if (view.getUint32(at, true) !== PT_LOAD) continue;
    const offset = address(at + layout.program.offset);
    const fileSize = address(at + layout.program.fileSize);
    const memorySize = address(at + layout.program.memorySize);
    const place = `ELF program header ${index}`;
    if (offset + fileSize > BigInt(bytes.length)) {
      return fail(
        `${place} takes ${hex(fileSize)} bytes at file offset ${hex(offset)}, but the file has ${hex(bytes.length)}; it is cut off or damaged.`,
      );
    }
    if (memorySize < fileSize) {
      return fail(
        `${place} has ${hex(fileSize)} bytes in the file but only ${hex(memorySize)} in memory; the file is damaged.`,
      );
    }
    segments.push({
      index,
      offset: Number(offset),
      virtual: address(at + layout.program.virtual),
      physical: address(at + layout.program.physical),
      fileSize: Number(fileSize),
      memorySize,
    });
  }
  if (!segments.some((segment) => segment.memorySize > 0n)) {
    return fail('the ELF file has no loadable segment; link it into an executable.');
  }
  return { ok: true, elf: { bits, machine, type: view.getUint16(16, true), entry: address(layout.entry), segments } };
}

function hex(value: bigint | number): string {
  return `0x${value.toString(16)}`;
}
