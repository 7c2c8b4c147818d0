import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from './guest.fixture';

/** Where the guest leaves words: interrupts, redirection entries seen at each, and the last one. */
const RESULTS = 0x7000;

/** Timer 2 of the HPET at input 20 of the I/O APIC, level-triggered; its handler silences it at the third interrupt only. */
const GUEST = assemble64(`
${GUEST_TABLES}
%define IO_APIC 0xfec00000
%define HPET    0xfed00000
%define LOCAL   0xfee00000
        setup
        gate    0x50, handler
        mov     al, 0xff
        out     0x21, al
        out     0xa1, al
        mov     ebx, IO_APIC
        mov     dword [rbx], 0x38
        mov     dword [rbx + 0x10], 0x8050
        mov     edi, HPET
        mov     dword [rdi + 0x140], (20 << 9) | 0x106
        mov     dword [rdi + 0x148], 1000
        mov     dword [rdi + 0x10], 1
        sti
asleep: hlt
        cmp     dword [${RESULTS}], 3
        jb      asleep
        mov     dword [rbx], 0x38
        mov     eax, [rbx + 0x10]
        mov     [${RESULTS} + 16], eax
        mov     ecx, 1000
.l:     loop    .l
        mov     dword [rdi + 0x140], 0
        cli
        hlt
handler:
        mov     dword [rbx], 0x38
        mov     eax, [rbx + 0x10]
        mov     edx, [${RESULTS}]
        mov     [${RESULTS} + 4 + rdx * 4], eax
        inc     edx
        mov     [${RESULTS}], edx
        cmp     edx, 3
        jb      .end
        mov     dword [rdi + 0x20], 4
.end:   mov     eax, LOCAL
        mov     dword [rax + 0xb0], 0
        iretq
${GUEST_DATA}`);

test('a level-triggered interrupt comes again after each EOI until its device is silenced', () => {
  const machine = bootFlat64(GUEST);
  assert.equal(machine.run(1_000_000).kind, 'halted');
  const words = new Uint32Array(machine.peekPhysical(RESULTS, 20).slice().buffer);
  const remoteIrr = 0x4000;
  assert.deepEqual([...words], [3, ...[1, 2, 3].map(() => 0x8050 | remoteIrr), 0x8050]);
});
