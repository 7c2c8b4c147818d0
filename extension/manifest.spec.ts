import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { breakpointContribution, debuggerContribution } from './manifest';

const root = resolve(import.meta.dirname, '..');

interface Manifest {
  readonly icon: string;
  readonly contributes: {
    readonly debuggers: readonly unknown[];
    readonly breakpoints: readonly { readonly language: string }[];
    readonly commands: readonly { readonly command: string }[];
    readonly menus: Readonly<Record<string, readonly { readonly command: string }[]>>;
    readonly languages: readonly {
      readonly id: string;
      readonly extensions: readonly string[];
      readonly configuration: string;
    }[];
    readonly grammars: readonly { readonly language: string; readonly path: string }[];
  };
}
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
const { contributes } = manifest;

test('package.json shows the launch settings the adapter checks; scripts/manifest.ts writes them', () => {
  assert.deepEqual(contributes.debuggers, [JSON.parse(JSON.stringify(debuggerContribution))]);
  assert.deepEqual(contributes.breakpoints, breakpointContribution);
});

test('a line of assembly can hold a breakpoint where nobody else owns the language', () => {
  const ids = contributes.breakpoints.map(({ language }) => language);
  for (const { id } of contributes.languages) assert.ok(ids.includes(id), id);
  const extensions = contributes.languages.flatMap((language) => language.extensions);
  for (const extension of ['.asm', '.nasm', '.s', '.S']) assert.ok(extensions.includes(extension), extension);
});

test('everything package.json names is there', () => {
  const files = [
    manifest.icon,
    ...contributes.languages.map((l) => l.configuration),
    ...contributes.grammars.map((g) => g.path),
  ];
  for (const file of files) assert.ok(existsSync(join(root, file)), file);
  const commands = contributes.commands.map(({ command }) => command);
  for (const item of Object.values(contributes.menus).flat()) assert.ok(commands.includes(item.command), item.command);
});
