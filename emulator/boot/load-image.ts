import { isElf, readElf } from './elf';
import { loadFlat } from './flat';
import type { LoadResult } from './loaded-image';
import { findMultibootHeader, loadMultiboot, type BootOptions } from './multiboot';

export interface ImageOptions extends BootOptions {
  /** Set for a file without a format. */
  readonly flat?: { readonly loadAddress: number; readonly entry?: number; readonly mode?: 16 | 32 | 64 };
}

const MULTIBOOT2_MAGIC = 0xe852_50d6;
const MULTIBOOT2_SEARCH = 32768;

/** Plans the load of an image, told apart by its contents. Any bytes give a plan or a sentence, never an exception. */
export function loadImage(bytes: Uint8Array, options: ImageOptions): LoadResult {
  const { name } = options;
  if (bytes.length === 0) return { ok: false, error: `${name}: the file is empty.` };
  if (options.flat) return loadFlat(bytes, { name, memory: options.memory, ...options.flat });
  if (findMultibootHeader(bytes)) return loadMultiboot(bytes, options);
  return { ok: false, error: `${name}: ${whyNot(bytes, name)}` };
}

function whyNot(bytes: Uint8Array, name: string): string {
  if (hasMultiboot2Header(bytes))
    return 'a Multiboot 2 image, which is not supported; give it a Multiboot 1 header as well.';
  if (isElf(bytes)) {
    const elf = readElf(bytes, name);
    if (!elf.ok) return elf.error.slice(name.length + 2);
    return 'an ELF file without a Multiboot header on a 4-byte boundary in its first 8192 bytes; put the section that holds the header first in the linker script.';
  }
  if (bytes.length > 0x206 && String.fromCharCode(...bytes.subarray(0x202, 0x206)) === 'HdrS') {
    return 'a Linux kernel image, which is not supported; only Multiboot images and flat binaries are.';
  }
  return 'neither a Multiboot image nor an ELF file; if it is a flat binary, say at which address to load it.';
}

function hasMultiboot2Header(bytes: Uint8Array): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const end = Math.min(bytes.length, MULTIBOOT2_SEARCH) - 16;
  for (let offset = 0; offset <= end; offset += 8) {
    if (view.getUint32(offset, true) === MULTIBOOT2_MAGIC) return true;
  }
  return false;
}
