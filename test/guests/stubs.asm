; Interrupt stubs, and code that C cannot hold: user mode and compatibility mode.

extern catch_exception

section .text
bits 64

; Vectors 0 to 63; a stub pushes an error code where the processor does not.
%assign vector 0
%rep 64
stub_%+vector:
%if !(vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21)
        push    0
%endif
        push    vector
        jmp     save_and_catch
%assign vector vector + 1
%endrep

save_and_catch:
        push    rax
        push    rcx
        push    rdx
        push    rbx
        push    rbp
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        push    r12
        push    r13
        push    r14
        push    r15
        mov     rdi, rsp
        cld
        mov     rbx, rsp
        and     rsp, -16
        call    catch_exception
        mov     rsp, rbx
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rbp
        pop     rbx
        pop     rdx
        pop     rcx
        pop     rax
        add     rsp, 16
        iretq

; u64 run_compatibility(u32 (*code)(void)): runs 32-bit code below 4 GiB that ends with a far return; gives its EAX.
global run_compatibility
run_compatibility:
        push    rbx
        push    rbp
        mov     [saved_rsp], rsp
        mov     rsp, compatibility_stack_end - 8
        mov     dword [rsp], .back      ; a 32-bit far return reads two doublewords
        mov     dword [rsp + 4], 0x08
        mov     [compatibility_target], edi
        jmp     far dword [abs compatibility_target]
.back:
        mov     eax, eax
        mov     rsp, [saved_rsp]
        pop     rbp
        pop     rbx
        ret

; void run_user(u64 code, u64 stack): there is no way back but an exception.
global run_user
run_user:
        mov     [saved_rsp], rsp
        push    0x3b
        push    rsi
        push    0x2
        push    0x43
        push    rdi
        xor     eax, eax
        mov     ds, eax
        mov     es, eax
        iretq
global leave_user
leave_user:
        mov     eax, 0x10
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        mov     rsp, [saved_rsp]
        ret

section .data
align 8
global stub_table
stub_table:
%assign vector 0
%rep 64
        dq stub_%+vector
%assign vector vector + 1
%endrep
compatibility_target:
        dd 0
        dw 0x28

section .bss
saved_rsp: resq 1
alignb 16
        resb 4096
compatibility_stack_end:
