; 64-bit mode and compatibility mode: operands, gates, stacks, fast system calls, and what control registers and MSRs refuse.
%include "common.inc"
%include "long.inc"
bits 32
start:  mov esp, STACK0
        call setup32
        mov esi, own_descriptors
        mov edi, gdt_own
        mov ecx, own_size / 4
        rep movsd
        mov dword [BUFFER], 0x89abcdef
        mov dword [BUFFER + 4], 0x01234567
        enter_long

%macro own 2
%1      equ FREE + ($ - own_descriptors)
        dq %2
%endmacro
%macro own16 3
%1      equ FREE + ($ - own_descriptors)
        dq %2, %3
%endmacro

; Operands
T "high bytes"
        mov ah, 0x5a
        mov bl, ah
        db 0x40
        mov ah, 0x77            ; SPL with REX
        mov cx, sp
        mov esp, STACK0
        mov sil, 0x12
E
T "32-bit results"
        mov eax, eax
        xchg ebx, ebx
        mov cx, cx
        cmovc edx, edx
        nop
E
T "nop xchg"
        nop
        xchg r8, rax
        mov r8d, 0x1234
        xchg rax, r8
E
T "cmpxchg32"
        cmpxchg [rsi], ecx
E
T "moffs"
        mov [abs qword BUFFER + 0x20], rax
        mov rbx, [abs BUFFER + 0x20]
        mov al, [abs qword BUFFER]
E
T "rip relative"
        lea rax, [rel %$x]
        mov rbx, %$x
        sub rax, rbx
        mov ecx, [rel %$x + 1]
%$x:    mov edx, 0x600dcafe
E
T "a32"
        mov rbx, 0xffffffff00200000
        mov eax, [ebx]
        a32 lea rcx, [ebx - 0x200001]
        lea edx, [rbx]
E
T "push imm"
        mov rbx, rsp
        push qword -5
        push word 0x1234
        sub rbx, rsp
        mov rax, [rsp + 2]
        o16 pop cx
        pop rdx
E
T "push fs"
        mov rbx, rsp
        push qword -1
        pop rax
        push fs
        pop rax
        push qword -1
        pop rcx
        o16 push gs
        sub rbx, rsp
E
T "jecxz"
        mov rcx, 0x100000000
        jrcxz %$x
        jecxz %$y
%$x:    inc eax
%$y:
E
T "loop a32"
        mov rcx, 0x500000003
%$x:    inc rax
        a32 loop %$x
E
T "rep movs a32"
        mov rcx, 0x500000003
        mov rsi, 0xabcd00000000 + BUFFER
        mov rdi, 0xabcd00000000 + OTHER
        a32 rep movsb
E
T "rep movs a32 zero"
        mov rcx, 0x500000000
        mov rsi, 0xabcd00000000 + BUFFER
        mov rdi, 0xabcd00000000 + OTHER
        a32 rep movsb
E
T "movsxd"
        mov ecx, 0x80000001
        movsxd rax, ecx
        db 0x63, 0xd9           ; MOVSXD EBX, ECX
        db 0x66, 0x63, 0xd1     ; MOVSXD DX, ECX
E
T "bt 64"
        mov rbx, 0x80000000 * -1
        mov rbx, -65
        bts [rdi], rbx
        mov rax, [rdi - 16]
E 1
T "cmpxchg16b"
        mov rax, [rsi]
        mov rdx, [rsi + 8]
        mov rbx, 0xb0b0b0b0b0b0b0b0
        lock cmpxchg16b [rsi]
        mov r8, [rsi]
        cmpxchg16b [rsi]
E
T "cmpxchg16b misaligned"
        cmpxchg16b [rsi + 8]
E
T "mul div"
        mul rbx
        mov rcx, 0x1000000000000001
        div rcx
        imul rbx, rcx, -7
E 0
T "div 128 overflow"
        mov rdx, rcx
        div rcx
E
T "enter"
        mov rbx, rsp
        enter 32, 1
        sub rbx, rsp
        mov rax, rbp
        leave
        mov rcx, rsp
E
T "sgdt"
        sgdt [rdi]
        movzx eax, word [rdi]
        mov rbx, [rdi + 2]
        sub rbx, gdt
E
T "fs base"
        set_msr 0xc0000100, OTHER + 0x1000
        mov dword [abs OTHER + 0x1008], 0xfee1600d
        mov ebx, [fs:8]
        xor ecx, ecx
        mov fs, ecx
        mov ecx, 0xc0000100
        rdmsr
E
T "gs base 64"
        set_msr 0xc0000101, 0xffff800000000000
        mov rax, [gs:0]
E
T "swapgs"
        set_msr 0xc0000101, 0x123456789000
        set_msr 0xc0000102, OTHER
        swapgs
        mov ecx, 0xc0000102
        rdmsr
        mov ecx, edx
        mov ebx, eax
        mov eax, [gs:0x10000 - 0x10000]
E

; Not in 64-bit mode
%macro undefined 2+
T %1
        db %2
        nop
        nop
        nop
        nop
        nop
        nop
        nop
E
%endmacro
undefined "push es", 0x06
undefined "pop ss", 0x17
undefined "daa", 0x27
undefined "aam", 0xd4, 10
undefined "salc", 0xd6
undefined "pusha", 0x60
undefined "popa", 0x61
undefined "bound", 0x62, 0x06
undefined "82", 0x82, 0xc0, 1
undefined "call far", 0x9a
undefined "jmp far", 0xea
undefined "into", 0xce
undefined "les", 0xc4, 0x06
undefined "lds", 0xc5, 0x06
undefined "sixteen", 0x48, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x90
undefined "lock rex", 0xf0, 0x48, 0x89, 0x06
undefined "lock xchg", 0xf0, 0x48, 0x87, 0x06
undefined "cmpxchg16b reg", 0x48, 0x0f, 0xc7, 0xc8
undefined "mov cr15", 0x44, 0x0f, 0x20, 0xf8
undefined "mov dr8", 0x44, 0x0f, 0x21, 0xc0
undefined "xgetbv", 0x0f, 0x01, 0xd0
undefined "rdfsbase", 0xf3, 0x0f, 0xae, 0xc0
undefined "sldt rex", 0x48, 0x0f, 0x00, 0xc0
undefined "ud0", 0x0f, 0xff, 0xc0

; Canonical addresses
T "load noncanonical"
        mov rbx, 0x800000000000
        mov rax, [rbx]
E
T "load end canonical"
        mov rbx, 0x7ffffffffffd
        mov rax, [rbx]
E
T "store noncanonical"
        mov [rcx], rax
E
T "rbp noncanonical"
        mov rax, [rbp]
E
        mov byte [abs idt + 12 * 16 + 4], 1
T "push noncanonical"
        mov rsp, 0x800000000010
        push rax
E
T "call noncanonical stack"
        mov rsp, 0x800000000014
        call %$x
%$x:
E
        mov byte [abs idt + 12 * 16 + 4], 0
T "jmp noncanonical"
        jmp rbx
E
T "call noncanonical"
        call rcx
E
T "ret noncanonical"
        push rbx
        ret
E
T "iret noncanonical"
        mov rcx, rsp
        push qword DATA
        push rcx
        push qword 2
        push qword CODE64
        push rbx
        iretq
E
T "wrmsr noncanonical"
        set_msr 0xc0000100, 0x800000000000
E
T "lgdt noncanonical"
        mov word [rdi], 0xff
        mov [rdi + 2], rbx
        lgdt [rdi]
E
T "string noncanonical"
        mov rdi, 0x7ffffffffff8
        mov rsi, 0x7ffffffffffc
        lodsq
E
T "invlpg noncanonical"
        invlpg [rbx]
E

; Gates
T "int3"
        int3
E
T "int 6"
        int 6
E
T "int 0x83"
        int 0x83
E
T "stack alignment"
        mov rsp, STACK0 - 5
        ud2
E
T "ist"
        mov byte [abs idt + 6 * 16 + 4], 1
        ud2
E
T "ist off"
        mov byte [abs idt + 6 * 16 + 4], 0
        ud2
E
T "gate absent"
        mov byte [abs idt + 0x80 * 16 + 5], 0x6e
        int 0x80
E
T "gate type"
        mov byte [abs idt + 0x80 * 16 + 5], 0xe5
        int 0x80
E
T "gate data"
        mov byte [abs idt + 0x80 * 16 + 5], 0xee
        mov byte [abs idt + 0x80 * 16 + 2], DATA
        int 0x80
E
T "gate 32-bit code"
        mov byte [abs idt + 0x80 * 16 + 2], CODE32
        int 0x80
E
T "gate null"
        mov byte [abs idt + 0x80 * 16 + 2], 0
        int 0x80
E
T "gate noncanonical"
        mov byte [abs idt + 0x80 * 16 + 2], CODE64
        mov dword [abs idt + 0x80 * 16 + 8], 0x8000
        int 0x80
E
T "gate restored"
        mov dword [abs idt + 0x80 * 16 + 8], 0
        int 0x80
E
T "trap gate"
        mov byte [abs idt + 0x80 * 16 + 5], 0xef
        push qword 0x202
        popfq
        int 0x80
E
        mov byte [abs idt + 0x80 * 16 + 5], 0xee
T "double fault"
        mov byte [abs idt + 13 * 16 + 5], 0x0e
        mov byte [abs idt + 11 * 16 + 5], 0x0e
        mov byte [abs idt + 8 * 16 + 4], 1
        mov rax, [rbx]
E
T "serial fault"
        mov byte [abs idt + 11 * 16 + 5], 0x8e
        mov rax, [rbx]
E
        mov byte [abs idt + 13 * 16 + 5], 0x8e
        mov byte [abs idt + 8 * 16 + 4], 0
T "user int"
        user64
        int 0x80
E
T "user ud"
        user64
        ud2
E
T "user gate dpl"
        user64
        int 14
E
T "user rsp0 bad"
        mov rax, 0x800000000000
        mov [abs tss + 4], rax
        mov byte [abs idt + 12 * 16 + 4], 1
        user64
        int 0x80
E
        mov qword [abs tss + 4], STACKT
        mov byte [abs idt + 12 * 16 + 4], 0
T "user hlt"
        user64
        hlt
E
T "user in"
        user64
        in al, 0x80
E
T "user in bitmap"
        mov word [abs tss + 0x66], 0x50
        user64
        mov edx, 0x80
        in al, dx
        mov al, 0
E
        mov word [abs tss + 0x66], 0x68
T "user swapgs"
        user64
        swapgs
E
T "user wrmsr"
        user64
        wrmsr
E
T "user cr8"
        user64
        mov rax, cr8
E
T "user rdtsc tsd"
        mov eax, 0x24
        mov cr4, rax
        user64
        rdtsc
E
        mov eax, 0x20
        mov cr4, rax
T "user rdpmc"
        user64
        rdpmc
E
T "user sysexit"
        user64
        sysexit
E
T "user sysret"
        user64
        o64 sysret
E
T "user retf inner"
        user64
        push qword CODE64
        push qword 0
        o64 retf
E

; IRET and far returns
T "iretq same"
        mov rbx, rsp
        push qword DATA
        push rbx
        pushfq
        push qword CODE64
        push qword %$x
        iretq
%$x:    sub rbx, rsp
E
T "iretd in 64"
        push qword 0
        mov rbx, rsp
        mov dword [rsp - 20], %$x
        mov dword [rsp - 16], CODE64
        mov dword [rsp - 12], 2
        mov [rsp - 8], ebx
        mov dword [rsp - 4], DATA
        sub rsp, 20
        iretd
%$x:    sub rbx, rsp
E
T "iretq null ss"
        mov rbx, rsp
        push qword 0
        push rbx
        push qword 2
        push qword CODE64
        push qword %$x
        iretq
%$x:    mov eax, ss
E
T "iretq user null ss"
        push qword 3
        push rbx
        push qword 2
        push qword USER64
        push qword 0
        iretq
E
T "iretq bad ss"
        push qword DATA
        push rbx
        push qword 2
        push qword USER64
        push qword 0
        iretq
E
T "iretq null cs"
        push qword DATA
        push rbx
        push qword 2
        push qword 0
        push qword 0
        iretq
E
T "iretq data cs"
        push qword DATA
        push rbx
        push qword 2
        push qword DATA
        push qword 0
        iretq
E
T "iretq nt"
        push qword 0x4002
        popfq
        iretq
E
T "iretq LD"
        push qword DATA
        push rbx
        push qword 2
        push qword CODELD
        push qword 0
        iretq
E
T "retfq user"
        mov rax, STACK3
        push qword USERDS
        push rax
        push qword USER64
        push qword %$x
        o64 retf
%$x:    mov eax, cs
        mov ebx, ss
        mov rcx, rsp
E
T "jmp far m64"
        mov dword [rdi], %$x
        mov dword [rdi + 4], 0
        mov word [rdi + 8], CODE64
        o64 jmp far [rdi]
%$x:
E
T "call far m32"
        mov rbx, rsp
        mov dword [rdi], %$x
        mov word [rdi + 4], CODE64
        call far [rdi]
%$x:    sub rbx, rsp
E
T "call gate"
        mov rbx, rsp
        mov word [rdi + 4], GATE
        call far [rdi]
        jmp %$done
gate_target:
        mov rcx, rsp
        mov edx, cs
        o64 retf
%$done:
E
T "call gate user"
        mov word [rdi + 4], GATE
        user64
        call far [rdi]
E
T "call gate back"
        mov rbx, [rsp + 24]
        nop
E
T "call gate type"
        mov word [rdi + 4], GATEBAD
        call far [rdi]
E
T "call gate 32-bit code"
        mov word [rdi + 4], GATE32
        call far [rdi]
E

; Segments
T "ss null 3"
        mov eax, 3
        mov ss, eax
E
T "ss null"
        xor eax, eax
        mov ss, eax
        push rax
        pop rcx
E
T "ss absent"
        mov eax, ABSENT
        mov ss, eax
E
T "ds limit ignored"
        mov eax, SMALL
        mov ds, eax
        mov ebx, [abs BUFFER + 4]
E
T "lar"
        mov ecx, TSS
        lar eax, ecx
        lsl rbx, rcx
        mov ecx, GATE
        lar edx, ecx
E
T "lldt 16"
        mov eax, LDT
        lldt ax
        mov ecx, 0x0c
        mov fs, ecx
        sldt rbx
E
T "lldt upper"
        mov eax, LDTBAD
        lldt ax
E
T "lldt typed"
        mov eax, LDTTYPED
        lldt ax
E
T "ltr 16-bit"
        mov eax, TSS286
        ltr ax
E
T "lss"
        mov rax, STACK0 - 32
        mov [rdi], rax
        mov word [rdi + 8], DATA
        db 0x48, 0x0f, 0xb2, 0x27
        mov rax, rsp
E

; Control registers, debug registers, MSRs
%macro cr 3             ; name, register, value
T %1
        mov rax, %3
        mov %2, rax
        mov rbx, %2
E
%endmacro
cr "cr0 pg", cr0, 0x00010031
cr "cr0 pe", cr0, 0x80010030
cr "cr0 nw", cr0, 0xa0010031
cr "cr0 high", cr0, 0x180010031
cr "cr0 undefined", cr0, 0x9ff5ffff & ~0x20000008
cr "cr0 same", cr0, 0x80010031
cr "cr4 pae", cr4, 0x10
cr "cr4 reserved", cr4, 0x8000020
cr "cr4 high", cr4, 0x100000020
cr "cr4 la57", cr4, 0x1020
cr "cr4 same", cr4, 0x20
cr "cr3 high", cr3, PML4 + (1 << 52)
cr "cr3 bits", cr3, PML4 + 0x18
cr "cr3 same", cr3, PML4
cr "cr8", cr8, 9
cr "cr8 high", cr8, 16
cr "cr8 0", cr8, 0
cr "cr2", cr2, 0x123456789abcdef0
cr "dr7 high", dr7, 0x100000400
cr "dr6 high", dr6, 0x100000000
cr "dr7", dr7, 0
cr "dr6", dr6, 0
cr "dr0", dr0, 0x123456789abcdef0
T "dr4"
        db 0x0f, 0x21, 0xe0
        mov rbx, rax
        db 0x0f, 0x21, 0xe8
E
T "dr4 de"
        mov eax, 0x28
        mov cr4, rax
        db 0x0f, 0x21, 0xe0
E
        mov eax, 0x20
        mov cr4, rax
T "dr7 gd"
        mov eax, 0x2400
        mov dr7, rax
        mov rax, dr0
E
T "dr7 after gd"
        mov rax, dr7
E
T "rdmsr unknown"
        mov ecx, 0x12345
        rdmsr
E
T "wrmsr unknown"
        mov ecx, 0x12345
        wrmsr
E
T "efer reserved"
        set_msr 0xc0000080, 0x80000901
E
T "efer lme"
        set_msr 0xc0000080, 0x801
E
T "efer lma ignored"
        set_msr 0xc0000080, 0x901
        rdmsr
E
T "star"
        set_msr 0xc0000081, 0x001b000800000000
        rdmsr
E
T "pat bad"
        set_msr 0x277, 0x0007040600070402
E
T "apic base bad"
        set_msr 0x1b, 0xfee00900 | (1 << 52)
E
T "clts lmsw"
        mov rax, 0x80010039
        mov cr0, rax
        clts
        mov eax, 0xe
        lmsw ax
        mov rbx, cr0
        mov rax, 0x80010031
        mov cr0, rax
E
T "fsgsbase"
        mov eax, 0x10020
        mov cr4, rax
        mov rax, 0x123456789000
        wrfsbase rax
        rdfsbase rbx
        rdfsbase ecx
        wrgsbase rsi
        mov edx, [gs:4]
        mov rax, 0x800000000000
        wrgsbase rax
E
        mov eax, 0x20
        mov cr4, rax

; Fast system calls
T "syscall off"
        set_msr 0xc0000080, 0x900
        syscall
E
        set_msr 0xc0000080, 0x901
T "syscall"
        set_msr 0xc0000081, 0x0020000800000000
        set_msr 0xc0000082, %$x
        set_msr 0xc0000084, 0x4744d5
        push qword 0xcd5
        popfq
        syscall
%$y:    nop
%$x:    sub rcx, %$y
        mov rax, r11
        pushfq
        pop rbx
        mov edx, ss
E
T "sysret 64"
        set_msr 0xc0000081, 0x0023000800000000
        mov rcx, %$x
        mov r11, 0xd5 | (1 << 16) | (1 << 17) | (1 << 15)
        mov rbx, rsp
        o64 sysret
%$x:    mov eax, cs
        mov edx, ss
        sub rbx, rsp
        sub rcx, %$x
E
T "sysret noncanonical"
        mov rcx, 0x800000000000
        mov r11, 2
        o64 sysret
E
T "sysret 32"
        mov rcx, %$x
        mov r11, 2
        sysret
%$x:
bits 32
        mov eax, cs
        mov edx, ss
        mov ebx, 1
        dec ebx
bits 64
E
T "sysenter null"
        set_msr 0x174, 0
        sysenter
E
T "sysenter"
        set_msr 0x174, CODE32
        set_msr 0x175, STACK0 - 0x40
        set_msr 0x176, %$x
        sysenter
%$x:    mov eax, cs
        mov ebx, ss
        mov rcx, rsp
E
T "sysexit 64"
        set_msr 0x174, SYSBASE
        mov rcx, STACK3
        mov rdx, %$x
        o64 sysexit
%$x:    mov eax, cs
        mov ebx, ss
E
T "sysexit 32"
        mov rcx, STACK3 + 0x100000000
        mov rdx, %$x + 0x100000000
        sysexit
bits 32
%$x:    mov eax, cs
        mov ebx, ss
        mov esi, esp
        bits 64
E
T "sysexit noncanonical"
        mov rdx, 0x800000000000
        o64 sysexit
E

; Compatibility mode
%macro compat 0-1 CODE32
        push qword %1
        push qword %%x
        o64 retf
  bits 32
%%x:
%endmacro
T "compat"
        mov r8, -1
        compat
        inc eax
        dec ebx
        push ecx
        push edx
        lea ecx, [esp]
        pushad
        popad
        mov edx, edx
        aaa
bits 64
E 0
T "compat limit"
        compat
        mov ax, SMALL
        mov ds, ax
        mov eax, [BUFFER]
bits 64
E
T "compat fs"
        set_msr 0xc0000100, 0x1000ffff0000
        compat
        mov eax, [fs:BUFFER + 0x10000]
bits 64
E
T "compat wrap"
        compat
        mov dword [0], 0x44332211
        mov dword [4], 0x88776655
        mov ebx, 0xfffffff0
        mov eax, [ebx + 0x12]
bits 64
E
T "compat int"
        compat
        mov esp, STACK0 - 4
        int3
bits 64
E
T "compat ud"
        compat
        db 0x0f, 0x01, 0xf8
bits 64
E
T "compat syscall"
        compat
        syscall
bits 64
E
T "compat sysret"
        compat
        sysret
bits 64
E
T "compat sysenter"
        set_msr 0x174, CODE32
        compat
        sysenter
bits 64
E
T "compat far 64"
        compat
        jmp CODE64:%$x
bits 64
%$x:    mov eax, cs
E
T "compat call gate"
        compat
        mov ebx, esp
        call GATEC:0
bits 64
gatec_target:
        mov ecx, [rsp + 8]
        mov rdx, rsp
E
T "compat iret"
        compat
        pushfd
        push dword CODE64
        push dword %$x
        iretd
bits 64
%$x:    mov eax, cs
E
T "compat 16"
        mov dword [abs 0x6000], 0xc301c889
        mov word [abs 0x6002], 0xf1cd
        mov word [abs 0x6002], 0x80cd
        compat
        jmp CODE16:0x6000
bits 64
E
T "compat cr8"
        compat
        db 0x0f, 0x20, 0xc0
        db 0xf0, 0x0f, 0x20, 0xc0
bits 64
E
T "compat lgdt"
        compat
        sgdt [edi]
        mov eax, [edi + 2]
        sub eax, gdt
        mov dword [edi + 6], 0
        lgdt [edi]
bits 64
E
T "compat pg off"
        compat
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov ecx, 0xc0000080
        rdmsr
        mov ebx, eax
        mov eax, cr0
        or eax, 0x80000000
        mov cr0, eax
        rdmsr
bits 64
E
        finish

own_descriptors:
own READONLY,   descriptor(0, 0xfffff, 0x91, 0xc)
own ABSENT,     descriptor(0, 0xfffff, 0x13, 0xc)
own SMALL,      descriptor(0, 0xfff, 0x93, 4)
own CODE16,     descriptor(0, 0xffff, 0x9b, 0)
own CODELD,     descriptor(0, 0xfffff, 0xfb, 0xe)
own SYSBASE,    descriptor(0, 0xfffff, 0x9b, 0xc)
own SYSBASE1,   descriptor(0, 0xfffff, 0x93, 0xc)
own SYSBASE2,   descriptor(0, 0xfffff, 0xfb, 0xc)
own SYSBASE3,   descriptor(0, 0xfffff, 0xf3, 0xc)
own SYSBASE4,   descriptor(0, 0xfffff, 0xfb, 0xa)
%define gate(target, selector, access) (at(target) & 0xffff) | ((selector) << 16) | ((access) << 40) | ((at(target) >> 16) << 48)
own16 GATE,     gate(gate_target, CODE64, 0xec), 0
own16 GATEC,    gate(gatec_target, CODE64, 0xec), 0
own16 GATEBAD,  gate(gate_target, CODE64, 0xec), 0x0000010000000000
own16 GATE32,   gate(gate_target, CODE32, 0xec), 0
own16 LDT,      descriptor(at(gdt) + DATA, 7, 0x82, 0), 0
own16 LDTBAD,   descriptor(at(gdt) + DATA, 7, 0x82, 0), 0x8000
own16 LDTTYPED, descriptor(at(gdt) + DATA, 7, 0x82, 0), 0x0000020000000000
own16 TSS286,   descriptor(at(tss), 0x67, 0x81, 0), 0
own_size equ $ - own_descriptors
image_end:
