; 4-level paging: error codes, CR2, rights, large pages, accessed and dirty bits, restartable instructions, self-modifying code, traps.
%include "common.inc"
%include "long.inc"
bits 32
start:  mov esp, STACK0
        call setup32
        enter_long
        ; 4-KByte pages for 2 to 4 MBytes by PT, the first 1 GByte above 512 GBytes by a large page at PDPT[1]
        mov edi, PT
        mov eax, 0x200007
        mov ecx, 512
fill:   mov [rdi], rax
        add eax, 0x1000
        add edi, 8
        loop fill
        mov qword [abs PD + 8], PT | 7
        mov qword [abs PDPT + 8], 0x87
        mov rax, cr3
        mov cr3, rax

PAGE    equ 0x201000            ; the page tests take rights from
ENTRY   equ PT + 8
NX      equ 1 << 63

%macro entry 1          ; sets the entry of PAGE
        mov r9, %1
        mov [abs ENTRY], r9
        invlpg [abs PAGE]
%endmacro
%macro try 3            ; name, entry, instruction at privilege 0
T %1
        entry %2
        mov edi, PAGE
        %3
E
%endmacro
%macro tryuser 3
T %1
        entry %2
        mov edi, PAGE
        user64
        %3
E
%endmacro
try "read absent", PAGE, {mov eax, [rdi + 8]}
try "write absent", PAGE, {mov [rdi + 8], eax}
try "fetch absent", PAGE, {jmp rdi}
try "modify absent", PAGE, {add [rdi + 8], eax}
try "write read-only wp", PAGE | 5, {mov [rdi], eax}
try "read user page", PAGE | 7, {mov eax, [rdi + 16]}
try "reserved 51", PAGE | 7 | (1 << 51), {mov eax, [rdi]}
try "reserved write", PAGE | 7 | (1 << 51), {mov [rdi], eax}
try "nx fetch", PAGE | 7 | NX, {jmp rdi}
tryuser "user read supervisor", PAGE | 3, {mov eax, [rdi]}
tryuser "user write supervisor", PAGE | 3, {mov [rdi], eax}
tryuser "user write read-only", PAGE | 5, {mov [rdi], eax}
tryuser "user read absent", PAGE, {mov eax, [rdi]}
tryuser "user nx", PAGE | 7 | NX, {jmp rdi}
tryuser "user supervisor fetch", PAGE | 3, {jmp rdi}
T "write read-only no wp"
        entry PAGE | 5
        mov rax, cr0
        and eax, ~0x10000
        mov cr0, rax
        mov [abs PAGE], ebx
        or eax, 0x10000
        mov cr0, rax
        xor eax, eax
        mov rcx, [abs ENTRY]
E
T "nx without nxe"
        set_msr 0xc0000080, 0x101
        entry PAGE | 7 | NX
        mov rcx, 3
        mov eax, [abs PAGE]
E
        set_msr 0xc0000080, 0x901
T "accessed"
        entry PAGE | 7
        mov eax, [abs PAGE]
        mov rbx, [abs ENTRY]
        mov [abs PAGE], eax
        mov rcx, [abs ENTRY]
        mov rdx, [abs PD + 8]
E 0
T "dirty by modify"
        entry PAGE | 7
        cmp dword [abs PAGE], 1
        mov rbx, [abs ENTRY]
        lock add dword [abs PAGE], 0
        mov rcx, [abs ENTRY]
E 0
T "no accessed on fault"
        entry PAGE | 5
        user64
        mov [abs PAGE], eax
E
T "entry after fault"
        mov rax, [abs ENTRY]
E
T "1g page"
        mov rax, [abs 0x40000000 + BUFFER]
        mov rbx, [abs BUFFER]
        sub rax, rbx
        mov rcx, [abs PDPT + 8]
E 0
T "1g reserved"
        mov dword [abs PDPT + 8], 0x2087
        mov rax, cr3
        mov cr3, rax
        mov rax, [abs 0x40000000 + BUFFER]
E
T "2m reserved"
        mov dword [abs PD + 16], 0x402087
        mov rax, cr3
        mov cr3, rax
        mov rax, [abs 0x400000]
E
        mov dword [abs PD + 16], 0x400087
T "pml4 ps"
        mov qword [abs PML4 + 8], PDPT | 0x87
        mov rcx, 1 << 39
        mov rax, [rcx]
E
T "pml4 absent"
        mov rcx, 3 << 39
        mov rax, [rcx + 5]
E
T "user through supervisor pd"
        mov byte [abs PD + 8], 0x63
        mov rax, cr3
        mov cr3, rax
        user64
        mov eax, [abs 0x202000]
E
        mov byte [abs PD + 8], 0x67
T "tlb keeps"
        entry PAGE | 7
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        invlpg [abs PAGE]
        mov eax, [abs PAGE]
E

; Page-crossing and restartable instructions
T "cross read"
        entry PAGE | 7
        mov dword [abs PAGE - 4], 0x11223344
        mov dword [abs PAGE], 0x55667788
        mov eax, [abs PAGE - 2]
        mov rbx, [abs PAGE - 3 - 4]
E
T "cross write absent"
        entry PAGE
        mov rax, -1
        mov [abs PAGE - 2], eax
E
T "first part unwritten"
        mov eax, [abs PAGE - 4]
E
T "cross modify absent"
        add dword [abs PAGE - 1], 1
E
        mov byte [abs idt + 14 * 16 + 4], 1
T "cross push absent"
        mov esp, PAGE + 4
        push rax
E
        mov byte [abs idt + 14 * 16 + 4], 0
T "rep movs fault"
        mov edi, PAGE - 16
        mov esi, BUFFER
        mov ecx, 10
        rep movsd
E
T "rep stos fault"
        std
        mov edi, PAGE + 0x1008
        mov ecx, 5
        rep stosd
E
T "rep cmps fault"
        xor eax, eax
        mov edi, PAGE - 8
        mov esi, PAGE - 8
        mov ecx, 9
        repe cmpsb
E
T "rep lods fault"
        mov esi, PAGE - 8
        mov ecx, 4
        rep lodsd
E
T "rep ins fault"
        mov edi, PAGE - 2
        mov edx, 0x402
        mov ecx, 4
        rep insb
E
T "rep outs fault"
        mov esi, PAGE - 2
        mov edx, 0x402
        mov ecx, 4
        rep outsb
E
T "movs second operand"
        mov esi, PAGE
        movsd
E
T "pop mem fault"
        push rax
        pop qword [abs PAGE]
E
T "xchg fault"
        xchg rax, [abs PAGE]
E
T "cmpxchg fault"
        cmpxchg [abs PAGE], ebx
E
T "call mem fault"
        call [abs PAGE]
E
        mov byte [abs idt + 14 * 16 + 4], 1
T "enter fault"
        mov esp, PAGE + 0x1010
        mov ebp, STACK0
        enter 0x20, 0
E
T "leave fault"
        mov ebp, PAGE
        leave
E
T "int stack fault"
        mov esp, PAGE + 16
        int3
E
        mov byte [abs idt + 14 * 16 + 4], 0
T "div mem fault"
        div dword [abs PAGE]
E
T "bts mem fault"
        mov eax, 8
        bts [abs PAGE - 1], ax
E
T "bts mem fault far"
        mov rax, 0x1000 * 8
        bts [abs PAGE - 0x1000], rax
E
        mov qword [abs ENTRY], PAGE | 7
T "crossing instruction"
        mov byte [abs PAGE - 1], 0xb8
        mov dword [abs PAGE], 0x600dc0de
        mov byte [abs PAGE + 4], 0xc3
        mov ecx, PAGE - 1
        call rcx
        mov ebx, eax
        mov dword [abs PAGE], 0x0badc0de
        call rcx
E
T "crossing instruction absent"
        mov byte [abs PAGE - 1], 0xb8
        entry PAGE
        mov ecx, PAGE - 1
        jmp rcx
E
        mov qword [abs ENTRY], PAGE | 7

; Self-modifying code
T "next instruction"
        mov byte [rel %$x + 1], 0x42
%$x:    mov al, 0
E
T "modified loop"
        mov ecx, 3
        xor eax, eax
%$x:    add eax, 1
        add byte [rel %$x + 2], 1
        loop %$x
        mov byte [rel %$x + 2], 1
E 0
T "rep stos over itself"
        mov edi, %$x
        mov ecx, 4
        mov al, 0x90
        rep stosb
%$x:    db 0x0f, 0x0b, 0x0f, 0x0b
E
T "alias"
        mov dword [abs PAGE], 0xc300b0
        mov dword [abs PAGE], 0xc3_01_b0
        mov ecx, PAGE
        call rcx
        mov bl, al
        mov byte [abs 0x40000000 + PAGE + 1], 0x77
        mov dword [abs PDPT + 8], 0x87
        mov rdx, cr3
        mov cr3, rdx
        mov byte [abs 0x40000000 + PAGE + 1], 0x77
        call rcx
        mov edx, 0
E
T "remapped code"
        mov dword [abs PAGE], 0xc301b0
        mov dword [abs PAGE + 0x1000], 0xc302b0
        mov ecx, PAGE
        call rcx
        mov bl, al
        entry (PAGE + 0x1000) | 7
        call rcx
E
        entry PAGE | 7

; Traps and shadows
%macro trap 0
        push qword 0x102
        popfq
%endmacro
T "single step"
        trap
        nop
        nop
E
T "single step taken jump"
        trap
        jmp %$x
        nop
%$x:    nop
E
T "single step popf off"
        trap
        pushfq
E
T "single step rep"
        mov ecx, 3
        mov edi, OTHER
        trap
        rep stosb
        nop
E
T "single step mov ss"
        mov ebx, DATA
        trap
        mov ss, ebx
        nop
        nop
E
T "trap after mov ss"
        mov ebx, DATA
        push qword 0x102
        mov ss, ebx
        popfq
        nop
        nop
E
T "single step fault"
        trap
        ud2
E
T "single step syscall"
        set_msr 0xc0000081, 0x0020000800000000
        set_msr 0xc0000082, %$x
        set_msr 0xc0000084, 0x100
        trap
        syscall
        nop
%$x:    nop
        nop
E
T "iret sets tf"
        mov rbx, rsp
        push qword DATA
        push rbx
        push qword 0x102
        push qword CODE64
        push qword %$x
        iretq
%$x:    nop
        nop
E
T "string io"
        mov edi, OTHER
        mov edx, 0x3fb
        mov ecx, 3
        cld
        rep insb
        mov eax, [abs OTHER]
        and eax, 0xffffff
E
        finish
image_end:
