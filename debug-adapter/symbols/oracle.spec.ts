import assert from 'node:assert/strict';
import { basename } from 'node:path';
import { after, test } from 'node:test';
import { CallFrames, type FrameRow, type RegisterRule } from './call-frames';
import { ElfFile } from './elf';
import { Fixtures, RECIPES, run } from './fixtures';
import { ROW_STATEMENT } from './line-program';
import { SymbolTable } from './symbol-table';

const fixtures = new Fixtures();
after(() => fixtures.remove());

function load(bytes: Uint8Array, name: string): SymbolTable {
  const result = SymbolTable.load(bytes, name);
  assert.ok(result.ok, result.ok ? '' : result.error.message);
  assert.deepEqual(result.value.problems, []);
  return result.value;
}

/** Rows as `file line address statement`, ends of sequences as `file - address`. */
function readelfRows(path: string): readonly string[] {
  const rows: string[] = [];
  for (const line of run('readelf', ['-W', '--debug-dump=decodedline', path]).split('\n')) {
    const match = /^(\S+)\s+(\d+|-)\s+(0x[0-9a-f]+|0)(?:\[\d+\])?\s*(.*)$/.exec(line);
    if (match === null) continue;
    const [, file, number, address, rest] = match;
    rows.push(`${basename(file)} ${number} ${BigInt(address)} ${number !== '-' && rest.includes('x')}`);
  }
  return rows;
}

function ownRows(table: SymbolTable): readonly string[] {
  return table.tables.flatMap(({ table: lines }) =>
    lines.sequences.flatMap((sequence) => {
      const rows: string[] = [];
      let last = '';
      sequence.lines.forEach((line, i) => {
        last = basename(lines.files[sequence.files[i]]?.name ?? '?');
        rows.push(`${last} ${line} ${sequence.addresses[i]} ${(sequence.flags[i] & ROW_STATEMENT) !== 0}`);
      });
      return [...rows, `${last} - ${sequence.high} false`];
    }),
  );
}

for (const recipe of RECIPES) {
  test(`line rows of ${recipe.name} are those of readelf`, () => {
    const { path, bytes } = fixtures.build(recipe);
    const expected = readelfRows(path);
    assert.ok(expected.length > 15, `readelf shows only ${expected.length} rows`);
    assert.deepEqual(ownRows(load(bytes, recipe.name)), expected);
  });

  test(`symbols of ${recipe.name} are those of readelf`, () => {
    const { path, bytes } = fixtures.build(recipe);
    const table = load(bytes, recipe.name);
    let compared = 0;
    for (const line of run('readelf', ['-W', '-s', path]).split('\n')) {
      const match = /^\s*\d+: ([0-9a-f]+)\s+(\d+) (FUNC|OBJECT|NOTYPE)\s+(GLOBAL|LOCAL)\s+\S+\s+(\d+) (\S+)$/.exec(
        line,
      );
      if (match === null) continue;
      const [, value, size, type, , , name] = match;
      const address = BigInt(`0x${value}`);
      assert.equal(table.symbolByName(name), address, name);
      compared++;
      if (type !== 'FUNC' || size === '0') continue;
      const inside = BigInt(size) - 1n;
      assert.deepEqual(table.symbolAt(address + inside), { name, offset: inside, size: BigInt(size) });
    }
    assert.ok(compared >= 6, `${compared} symbols`);
  });

  test(`call frame rows of ${recipe.name} are those of readelf`, () => {
    const { path, bytes } = fixtures.build(recipe);
    const elf = ElfFile.parse(bytes, recipe.name);
    assert.ok(elf.ok);
    const frames = new CallFrames(elf.value);
    let columns: readonly string[] = [];
    let compared = 0;
    let isCommon = false;
    for (const line of run('readelf', ['-W', '--debug-dump=frames-interp', path]).split('\n')) {
      if (/ CIE | FDE /.test(line)) isCommon = line.includes(' CIE ');
      else if (/^\s+LOC\s/.test(line)) columns = line.trim().split(/\s+/);
      else if (/^[0-9a-f]{8,16} \S/.test(line) && !isCommon) {
        const [location, ...cells] = line.trim().split(/\s+/);
        const row = frames.rowAt(BigInt(`0x${location}`));
        assert.ok(row !== undefined, line);
        const names = columns.slice(1);
        assert.deepEqual(
          cellsOf(row, names, elf.value.bits === 64),
          Object.fromEntries(names.map((n, i) => [n, cells[i]])),
          line,
        );
        compared++;
      }
    }
    assert.ok(compared >= (recipe.flags.includes('-O2') ? 1 : 4), `${compared} rows`);
  });
}

// GNU's own reader (2.40) does not find its way in the 64-bit format.
for (const recipe of RECIPES.filter((r) => !r.flags.includes('-gdwarf64'))) {
  test(`functions and inlined calls of ${recipe.name} are those of addr2line`, () => {
    const { path, bytes } = fixtures.build(recipe);
    const table = load(bytes, recipe.name);
    const addresses = new Set(table.tables.flatMap((t) => t.table.sequences.flatMap((s) => [...s.addresses])));
    let inlined = 0;
    for (const address of addresses) {
      const found = table.functionAt(address);
      // Assembly has no subprograms except those gas invents, and the padding between functions has none.
      const isC = table.addressToLine(address)?.file.includes('leaf') === false;
      if (!isC || table.symbolAt(address) === undefined) continue;
      assert.ok(found !== undefined, `no function at 0x${address.toString(16)}`);
      const output = run('addr2line', ['-f', '-i', '-e', path, `0x${address.toString(16)}`])
        .trim()
        .split('\n');
      const expected = output.filter((_, i) => i % 2 === 0);
      assert.deepEqual([...found.inlined.map((f) => f.name), found.name], expected, `at 0x${address.toString(16)}`);
      found.inlined.forEach((frame, i) => {
        inlined++;
        const [file, line] = output[2 * i + 3].split(':');
        assert.equal(`${basename(frame.callFile ?? '')}:${frame.callLine}`, `${basename(file)}:${parseInt(line, 10)}`);
      });
    }
    assert.ok(inlined > 0, 'the fixture has an inlined call');
  });
}

test('the 64-bit format tells the same functions and inlined calls as the 32-bit format', () => {
  const recipes = ['64-bit dwarf-5', 'compressed'].map((name) => RECIPES.filter((r) => r.name === name)).flat();
  const [wide, narrow] = recipes.map((recipe) => load(fixtures.build(recipe).bytes, recipe.name));
  const addresses = narrow.tables.flatMap((t) => t.table.sequences.flatMap((s) => [...s.addresses]));
  assert.ok(addresses.some((address) => (narrow.functionAt(address)?.inlined.length ?? 0) > 0));
  for (const address of addresses) assert.deepEqual(wide.functionAt(address), narrow.functionAt(address));
  assert.deepEqual(wide.functions(), narrow.functions());
});

const NAMES_64 = [
  'rax',
  'rdx',
  'rcx',
  'rbx',
  'rsi',
  'rdi',
  'rbp',
  'rsp',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];
const NAMES_32 = ['eax', 'ecx', 'edx', 'ebx', 'esp', 'ebp', 'esi', 'edi'];

/** A row as readelf prints it: CFA and the asked registers. */
function cellsOf(row: FrameRow, columns: readonly string[], is64: boolean): Readonly<Record<string, string>> {
  const names = is64 ? NAMES_64 : NAMES_32;
  const cells: Record<string, string> = {};
  for (const column of columns) {
    if (column === 'CFA') {
      cells[column] = row.cfa.kind === 'register' ? `${names[row.cfa.register]}${signed(row.cfa.offset)}` : 'exp';
      continue;
    }
    cells[column] = cellOf(row.rules.get(column === 'ra' ? row.returnRegister : names.indexOf(column)));
  }
  return cells;
}

function cellOf(rule: RegisterRule | undefined): string {
  if (rule === undefined || rule.kind === 'undefined') return 'u';
  if (rule.kind === 'expression') return 'exp';
  return rule.kind === 'offset' ? `c${signed(rule.offset)}` : rule.kind;
}

function signed(offset: bigint): string {
  return offset < 0n ? `${offset}` : `+${offset}`;
}
