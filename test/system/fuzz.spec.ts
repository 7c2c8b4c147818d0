/** Whatever bytes a guest executes, the machine neither fails nor hangs, and goes on to run the next guest the same way. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { LoadedImage, Piece } from '../../emulator/boot/loaded-image';
import { createMachine } from '../../emulator/machine/machine';
import { Random } from '../host-oracle/random';

type Mode = 16 | 32 | 64;

const MEMORY = 0x40_0000;
/** Code in 64-bit mode lives longest. */
const SEEDS = { 16: 1500, 32: 1000, 64: 500 } as const;
const INSTRUCTIONS = 200;

const CODE = 0x8000;
const CODE_SIZE = 0x2000;
const GDT = 0x1000;
const IDT = 0x2000;
const POINTER = 0x3000;
const TABLES = 0x4000;
const TSS = 0x7000;

/** Bytes that begin instructions worth trying more often than chance does. */
const PREFIXES = [0x0f, 0x0f, 0x0f, 0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x2e, 0x36, 0x64, 0x65, 0x48, 0x41] as const;
const SECOND_BYTES = [
  0x00, 0x01, 0x20, 0x22, 0x21, 0x23, 0xc7, 0x30, 0x32, 0x78, 0x79, 0x05, 0x07, 0x34, 0x35,
] as const;

/** Random bytes, thick with prefixes and system instructions. */
function code(random: Random): Uint8Array {
  const bytes = random.bytes(CODE_SIZE);
  for (let i = 0; i + 1 < bytes.length; i++) {
    if (random.oneIn(12)) {
      bytes[i] = random.pick(PREFIXES);
      if (bytes[i] === 0x0f && random.oneIn(2)) bytes[i + 1] = random.pick(SECOND_BYTES);
    }
  }
  return bytes;
}

const piece = (what: string, physical: number, bytes: Uint8Array): Piece => ({
  what,
  physical,
  length: bytes.length,
  bytes,
});

const quads = (values: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(values).buffer);

/** Flat segments of both levels, a call gate into random code, a TSS. */
const descriptors = (mode: Mode, random: Random): readonly bigint[] => {
  const code32 = 0x00cf_9b00_0000_ffffn;
  const code64 = 0x00af_9b00_0000_ffffn;
  const user = 0x6000_0000_0000n;
  const target = BigInt(CODE + random.below(CODE_SIZE));
  const tss = 0x0000_8900_0000_0067n | (BigInt(TSS) << 16n);
  return [
    ...[0n, code32, 0x00cf_9300_0000_ffffn, code64, code32 | user, 0x00cf_f300_0000_ffffn, code64 | user, tss, 0n],
    ...[0x0000_ec00_0000_0000n | (mode === 64 ? 0x18_0000n : 0x8_0000n) | target, 0n, 0x0000_9300_0000_ffffn],
    ...[0x0000_9b00_0000_ffffn, 0x0040_9700_0000_0fffn],
  ];
};

function vectors(mode: Mode, random: Random): Uint8Array {
  const target = (): bigint => BigInt(CODE + random.below(CODE_SIZE));
  if (mode === 16) return new Uint8Array(Uint32Array.from({ length: 256 }, () => Number(target())).buffer);
  const gate = (): bigint => {
    const type = random.pick([0x8e00n, 0xee00n, 0x8f00n, 0x0e00n]);
    return target() | (mode === 64 ? 0x18_0000n : 0x8_0000n) | (type << 32n);
  };
  return quads(Array.from({ length: 256 }, () => (mode === 64 ? [gate(), 0n] : [gate()])).flat());
}

/** The first 2 MBytes identity-mapped by one large page a user may use, more at random. */
const tables = (random: Random): readonly bigint[] => {
  const table = Array<bigint>(3 * 512).fill(0n);
  table[0] = BigInt(TABLES + 0x1007);
  table[512] = BigInt(TABLES + 0x2007);
  table[1024] = 0x87n;
  for (let i = 1; i < 20; i++) table[1024 + i] = random.u64();
  return table;
};

function image(mode: Mode, seed: number): LoadedImage {
  const random = new Random(seed * 3 + mode);
  const bytes = code(random);
  const bytesOfPointer = new Uint8Array([
    0xff,
    mode === 64 ? 0x0f : 0x07,
    IDT & 0xff,
    IDT >> 8,
    ...Array<number>(6).fill(0),
  ]);
  // LIDT [POINTER]
  if (mode !== 16)
    bytes.set([0x0f, 0x01, ...(mode === 64 ? [0x1c, 0x25] : [0x1d]), POINTER & 0xff, POINTER >> 8, 0, 0]);
  return {
    format: 'random bytes',
    pieces: [
      piece('descriptors', GDT, quads(descriptors(mode, random))),
      piece('vectors', mode === 16 ? 0 : IDT, vectors(mode, random)),
      piece('pointer', POINTER, bytesOfPointer),
      piece('tables', TABLES, quads(tables(random))),
      piece('code', CODE, bytes),
    ],
    entry: {
      mode,
      rip: CODE,
      rax: random.u32(),
      rbx: random.pick([POINTER, CODE, random.u32()]),
      rsp: mode === 16 ? 0x7000 : 0x1f_0000,
      gdt: { base: GDT, limit: 14 * 8 - 1 },
      cr3: mode === 64 ? TABLES : 0,
    },
  };
}

describe('a guest of random bytes', () => {
  for (const mode of [16, 32, 64] as const) {
    test(`cannot break the machine in ${mode}-bit mode`, () => {
      const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n });
      const fresh = machine.snapshot();
      const first: string[] = [];
      for (let seed = 0; seed < SEEDS[mode]; seed++) {
        machine.restore(fresh);
        machine.load(image(mode, seed));
        const before = machine.time;
        try {
          for (let turn = 0; turn < 2 && machine.run(INSTRUCTIONS / 2).kind === 'limit'; turn++);
          if (seed < 5) first.push(machine.stateHash());
        } catch (error) {
          throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
        }
        assert.ok(
          machine.retired - before <= BigInt(INSTRUCTIONS),
          `seed ${seed} ran ${machine.retired - before} instructions`,
        );
      }
      // After all of that it still does what it did at first.
      for (let seed = 0; seed < first.length; seed++) {
        machine.restore(fresh);
        machine.load(image(mode, seed));
        for (let turn = 0; turn < 2 && machine.run(INSTRUCTIONS / 2).kind === 'limit'; turn++);
        assert.equal(machine.stateHash(), first[seed], `seed ${seed} ended differently the second time`);
      }
    });
  }
});
