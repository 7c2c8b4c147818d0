import { isElf, readElf } from './elf';
import type { LoadResult } from './loaded-image';
import { HIGH_START, hex, LOW_END, memoryMap, MemoryPlan } from './memory-plan';

/** A file given to the guest beside the image. */
export interface BootModule {
  /** File name, for error sentences. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** String the guest sees with the module. */
  readonly cmdline: string;
}

export interface BootOptions {
  /** The image's file name, for error sentences. */
  readonly name: string;
  /** RAM in bytes. */
  readonly memory: number;
  readonly cmdline: string;
  readonly modules: readonly BootModule[];
}

const HEADER_MAGIC = 0x1bad_b002;
const LOADER_MAGIC = 0x2bad_b002;
/** The header lies within this much of the file, on a 4-byte boundary. */
const SEARCH_LIMIT = 8192;
const HEADER_SIZE = 12;
const ADDRESS_HEADER_SIZE = 32;

/** Header flags. Of 15:0, which must be obeyed, 0 aligns modules, 1 asks for the memory map, 2 for what is known of the display. */
const WANTS_DISPLAY = 0x4;
const HAS_ADDRESSES = 0x1_0000;
const UNKNOWN_REQUIREMENTS = 0xfff8;

const INFO = {
  size: 120,
  memory: 0x1,
  bootDevice: 0x2,
  cmdline: 0x4,
  modules: 0x8,
  map: 0x40,
  loaderName: 0x200,
  framebuffer: 0x1000,
} as const;
/** What a PC shows without a video mode set: memory for 25 lines of 80 characters with attributes. Nobody looks at it. */
const TEXT_SCREEN = { address: 0xb_8000, pitch: 160, columns: 80, lines: 25, bits: 16, type: 2 } as const;
const MAP_ENTRY_SIZE = 24;
const MODULE_ENTRY_SIZE = 16;
const NO_BOOT_DEVICE = 0x8000_ffff;
const LOADER_NAME = 'Strata';
const BOOT_STACK = 0x7c00;

/** e_type of what can be loaded. */
const ET_EXEC = 2;
const ET_DYN = 3;

/** Longest command line, with its terminating zero. */
export const MAX_CMDLINE = 4096;

interface Header {
  readonly offset: number;
  readonly flags: number;
}

/** Finds the Multiboot header: magic, flags and a checksum that makes their sum zero. */
export function findMultibootHeader(bytes: Uint8Array): Header | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length, SEARCH_LIMIT) - HEADER_SIZE;
  for (let offset = 0; offset <= end; offset += 4) {
    if (view.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = view.getUint32(offset + 4, true);
    if (((HEADER_MAGIC + flags + view.getUint32(offset + 8, true)) & 0xffff_ffff) === 0) return { offset, flags };
  }
  return undefined;
}

/** Plans the load of a Multiboot 1 image: an ELF executable, or any file whose header carries load addresses. */
export function loadMultiboot(bytes: Uint8Array, options: BootOptions): LoadResult {
  const { name } = options;
  const header = findMultibootHeader(bytes);
  if (!header) {
    return failed(
      `${name}: no Multiboot header with a right checksum on a 4-byte boundary in the first ${SEARCH_LIMIT} bytes; put the section that holds it first in the linker script.`,
    );
  }
  if (header.flags & UNKNOWN_REQUIREMENTS) {
    return failed(
      `${name}: the Multiboot header at file offset ${hex(header.offset)} requires unknown features (flags ${hex(header.flags)}); clear bits 15:3.`,
    );
  }
  const plan = new MemoryPlan(name, options.memory);
  const loaded = header.flags & HAS_ADDRESSES ? placeByHeader(bytes, header, plan, name) : placeElf(bytes, plan, name);
  if (typeof loaded === 'string') return failed(loaded);

  const info = placeInfo(plan, options, (header.flags & WANTS_DISPLAY) !== 0);
  if (typeof info === 'string') return failed(info);
  const gdt = plan.putGdt();
  if (!gdt) return failed(noRoom(name, 'the boot descriptor table'));
  return {
    ok: true,
    image: {
      format: loaded.format,
      pieces: plan.pieces,
      bootLoader: true,
      entry: { mode: 32, rip: loaded.entry, rax: LOADER_MAGIC, rbx: info, rsp: BOOT_STACK, gdt, cr3: 0 },
    },
  };
}

function failed(error: string): LoadResult {
  return { ok: false, error };
}

function noRoom(name: string, what: string): string {
  return `${name}: no room left in RAM for ${what}; give the machine more memory.`;
}

interface Placed {
  readonly format: string;
  readonly entry: number;
}

/** Loads by the header's address fields ("a.out kludge"), whatever format the file has. Returns an error as a sentence. */
function placeByHeader(bytes: Uint8Array, header: Header, plan: MemoryPlan, name: string): Placed | string {
  const place = `${name}: the Multiboot header at file offset ${hex(header.offset)}`;
  if (header.offset + ADDRESS_HEADER_SIZE > bytes.length) return `${place} is cut off before its address fields.`;
  const view = new DataView(bytes.buffer, bytes.byteOffset + header.offset, ADDRESS_HEADER_SIZE);
  const headerAddress = view.getUint32(12, true);
  const load = view.getUint32(16, true);
  const loadEnd = view.getUint32(20, true);
  const bssEnd = view.getUint32(24, true);
  const entry = view.getUint32(28, true);

  const start = header.offset - (headerAddress - load);
  if (headerAddress < load || start < 0) {
    return `${place} has header_addr ${hex(headerAddress)} and load_addr ${hex(load)}, which put the start of the load outside the file; correct them.`;
  }
  if (loadEnd !== 0 && loadEnd < load)
    return `${place} has load_end_addr ${hex(loadEnd)} below load_addr ${hex(load)}; correct them.`;
  const fileLength = loadEnd === 0 ? bytes.length - start : loadEnd - load;
  if (start + fileLength > bytes.length) {
    return `${place} asks for ${hex(fileLength)} bytes from file offset ${hex(start)}, but the file has ${hex(bytes.length)}; it is cut off or load_end_addr is wrong.`;
  }
  if (bssEnd !== 0 && bssEnd < load + fileLength) {
    return `${place} has bss_end_addr ${hex(bssEnd)} below the end of the loaded data ${hex(load + fileLength)}; correct it.`;
  }
  const length = bssEnd === 0 ? fileLength : bssEnd - load;
  if (entry < load || entry >= load + length) {
    return `${place} has entry_addr ${hex(entry)} outside the loaded range [${hex(load)}, ${hex(load + length)}); correct it.`;
  }
  const error = plan.place('the image', BigInt(load), BigInt(length), bytes.subarray(start, start + fileLength));
  return error ?? { format: 'Multiboot image with load addresses', entry };
}

/** Loads the PT_LOAD segments at their physical addresses. Returns an error as a sentence. */
function placeElf(bytes: Uint8Array, plan: MemoryPlan, name: string): Placed | string {
  if (!isElf(bytes)) {
    return `${name}: a Multiboot image that is neither ELF nor carries load addresses (flag bit 16); link it as ELF or set them.`;
  }
  const result = readElf(bytes, name);
  if (!result.ok) return result.error;
  const { elf } = result;
  if (elf.type !== ET_EXEC && elf.type !== ET_DYN) {
    return `${name}: the ELF file is of type ${elf.type}, not an executable (2) or position-independent one (3); link it.`;
  }
  for (const segment of elf.segments) {
    const data = bytes.subarray(segment.offset, segment.offset + segment.fileSize);
    const error = plan.place(`ELF segment ${segment.index}`, segment.physical, segment.memorySize, data);
    if (error !== undefined) return error;
  }
  // The entry point is a virtual address; the processor starts without paging.
  const home = elf.segments.find((s) => elf.entry >= s.virtual && elf.entry < s.virtual + s.memorySize);
  if (!home)
    return `${name}: the ELF entry point ${hex(elf.entry)} lies in no loadable segment; name an entry symbol in the linker script.`;
  return { format: `Multiboot ELF${elf.bits}`, entry: Number(elf.entry - home.virtual + home.physical) };
}

/** Places modules, strings and tables, and the information structure itself; gives its address, or an error as a sentence. */
function placeInfo(plan: MemoryPlan, options: BootOptions, withDisplay: boolean): number | string {
  const { name } = options;
  const cmdline = cString(options.cmdline, `${name}: the command line`);
  if (typeof cmdline === 'string') return cmdline;

  const modules: { start: number; end: number; text: Uint8Array }[] = [];
  for (const module of options.modules) {
    const text = cString(module.cmdline, `${module.name}: the module's command line`);
    if (typeof text === 'string') return text;
    const start = plan.findHigh(module.bytes.length, 4096);
    if (start === undefined) {
      return `${module.name}: the module's ${hex(module.bytes.length)} bytes do not fit into ${hex(options.memory)} bytes of RAM behind the image; give the machine more memory.`;
    }
    plan.put(`module ${module.name}`, start, module.bytes);
    modules.push({ start, end: start + module.bytes.length, text });
  }

  const map = memoryMap(options.memory);
  const loaderName = new TextEncoder().encode(`${LOADER_NAME}\0`);
  const mapOffset = INFO.size;
  const modulesOffset = mapOffset + map.length * MAP_ENTRY_SIZE;
  const nameOffset = modulesOffset + modules.length * MODULE_ENTRY_SIZE;
  const cmdlineOffset = nameOffset + loaderName.length;
  let textOffset = cmdlineOffset + cmdline.length;
  const total = modules.reduce((sum, module) => sum + module.text.length, textOffset);

  const base = plan.findLow(total, 16);
  if (base === undefined) return noRoom(name, 'the Multiboot information');
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  const put = (at: number, value: number): void => view.setUint32(at, value, true);

  const always = INFO.memory | INFO.bootDevice | INFO.cmdline | INFO.modules | INFO.map | INFO.loaderName;
  put(0, always | (withDisplay ? INFO.framebuffer : 0));
  put(4, Math.min(options.memory, LOW_END) >>> 10);
  put(8, Math.max(options.memory - HIGH_START, 0) >>> 10);
  put(12, NO_BOOT_DEVICE);
  put(16, base + cmdlineOffset);
  put(20, modules.length);
  put(24, modules.length > 0 ? base + modulesOffset : 0);
  put(44, map.length * MAP_ENTRY_SIZE);
  put(48, base + mapOffset);
  put(64, base + nameOffset);
  if (withDisplay) {
    put(88, TEXT_SCREEN.address);
    put(96, TEXT_SCREEN.pitch);
    put(100, TEXT_SCREEN.columns);
    put(104, TEXT_SCREEN.lines);
    bytes[108] = TEXT_SCREEN.bits;
    bytes[109] = TEXT_SCREEN.type;
  }

  map.forEach((range, index) => {
    const at = mapOffset + index * MAP_ENTRY_SIZE;
    // The size field does not count itself.
    put(at, MAP_ENTRY_SIZE - 4);
    view.setBigUint64(at + 4, BigInt(range.base), true);
    view.setBigUint64(at + 12, BigInt(range.length), true);
    put(at + 20, range.type);
  });
  modules.forEach((module, index) => {
    const at = modulesOffset + index * MODULE_ENTRY_SIZE;
    put(at, module.start);
    put(at + 4, module.end);
    put(at + 8, base + textOffset);
    bytes.set(module.text, textOffset);
    textOffset += module.text.length;
  });
  bytes.set(loaderName, nameOffset);
  bytes.set(cmdline, cmdlineOffset);
  plan.put('the Multiboot information', base, bytes);
  return base;
}

/** UTF-8 with a terminating zero, or why not, as a sentence. */
function cString(text: string, place: string): Uint8Array | string {
  if (text.includes('\0')) return `${place} contains a zero character, which would end it; remove it.`;
  const bytes = new TextEncoder().encode(`${text}\0`);
  if (bytes.length > MAX_CMDLINE)
    return `${place} has ${bytes.length - 1} bytes; at most ${MAX_CMDLINE - 1} are allowed.`;
  return bytes;
}
