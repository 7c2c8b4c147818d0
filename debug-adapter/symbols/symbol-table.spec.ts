import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { Fixtures, RECIPES, type Recipe } from './fixtures';
import { SymbolTable, type LoadOptions } from './symbol-table';

const fixtures = new Fixtures();
after(() => fixtures.remove());

function recipe(name: string): Recipe {
  const found = RECIPES.find((r) => r.name === name);
  assert.ok(found !== undefined);
  return found;
}

function load(name: string, options?: LoadOptions): SymbolTable {
  const result = SymbolTable.load(fixtures.build(recipe(name)).bytes, name, options);
  assert.ok(result.ok);
  return result.value;
}

function only(addresses: readonly bigint[]): bigint {
  assert.equal(addresses.length, 1, `${addresses.length} addresses`);
  return addresses[0];
}

test('a source line leads to code and the code back to the line, in every format', () => {
  for (const { name } of RECIPES) {
    const table = load(name);
    const source = join(fixtures.directory, 'main.c');
    assert.ok(table.sources().includes(source), `${name}: ${table.sources().join(' ')}`);
    const { line, addresses } = table.lineToAddresses(source, 16);
    assert.equal(line, 16, name);
    assert.ok(addresses.length >= 1);
    assert.ok(
      addresses.every((a) => table.functionAt(a)?.name !== undefined),
      name,
    );
    const leaf = table.sources().find((s) => /leaf\.(S|asm)$/.test(s)) ?? '';
    const assembly = leaf.endsWith('.asm') ? 5 : 6;
    const at = only(table.lineToAddresses(leaf, assembly).addresses);
    assert.equal(at, table.symbolByName('leaf'));
    assert.deepEqual(table.addressToLine(at), { file: leaf, line: assembly, column: 0, isStatement: true });
  }
});

test('files are found by full path, by other spellings of it, and by their last components', () => {
  const table = load('dwarf-5');
  const { directory } = fixtures;
  const expected = table.lineToAddresses(join(directory, 'main.c'), 7);
  assert.equal(expected.line, 7);
  for (const path of [`${directory}/./sub/../main.c`, '/elsewhere/main.c', 'main.c', 'C:\\work\\main.c']) {
    assert.deepEqual(table.lineToAddresses(path, 7), expected, path);
  }
  assert.deepEqual(table.lineToAddresses('other.c', 7).addresses, []);
});

test('a line without code moves to the next within its function and not beyond', () => {
  const table = load('dwarf-4');
  assert.equal(table.lineToAddresses('main.c', 6).line, 7);
  assert.deepEqual(table.lineToAddresses('main.c', 12).addresses, []);
  assert.deepEqual(table.lineToAddresses('main.c', 900).addresses, []);
});

test('a breakpoint on the opening line of a compiled function is behind its prologue', () => {
  const table = load('dwarf-4');
  const low = table.symbolByName('add') ?? 0n;
  const at = only(table.lineToAddresses('main.c', 5).addresses);
  assert.ok(at > low);
  assert.equal(table.addressToLine(at)?.line, 7);
  assert.equal(table.bodyOf(low), at);
  assert.equal(table.bodyOf(table.symbolByName('leaf') ?? 0n), table.symbolByName('leaf'));
});

test('a statement range holds the address, one line only, and ends where another line begins', () => {
  for (const { name } of RECIPES) {
    const table = load(name);
    const low = table.symbolByName('add') ?? 0n;
    const size = table.symbolAt(low)?.size ?? 0n;
    assert.ok(size > 8n);
    for (let address = low; address < low + size; address++) {
      const range = table.statementRange(address);
      assert.ok(
        range !== undefined && range.low <= address && address < range.high,
        `${name} 0x${address.toString(16)}`,
      );
      assert.equal(table.addressToLine(address)?.line, range.line);
      assert.deepEqual(table.statementRange(range.low), range);
      assert.notEqual(table.addressToLine(range.high)?.line, range.line);
    }
  }
});

test('a load bias moves every address', () => {
  const bias = 0xffff_8000_0000_0000n;
  const flat = load('dwarf-5');
  const moved = load('dwarf-5', { loadBias: bias });
  const add = flat.symbolByName('add') ?? 0n;
  assert.equal(moved.symbolByName('add'), add + bias);
  assert.deepEqual(moved.addressToLine(add + bias), flat.addressToLine(add));
  assert.equal(moved.addressToLine(add), undefined);
  assert.deepEqual(moved.symbolAt(add + bias + 1n), flat.symbolAt(add + 1n));
  assert.equal(moved.functionAt(add + bias)?.low, add + bias);
  assert.equal(
    moved.lineToAddresses('main.c', 7).addresses[0],
    (flat.lineToAddresses('main.c', 7).addresses[0] ?? 0n) + bias,
  );
});

test('the caller of a function is found by call frame information at its first and later instructions', () => {
  for (const name of ['dwarf-5', 'i386 dwarf-5', '.debug_frame', 'nasm i386']) {
    const table = load(name);
    const width = table.machine === 'x86-64' ? 8n : 4n;
    const add = table.symbolByName('add') ?? 0n;
    const memory = (address: bigint): bigint => 0x1_0000n + address;
    const gpr = Array.from({ length: 16 }, (_, i) => BigInt(0x1000 * (i + 1)));
    const first = table.unwind(add, { rip: add, gpr }, memory);
    assert.ok(first !== undefined, name);
    assert.equal(first.cfa, gpr[4] + width);
    assert.equal(first.registers.rip, memory(gpr[4]));
    assert.equal(first.registers.gpr[4], gpr[4] + width);
    assert.equal(first.registers.gpr[5], gpr[5]);
    assert.equal(first.registers.gpr[0], undefined);
    if (name === '.debug_frame') continue;
    // At -O0, behind push RBP and mov RBP, RSP: the frame hangs on RBP.
    const body = table.bodyOf(add);
    const later = table.unwind(body, { rip: body, gpr }, memory);
    assert.equal(later?.cfa, gpr[5] + 2n * width, name);
    assert.equal(later?.registers.rip, memory(gpr[5] + width));
    assert.equal(later?.registers.gpr[5], memory(gpr[5]));
    assert.equal(
      table.unwind(body, { rip: body, gpr }, () => undefined),
      undefined,
    );
  }
});

test('a file that is no linked x86 ELF program is refused with its name and the offset', () => {
  const { bytes } = fixtures.build(recipe('dwarf-5'));
  const changed = (offset: number, value: number): Uint8Array => {
    const copy = bytes.slice();
    copy[offset] = value;
    return copy;
  };
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [new Uint8Array(0), /^x\.elf: not an ELF file \(at offset 0x0\)\.$/],
    [bytes.subarray(0, 3), /not an ELF file/],
    [bytes.subarray(0, 40), /the ELF header is cut short/],
    [bytes.subarray(0, 80), /program header 0 is outside the file \(at offset 0x40\)/],
    [bytes.subarray(0, bytes.length - 100), /(section header|section) \d+ (is|lies) outside the file|do not fit/],
    [changed(4, 3), /ELF class 3/],
    [changed(5, 2), /not a little-endian/],
    [changed(18, 40), /ELF machine 40 is not x86/],
    [changed(16, 1), /an object file whose addresses are not final; link it first/],
  ];
  for (const [content, pattern] of cases) {
    const result = SymbolTable.load(content, 'x.elf');
    assert.equal(result.ok, false);
    if (!result.ok) assert.match(result.error.message, pattern);
  }
});

/** Everything a debugger asks. */
function exercise(bytes: Uint8Array): void {
  const result = SymbolTable.load(bytes, 'mutant');
  if (!result.ok) return;
  const table = result.value;
  const functions = table.functions();
  const places = [...functions.slice(0, 8).map((f) => f.low), 0n, 0x40_1000n, 0x804_9000n, 0xffff_ffff_ffff_ffffn];
  for (const place of places) {
    for (const address of [place, place + 5n]) {
      table.addressToLine(address);
      table.statementRange(address);
      table.symbolAt(address);
      table.functionAt(address);
      table.bodyOf(address);
      table.unwind(address, { rip: address, gpr: Array.from({ length: 16 }, () => 0x1000n) }, (a) => a);
    }
  }
  for (const source of table.sources().slice(0, 8)) {
    table.linesOf(source);
    for (const line of [0, 1, 7, 16]) table.lineToAddresses(source, line);
  }
  table.symbolByName('no such symbol');
}

test('a damaged or cut file is refused or read in part, quickly, never a crash', () => {
  const names = ['dwarf-4', 'dwarf-5 -O2', '64-bit dwarf-5', 'i386 dwarf-4', 'compressed', 'GNU-compressed', 'nasm'];
  const programs = names.map((name) => fixtures.build(recipe(name)).bytes);
  const mutation = fc.record({
    program: fc.nat(programs.length - 1),
    changes: fc.array(
      fc.tuple(
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 0x7f, 0x80, 0xff)),
      ),
      {
        minLength: 1,
        maxLength: 12,
      },
    ),
    run: fc.constantFrom(1, 1, 4, 16),
    cut: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { freq: 6 }),
  });
  let slowest = 0;
  fc.assert(
    fc.property(mutation, ({ program, changes, run, cut }) => {
      const bytes = programs[program].slice();
      for (const [where, value] of changes) {
        const at = Math.floor(where * (bytes.length - 1));
        bytes.fill(value, at, Math.min(at + run, bytes.length));
      }
      const started = performance.now();
      exercise(cut === null ? bytes : bytes.subarray(0, Math.floor(cut * bytes.length)));
      slowest = Math.max(slowest, performance.now() - started);
    }),
    { seed: 20261122, numRuns: 2000, verbose: 1 },
  );
  assert.ok(slowest < 2000, `the slowest took ${slowest.toFixed(0)} ms`);
});
