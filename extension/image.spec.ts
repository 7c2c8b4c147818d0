import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { isBootableElf, isBootableElfFile } from './image';

const folder = mkdtempSync(join(tmpdir(), 'strata-image-'));
after(() => rmSync(folder, { recursive: true }));

test('what ld links is an image, what nasm assembles is not', async () => {
  const source = join(folder, 'a.asm');
  writeFileSync(source, 'global _start\n_start: hlt\n');
  for (const [format, emulation] of [
    ['elf32', 'elf_i386'],
    ['elf64', 'elf_x86_64'],
  ] as const) {
    const object = join(folder, `${format}.o`);
    const image = join(folder, `${format}.elf`);
    execFileSync('nasm', ['-f', format, '-o', object, source]);
    execFileSync('ld', ['-m', emulation, '-o', image, object]);
    assert.equal(await isBootableElfFile(object), false);
    assert.equal(await isBootableElfFile(image), true);
  }
  assert.equal(await isBootableElfFile(source), false);
});

test("another machine's program, a cut-off header, a folder and a missing file are no images", async () => {
  const header = new Uint8Array(20);
  header.set([0x7f, 0x45, 0x4c, 0x46]);
  header.set([2, 0, 62, 0], 16);
  assert.equal(isBootableElf(header), true);
  assert.equal(isBootableElf(header.subarray(0, 19)), false);
  header[18] = 183; // EM_AARCH64
  assert.equal(isBootableElf(header), false);
  assert.equal(await isBootableElfFile(folder), false);
  assert.equal(await isBootableElfFile(join(folder, 'none.elf')), false);
});
