import assert from 'node:assert/strict';
import { test } from 'node:test';
import { folderDistance, imagesOf } from './nearest';

test('distance counts the folders between two files', () => {
  assert.equal(folderDistance('/w/a/boot.asm', '/w/a/kernel.elf'), 0);
  assert.equal(folderDistance('/w/a/boot.asm', '/w/a/build/kernel.elf'), 1);
  assert.equal(folderDistance('/w/a/boot.asm', '/w/b/kernel.elf'), 2);
});

test('a source belongs to the images in its own folder before any around it', () => {
  const images = ['/w/x/build/x.elf', '/w/y/build/y.elf', '/w/y/other/build/deep/z.elf'];
  assert.deepEqual(imagesOf('/w/x/boot.asm', images), ['/w/x/build/x.elf']);
  assert.deepEqual(imagesOf('/w/y/main.c', images), ['/w/y/build/y.elf', '/w/y/other/build/deep/z.elf']);
});

test('a source in a folder below its image finds it in a folder around it', () => {
  assert.deepEqual(imagesOf('/w/x/src/arch/boot.asm', ['/w/x/build/x.elf', '/w/y/y.elf']), ['/w/x/build/x.elf']);
});

test('a folder whose name begins like another is another folder', () => {
  assert.deepEqual(imagesOf('/w/vmx/boot.asm', ['/w/vmx-two/x.elf', '/w/vmx/x.elf']), ['/w/vmx/x.elf']);
});

test('a source with no image around it belongs to none', () => {
  assert.deepEqual(imagesOf('/w/x/boot.asm', []), []);
});
