/** A random guest: contents of memory, a mode, and the state of every unit. Everything follows from the seed. */
import type { LoadedImage, Piece } from '../../emulator/boot/loaded-image';
import type { SegmentName } from '../../emulator/state/layout';
import type { Random } from '../host-oracle/random';
import { randomCode, type CodeSize } from './instructions';
import { CODE_SIZE, PLACE, SELECTOR, VMX_PAGE } from './layout';
import { Prologue } from './prologue';

export const MODES = [
  'real',
  'big-real',
  'protected-16',
  'protected-32',
  'user-32',
  'virtual-8086',
  'compatibility-16',
  'compatibility-32',
  'long',
  'long-user',
] as const;
export type Mode = (typeof MODES)[number];

export const PAGINGS = ['none', '32-bit', 'PAE', '4-level', '5-level'] as const;
export type Paging = (typeof PAGINGS)[number];

export const isLong = (mode: Mode): boolean => mode.startsWith('long') || mode.startsWith('compatibility');
export const isReal = (mode: Mode): boolean => mode.endsWith('real');

export const codeSizeOf = (mode: Mode): CodeSize => (mode.startsWith('long') ? 64 : mode.endsWith('32') ? 32 : 16);

/** The pagings a mode goes with. */
export const pagingsOf = (mode: Mode): readonly Paging[] =>
  isReal(mode) ? ['none'] : isLong(mode) ? ['4-level', '5-level'] : ['none', '32-bit', 'PAE'];

/** A segment as the VMCS and the debugger have it. */
export interface Segment {
  readonly selector: number;
  readonly base: bigint;
  readonly limit: number;
  readonly access: number;
}

export interface Registers {
  readonly rip: bigint;
  readonly rflags: bigint;
  readonly gprs: readonly bigint[];
  readonly segments: ReadonlyMap<SegmentName, Segment>;
}

const piece = (what: string, physical: number, bytes: Uint8Array): Piece => ({
  what,
  physical,
  length: bytes.length,
  bytes,
});
const quads = (values: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);
const words = (values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer);

const inCode = (random: Random): bigint => BigInt(PLACE.code + random.below(CODE_SIZE));

/** What a gate leads to. */
const codeSelector = (random: Random, long: boolean): bigint =>
  BigInt(
    random.oneIn(8)
      ? random.below(0x200)
      : long
        ? SELECTOR.code64
        : random.pick([SELECTOR.code32, SELECTOR.code32, SELECTOR.code16]),
  );

/** A gate of any type a table may hold. */
function gate(random: Random, long: boolean, types: readonly number[]): readonly bigint[] {
  const access = random.oneIn(20) ? random.below(256) : random.pick(types);
  const type = access & 31;
  const selector = type === 5 ? BigInt(SELECTOR.random + 8 * random.below(16)) : codeSelector(random, long);
  const stack = long && random.oneIn(4) ? BigInt(random.below(8)) << 32n : 0n;
  const low = inCode(random) | (selector << 16n) | (BigInt(access) << 40n) | stack;
  return long ? [low, 0n] : [low];
}

function descriptors(random: Random): readonly bigint[] {
  const tss = (at: number, access: number): bigint =>
    BigInt(random.pick([0x67, 0xfff, 0x2067 & 0xfff])) | (BigInt(at) << 16n) | (BigInt(access) << 40n);
  const user = 0x6000_0000_0000n;
  const code32 = 0x00cf_9b00_0000_ffffn;
  const code64 = 0x00af_9b00_0000_ffffn;
  const data = 0x00cf_9300_0000_ffffn;
  const fixed = [0n, code32, data, code64, 0x0000_9b00_0000_ffffn, 0x0000_9300_0000_ffffn]
    .concat([code32 | user, code64 | user, data | user, 0x0000_fb00_0000_ffffn])
    .concat([tss(PLACE.tss, 0x89), 0n, 0x0000_8200_1800_03ffn, 0n]);
  const other = (): bigint => {
    switch (random.below(6)) {
      case 0:
        return tss(PLACE.tss + random.below(4) * 0x1000, random.pick([0x89, 0x81, 0x8b, 0xe9]));
      case 1:
        return gate(random, false, [0xec, 0x8c, 0xe4, 0xe5])[0];
      case 2:
        return random.u64();
      case 3:
        return BigInt(SELECTOR.random + 8 * random.below(8)) * 0x10000n + 0xe500_0000_0000n;
      default:
        return (random.u64() & 0x00df_7f00_0000_ffffn) | 0x0000_9000_0000_0000n;
    }
  };
  return [...fixed, ...Array.from({ length: 64 - fixed.length }, other)];
}

/** Exceptions that push an error code. */
const WITH_CODE = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

/** A handler that lets the interrupted code go on one byte further, back within the code: plain, and with an error code to drop. */
export const RETURNING = { plain: PLACE.stub + 0x900, coded: PLACE.stub + 0x940, real: PLACE.stub + 0x980 } as const;

export function returningHandlers(long: boolean): readonly Piece[] {
  const wide = long ? [0x48] : [];
  const onward = [[0xff, 0x04, 0x24], [0x81, 0x24, 0x24, 0xff, 0xbf, 0, 0], [0x81, 0x0c, 0x24, 0, 0x80, 0, 0], [0xcf]];
  const plain = onward.flatMap((bytes) => [...wide, ...bytes]);
  const coded = [...wide, 0x83, 0xc4, long ? 8 : 4, ...plain];
  const real = [0x55, 0x89, 0xe5, 0xff, 0x46, 2, 0x81, 0x66, 2, 0xff, 0xbf, 0x81, 0x4e, 2, 0, 0x80, 0x5d, 0xcf];
  return [
    piece('handler', RETURNING.plain, Uint8Array.from(plain)),
    piece('handler with code', RETURNING.coded, Uint8Array.from(coded)),
    piece('handler in real mode', RETURNING.real, Uint8Array.from(real)),
  ];
}

/** Gates to those handlers. */
function returningVectors(long: boolean): Uint8Array {
  const selector = BigInt(long ? SELECTOR.code64 : SELECTOR.code32) << 16n;
  const entry = (vector: number): readonly bigint[] => {
    const target = BigInt(WITH_CODE.has(vector) ? RETURNING.coded : RETURNING.plain);
    const low = (target & 0xffffn) | selector | 0xee00_0000_0000n | ((target >> 16n) << 48n);
    return long ? [low, 0n] : [low];
  };
  return quads(Array.from({ length: 256 }, (_, vector) => entry(vector)).flat());
}

function vectors(random: Random, long: boolean): Uint8Array {
  const types = long ? [0x8e, 0xee, 0x8f, 0xef] : [0x8e, 0xee, 0x8f, 0xef, 0x86, 0xe7, 0xe5, 0x85];
  return quads(Array.from({ length: 256 }, () => gate(random, long, types)).flat());
}

/** Four task segments that lead to each other and into the code. */
function tasks(random: Random, long: boolean): Uint8Array {
  const bytes = random.bytes(0x4000);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < 4; i++) {
    const at = i * 0x1000;
    if (long) {
      for (let pointer = 4; pointer < 0x5c; pointer += 8) {
        view.setBigUint64(at + pointer, BigInt(PLACE.data + random.below(0x3000)), true);
      }
      view.setUint16(at + 0x66, random.pick([0x68, 0x100, 0x2000]), true);
      continue;
    }
    view.setUint16(at, SELECTOR.random + 8 * random.below(16), true);
    for (const stack of [4, 12, 20]) {
      view.setUint32(at + stack, PLACE.data + random.below(0x3000), true);
      view.setUint32(at + stack + 4, random.oneIn(8) ? random.u32() : SELECTOR.data, true);
    }
    view.setUint32(at + 0x1c, PLACE.tables, true);
    view.setUint32(at + 0x20, Number(inCode(random)), true);
    view.setUint32(at + 0x24, random.oneIn(3) ? random.u32() & 0x3f_7fd7 : 2, true);
    view.setUint32(at + 0x38, PLACE.data + random.below(0x3000), true);
    for (let segment = 0; segment < 6; segment++) {
      const selector = segment === 1 ? random.pick([SELECTOR.code32, SELECTOR.user32, SELECTOR.code16]) : SELECTOR.data;
      view.setUint32(at + 0x48 + segment * 4, random.oneIn(8) ? random.below(0x200) : selector, true);
    }
    view.setUint32(at + 0x60, random.oneIn(4) ? SELECTOR.ldt : 0, true);
    view.setUint32(at + 0x64, random.pick([0x68_0000, 0x88_0000, 0x88_0001, 0x200_0000]), true);
  }
  return bytes;
}

const PAGE_BITS = [0x67n, 0x67n, 0x63n, 0x61n, 0x65n, 0x27n, 0x07n, 0x1e7n, 0x0n] as const;

/** Page tables: the first 2 MBytes identity-mapped, parts of them and all the rest at random. */
export function tables(random: Random, paging: Paging, user: boolean, at: number = PLACE.tables): readonly Piece[] {
  if (paging === 'none') return [];
  const link = (number: number): bigint => BigInt(at + number * 0x1000) | 0x67n;
  const narrow = paging === '32-bit';
  const noise = (large: boolean): bigint => {
    if (random.oneIn(2)) return 0n;
    if (random.oneIn(4)) return narrow ? BigInt(random.u32()) : random.u64();
    const key = !narrow && random.oneIn(2) ? BigInt(random.below(16)) << 59n : 0n;
    return random.pick(PAGE_BITS) | (large ? 0x80n : BigInt(random.below(512)) << 12n) | key;
  };
  const leaf = (page: number): bigint => {
    const needed = page < 64;
    if (!needed || (random.oneIn(60) && page >= 12)) return noise(false);
    const plain = BigInt(page * 0x1000) | (user ? 0x67n : 0x63n);
    return random.oneIn(40) && page >= 8 ? (plain & ~0xffn) | random.pick(PAGE_BITS) : plain;
  };
  const entries = narrow ? 1024 : 512;
  const write = (number: number, values: readonly bigint[]): Piece =>
    piece(`page table ${number} at ${at}`, at + number * 0x1000, narrow ? words(values.map(Number)) : quads(values));
  const level = (first: bigint, large: boolean): readonly bigint[] => [
    first,
    ...Array.from({ length: entries - 1 }, (_, i) => (i < 40 || i > entries - 8 ? noise(large) : 0n)),
  ];
  const last = Array.from({ length: entries }, (_, i) => (i < 512 ? leaf(i) : noise(false)));
  const directory = random.oneIn(3)
    ? level(user ? 0xe7n : 0xe3n, true)
    : level(link(narrow ? 1 : paging === 'PAE' ? 2 : paging === '4-level' ? 3 : 4), true);
  switch (paging) {
    case '32-bit':
      return [write(0, directory), write(1, last)];
    case 'PAE':
      return [piece('pointers', at, quads([BigInt(at + 0x1001), 0n, 0n, 0n])), write(1, directory), write(2, last)];
    case '4-level':
      return [write(0, level(link(1), false)), write(1, level(link(2), false)), write(2, directory), write(3, last)];
    case '5-level':
      return [
        write(0, level(link(1), false)),
        write(1, level(link(2), false)),
        write(2, level(link(3), false)),
        write(3, directory),
        write(4, last),
      ];
  }
}

const access = (code: boolean, dpl: number, bits: CodeSize): number =>
  (code ? 0x9b : 0x93) | (dpl << 5) | (bits === 64 && code ? 0xa000 : bits === 16 ? 0 : 0xc000);

/** The first state of the processor that runs the code. */
export function registersOf(random: Random, mode: Mode): Registers {
  const segments = new Map<SegmentName, Segment>();
  const bits = codeSizeOf(mode);
  const user = mode.endsWith('user') || mode === 'user-32' || (mode.startsWith('compatibility') && random.oneIn(2));
  const dpl = user ? 3 : 0;
  const virtual = mode === 'virtual-8086';
  const data: readonly SegmentName[] = ['ES', 'SS', 'DS', 'FS', 'GS'];
  if (isReal(mode) || virtual) {
    const rights = virtual ? 0xf3 : 0x93;
    const limit = mode === 'big-real' ? 0xffff_ffff : 0xffff;
    const big = mode === 'big-real' ? 0x8000 : 0;
    for (const name of ['CS', ...data] as const) {
      const paragraph = random.pick([0, 0, 0x100, 0x800, 0xc00]);
      const selector = name === 'CS' || name === 'SS' ? 0 : paragraph;
      const own = name === 'CS' ? 0xffff : limit;
      const rest = name === 'CS' ? (virtual ? 0xf3 : 0x9b) : rights | big;
      segments.set(name, { selector, base: BigInt(selector << 4), limit: own, access: rest });
    }
  } else {
    const code = {
      16: user ? SELECTOR.user16 : SELECTOR.code16,
      32: user ? SELECTOR.user32 : SELECTOR.code32,
      64: user ? SELECTOR.user64 : SELECTOR.code64,
    }[bits];
    segments.set('CS', {
      selector: code,
      base: 0n,
      limit: bits === 16 ? 0xffff : 0xffff_ffff,
      access: access(true, dpl, bits),
    });
    for (const name of data) {
      const selector = user ? SELECTOR.userData : SELECTOR.data;
      segments.set(name, { selector, base: 0n, limit: 0xffff_ffff, access: access(false, dpl, 32) });
    }
  }
  const pointer = (): bigint =>
    BigInt(random.pick([PLACE.code, PLACE.data, PLACE.pointers, PLACE.tss]) + random.below(0x1000));
  const value = (): bigint => {
    const any = random.oneIn(3) ? random.interesting() : random.oneIn(3) ? BigInt(random.below(64)) : pointer();
    return bits === 64 ? any : BigInt.asUintN(32, any);
  };
  const gprs = Array.from({ length: bits === 64 ? 16 : 8 }, value);
  gprs[4] = BigInt(PLACE.data + 0x1000 + random.below(0x1000));
  let rflags = BigInt(random.u32() & 0x4_0ed5) | 2n;
  if (random.oneIn(4)) rflags |= 0x100n;
  if (random.oneIn(8)) rflags |= 0x1_0000n;
  if (random.oneIn(2)) rflags |= 0x3000n;
  if (random.oneIn(10)) rflags |= 0x4000n;
  if (virtual) rflags |= 0x2_0000n | (random.oneIn(2) ? 0x18_0000n : 0n);
  return { rip: BigInt(PLACE.code), rflags, gprs, segments };
}

/** Control-register and unit choices of a guest. */
export interface Settings {
  readonly mode: Mode;
  readonly paging: Paging;
  readonly cr0: number;
  readonly cr4: number;
  readonly efer: bigint;
}

export function settingsOf(random: Random, mode: Mode, vmx: boolean): Settings {
  const paging = random.pick(pagingsOf(mode));
  const some = (mask: number, n = 3): number => (random.oneIn(n) ? 0 : (random.u32() & mask) >>> 0);
  const units = random.oneIn(4) ? 0 : 0x4_0600;
  let cr0 = 0x31 | some(0x1_000e, 2);
  let cr4 = units | some(0x8f) | (random.oneIn(6) ? 0x0800 : 0) | (random.oneIn(3) ? 0x1_0000 : 0) | (vmx ? 0x2000 : 0);
  let efer = BigInt(random.below(2)) | (random.oneIn(2) ? 0x800n : 0n);
  if (paging !== 'none') cr0 |= 0x8000_0000;
  if (paging === 'PAE' || isLong(mode)) cr4 |= 0x20;
  if (paging === '5-level') cr4 |= 0x1000;
  if (paging !== 'none') {
    if (random.oneIn(4)) cr4 |= 0x40_0000;
    if (random.oneIn(8)) cr4 |= 0x100_0000;
    if (random.oneIn(6)) cr4 |= random.pick([0x10_0000, 0x20_0000, 0x30_0000]);
  }
  if (isLong(mode)) efer |= 0x100n;
  return { mode, paging, cr0: cr0 >>> 0, cr4, efer };
}

const PERF = { select: 0x186, fixedControl: 0x38d, globalControl: 0x38f } as const;

/** SMEP and SMAP would end the prologue where its page is a user's. */
export const LATE = 0x30_0000;

/** The code that runs before the random code: 32-bit, ends in its own mode with paging as chosen. */
export function prologue(random: Random, settings: Settings, processors: number, tr: boolean): Prologue {
  const code = new Prologue();
  const { cr4, cr0, mode, paging } = settings;
  const early = (cr4 & ~LATE) >>> 0;
  code.store(PLACE.pointers + 0x20, random.oneIn(2) ? 0x1f80 : random.u32() & 0xffff);
  code.store(PLACE.pointers + 0x24, random.oneIn(2) ? 0x37f : random.u32() & 0xf3f);
  code.control(4, early);
  if ((cr4 & 0x200) !== 0) code.loadMxcsr(PLACE.pointers + 0x20);
  code.loadFcw(PLACE.pointers + 0x24);
  if ((cr4 & 0x4_0000) !== 0) code.xcr0(random.pick([1, 3, 7, 7, 0x207, 0x201]));
  if ((cr4 & 0x40_0000) !== 0) code.protectionKeys(random.oneIn(2) ? 0 : random.u32() & ~3);
  if (random.oneIn(3)) {
    for (let i = 0; i < 4; i++) {
      code.debug(i, random.pick([PLACE.code, PLACE.data, PLACE.data, 0x60]) + random.below(random.pick([64, 0x1000])));
    }
    code.debug(7, (random.u32() & 0xffff_03ff) | 0x400);
  }
  if (random.oneIn(4)) {
    for (let i = 0; i < 4; i++)
      code.msr(PERF.select + i, BigInt(random.pick([0xc0, 0x3c, 0xc4, 0xc5]) | 0x43_0000 | (random.below(2) << 20)));
    code.msr(0xc1, BigInt.asUintN(32, -BigInt(random.below(300))));
    code.msr(PERF.fixedControl, BigInt(random.below(0x1000)) & 0xbbbn);
    code.msr(PERF.globalControl, BigInt(random.below(16)) | (BigInt(random.below(8)) << 32n));
  }
  if (random.oneIn(4)) code.msr(0x1d9, BigInt(random.below(4)));
  if (random.oneIn(3)) for (const msr of [0x174, 0x175, 0x176]) code.msr(msr, msr === 0x174 ? 8n : inCode(random));
  if (isLong(mode)) {
    code.msr(0xc000_0081, random.pick([0x0023_0008n << 32n, random.u64()]));
    code.msr(0xc000_0082, inCode(random));
    code.msr(0xc000_0084, BigInt(random.u32()));
    code.msr(0xc000_0102, inCode(random));
  }
  if (random.oneIn(3)) {
    const apic = 0xfee0_0000;
    code.store(apic + 0xf0, 0x1ff);
    for (const lvt of [0x340, 0x350, 0x360])
      if (random.oneIn(2)) code.store(apic + lvt, 16 + random.below(240) + random.pick([0, 0x400]));
    code.store(apic + 0x3e0, 0xb);
    code.store(apic + 0x320, (random.below(2) << 17) | (16 + random.below(240)));
    code.store(apic + 0x380, 1 + random.below(400));
  }
  if (processors > 1) {
    code.store(0xfee0_00f0, 0x1ff);
    code.store(0xfee0_0300, 0xc_4500);
    code.store(0xfee0_0300, 0xc_4600 | random.pick([8, 8, 9, 0xa]));
  }
  code.control(3, PLACE.tables);
  code.msr(0xc000_0080, settings.efer);
  if (paging !== 'none') code.control(0, cr0);
  if (!isReal(mode) && tr) {
    if (random.oneIn(6)) code.loadLdt(SELECTOR.ldt);
    if (!random.oneIn(6)) code.loadTask(SELECTOR.tss);
  }
  if (isLong(mode) && random.oneIn(4)) code.control(4, early | 0x2_0000);
  code.loadTables(PLACE.pointers, PLACE.pointers + 0x10);
  if (paging === 'none') code.control(0, isReal(mode) ? cr0 & ~1 : cr0);
  return code;
}

const pointer = (base: number, limit: number): readonly number[] => [
  limit & 0xff,
  limit >> 8,
  base & 0xff,
  base >> 8,
  0,
  0,
  0,
  0,
  0,
  0,
];

/** All of memory; the entry is the prologue in flat 32-bit mode. */
export function imageOf(
  random: Random,
  settings: Settings,
  code: Uint8Array,
  stub: Uint8Array,
  extra: readonly Piece[],
): LoadedImage {
  const { mode, paging } = settings;
  const long = isLong(mode);
  const real = isReal(mode);
  const pointers = new Uint8Array(32);
  pointers.set(pointer(PLACE.gdt, 64 * 8 - 1), 0);
  pointers.set(
    pointer(real ? PLACE.ivt : PLACE.idt, real ? 0x3ff : random.oneIn(8) ? random.below(4096) : long ? 0xfff : 0x7ff),
    16,
  );
  const returning = !random.oneIn(3);
  const realHandler = ((RETURNING.real & 0xf_0000) << 12) | (RETURNING.real & 0xffff);
  const realVector = (): number =>
    returning ? realHandler >>> 0 : random.oneIn(16) ? random.u32() : Number(inCode(random));
  const ivt = words(Array.from({ length: 256 }, realVector));
  // The same page four times: making instructions is dear.
  const page = randomCode(random, CODE_SIZE / 4, codeSizeOf(mode));
  const user = !['long', 'protected-32', 'protected-16'].includes(mode) || random.oneIn(3);
  return {
    format: 'random',
    pieces: [
      piece('IVT', PLACE.ivt, ivt),
      piece('GDT', PLACE.gdt, quads(descriptors(random))),
      piece('LDT', PLACE.ldt, quads(descriptors(random))),
      piece('IDT', PLACE.idt, returning ? returningVectors(long) : vectors(random, long)),
      piece('pointers', PLACE.pointers, pointers),
      piece('tasks', PLACE.tss, tasks(random, long)),
      ...[0, 1, 2, 3].map((copy) => piece('code', PLACE.code + copy * 0x1000, page)),
      piece('data', PLACE.data, random.bytes(0x1000)),
      ...tables(random, paging, user),
      piece('stub', PLACE.stub, stub),
      ...returningHandlers(long),
      piece('prologue', PLACE.prologue, code),
      ...extra,
    ],
    entry: {
      mode: 32,
      rip: PLACE.prologue,
      rax: 0,
      rbx: 0,
      rsp: PLACE.data + 0x2000,
      gdt: { base: PLACE.gdt, limit: 64 * 8 - 1 },
      cr3: 0,
    },
  };
}

export { piece, quads, VMX_PAGE };
