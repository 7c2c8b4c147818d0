import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from '../machine/guest.fixture';
import { CPU_MODEL_NAMES, CPU_MODELS, type CpuModelName } from '../tables/cpu-models';
import { type Msr, msrsOf } from '../tables/msrs';

const CASES = 0x2_0000;
const OUTCOMES = 0x9_0000;
const GP = 13;

/** One WRMSR, or RDMSR where `value` is undefined, with what must come of it. */
interface Case {
  readonly index: number;
  readonly value: bigint | undefined;
  readonly faults: boolean;
}

/** Tries MSR accesses one after the other and notes the vector each raised, 0 for none. */
const GUEST = assemble64(`${GUEST_TABLES}
        setup
        gate    ${GP}, fault
        mov     rsi, ${CASES}
        mov     rdi, ${OUTCOMES}
next:   mov     ecx, [rsi]
        cmp     dword [rsi + 4], 2
        je      done
        mov     eax, [rsi + 8]
        mov     edx, [rsi + 12]
        mov     ebx, [rsi + 4]
        mov     byte [rdi], 0
        test    ebx, ebx
        jz      read
        wrmsr
        jmp     after
read:   rdmsr
after:  inc     rdi
        add     rsi, 16
        jmp     next
fault:  mov     byte [rdi], ${GP}
        add     rsp, 8
        add     qword [rsp], 2
        iretq
done:   cli
        hlt
${GUEST_DATA}`);

/** The vectors that a guest on `model` sees. */
function outcomes(model: CpuModelName, cases: readonly Case[]): readonly number[] {
  const machine = bootFlat64(GUEST, { cpuModel: model });
  const table = Buffer.alloc((cases.length + 1) * 16);
  cases.forEach(({ index, value }, i) => {
    table.writeUInt32LE(index, i * 16);
    table.writeUInt32LE(value === undefined ? 0 : 1, i * 16 + 4);
    table.writeBigUInt64LE(value ?? 0n, i * 16 + 8);
  });
  table.writeUInt32LE(2, cases.length * 16 + 4);
  assert.ok(CASES + table.length < OUTCOMES);
  assert.equal(machine.state(machine.current).poke(BigInt(CASES), table), table.length);
  assert.equal(machine.run(20_000_000).kind, 'halted');
  return [...machine.peekPhysical(OUTCOMES, cases.length)];
}

/** A value that may be written: what it was reset to, with the fields that rules look at. */
const legal = (msr: Msr): bigint => (msr.kind === 'stored' ? msr.reset & ~msr.readOnly : 0n);
/** Rules that refuse values of legal bits are tried by themselves. */
const isPlain = (msr: Msr): boolean =>
  msr.kind === 'stored' && msr.rule !== 'lock' && msr.rule !== 'apic-base' && msr.rule !== 'efer';
const writableOf = (msr: Msr): bigint | undefined => ('writable' in msr ? msr.writable : undefined);

/** Every reserved bit of every MSR that has some; MSRs other units implement are theirs to test. */
function reservedBitCases(model: CpuModelName): readonly Case[] {
  return [...msrsOf(CPU_MODELS[model]).values()].flatMap((msr): readonly Case[] => {
    const writable = writableOf(msr);
    if (writable === undefined) return [];
    const bits = Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit));
    return bits
      .filter((bit) => (bit & writable) === 0n)
      .map((bit) => ({ index: msr.index, value: legal(msr) | bit, faults: true }));
  });
}

function check(model: CpuModelName, cases: readonly Case[]): void {
  const got = outcomes(model, cases);
  const wrong = cases.filter(({ faults }, i) => got[i] !== (faults ? GP : 0));
  assert.deepEqual(
    wrong.map(
      ({ index, value }) =>
        `${value === undefined ? 'RDMSR' : 'WRMSR'} ${index.toString(16)} ${value?.toString(16) ?? ''}`,
    ),
    [],
    model,
  );
}

for (const model of CPU_MODEL_NAMES) {
  test(`on ${model} every reserved bit of every MSR raises #GP when a guest writes it`, () => {
    const cases = reservedBitCases(model);
    assert.ok(cases.length > 500);
    for (let at = 0; at < cases.length; at += 25_000) check(model, cases.slice(at, at + 25_000));
  });

  test(`on ${model} MSRs can be read and written back, except those that only one of the two is for`, () => {
    const cases = [...msrsOf(CPU_MODELS[model]).values()].flatMap((msr): readonly Case[] => {
      const readable = msr.kind !== 'command';
      const read: Case = { index: msr.index, value: undefined, faults: !readable };
      if (msr.kind === 'constant') return [read, { index: msr.index, value: msr.value, faults: true }];
      if (isPlain(msr) || msr.kind === 'command') return [read, { index: msr.index, value: legal(msr), faults: false }];
      return [read];
    });
    check(model, cases);
  });
}

test('an MSR of a feature that a model has not is not there', () => {
  const strata = msrsOf(CPU_MODELS.strata);
  for (const name of CPU_MODEL_NAMES) {
    const own = msrsOf(CPU_MODELS[name]);
    const absent = [...strata.keys()].filter((index) => !own.has(index));
    check(
      name,
      absent.flatMap((index): readonly Case[] => [
        { index, value: undefined, faults: true },
        { index, value: 0n, faults: true },
      ]),
    );
  }
});

test('MSRs refuse values that their rules forbid', () => {
  const refused: readonly (readonly [index: number, value: bigint])[] = [
    // PAT types 2 and 3 and beyond 7
    [0x277, 0x02n],
    [0x277, 0x0300n],
    [0x277, 0x08n << 56n],
    // MTRR types
    [0x200, 0x02n],
    [0x250, 0x07n],
    [0x2ff, 0x03n],
    // Not canonical in 57 bits
    [0x175, 0x0100_0000_0000_0000n],
    [0x176, 0xfe00_0000_0000_0000n],
    [0xc000_0082, 0x0100_0000_0000_0000n],
    [0xc000_0100, 0x0100_0000_0000_0000n],
    [0xc000_0101, 0x8000_0000_0000_0000n],
    [0xc000_0102, 0x0100_0000_0000_0000n],
    // Machine check
    [0x400, 1n],
    [0x401, 1n],
    // Locked
    [0x3a, 5n],
    // EFER.LME while paging
    [0xc000_0080, 0n],
  ];
  const allowed: readonly (readonly [index: number, value: bigint])[] = [
    [0x277, 0x0007_0406_0501_0007n],
    [0x200, 0x06n],
    [0x2ff, 0xc06n],
    [0x400, 0xffff_ffff_ffff_ffffn],
    [0x401, 0n],
    [0x402, 0xffff_ffff_ffff_ffffn],
    [0xc000_0080, 0xd01n],
    [0x174, 0xffff_ffff_ffff_ffffn],
    [0xc1, 0xffff_ffff_ffff_ffffn],
  ];
  check('strata', [
    ...refused.map(([index, value]) => ({ index, value, faults: true })),
    ...allowed.map(([index, value]) => ({ index, value, faults: false })),
  ]);
});
