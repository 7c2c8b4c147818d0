; Workloads whose every instruction matters.

section .text
bits 64

; u64 alu_loop(u64 scale): a million rounds of dependent register arithmetic each
global alu_loop
alu_loop:
        imul    rcx, rdi, 1000000
        mov     rax, 1
        mov     rdx, 0x9E3779B97F4A7C15
        xor     esi, esi
.again:
        add     rax, rdx
        xor     rsi, rax
        rol     rax, 7
        sub     rdx, rsi
        lea     rsi, [rsi + rax * 2 + 5]
        and     esi, 0x7FFFFFFF
        shr     rax, 1
        dec     rcx
        jnz     .again
        add     rax, rsi
        ret

; u64 array_walk(u64 scale): reads and writes 64 KiB over and over
global array_walk
array_walk:
        mov     r8, rdi
        shl     r8, 5
        xor     eax, eax
.pass:
        mov     rdx, array
        mov     ecx, 16384
.next:
        add     eax, [rdx]
        add     dword [rdx], ecx
        add     rdx, 4
        dec     ecx
        jnz     .next
        dec     r8
        jnz     .pass
        ret

; u64 fibonacci(u64 scale): fib(32), the plain recursive way
global fibonacci
fibonacci:
        mov     edi, 32
.fib:
        cmp     edi, 2
        jae     .recurse
        mov     eax, edi
        ret
.recurse:
        push    rbx
        push    rdi
        dec     edi
        call    .fib
        mov     rbx, rax
        pop     rdi
        sub     edi, 2
        call    .fib
        add     rax, rbx
        pop     rbx
        ret

section .bss
alignb 4096
array:  resb 65536
