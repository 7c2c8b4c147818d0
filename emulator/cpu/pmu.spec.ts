import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from '../machine/guest.fixture';

const PMC0 = 0xc1;
const EVTSEL0 = 0x186;
const FIXED_CTR0 = 0x309;
const FIXED_CTRL = 0x38d;
const GLOBAL_STATUS = 0x38e;
const GLOBAL_CTRL = 0x38f;
const INSTRUCTIONS = 0xc0;
const BRANCHES = 0xc4;
const CYCLES = 0x3c;
const USER_AND_SYSTEM = 3 << 16;
const ENABLE = 1 << 22;
const RESULTS = 0x8000;
const APIC = 0xfee0_0000;

/** Programs counter `number`. */
const select = (number: number, value: number): string => `wrmsr_value ${EVTSEL0 + number}, ${value}\n`;
const start = (mask: bigint): string => `wrmsr_value ${GLOBAL_CTRL}, ${mask}\n`;
/** Stores MSR `index` as result `slot`. */
const report = (index: number, slot: number): string => `
        mov     ecx, ${index}
        rdmsr
        mov     [${RESULTS + slot * 8}], eax
        mov     [${RESULTS + slot * 8 + 4}], edx
`;

/** Runs a guest until it halts; its results. */
function results(body: string, count: number, before = ''): readonly bigint[] {
  const machine = bootFlat64(
    assemble64(`${GUEST_TABLES}\n setup\n ${start(0n)} ${before}\n ${body}\n cli\n hlt\n ${GUEST_DATA}`),
  );
  const stop = machine.run(10_000_000);
  assert.equal(stop.kind, 'halted');
  const bytes = Buffer.from(machine.peekPhysical(RESULTS, count * 8));
  return Array.from({ length: count }, (_, i) => bytes.readBigUInt64LE(i * 8));
}

/** 1000 turns of four instructions, one of them a branch; four instructions around them and the two that stop the counters' begin. */
const LOOP = `
        mov     ebx, 1000
%%again: nop
        nop
        dec     ebx
        jnz     %%again
`.replaceAll('%%', 'loop_');
const LOOP_INSTRUCTIONS = 1n + 4n * 1000n;
/** WRMSR that starts, and MOV, MOV and MOV before the one that stops, which is not counted. */
const AROUND = 4n;

test('instructions, cycles and branches between two WRMSRs are counted exactly, by general and fixed counters', () => {
  const [instructions, branches, cycles, fixedInstructions, fixedCycles, fixedReference] = results(
    select(0, INSTRUCTIONS | USER_AND_SYSTEM | ENABLE) +
      select(1, BRANCHES | USER_AND_SYSTEM | ENABLE) +
      select(2, CYCLES | USER_AND_SYSTEM | ENABLE) +
      `wrmsr_value ${FIXED_CTRL}, 0x333\n` +
      start(0x7_0000_0007n) +
      LOOP +
      start(0n) +
      [PMC0, PMC0 + 1, PMC0 + 2, FIXED_CTR0, FIXED_CTR0 + 1, FIXED_CTR0 + 2].map(report).join(''),
    6,
  );
  assert.equal(instructions, LOOP_INSTRUCTIONS + AROUND);
  assert.equal(branches, 1000n);
  assert.equal(cycles, instructions);
  assert.equal(fixedInstructions, instructions);
  assert.equal(fixedCycles, instructions);
  assert.equal(fixedReference, instructions);
});

test('counting leaves no trace in what a program does', () => {
  const [plain, counted] = [false, true].map((counting) => {
    const machine = bootFlat64(
      assemble64(
        `${GUEST_TABLES}\n setup\n ${select(0, BRANCHES | USER_AND_SYSTEM | ENABLE)} ${start(counting ? 1n : 0n)} ${LOOP} cli\n hlt\n ${GUEST_DATA}`,
      ),
    );
    machine.run(10_000_000);
    return machine.retired;
  });
  assert.equal(plain, counted);
});

test('counters of one privilege level count nothing of the other', () => {
  const user = 1 << 16;
  const system = 1 << 17;
  const body =
    select(0, INSTRUCTIONS | user | ENABLE) +
    select(1, INSTRUCTIONS | system | ENABLE) +
    'user_pages\n' +
    start(3n) +
    `
        push    0x1b
        push    stack0
        push    2
        push    0x23
        lea     rax, [user]
        push    rax
        iretq
user:   times 10 nop
        int     0x40
back:   ` +
    start(0n) +
    report(PMC0, 0) +
    report(PMC0 + 1, 1);
  const [inUser, inSystem] = results(body, 2, 'gate 0x40, back\n');
  assert.equal(inUser, 11n);
  // WRMSR, five pushes and LEA, IRETQ; three MOVs before the WRMSR that stops.
  assert.equal(inSystem, 1n + 6n + 1n + 3n);
});

test('an overflow interrupts at the very instruction, and says so in the status', () => {
  const body = `
        mov     ebx, 0x${APIC.toString(16)}
        mov     dword [rbx + 0xf0], 0x1ff
        mov     dword [rbx + 0x340], 0x50
        sti
        wrmsr_value ${PMC0}, 0xffffffff - 20
        ${select(0, INSTRUCTIONS | USER_AND_SYSTEM | ENABLE | (1 << 20))}
        ${start(1n)}
here:   times 60 nop
        jmp     done
pmi:    mov     rax, [rsp]
        mov     [${RESULTS}], rax
        ${start(0n)}
        mov     eax, [rbx + 0x340]
        mov     [${RESULTS + 16}], rax
        mov     qword [${RESULTS + 24}], here
        ${report(GLOBAL_STATUS, 1)}
done:
  `;
  const [rip, status, lvt, here] = results(body, 4, 'gate 0x50, pmi\n');
  // WRMSR is the first, 20 NOPs follow.
  assert.equal(rip - here, 20n);
  assert.equal(status, 1n);
  assert.equal(lvt, 0x1_0050n);
});

test('with FREEZE_PERFMON_ON_PMI the overflow that interrupts stops all counters', () => {
  const [control, other] = results(
    `wrmsr_value 0x1d9, 0x1000
    wrmsr_value ${PMC0}, 0xffffffff - 20
    ${select(0, INSTRUCTIONS | USER_AND_SYSTEM | ENABLE | (1 << 20))}
    ${select(1, INSTRUCTIONS | USER_AND_SYSTEM | ENABLE)}
    ${start(3n)}
    times 60 nop
    ${report(GLOBAL_CTRL, 0)} ${report(PMC0 + 1, 1)}`,
    2,
  );
  assert.equal(control, 0n);
  assert.equal(other, 21n);
});

test('RDPMC reads the counter as it stands before the instruction, if CR4.PCE or level 0 allows', () => {
  const body =
    select(0, INSTRUCTIONS | USER_AND_SYSTEM | ENABLE) +
    start(1n) +
    `
        nop
        nop
        xor     ecx, ecx
        rdpmc
        mov     [${RESULTS}], rax
        mov     ecx, 0x40000001
        rdpmc
        mov     [${RESULTS + 8}], rax
        mov     qword [${RESULTS + 16}], 0
        mov     ecx, 64
        rdpmc
gp:     mov     qword [${RESULTS + 16}], 13
        mov     ecx, ${GLOBAL_CTRL}
  `;
  const [first, fixed, fault] = results(body, 3, 'gate 13, gp\n');
  assert.equal(first, 4n);
  assert.equal(fixed, 0n);
  assert.equal(fault, 13n);
});

test('CMASK, INV and EDGE count cycles that meet a condition, and their beginnings', () => {
  const cmask = (n: number): number => (n << 24) >>> 0;
  const inv = 1 << 23;
  const edge = 1 << 18;
  const values = results(
    select(0, (INSTRUCTIONS | USER_AND_SYSTEM | ENABLE | cmask(2)) >>> 0) +
      select(1, (INSTRUCTIONS | USER_AND_SYSTEM | ENABLE | cmask(1)) >>> 0) +
      select(2, (BRANCHES | USER_AND_SYSTEM | ENABLE | inv | cmask(1)) >>> 0) +
      select(3, (BRANCHES | USER_AND_SYSTEM | ENABLE | edge) >>> 0) +
      select(4, (INSTRUCTIONS | USER_AND_SYSTEM | ENABLE | edge | cmask(1)) >>> 0) +
      start(0x1fn) +
      LOOP +
      start(0n) +
      [0, 1, 2, 3, 4].map((i) => report(PMC0 + i, i)).join(''),
    5,
  );
  const all = LOOP_INSTRUCTIONS + AROUND;
  assert.deepEqual(values, [0n, all, all - 1000n, 1000n, 1n]);
});
