; 32-bit code in compatibility mode; each piece leaves its result in EAX and returns far.
section .text
bits 32

%macro piece 1
global %1
%1:
%endmacro

piece compat_arithmetic
        mov     eax, 0xffffffff
        add     eax, 1
        adc     eax, 0
        inc     eax                     ; 40 is INC here, not REX
        dec     ecx
        shl     eax, 4
        retf

piece compat_stack
        push    dword 0x11111111
        push    word 0x2222
        pop     ax
        pop     edx
        pusha
        mov     ebx, [esp + 20]         ; EDX as PUSHA stored it
        popa
        movzx   eax, ax
        add     eax, edx
        retf

piece compat_addressing
        sub     esp, 64
        mov     ecx, 4
        mov     dword [esp + ecx * 4 + 8], 0x12345678
        mov     eax, [esp + 24]
        mov     bx, sp
        a16 lea edx, [bx + 2]           ; 16-bit address size
        sub     dx, sp
        movzx   edx, dx
        add     eax, edx
        add     esp, 64
        retf

piece compat_decimal
        mov     eax, 0x79
        add     al, 0x35
        daa
        mov     ah, 0
        aam
        aad
        retf

piece compat_wrap
        mov     ecx, 0xffffffff
        xor     eax, eax
        lea     eax, [ecx + 2]
        retf

piece compat_strings
        sub     esp, 32
        cld
        push    edi
        push    esi
        lea     edi, [esp + 8]
        mov     eax, 0x5a5a5a5a
        mov     ecx, 8
        rep stosd
        lea     edi, [esp + 8]
        mov     ecx, 100
        mov     al, 0x5b
        repne scasb
        mov     eax, ecx
        pop     esi
        pop     edi
        add     esp, 32
        retf

piece compat_flags
        pushfd
        pop     eax
        and     eax, 0x3202
        retf

piece compat_loop
        xor     eax, eax
        mov     ecx, 10
.again: add     eax, ecx
        loop    .again
        jecxz   .done
        mov     eax, 0
.done:  retf

piece compat_undefined
        db 0x0f, 0x0b
        retf
