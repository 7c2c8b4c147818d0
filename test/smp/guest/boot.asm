; From the boot loader to 64-bit C, on the first processor and, by way of the trampoline, on the others.
STACK_SIZE equ 0x4000

CODE64  equ 0x08
DATA    equ 0x10
CODE32  equ 0x18

extern main, other_main, on_interrupt, stacks

section .multiboot align=4
        dd 0x1badb002, 3, -(0x1badb002 + 3)

section .text
bits 32
global _start
_start: cli
        cld
        mov esp, stacks + STACK_SIZE
        push ebx                        ; Multiboot information
        mov dword [pml4], pdpt + 3
        mov dword [pdpt], page_directory + 3
        mov dword [pdpt + 3 * 8], device_directory + 3
        xor ecx, ecx
        mov eax, 0x83
.page:  mov [page_directory + ecx * 8], eax
        mov edx, eax
        add edx, 0xc0000010             ; the gigabyte of devices, uncached
        mov [device_directory + ecx * 8], edx
        add eax, 0x200000
        inc ecx
        cmp ecx, 512
        jb .page
        call enter_long
bits 64
        mov rsi, [rsp]
        mov esi, esi
        mov edi, esi
        mov esp, stacks + STACK_SIZE
        call main
        cli
        hlt

; To 64-bit mode, with the caller's stack.
bits 32
enter_long:
        pop ebp
        lgdt [gdt_pointer]
        mov eax, cr4
        or eax, 0x20
        mov cr4, eax
        mov eax, pml4
        mov cr3, eax
        mov ecx, 0xc0000080
        rdmsr
        or eax, 0x100
        wrmsr
        mov eax, cr0
        and eax, ~0x60000000
        or eax, 0x80010000
        mov cr0, eax
        jmp CODE64:.long
bits 64
.long:  mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        xor eax, eax
        mov fs, eax
        mov gs, eax
        lidt [idt_pointer]
        jmp rbp

; What start-up messages lead to, copied to a page below 1 MiB, whichever.
global trampoline, trampoline_end
bits 16
trampoline:
        cli
        mov ax, cs
        mov ds, ax
        mov ebx, cr0
        xor ax, ax
        mov ss, ax
        mov es, ax
        mov eax, 1
        lock xadd [es:arrivals], eax    ; absolute address below 64 KiB
        o32 lgdt [low_pointer - trampoline]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE32:others32
        align 4
low_pointer: dw gdt_end - gdt - 1
        dd gdt
trampoline_end:

arrivals equ 0x6000

bits 32
others32:
        mov eax, DATA
        mov ds, eax
        mov es, eax
        mov ss, eax
        ; A stack by number, from the initial APIC ID.
        mov edi, ebx
        mov eax, 1
        cpuid
        shr ebx, 24
        mov esp, ebx
        inc esp
        imul esp, esp, STACK_SIZE
        add esp, stacks
        push edi
        push ebx
        call enter_long
bits 64
        mov edi, [rsp]                  ; number
        mov esi, [rsp + 4]              ; CR0 after INIT
        and rsp, ~15
        call other_main
.halt:  cli
        hlt
        jmp .halt

%macro stub 1
        align 16
  %if !(%1 = 8 || (%1 >= 10 && %1 <= 14) || %1 = 17)
        push qword 0
  %endif
        push qword %1
        jmp near entry
%endmacro
        align 16
global interrupt_stubs
interrupt_stubs:
%assign i 0
%rep 256
        stub i
  %assign i i + 1
%endrep
entry:  push rax
        push rcx
        push rdx
        push rbx
        push rbp
        push rsi
        push rdi
        push r8
        push r9
        push r10
        push r11
        mov rdi, [rsp + 88]             ; vector
        mov rsi, [rsp + 96]             ; error code
        lea rdx, [rsp + 104]            ; frame
        mov rbx, rsp
        and rsp, ~15
        call on_interrupt
        mov rsp, rbx
        pop r11
        pop r10
        pop r9
        pop r8
        pop rdi
        pop rsi
        pop rbp
        pop rbx
        pop rdx
        pop rcx
        pop rax
        add rsp, 16
        iretq

; mov eax, imm32; ret in a page of its own: other processors change the immediate.
section .data
        align 4096
global changing_code
changing_code:
        mov eax, 0x11111111
        ret
        align 4096

global gdt
gdt:    dq 0
        dq 0x00af9b000000ffff
        dq 0x00cf93000000ffff
        dq 0x00cf9b000000ffff
gdt_end:
gdt_pointer: dw gdt_end - gdt - 1
        dq gdt
        align 16
idt_pointer: dw 4095
        dq idt

section .bss
        align 4096
global pml4, pdpt, page_directory
pml4:   resb 4096
pdpt:   resb 4096
page_directory: resb 4096
device_directory: resb 4096
global idt
idt:    resb 4096
