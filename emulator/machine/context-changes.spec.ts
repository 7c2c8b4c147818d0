import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assemble64, bootFlat64, GUEST_DATA, GUEST_TABLES } from './guest.fixture';

test('WRPKRU leaves nothing of another code size in front of the branch behind it', () => {
  // The same page is executed as 32-bit code with PKRU = 4, then as 64-bit code after PKRU has been 0.
  const machine = bootFlat64(
    assemble64(`${GUEST_TABLES}
        setup
        mov     dword [gdt + 6 * 8], 0x0000ffff
        mov     dword [gdt + 6 * 8 + 4], 0x00cf9b00
        mov     rax, cr4
        or      eax, 1 << 22
        mov     cr4, rax
        xor     ecx, ecx
        xor     edx, edx
        mov     ebp, 1
        jmp     far dword [to32]
bits 32
narrow: mov     eax, 4
        db      0x0f, 0x01, 0xef ; WRPKRU
        xor     ebx, ebx
        jmp     both
align 64
both:   inc     eax ; 40H: in 64-bit mode a prefix
        xor     ebx, ebx
        test    ebp, ebp
        jz      done
        xor     ebp, ebp
        xor     eax, eax
        db      0x0f, 0x01, 0xef ; WRPKRU
        jmp     0x08:wide
bits 64
wide:   mov     eax, 4
        wrpkru
        mov     eax, 4
        jmp     both
done:   cli
        hlt
align 8
to32:   dd      narrow
        dw      0x30
${GUEST_DATA}`),
  );
  assert.equal(machine.run(10_000).kind, 'halted');
  assert.equal(machine.state(machine.current).gpr(0), 4n);
});
