import { open } from 'node:fs/promises';

/** Files a person writes guests and VMMs in: F5 on one of them means the image built from it. */
export const SOURCE_EXTENSIONS: ReadonlySet<string> = new Set(
  '.asm .nasm .s .inc .c .h .cc .cpp .cxx .hpp .hh .rs .zig .ld'.split(' '),
);

const ELF_MAGIC = 0x7f454c46;
const EM_386 = 3;
const EM_X86_64 = 62;
const ET_EXEC = 2;
const ET_DYN = 3;

/** Whether the first bytes of a file are those of an x86 program in ELF: linked, not an object file, not another machine's. */
export function isBootableElf(start: Uint8Array): boolean {
  if (start.length < 20) return false;
  const view = new DataView(start.buffer, start.byteOffset, start.byteLength);
  const type = view.getUint16(16, true);
  const machine = view.getUint16(18, true);
  return (
    view.getUint32(0) === ELF_MAGIC &&
    (type === ET_EXEC || type === ET_DYN) &&
    (machine === EM_386 || machine === EM_X86_64)
  );
}

/** Whether a file is an x86 program in ELF; false too if it cannot be read. */
export async function isBootableElfFile(path: string): Promise<boolean> {
  try {
    const file = await open(path);
    try {
      const start = new Uint8Array(20);
      const { bytesRead } = await file.read(start, 0, start.length, 0);
      return isBootableElf(start.subarray(0, bytesRead));
    } finally {
      await file.close();
    }
  } catch {
    return false;
  }
}
