import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { SEG, Processor } from '../cpu/processor';
import { RAM_BASE } from '../state/layout';
import { MachineMemory } from '../state/memory';
import { CPU_MODELS } from '../tables/cpu-models';
import { readElf } from './elf';
import { loadFlat } from './flat';
import { loadImage, type ImageOptions } from './load-image';
import { placeImage, type LoadedImage } from './loaded-image';
import { MAX_CMDLINE } from './multiboot';

const MEMORY = 16 << 20;
const OPTIONS: ImageOptions = { name: 'kernel.elf', memory: MEMORY, cmdline: 'one two', modules: [] };

const SOURCE = `
  .section .multiboot, "a"
  .long 0x1BADB002, 3, -(0x1BADB002 + 3)
  .text
  .globl _start
_start: mov $marker, %eax
  hlt
  .data
marker: .asciz "marker"
  .bss
  .skip 12345
`;
const SCRIPT = `ENTRY(_start)
SECTIONS { . = 0x100000; .text : { *(.multiboot) *(.text) } .data ALIGN(0x1000) : { *(.data) } .bss : { *(.bss) }
  /DISCARD/ : { *(.note*) *(.comment) } }`;
/** Header with address fields: the image is loaded at 0x200000. */
const KLUDGE = `
  .org 0x20
header: .long 0x1BADB002, 0x10003, -(0x1BADB002 + 0x10003)
  .long 0x200020, 0x200000, 0, 0x209000, 0x200040
  .org 0x40
  hlt
`;

let folder: string;
let elf32: Uint8Array;
let elf64: Uint8Array;
let kludge: Uint8Array;

function build(bits: 32 | 64): Uint8Array {
  const file = (name: string): string => join(folder, name);
  writeFileSync(file('k.s'), SOURCE);
  writeFileSync(file('k.ld'), SCRIPT);
  execFileSync(
    'gcc',
    [
      `-m${bits}`,
      '-nostdlib',
      '-static',
      '-ffreestanding',
      '-no-pie',
      '-Wl,-z,max-page-size=0x1000',
      '-Wl,--build-id=none',
      '-T',
      file('k.ld'),
      '-o',
      file(`k${bits}`),
      file('k.s'),
    ],
    { stdio: 'pipe' },
  );
  return readFileSync(file(`k${bits}`));
}

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'boot-'));
  elf32 = build(32);
  elf64 = build(64);
  writeFileSync(join(folder, 'a.s'), KLUDGE);
  execFileSync('as', ['--32', '-o', join(folder, 'a.o'), join(folder, 'a.s')]);
  execFileSync('objcopy', ['-O', 'binary', '-j', '.text', join(folder, 'a.o'), join(folder, 'a.bin')]);
  kludge = readFileSync(join(folder, 'a.bin'));
});
after(() => rmSync(folder, { recursive: true }));

function loaded(bytes: Uint8Array, options: Partial<ImageOptions> = {}): LoadedImage {
  const result = loadImage(bytes, { ...OPTIONS, ...options });
  assert.ok(result.ok, result.ok ? '' : result.error);
  return result.image;
}

function refused(bytes: Uint8Array, pattern: RegExp, options: Partial<ImageOptions> = {}): void {
  const result = loadImage(bytes, { ...OPTIONS, ...options });
  assert.ok(!result.ok, 'the image was accepted');
  assert.match(result.error, pattern);
}

function machineWith(image: LoadedImage): Processor {
  const memory = new MachineMemory(MEMORY);
  memory.u8.fill(0xcc, RAM_BASE, RAM_BASE + 0x40_0000);
  const cpu = new Processor(memory, CPU_MODELS.strata);
  placeImage(cpu, image);
  return cpu;
}

const text = (cpu: Processor, at: number): string => {
  const { u8 } = cpu.memory;
  return Buffer.from(u8.subarray(RAM_BASE + at, u8.indexOf(0, RAM_BASE + at))).toString();
};

/** Segments as readelf prints them. */
function readelfSegments(bits: 32 | 64): { offset: number; physical: number; fileSize: number; memorySize: number }[] {
  const out = execFileSync('readelf', ['-lW', join(folder, `k${bits}`)], { encoding: 'utf8' });
  return [...out.matchAll(/^\s+LOAD\s+(\w+)\s+(\w+)\s+(\w+)\s+(\w+)\s+(\w+)/gm)].map((m) => ({
    offset: Number(m[1]),
    physical: Number(m[3]),
    fileSize: Number(m[4]),
    memorySize: Number(m[5]),
  }));
}

for (const bits of [32, 64] as const) {
  test(`an ELF${bits} Multiboot image built by gcc lies in RAM as readelf describes it, with zeroed bss`, () => {
    const bytes = bits === 32 ? elf32 : elf64;
    const image = loaded(bytes);
    assert.equal(image.format, `Multiboot ELF${bits}`);
    const cpu = machineWith(image);
    const segments = readelfSegments(bits);
    assert.ok(segments.length >= 1);
    for (const segment of segments) {
      const at = RAM_BASE + segment.physical;
      const inRam = cpu.memory.u8.subarray(at, at + segment.memorySize);
      const expected = new Uint8Array(segment.memorySize);
      expected.set(bytes.subarray(segment.offset, segment.offset + segment.fileSize));
      assert.deepEqual(inRam, expected);
    }
    assert.equal(cpu.memory.u8[RAM_BASE + 0x30_0000], 0xcc, 'RAM outside the image is untouched');
  });

  test(`an ELF${bits} Multiboot image starts with the state the specification asks for`, () => {
    const cpu = machineWith(loaded(bits === 32 ? elf32 : elf64));
    const entry = execFileSync('readelf', ['-h', join(folder, `k${bits}`)], { encoding: 'utf8' }).match(
      /Entry point address:\s+(\w+)/,
    );
    assert.equal(cpu.rip, BigInt(entry?.[1] ?? -1));
    assert.equal(cpu.gpr32(0), 0x2bad_b002);
    assert.equal(cpu.cr0 & 0x8000_0001n, 1n, 'PE set, PG clear');
    assert.equal(cpu.rflags & 0x2_0200, 0, 'IF and VM clear');
    assert.equal(cpu.efer, 0n);
    assert.equal(cpu.cpl, 0);
    for (const segment of [SEG.CS, SEG.DS, SEG.ES, SEG.FS, SEG.GS, SEG.SS]) {
      assert.equal(cpu.base(segment), 0n);
      assert.equal(cpu.limit(segment), 0xffff_ffff);
      assert.equal(cpu.access(segment) & 0xf000, 0xc000, 'G and D set, L clear');
      // The descriptor behind the selector says the same, so that a guest may reload it.
      const gdt = cpu.memory.read64(loaded(bits === 32 ? elf32 : elf64).entry.gdt.base + cpu.selector(segment));
      assert.equal(Number((gdt >> 40n) & 0xffn), cpu.access(segment) & 0xff);
    }
  });
}

test('the Multiboot information gives memory, command line, modules, map and loader name', () => {
  const modules = [
    { name: 'a.mod', bytes: Uint8Array.of(1, 2, 3), cmdline: 'a.mod first' },
    { name: 'b.mod', bytes: new Uint8Array(5000).fill(7), cmdline: 'b.mod' },
    { name: 'empty', bytes: new Uint8Array(0), cmdline: '' },
  ];
  const cpu = machineWith(loaded(elf32, { modules, cmdline: 'gr\u00fc\u00df dich' }));
  const { memory } = cpu;
  const info = cpu.gpr32(3);
  assert.equal(info % 4, 0);
  const word = (offset: number): number => memory.read32(info + offset);
  assert.equal(word(0) & 0x24d, 0x24d);
  assert.equal(word(4), 639);
  assert.equal(word(8), (MEMORY >> 10) - 1024);
  assert.equal(text(cpu, word(16)), 'gr\u00fc\u00df dich');
  assert.equal(text(cpu, word(64)), 'Strata');
  assert.equal(word(20), 3);
  const imageEnd = Math.max(...readelfSegments(32).map((segment) => segment.physical + segment.memorySize));
  modules.forEach((module, index) => {
    const entry = word(24) + index * 16;
    const start = memory.read32(entry);
    const end = memory.read32(entry + 4);
    assert.equal(start % 4096, 0);
    assert.ok(start >= imageEnd);
    assert.deepEqual(memory.readBytes(start, end - start), module.bytes);
    assert.equal(text(cpu, memory.read32(entry + 8)), module.cmdline);
  });
  // Walk the map as a guest does; usable RAM is all but the 640 KiB hole.
  let usable = 0n;
  for (let at = word(48); at < word(48) + word(44); at += memory.read32(at) + 4) {
    if (memory.read32(at + 20) === 1) usable += memory.read64(at + 12);
  }
  assert.equal(usable, BigInt(MEMORY - 0x10_0000 + 0x9_fc00));
});

test('an image with load addresses in its header is loaded by them', () => {
  const cpu = machineWith(loaded(kludge));
  assert.equal(cpu.rip, 0x20_0040n);
  assert.equal(cpu.memory.u8[RAM_BASE + 0x20_0040], 0xf4);
  assert.equal(cpu.memory.u8[RAM_BASE + 0x20_8fff], 0, 'bss is cleared');
  assert.equal(cpu.memory.u8[RAM_BASE + 0x20_9000], 0xcc);
});

test('a flat binary starts at its entry in the mode asked for', () => {
  for (const mode of [16, 32, 64] as const) {
    const result = loadFlat(Uint8Array.of(0x90, 0xf4), {
      name: 'f',
      memory: MEMORY,
      loadAddress: 0x1_2340,
      entry: 0x1_2341,
      mode,
    });
    assert.ok(result.ok);
    const cpu = machineWith(result.image);
    assert.equal(cpu.base(SEG.CS) + cpu.rip, 0x1_2341n);
    assert.equal(cpu.is64Bit, mode === 64);
    assert.equal(cpu.cr0 & 1n, mode === 16 ? 0n : 1n);
  }
});

const patched = (bytes: Uint8Array, patch: (view: DataView) => void): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  patch(new DataView(copy.buffer));
  return copy;
};

test('a damaged image is refused with a sentence that names file, place and remedy', () => {
  refused(new Uint8Array(0), /^kernel\.elf: the file is empty\.$/);
  refused(elf32.subarray(0, 20), /header is cut off at 20 of 52 bytes/);
  refused(elf64.subarray(0, 0x1000 + 30), /cut off|program header/);
  for (const elf of [elf32, elf64]) {
    refused(elf.subarray(0, elf.length - 1), /section headers at file offset 0x[0-9a-f]+ lie outside .* it is cut off/);
  }
  refused(Uint8Array.of(1, 2, 3, 4), /neither a Multiboot image nor an ELF file/);
  refused(readFileSync('/bin/true'), /ELF file without a Multiboot header/);
  refused(
    patched(elf32, (v) => v.setUint16(18, 40, true)),
    /machine 40/,
  );
  refused(
    patched(elf64, (v) => v.setUint8(5, 2)),
    /little-endian/,
  );
  refused(
    patched(elf64, (v) => v.setBigUint64(24, 1n << 63n, true)),
    /entry point 0x8000000000000000 lies in no loadable segment/,
  );
  // e_phoff, then p_filesz, p_memsz, p_paddr, p_offset of the first program header (at 64).
  refused(
    patched(elf64, (v) => v.setBigUint64(32, (1n << 64n) - 8n, true)),
    /program headers at file offset 0xfffffffffffffff8/,
  );
  refused(
    patched(elf64, (v) => v.setBigUint64(64 + 32, 1n << 63n, true)),
    /program header 0 takes 0x8000000000000000 bytes/,
  );
  refused(
    patched(elf64, (v) => v.setBigUint64(64 + 40, 1n << 63n, true)),
    /segment 0 needs physical memory .* RAM ends at 0x1000000/,
  );
  refused(
    patched(elf64, (v) => v.setBigUint64(64 + 24, (1n << 64n) - 4096n, true)),
    /segment 0 needs physical memory/,
  );
  refused(
    patched(elf64, (v) => v.setBigUint64(64 + 8, (1n << 64n) - 1n, true)),
    /program header 0 takes/,
  );
  refused(
    patched(elf64, (v) => v.setBigUint64(64 + 40, 1n, true)),
    /only 0x1 in memory/,
  );
  refused(
    patched(elf32, (v) => v.setUint32(52 + 12, 0xa_0000, true)),
    /the PC reserves/,
  );
  refused(
    patched(elf32, (v) => v.setUint16(44, 0, true)),
    /no program headers/,
  );
});

test('a Multiboot header with a wrong checksum does not count, one with unknown requirements is refused', () => {
  const at = Buffer.from(elf32).indexOf(Buffer.from([0x02, 0xb0, 0xad, 0x1b]));
  refused(
    patched(elf32, (v) => v.setUint32(at + 8, 0, true)),
    /without a Multiboot header/,
  );
  refused(
    patched(elf32, (v) => {
      v.setUint32(at + 4, 0x8003, true);
      v.setUint32(at + 8, -(0x1bad_b002 + 0x8003), true);
    }),
    /unknown features \(flags 0x8003\)/,
  );
});

test('load addresses that contradict each other or the file are refused', () => {
  const field = (index: number, value: number): Uint8Array =>
    patched(kludge, (v) => v.setUint32(0x20 + 12 + index * 4, value, true));
  refused(field(0, 0x1f_0000), /header_addr 0x1f0000 and load_addr 0x200000/);
  refused(field(0, 0x20_1000), /outside the file/);
  refused(field(2, 0x1f_ffff), /load_end_addr/);
  refused(field(2, 0xffff_ffff), /asks for/);
  refused(field(3, 0x20_0001), /bss_end_addr/);
  refused(field(3, 0xffff_fff0), /RAM ends at/);
  refused(field(4, 0x30_0000), /entry_addr/);
});

test('modules and command lines that do not fit are refused', () => {
  const module = { name: 'big.img', bytes: new Uint8Array(MEMORY), cmdline: '' };
  refused(elf32, /^big\.img: the module's 0x1000000 bytes do not fit/, { modules: [module] });
  refused(elf32, /the command line has 4096 bytes; at most 4095/, { cmdline: 'x'.repeat(MAX_CMDLINE) });
  refused(elf32, /zero character/, { cmdline: 'a\0b' });
  refused(elf32, /RAM ends at 0x10000/, { memory: 0x1_0000 });
});

test('whatever is done to an ELF file, the loader gives either a sentence or a plan that fits in RAM without overlaps', () => {
  const interesting = fc.constantFrom(0, 1, 0x7f, 0x80, 0xff);
  const mutation = fc.record({
    at: fc.nat(200),
    value: fc.oneof(interesting, fc.nat(255)),
    run: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(32, 64, 1),
      fc.array(mutation, { maxLength: 4 }),
      fc.option(fc.nat(9000)),
      (kind, mutations, cut) => {
        const bytes = Uint8Array.from(kind === 32 ? elf32 : kind === 64 ? elf64 : kludge);
        for (const { at, value, run } of mutations) bytes.fill(value, at, at + run);
        const file = cut === null ? bytes : bytes.subarray(0, cut);
        readElf(file, 'f');
        const result = loadImage(file, OPTIONS);
        if (!result.ok) {
          assert.match(result.error, /^kernel\.elf: [^\n]+\.$/);
          return;
        }
        const pieces = [...result.image.pieces].sort((a, b) => a.physical - b.physical);
        pieces.forEach((piece, index) => {
          assert.ok(
            piece.physical >= 0 && piece.bytes.length <= piece.length && piece.physical + piece.length <= MEMORY,
          );
          assert.ok(index === 0 || pieces[index - 1].physical + pieces[index - 1].length <= piece.physical);
        });
        assert.ok(result.image.entry.rip < MEMORY);
      },
    ),
    { numRuns: 1500, seed: 7 },
  );
});
