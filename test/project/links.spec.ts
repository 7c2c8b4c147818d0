import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const ROOT = join(__dirname, '..', '..');
const tracked = execFileSync('git', ['ls-files', '-z'], { cwd: ROOT, encoding: 'utf8' }).split('\0').filter(Boolean);
const pages = tracked.filter((file) => file.endsWith('.md') && existsSync(join(ROOT, file)));

/** Targets of inline links and images, without those of other sites. */
function links(markdown: string): readonly string[] {
  const prose = markdown.replace(/^```[^]*?^```/gm, '');
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target).filter((target) => !/^\w+:/.test(target));
}

/** Ids of a page's headings, as GitHub makes them. */
function anchors(markdown: string): ReadonlySet<string> {
  const titles = [...markdown.matchAll(/^#+ (.*)$/gm)].map(([, title]) => title.toLowerCase());
  return new Set(titles.map((title) => title.replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')));
}

/** Places in backticks: `folder/` or `folder/file.ext`, from the root or, in decisions, from emulator/ on. */
function places(markdown: string): readonly string[] {
  return [...markdown.matchAll(/`((?:[\w-]+\/)+(?:[\w-]+\.(?:ts|mjs|md|c|h|asm|S))?)`/g)].map(([, place]) => place);
}

test('every link of a page leads to a file or heading of the repository', () => {
  const broken = pages.flatMap((page) =>
    links(readFileSync(join(ROOT, page), 'utf8')).filter((link) => {
      const [path, anchor] = link.split('#');
      const target = path === '' ? page : normalize(join(dirname(page), path));
      if (!existsSync(join(ROOT, target))) return true;
      return anchor !== undefined && !anchors(readFileSync(join(ROOT, target), 'utf8')).has(anchor);
    }),
  );
  assert.deepEqual(broken, []);
});

test('every folder and file that the architecture, the decisions and CONTRIBUTING name is there', () => {
  const sources = pages.filter((page) => page.startsWith('docs/') || page === 'CONTRIBUTING.md');
  assert.ok(sources.length > 5);
  const roots = ['', 'emulator/'];
  const missing = sources.flatMap((page) =>
    places(readFileSync(join(ROOT, page), 'utf8'))
      .filter((place) => !place.startsWith('dist/'))
      .filter((place) => !roots.some((root) => existsSync(join(ROOT, root, place))))
      .map((place) => `${page}: ${place}`),
  );
  assert.deepEqual(missing, []);
});

test('what the README of hello-vmx says it prints is what the test expects of it', () => {
  const readme = readFileSync(join(ROOT, 'samples/hello-vmx/README.md'), 'utf8');
  const printed = readme
    .split('## What it prints\n')[1]
    .split('\n')
    .flatMap((line) => /^ {4}(.*)$/.exec(line)?.[1] ?? []);
  const expected = readFileSync(join(ROOT, 'samples/hello-vmx/expected-output.txt'), 'utf8').trimEnd().split('\n');
  assert.deepEqual(
    printed.filter((line) => !line.startsWith('~')),
    expected.filter((line) => !line.startsWith('~')),
  );
});
