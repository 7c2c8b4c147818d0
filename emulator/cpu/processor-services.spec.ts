import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MachineConfig } from '../api';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from '../machine/guest.fixture';

const RESULTS = 0x8000;
const APIC = 0xfee0_0000;
const CF = 1n;
const ARITHMETIC = 0x8d5n;

interface Outcome {
  readonly results: readonly bigint[];
  readonly time: bigint;
  readonly retired: bigint;
}

/** Runs a guest until it halts; `count` results. A #UD or #GP it raises is result 15. */
function run(body: string, count: number, config: Partial<MachineConfig> = {}): Outcome {
  const faults = ['ud', 'gp'].map((name, i) => `${name}: mov qword [${RESULTS + 15 * 8}], ${[6, 13][i]}\n cli\n hlt\n`);
  const source = `${GUEST_TABLES}\n setup\n gate 6, ud\n gate 13, gp\n ${body}\n cli\n hlt\n ${faults.join('')} ${GUEST_DATA}`;
  const machine = bootFlat64(assemble64(source), config);
  assert.equal(machine.run(20_000_000).kind, 'halted');
  const bytes = Buffer.from(machine.peekPhysical(RESULTS, 16 * 8));
  return {
    results: Array.from({ length: count }, (_, i) => bytes.readBigUInt64LE(i * 8)),
    time: machine.time,
    retired: machine.retired,
  };
}

const store = (register: string, slot: number): string => `mov [${RESULTS + slot * 8}], ${register}\n`;
const storeFlags = (slot: number): string => `pushfq\n pop rbx\n ${store('rbx', slot)}`;
/** A one-shot timer interrupt at vector 50H after `ticks` of 10 ns. */
const timer = (ticks: number): string => `
        mov     ebx, ${APIC}
        mov     dword [rbx + 0xf0], 0x1ff
        mov     dword [rbx + 0x3e0], 0x0b
        mov     dword [rbx + 0x320], 0x50
        mov     dword [rbx + 0x380], ${ticks}
`;

test('RDRAND and RDSEED draw from the seed, in each operand size, and set CF alone', () => {
  const body = `
        mov     rax, -1
        rdrand  ax
        ${storeFlags(1)} ${store('rax', 0)}
        rdseed  rcx
        ${store('rcx', 2)}
        mov     rdx, -1
        rdrand  edx
        ${store('rdx', 3)}
  `;
  const { results: one } = run(body, 4);
  assert.deepEqual(run(body, 4).results, one);
  const { results: other } = run(body, 4, { seed: 2n });
  assert.notDeepEqual(other, one);
  assert.equal(one[0] >> 16n, 0xffff_ffff_ffffn);
  assert.equal(one[1] & ARITHMETIC, CF);
  assert.equal(one[3] >> 32n, 0n);
});

test('RDPID and RDTSCP read IA32_TSC_AUX', () => {
  const { results } = run(
    `wrmsr_value 0xc0000103, 0x1234567\n rdpid rax\n ${store('rax', 0)} rdtscp\n ${store('rcx', 1)}`,
    2,
  );
  assert.deepEqual(results, [0x123_4567n, 0x123_4567n]);
});

test('MWAIT waits for the interrupt that ends it, and time goes on meanwhile', () => {
  const body = `
        gate    0x50, tick
        ${timer(1000)}
        sti
        mov     eax, ${RESULTS}
        xor     ecx, ecx
        xor     edx, edx
        monitor
        xor     eax, eax
        mwait
after:  jmp     done
tick:   mov     rax, [rsp]
        sub     rax, after
        ${store('rax', 0)}
        mov     qword [${RESULTS + 8}], 1
        iretq
done:
  `;
  const { results, time, retired } = run(body, 2);
  assert.deepEqual(results, [0n, 1n]);
  assert.ok(time - retired > 9_000n, `${time} - ${retired}`);
});

test('MWAIT with ECX bit 0 is ended by an interrupt that RFLAGS.IF holds back, which stays pending', () => {
  const body = `
        ${timer(1000)}
        cli
        mov     eax, ${RESULTS}
        xor     ecx, ecx
        xor     edx, edx
        monitor
        inc     ecx
        mwait
        mov     eax, [rbx + 0x220]
        ${store('rax', 0)}
  `;
  const { results, time, retired } = run(body, 1);
  assert.ok(time - retired > 9_000n);
  assert.equal(results[0], 1n << 16n);
});

test('MWAIT does not wait without MONITOR, nor when the line has been stored to since', () => {
  const body = `
        xor     ecx, ecx
        mwait
        mov     eax, ${RESULTS + 0x100}
        monitor
        mov     dword [${RESULTS + 0x104}], 7
        mwait
        mov     qword [${RESULTS}], 1
  `;
  const { results, time, retired } = run(body, 1);
  assert.deepEqual(results, [1n]);
  assert.equal(time, retired);
});

test('MONITOR and MWAIT refuse extensions, and are undefined without "Enable Monitor FSM"', () => {
  assert.equal(run(`mov eax, 0x8000\n mov ecx, 1\n monitor`, 16).results[15], 13n);
  assert.equal(run(`mov ecx, 2\n mwait`, 16).results[15], 13n);
  assert.equal(run(`wrmsr_value 0x1a0, 1\n xor ecx, ecx\n mov eax, 0x8000\n monitor`, 16).results[15], 6n);
});

/** TPAUSE until `ticks` from now; flags and elapsed time are results 0 and 1. */
const pauseFor = (ticks: number): string => `
        rdtsc
        mov     esi, eax
        add     eax, ${ticks}
        adc     edx, 0
        mov     edi, 1
        stc
        tpause  edi
        ${storeFlags(0)}
        rdtsc
        sub     eax, esi
        ${store('rax', 1)}
`;

test('TPAUSE waits until its deadline, or, and says so in CF, until the limit of IA32_UMWAIT_CONTROL', () => {
  const { results: whole } = run(pauseFor(5000), 2);
  assert.equal(whole[0] & ARITHMETIC, 0n);
  assert.ok(whole[1] >= 5000n && whole[1] < 5010n, `${whole[1]}`);
  const { results: limited } = run(`wrmsr_value 0xe1, 2000\n ${pauseFor(5000)}`, 2);
  assert.equal(limited[0] & ARITHMETIC, CF);
  assert.ok(limited[1] >= 2000n && limited[1] < 2010n, `${limited[1]}`);
  const { results: past } = run(pauseFor(0), 2);
  assert.ok(past[1] < 20n);
});

test('UMWAIT waits only for a monitored line, at most until its deadline', () => {
  const wait = (monitor: string): string => `
        ${monitor}
        rdtsc
        mov     esi, eax
        add     eax, 3000
        adc     edx, 0
        xor     edi, edi
        umwait  edi
        rdtsc
        sub     eax, esi
        ${store('rax', 0)}
  `;
  assert.ok(run(wait(''), 1).results[0] < 10n);
  const [waited] = run(wait(`mov eax, ${RESULTS + 0x100}\n umonitor rax`), 1).results;
  assert.ok(waited >= 3000n && waited < 3010n, `${waited}`);
});

test('a store by another processor ends MWAIT at its next turn', () => {
  const line = 0x8100;
  const body = `
        mov     ebx, ${APIC}
        mov     dword [rbx + 0xf0], 0x1ff
        lea     rsi, [other]
        mov     edi, 0x7000
        mov     ecx, other_end - other
        cld
        rep movsb
        mov     dword [rbx + 0x300], 0xc4500
        mov     dword [rbx + 0x300], 0xc4607
        mov     ecx, 50000
busy:   loop    busy
        rdtsc
        mov     esi, eax
        mov     dword [${line}], 1
spin:   pause
        cmp     dword [${line + 0x40}], 1
        jne     spin
        rdtsc
        sub     eax, esi
        ${store('rax', 0)}
        mov     eax, [${line + 0x44}]
        ${store('rax', 1)}
        jmp     over
bits 16
other:  xor     ax, ax
        mov     ds, ax
again:  inc     word [${line + 0x44}]
        mov     ax, ${line}
        xor     cx, cx
        xor     dx, dx
        monitor
        cmp     word [${line}], 0
        jne     seen
        mwait
        jmp     again
seen:   mov     word [${line + 0x40}], 1
stay:   hlt
        jmp     stay
other_end:
bits 64
over:
  `;
  const [ticks, rounds] = run(body, 2, { processors: 2, turn: 1000 }).results;
  assert.ok(ticks < 5_000n, `${ticks}`);
  assert.ok(rounds >= 2n && rounds < 10n, `${rounds}`);
});

test('CLFLUSH and its kin fault as a load does; MOVDIRI, MOVDIR64B and MOVNTI store', () => {
  for (const name of ['clflush', 'clflushopt', 'clwb']) {
    assert.equal(run(`mov rax, 0x8000000000000000\n ${name} [rax]`, 16).results[15], 13n, name);
    assert.equal(run(`mov eax, 0x8000\n ${name} [rax]`, 16).results[15], 0n, name);
  }
  const { results } = run(
    `
        mov     rax, 0x1122334455667788
        movdiri [${RESULTS}], rax
        mov     rdi, ${RESULTS + 0x400}
        lea     rsi, [pattern]
        movdir64b rdi, [rsi]
        mov     rax, [${RESULTS + 0x400}]
        ${store('rax', 1)}
        mov     rax, [${RESULTS + 0x438}]
        ${store('rax', 2)}
        jmp     over
pattern: dq     1, 2, 3, 4, 5, 6, 7, 8
over:
    `,
    3,
  );
  assert.deepEqual(results, [0x1122_3344_5566_7788n, 1n, 8n]);
  assert.equal(run(`mov edi, ${RESULTS + 0x404}\n movdir64b rdi, [rsp]`, 16).results[15], 13n);
});

test('instructions of features that a model has not are undefined', () => {
  const ofStrata = ['rdseed eax', 'rdpid rax', 'tpause ecx', 'clwb [rsp]', 'movdiri [rsp], eax', 'db 0x0f, 0x01, 0xe8'];
  for (const source of ofStrata) {
    assert.equal(run(source, 16, { cpuModel: 'haswell-ep' }).results[15], 6n, source);
    assert.equal(run(`xor ecx, ecx\n xor edx, edx\n ${source}`, 16).results[15], 0n, source);
  }
});

test('CPUID in a guest names the model', () => {
  const body = `
        mov     eax, 1
        cpuid
        ${store('rax', 0)}
        mov     eax, 0x80000002
        cpuid
        ${store('rax', 1)}
  `;
  const { results } = run(body, 2, { cpuModel: 'skylake-sp' });
  assert.equal(results[0], 0x50654n);
  assert.equal(results[1], BigInt(Buffer.from('Inte').readUInt32LE()));
});
