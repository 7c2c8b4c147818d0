import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

const vsix = process.env.STRATA_VSIX ?? 'strata.vsix';

/** Names in the central directory of a ZIP file. */
function zipNames(file: string): readonly string[] {
  const bytes = readFileSync(file);
  const names: string[] = [];
  for (let at = bytes.indexOf('PK\x01\x02'); at >= 0;) {
    if (bytes.readUInt32LE(at) !== 0x02014b50) break;
    const [name, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    names.push(bytes.toString('utf8', at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
  }
  return names;
}

test('the package holds what runs and what the marketplace shows, and nothing else', () => {
  const inside = zipNames(vsix).filter((name) => name.startsWith('extension/'));
  const expected = [
    'LICENSE.txt',
    'changelog.md',
    'dist/debug-adapter.js',
    'dist/extension.js',
    'dist/iced_x86_bg.wasm',
    'dist/licenses.txt',
    'extension/icon.png',
    'package.json',
    'readme.md',
    'syntaxes/gas.language-configuration.json',
    'syntaxes/gas.tmLanguage.json',
    'syntaxes/nasm.language-configuration.json',
    'syntaxes/nasm.tmLanguage.json',
  ];
  assert.deepEqual(inside.map((name) => name.slice('extension/'.length)).sort(), expected.sort());
});
