import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadFlat } from '../boot/flat';
import type { Stop } from '../api';
import { createMachine, type LoadableMachine } from './machine';

const MEMORY = 2 << 20;
const LOAD_AT = 0x1_0000;

/** Runs 16-bit code at LOAD_AT, as what a boot loader starts or by itself, until it ends the machine. */
function run(source: string, bootLoader: boolean): { readonly machine: LoadableMachine; readonly stop: Stop } {
  const folder = mkdtempSync(join(tmpdir(), 'strata-'));
  try {
    writeFileSync(join(folder, 'guest.asm'), `bits 16\norg 0\n${source}`);
    execFileSync('nasm', ['-f', 'bin', '-o', join(folder, 'guest.bin'), join(folder, 'guest.asm')]);
    const code = readFileSync(join(folder, 'guest.bin'));
    const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n });
    const loaded = loadFlat(code, { name: 'guest', memory: MEMORY, loadAddress: LOAD_AT, mode: 16 });
    assert.ok(loaded.ok);
    machine.load({ ...loaded.image, bootLoader });
    return { machine, stop: machine.run(2_000_000_000) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const STATUS = (value: number): Stop => ({ kind: 'poweroff', status: (value << 1) | 1, reset: false });

test('firmware counts timer ticks for what a boot loader starts, 18.2 a second', () => {
  const source = `
        mov     ax, 0x40
        mov     ds, ax
        sti
again:  hlt
        cmp     dword [0x6c], 3
        jb      again
        mov     al, [0x6c]
        out     0xf4, al
`;
  const { machine, stop } = run(source, true);
  assert.deepEqual(stop, STATUS(3));
  const milliseconds = Number(machine.time / 1_000_000n);
  assert.ok(milliseconds >= 164 && milliseconds <= 165, `${milliseconds}`);
  assert.equal(run(source, false).stop.kind, 'halted');
});

test('every vector leads to a handler that returns with all registers as they were', () => {
  const interrupts = [0x00, 0x08, 0x0b, 0x10, 0x1c, 0x21, 0x70, 0x77, 0xff].map(
    (vector) => `int 0x${vector.toString(16)}`,
  );
  const { stop } = run(
    `
        mov     ax, 0x1234
        mov     bx, ds
        ${interrupts.join('\n        ')}
        cmp     ax, 0x1234
        jne     bad
        mov     cx, ds
        cmp     bx, cx
        jne     bad
        mov     ax, 0x40
        mov     ds, ax
        cmp     word [0x00], 0x3f8
        jne     bad
        cmp     word [0x13], 639
        jne     bad
        mov     al, 0x21
        out     0xf4, al
bad:    mov     al, 0x22
        out     0xf4, al
`,
    true,
  );
  assert.deepEqual(stop, STATUS(0x21));
});

test('a guest that sleeps in S3 is woken by the clock’s alarm, and goes on in real mode at its waking vector', () => {
  const { machine, stop } = run(
    `
        ; FACS: the waking vector
        mov     ax, 0xe000
        mov     ds, ax
        mov     dword [0x4c], 0x10000 + woken
        ; an alarm at every second, which may wake
        mov     al, 0x0b
        out     0x70, al
        mov     al, 0x22
        out     0x71, al
        mov     ax, 0xffff
        mov     cl, 1
alarm:  mov     al, cl
        out     0x70, al
        mov     al, 0xff
        out     0x71, al
        add     cl, 2
        cmp     cl, 5
        jbe     alarm
        mov     dx, 0x602
        mov     ax, 0x400
        out     dx, ax
        ; the local APIC: a task priority
        mov     ecx, 0x1b
        rdmsr
        or      eax, 0x400
        wrmsr
        mov     ecx, 0x808
        mov     eax, 0x50
        xor     edx, edx
        wrmsr
        mov     ebx, 0x12345678
        mov     dx, 0x604
        mov     ax, 0x2400
        out     dx, ax
        ; never reached
        mov     al, 1
        out     0xf4, al
align 16
woken:  mov     dx, 0x600
        in      ax, dx
        and     ax, 0x8400
        cmp     ax, 0x8400
        jne     bad
        test    ebx, ebx
        jnz     bad
        smsw    ax
        test    al, 1
        jnz     bad
        mov     ecx, 0x1b
        rdmsr
        or      eax, 0x400
        wrmsr
        mov     ecx, 0x808
        rdmsr
        test    eax, eax
        jnz     bad
        mov     al, 2
        out     0xf4, al
bad:    mov     al, 3
        out     0xf4, al
`,
    false,
  );
  assert.deepEqual(stop, STATUS(2));
  assert.equal(machine.time / 1_000_000_000n, 1n);
});

test('sleep that nothing ends is the end', () => {
  const { stop } = run(
    `
        mov     dx, 0x604
        mov     ax, 0x2400
        out     dx, ax
        jmp     $
`,
    false,
  );
  assert.equal(stop.kind, 'halted');
});
