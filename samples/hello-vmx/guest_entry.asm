; The guest's first instructions, its stack and tables, and its interrupt stub.

PAGE_PRESENT    equ 1 << 0
PAGE_WRITE      equ 1 << 1
PAGE_LARGE      equ 1 << 7

extern guest_main
extern guest_timer_interrupt

section .text
bits 64

; The VMCS makes the guest start here in 64-bit mode, with its own page tables and stack.
global guest_start
guest_start:
        lgdt    [rel guest_gdt_pointer]
        xor     ebp, ebp
        call    guest_main
.stop:
        hlt
        jmp     .stop

; Saves what C functions may change, and lets C do the rest.
global guest_timer_stub
guest_timer_stub:
        push    rax
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        cld
        call    guest_timer_interrupt
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rax
        iretq

section .data
; Identity map of the guest's first 16 MiB. Addresses in these tables are guest-physical.
align 4096
global guest_pml4
guest_pml4:
        dq guest_pdpt + PAGE_PRESENT + PAGE_WRITE
        times 511 dq 0
guest_pdpt:
        dq guest_pd + PAGE_PRESENT + PAGE_WRITE
        times 511 dq 0
guest_pd:
%assign page 0
%rep 8
        dq page + PAGE_PRESENT + PAGE_WRITE + PAGE_LARGE
%assign page page + 0x200000
%endrep
        times 504 dq 0

; IRETQ loads CS and SS from here after an interrupt.
guest_gdt:
        dq 0
        dq 0x00AF9B000000FFFF           ; 0x08: 64-bit code
        dq 0x00CF93000000FFFF           ; 0x10: data
guest_gdt_end:
guest_gdt_pointer:
        dw guest_gdt_end - guest_gdt - 1
        dq guest_gdt

section .bss
alignb 16
                resb 8192
global guest_stack_end
guest_stack_end:
