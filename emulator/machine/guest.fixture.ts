import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { MachineConfig } from '../api';
import { loadFlat } from '../boot/flat';
import { createMachine, type LoadableMachine } from './machine';

const MEMORY = 1 << 20;
/** Where assembled guests are loaded and begin. */
export const LOAD_AT = 0x1_0000;

/** Assembles 64-bit code for LOAD_AT with nasm. */
export function assemble64(source: string): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'strata-'));
  try {
    writeFileSync(join(folder, 'guest.asm'), `bits 64\norg ${LOAD_AT}\n${source}`);
    execFileSync('nasm', ['-f', 'bin', '-o', join(folder, 'guest.bin'), join(folder, 'guest.asm')]);
    return readFileSync(join(folder, 'guest.bin'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A machine with 1 MByte that starts a flat image in 64-bit mode at level 0, all of memory identity-mapped. */
export function bootFlat64(code: Uint8Array, config: Partial<MachineConfig> = {}): LoadableMachine {
  const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n, ...config });
  const loaded = loadFlat(code, { name: 'guest', memory: MEMORY, loadAddress: LOAD_AT, mode: 64 });
  assert.ok(loaded.ok);
  machine.load(loaded.image);
  return machine;
}

/**
 * Macros and tables for guests: `gate VECTOR, LABEL` puts an interrupt gate, `setup` loads IDT, GDT (08H 64-bit code, 10H data, 1BH user
 * data, 23H user code, 28H TSS) and TSS with a stack for level 0; `power_off` ends the run through the ACPI port of PCs.
 */
export const GUEST_TABLES = `
%macro gate 2
        lea     rax, [%2]
        mov     [idt + %1 * 16], ax
        mov     word [idt + %1 * 16 + 2], 0x08
        mov     word [idt + %1 * 16 + 4], 0xee00
        shr     rax, 16
        mov     [idt + %1 * 16 + 6], ax
%endmacro
%macro setup 0
        lgdt    [gdtr]
        lidt    [idtr]
        lea     rax, [tss]
        mov     [gdt + 5 * 8 + 2], ax
        shr     rax, 16
        mov     [gdt + 5 * 8 + 4], al
        mov     ax, 0x28
        ltr     ax
        lea     rsp, [rel stack0]
        push    0x08
        lea     rax, [%%next]
        push    rax
        retfq
%%next: mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
%endmacro
%macro user_pages 0
        mov     rax, cr3
        mov     rbx, rax
%rep 2
        or      byte [rbx], 4
        mov     rbx, [rbx]
        and     rbx, -4096
%endrep
        mov     cr3, rax
%endmacro
%macro wrmsr_value 2
        mov     ecx, %1
        mov     eax, ((%2) & 0xffffffff)
        mov     edx, (%2) >> 32
        wrmsr
%endmacro
`;

export const GUEST_DATA = `
align 8
idtr:   dw      4095
        dq      idt
gdtr:   dw      7 * 8 - 1
        dq      gdt
gdt:    dq      0, 0x00af9b000000ffff, 0x00cf93000000ffff, 0x00cff3000000ffff, 0x00affb000000ffff
        dq      0x0000890000000067, 0
tss:    dd      0
        dq      stack0
        times 92 db 0
align 16
idt:    times 4096 db 0
        times 4096 db 0
stack0:
`;
