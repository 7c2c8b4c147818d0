; 64-bit mode: second halves of descriptors, descriptor tables in pages of every kind, returns to compatibility mode, RFLAGS, debug registers,
; and events whose delivery meets a page fault.
%include "common.inc"
%include "long.inc"
bits 32
GATE    equ FREE + 0x40
LDT     equ FREE + 0x50
ABSENT  equ FREE + 0x60         ; code 64, absent, level 0
LASTG   equ FREE + 31 * 8       ; last 8 bytes of the GDT
LDTAT   equ 0x221000
start:  mov esp, STACK0
        call setup32
        enter_long
        mov esp, STACK0
        mov dword [abs PD + 8], PT | 7
        mov edi, PT
        mov rax, 0x200007
        mov ecx, 512
.p:     stosq
        add rax, 0x1000
        loop .p
        mov rax, cr3
        mov cr3, rax
        mov rax, descriptor(LDTAT, 0xffff, 0x82, 0)
        mov [abs gdt + LDT], rax
        mov rax, descriptor(0, 0xfffff, 0x1b, 0xa)
        mov [abs gdt + ABSENT], rax
        mov rax, 0x0000ec0000000000 + (at(tgt) & 0xffff) + ((at(tgt) >> 16) << 48) + (CODE64 << 16)
        mov [abs gdt + GATE], rax
        mov [abs gdt + LASTG], rax
        mov edi, LDTAT
        mov rax, descriptor(0, 0xfffff, 0xf2, 0xc)      ; not accessed
        mov [rdi + 8], rax
        mov [rdi + 0xff8], rax
        mov rax, descriptor(0, 0xfffff, 0xf3, 0xc)      ; accessed
        mov [rdi + 16], rax
        jmp tests
tgt:    ud2
%macro pte 2    ; page, low bits
        mov dword [abs PT + (((%1) >> 12) & 511) * 8], (%1) | (%2)
        invlpg [abs %1]
%endmacro
%macro farptr 1
        mov qword [rdi], 0
        mov qword [rdi + 8], %1
%endmacro
tests:
T "call gate upper type"
        mov dword [abs gdt + GATE + 12], 0x1000
        farptr GATE
        o64 call far [rdi]
E
T "jmp gate upper type"
        farptr GATE
        o64 jmp far [rdi]
E
T "call gate upper other"
        mov dword [abs gdt + GATE + 12], 0xffffe0ff
        farptr GATE
        o64 call far [rdi]
E
        mov dword [abs gdt + GATE + 12], 0
T "call gate at the end"
        farptr LASTG
        o64 call far [rdi]
E
T "jmp gate at the end"
        farptr LASTG
        o64 jmp far [rdi]
E
T "lldt at the end"
        mov rax, [abs gdt + LDT]
        mov [abs gdt + LASTG], rax
        mov eax, LASTG
        lldt ax
E
T "ltr at the end"
        mov rax, [abs gdt + TSS]
        mov [abs gdt + LASTG], rax
        mov byte [abs gdt + LASTG + 5], 0x89
        mov eax, LASTG
        ltr ax
E
T "user jmp gate absent"
        mov word [abs gdt + GATE + 2], ABSENT
        farptr GATE
        user64
        o64 jmp far [rdi]
E
T "user call gate absent"
        user64
        o64 call far [rdi]
E
        mov word [abs gdt + GATE + 2], CODE64
T "user call gate noncanonical"
        mov dword [abs gdt + GATE + 8], 0x8000
        farptr GATE
        user64
        o64 call far [rdi]
E
T "user call gate noncanonical, rsp0 too"
        mov rax, 0x800000000000
        mov [abs tss + 4], rax
        mov byte [abs idt + 12 * 16 + 4], 1
        mov byte [abs idt + 13 * 16 + 4], 1
        user64
        o64 call far [rdi]
E
        mov qword [abs tss + 4], STACKT
        mov byte [abs idt + 12 * 16 + 4], 0
        mov byte [abs idt + 13 * 16 + 4], 0
        mov dword [abs gdt + GATE + 8], 0
T "call gate noncanonical, stack too"
        mov dword [abs gdt + GATE + 8], 0x8000
        farptr GATE
        mov rsp, 0x800000000008
        mov byte [abs idt + 12 * 16 + 4], 1
        mov byte [abs idt + 13 * 16 + 4], 1
        o64 call far [rdi]
E
        mov byte [abs idt + 12 * 16 + 4], 0
        mov byte [abs idt + 13 * 16 + 4], 0
        mov dword [abs gdt + GATE + 8], 0
; descriptor tables and paging
%macro ldt 0
        mov eax, LDT
        lldt ax
%endmacro
T "ldt supervisor page"
        ldt
        pte LDTAT, 3
        user64
        mov eax, 0x17
        mov fs, eax
        mov ebx, fs
E
T "ldt absent page"
        pte LDTAT, 2
        user64
        mov eax, 0x17
        mov fs, eax
E
T "ldt read-only page accessed"
        pte LDTAT, 5
        user64
        mov eax, 0x17
        mov fs, eax
E
T "ldt read-only page not accessed"
        user64
        mov eax, 0x0f
        mov fs, eax
E
T "ldt read-only page, no wp"
        mov rax, cr0
        btr rax, 16
        mov cr0, rax
        user64
        mov eax, 0x0f
        mov fs, eax
E
        mov rax, cr0
        bts rax, 16
        mov cr0, rax
        pte LDTAT, 7
T "lar of absent page"
        pte LDTAT, 2
        mov ecx, 0x17
        lar rax, ecx
E
        pte LDTAT, 7
; SMAP
        and byte [abs PD], ~4
        mov rax, cr3
        mov cr3, rax
        mov rax, cr4
        bts rax, 21
        mov cr4, rax
T "smap ldt"
        ldt
        mov eax, 0x17
        mov fs, eax
E
T "smap ldt with ac"
        push qword 0x40002
        popfq
        mov eax, 0x17
        mov fs, eax
E
T "smap ac by iretq"
        mov rcx, rsp
        push qword DATA
        push rcx
        push qword 0x40002
        push qword CODE64
        push qword %$i
        iretq
%$i:    mov eax, [abs LDTAT]
        push qword 2
        popfq
        mov ebx, [abs LDTAT]
E
        mov rax, cr4
        btr rax, 21
        mov cr4, rax
; flags
        or byte [abs PD], 4
        mov rax, cr3
        mov cr3, rax
T "popfq vif vip"
        push qword 0x180002
        popfq
        pushfq
        pop rbx
E
T "iretq vif vip"
        mov rcx, rsp
        push qword DATA
        push rcx
        push qword 0x3a0002
        push qword CODE64
        push qword %$i
        iretq
%$i:    pushfq
        pop rbx
        push qword 2
        popfq
        pushfq
        pop rcx
        push rsp
        push rsp
        mov rdx, rsp
        push qword DATA
        push rdx
        push qword 2
        push qword CODE64
        push qword %$j
        iretq
%$j:    pushfq
        pop rdx
E
T "user iretq flags"
        user64
        mov rcx, rsp
        push qword USERDS
        push rcx
        push qword 0x3fffff & ~0x10100 & ~0x4000
        push qword USER64
        push qword %$i
        iretq
%$i:    pushfq
        pop rbx
        push qword 2
        popfq
E
; debug registers in 64-bit mode
%macro arm 2
        mov rax, %1
        mov dr0, rax
        mov rax, %2
        mov dr7, rax
%endmacro
%macro disarm 0
        xor eax, eax
        mov dr7, rax
        mov dr0, rax
%endmacro
T "eight bytes, last"
        arm BUFFER + 0x40, 0x90401
        mov byte [abs BUFFER + 0x47], 1
        nop
        nop
E
        disarm
T "eight bytes, behind"
        arm BUFFER + 0x40, 0x90401
        mov byte [abs BUFFER + 0x48], 1
        nop
        nop
E
        disarm
T "eight bytes, unaligned"
        arm BUFFER + 0x43, 0x90401
        mov byte [abs BUFFER + 0x40], 1
        nop
        nop
E
        disarm
T "over the page"
        arm BUFFER + 0x1000, 0xf0401
        mov eax, [abs BUFFER + 0xffe]
        nop
        nop
E
        disarm
T "before the page"
        arm BUFFER + 0xffc, 0xf0401
        mov rax, [abs BUFFER + 0xffe]
        nop
        nop
E
        disarm
T "over the page, second absent"
        arm BUFFER + 0xffc, 0xf0401
        pte BUFFER + 0x1000, 2
        mov rax, [abs BUFFER + 0xffe]
        nop
        nop
E
        disarm
        mov rax, dr6
        mov rcx, 0xffff0ff0
        mov dr6, rcx
        pte BUFFER + 0x1000, 7
T "code at 64"
        arm %$x, 0x401
        nop
%$x:    nop
E
        disarm
T "user code"
        arm %$x, 0x401
        user64
        nop
%$x:    nop
E
        disarm
T "user data"
        arm STACK3 - 8, 0x90401
        user64
        push rax
        nop
        nop
E
        disarm
T "high address"
        mov rbx, 0xffff800000200040
        mov dword [abs PML4 + 256 * 8], PDPT | 7
        arm rbx, 0xf0401
        mov eax, [abs BUFFER + 0x40]
        nop
        mov eax, [rbx]
        nop
        nop
E
        disarm
T "movs over both"
        arm BUFFER + 0x40, 0xf0401
        mov rsi, BUFFER + 0x40
        mov rdi, BUFFER + 0x40
        movsb
        nop
E
        disarm
; interrupts out of compatibility mode
T "gate into user code"
        mov word [abs idt + 0x80 * 16 + 2], USER64
        int 0x80
E
T "user gate into user code"
        user64
        int 0x80
E
        mov word [abs idt + 0x80 * 16 + 2], CODE64
T "iretq rf"
        arm %$x, 0x401
        mov rcx, rsp
        push qword DATA
        push rcx
        push qword 0x10002
        push qword CODE64
        push qword %$x
        iretq
%$x:    nop
        nop
E
        disarm
T "sti ud2"
        sti
        ud2
E
T "iretq to compat wide rip"
        push qword USERDS
        push qword STACK3
        push qword 2
        push qword USER32
        mov rax, 0x100000000 + at(tgt)
        push rax
        iretq
E
T "retfq to compat wide rip"
        push qword CODE32
        mov rax, 0x100000000 + at(tgt)
        push rax
        o64 retf
E
T "jmp to compat wide offset"
        mov rax, 0x100000000 + at(tgt)
        mov [rdi], rax
        mov word [rdi + 8], CODE32
        o64 jmp far [rdi]
E
T "retfq frame in an absent page"
        pte 0x230000, 2
        mov rsp, 0x230800
        mov byte [abs idt + 14 * 16 + 4], 1
        o64 retf
E
T "retfq frame over an absent page"
        mov rsp, 0x22fff8
        mov byte [abs idt + 14 * 16 + 4], 1
        o64 retf
E
        mov byte [abs idt + 14 * 16 + 4], 0
T "iret stack in supervisor page"
        pte 0x230000, 3
        user64
        mov rsp, 0x230800
        iretq
E
T "user rsp in read-only page"
        pte 0x230000, 5
        user64
        mov rsp, 0x230800
        push rax
E
T "tss absent"
        mov rax, [abs gdt + TSS]
        pte 0x231000, 7
        mov rbx, descriptor(0x231000, 0x67, 0x89, 0)
        mov [abs gdt + TSS], rbx
        mov ecx, TSS
        ltr cx
        mov qword [abs 0x231004], STACKT
        mov word [abs 0x231066], 0x68
        mov byte [abs idt + 8 * 16 + 4], 0
        user64
        int 0x80
E
        mov rbx, descriptor(at(tss), 0x67, 0x89, 0)
        mov [abs gdt + TSS], rbx
        mov ecx, TSS
        ltr cx
T "idt page absent"
        mov rax, [abs idt_pointer + 2]
        mov esi, idt
        mov edi, 0x232000 + 0x1000 - 13 * 16
        mov ecx, 0x82 * 16
        rep movsb
        mov word [abs OTHER], 0x82 * 16 - 1
        mov qword [abs OTHER + 2], 0x232000 + 0x1000 - 13 * 16
        lidt [abs OTHER]
        pte 0x232000, 2
        ud2
E
        lidt [abs idt_pointer]
        pte 0x232000, 7
T "int push absent"
        pte 0x233000, 2
        mov rsp, 0x234008
        mov byte [abs idt + 14 * 16 + 4], 1
        int 0x80
E
T "ud push absent"
        mov rsp, 0x234008
        ud2
E
T "pf push absent"
        mov rsp, 0x234008
        mov byte [abs idt + 14 * 16 + 4], 0
        mov byte [abs idt + 8 * 16 + 4], 1
        mov eax, [abs 0x233000]
E
T "gp push absent"
        mov rsp, 0x234008
        mov byte [abs idt + 14 * 16 + 4], 1
        mov byte [abs idt + 8 * 16 + 4], 0
        mov eax, 0xfff8
        mov fs, eax
E
        mov byte [abs idt + 14 * 16 + 4], 0
        finish
image_end:
