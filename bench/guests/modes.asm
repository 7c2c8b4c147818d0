; What changes the processor's mode: vector units switched on, 16-bit code, exceptions.

CODE64          equ 0x08
CODE16          equ 0x30
DATA16          equ 0x38
CR4_VECTORS     equ (1 << 9) | (1 << 10) | (1 << 18)    ; OSFXSR, OSXMMEXCPT, OSXSAVE
XCR0_AVX        equ 7
UD_VECTOR       equ 6

section .text
bits 64

; void vectors_start(void)
global vectors_start
vectors_start:
        mov     rax, cr4
        or      rax, CR4_VECTORS
        mov     cr4, rax
        xor     ecx, ecx
        xor     edx, edx
        mov     eax, XCR0_AVX
        xsetbv
        ret

; u64 code_16(u64 scale): a million rounds in a 16-bit code segment each
global code_16
code_16:
        push    rbx
        push    rbp
        ; The segments begin at the code and the data: 16 bits do not reach them otherwise.
        mov     eax, in_16
        mov     [wide_gdt + CODE16 + 2], ax
        shr     eax, 16
        mov     [wide_gdt + CODE16 + 4], al
        mov     eax, words
        mov     [wide_gdt + DATA16 + 2], ax
        shr     eax, 16
        mov     [wide_gdt + DATA16 + 4], al
        lgdt    [wide_gdt_pointer]
        mov     [saved_stack], rsp
        mov     ebp, edi
        xor     ebx, ebx
        mov     eax, DATA16
        mov     ds, eax
        mov     es, eax
        jmp     far dword [to_16]

bits 16
in_16:
        xor     eax, eax
.million:
        mov     dx, 16
.outer:
        mov     cx, 62500
        xor     si, si
.inner:
        add     ax, cx
        rol     ax, 3
        mov     [bx + si], ax
        xor     ax, [bx + si + 2]
        add     si, 2
        and     si, 0x0FFE
        dec     cx
        jnz     .inner
        dec     dx
        jnz     .outer
        dec     ebp
        jnz     .million
        jmp     dword CODE64:in_64

bits 64
in_64:
        mov     ecx, 0x10
        mov     ds, ecx
        mov     es, ecx
        mov     ss, ecx
        mov     rsp, [saved_stack]
        movzx   eax, ax
        pop     rbp
        pop     rbx
        ret

; u64 exception_round_trips(u64 scale): a thousand #UD each, whose handler steps over the instruction
global exception_round_trips
exception_round_trips:
        imul    rcx, rdi, 1000
        mov     eax, undefined
        mov     [idt + UD_VECTOR * 16], ax
        mov     word [idt + UD_VECTOR * 16 + 2], CODE64
        mov     word [idt + UD_VECTOR * 16 + 4], 0x8E00
        shr     eax, 16
        mov     [idt + UD_VECTOR * 16 + 6], ax
        lidt    [idt_pointer]
        xor     eax, eax
.again:
        ud2
        dec     rcx
        jnz     .again
        ret
undefined:
        inc     rax
        add     qword [rsp], 2
        iretq

section .data
align 8
wide_gdt:
        dq 0
        dq 0x00AF9B000000FFFF           ; 0x08: 64-bit code
        dq 0x00CF93000000FFFF           ; 0x10: data
        dq 0, 0, 0                      ; the task register stays as it is
        dq 0x00009B000000FFFF           ; 0x30: 16-bit code, base filled in above
        dq 0x000093000000FFFF           ; 0x38: data, likewise
wide_gdt_pointer:
        dw $ - wide_gdt - 1
        dq wide_gdt
to_16:  dd 0
        dw CODE16
idt_pointer:
        dw 16 * 16 - 1
        dq idt

section .bss
alignb 16
saved_stack:    resq 1
idt:            resb 16 * 16
words:          resb 4096 + 16
