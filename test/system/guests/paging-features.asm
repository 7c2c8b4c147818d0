; SMEP, SMAP, PCIDs, global pages, alignment checks, and what may be written to CR0, CR3, CR4 and CR8.
%include "common.inc"
%include "long.inc"
bits 32
start:  mov esp, STACK0
        call setup32
        enter_long
        ; 4-KByte pages for 2 to 4 MBytes by PT
        mov edi, PT
        mov eax, 0x200007
        mov ecx, 512
fill:   mov [rdi], rax
        add eax, 0x1000
        add edi, 8
        loop fill
        mov qword [abs PD + 8], PT | 7
        mov rax, cr3
        mov cr3, rax

PAGE    equ 0x201000
ENTRY   equ PT + 8
NX      equ 1 << 63
PAE     equ 0x20
PGE     equ 0x80
PCIDE   equ 0x20000
SMEP    equ 0x100000
SMAP    equ 0x200000

%macro entry 1          ; sets the entry of PAGE
        mov r9, %1
        mov [abs ENTRY], r9
        invlpg [abs PAGE]
%endmacro
%macro cr4_is 1         ; PAE and these
        mov r9d, PAE | (%1)
        mov cr4, r9
%endmacro
%macro wp_is 1
        mov r9, cr0
        and r9d, ~0x10000
        or r9d, (%1) << 16
        mov cr0, r9
%endmacro
%macro ac_is 1
        push qword 2 | ((%1) << 18)
        popfq
%endmacro
%macro try 3            ; name, entry, instructions at privilege 0
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

        mov byte [abs PAGE], 0xc3
; SMEP: the tests themselves have to lie in supervisor pages, and the page tables allow users all.
        mov byte [abs PD], 0x83
        mov rax, cr3
        mov cr3, rax
        cr4_is SMEP
try "smep fetch user page", PAGE | 7, {jmp rdi}
try "smep fetch supervisor page", PAGE | 3, {call rdi}
try "smep fetch absent", PAGE, {jmp rdi}
        cr4_is 0
try "no smep fetch user page", PAGE | 7, {call rdi}
        set_msr 0xc0000080, 0x101
try "fetch absent without nxe", PAGE, {jmp rdi}
        cr4_is SMEP
try "smep fetch absent without nxe", PAGE, {jmp rdi}
        set_msr 0xc0000080, 0x901

; SMAP
        cr4_is SMAP
try "smap read", PAGE | 7, {mov eax, [rdi]}
try "smap write", PAGE | 7, {mov [rdi], eax}
try "smap modify", PAGE | 7, {add [rdi], eax}
try "smap read supervisor page", PAGE | 3, {movzx eax, byte [rdi]}
T "smap read with ac"
        entry PAGE | 7
        ac_is 1
        movzx eax, byte [abs PAGE]
E
T "smap read with stac"
        entry PAGE | 7
        stac
        movzx eax, byte [abs PAGE]
        pushfq
        pop rbx
        clac
        pushfq
        pop rcx
E
T "smap read after clac"
        entry PAGE | 7
        stac
        movzx eax, byte [abs PAGE]
        clac
        mov ebx, [abs PAGE]
E
        wp_is 1
T "smap write read-only with ac"
        entry PAGE | 5
        ac_is 1
        mov [abs PAGE], eax
E
        wp_is 0
T "smap fetch user page"
        entry PAGE | 7
        mov ecx, PAGE
        call rcx
E
T "smap absent"
        entry PAGE
        mov eax, [abs PAGE]
E
T "smap cross read"
        entry PAGE | 7
        mov qword [abs ENTRY - 8], 0x200003
        invlpg [abs PAGE - 0x1000]
        mov rax, [abs PAGE - 3]
E
        mov qword [abs ENTRY - 8], 0x200007
        invlpg [abs PAGE - 0x1000]
        mov rax, descriptor(PAGE, 0xff, 0x82, 0)
        mov [abs gdt_own], rax
        mov eax, FREE
        lldt ax
T "smap descriptor table"
        entry PAGE | 7
        ac_is 1
        mov eax, 0xc
        mov ds, eax
E
        xor eax, eax
        lldt ax
        cr4_is 0
        mov byte [abs PD], 0x87
        mov rax, cr3
        mov cr3, rax
T "clac in user mode"
        user64
        clac
E

; PCIDs
T "pcide with cr3 11:0"
        mov rax, cr3
        or eax, 8
        mov cr3, rax
        mov ecx, PAE | PCIDE
        mov cr4, rcx
E
        mov eax, PML4
        mov cr3, rax
T "invpcid pcid without pcide"
        mov qword [abs OTHER], 1
        mov qword [abs OTHER + 8], PAGE
        mov ecx, 1
        invpcid rcx, [abs OTHER]
E
T "invpcid without pcide"
        mov qword [abs OTHER], 0
        mov qword [abs OTHER + 8], PAGE
        xor ecx, ecx
        mov qword [abs ENTRY], PAGE | 7
        invlpg [abs PAGE]
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        invpcid rcx, [abs OTHER]
        mov eax, [abs PAGE]
E
        mov qword [abs ENTRY], PAGE | 7
        cr4_is PCIDE
T "cr3 with pcid"
        mov rax, PML4 | 5
        mov cr3, rax
        mov rbx, cr3
        mov rax, (PML4 | 6) | (1 << 63)
        mov cr3, rax
        mov rcx, cr3
E
T "mov to cr3 flushes"
        mov eax, PML4 | 7
        mov cr3, rax
        mov qword [abs ENTRY], PAGE | 7
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        mov eax, PML4 | 7
        mov cr3, rax
        mov eax, [abs PAGE]
E
%macro invalidates 2    ; name, type
T %1
        mov qword [abs ENTRY], PAGE | 7
        mov eax, PML4 | 7
        mov cr3, rax
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        mov qword [abs OTHER], 7
        mov qword [abs OTHER + 8], PAGE + 8
        mov rcx, %2
        invpcid rcx, [abs OTHER]
        mov eax, [abs PAGE]
E
%endmacro
invalidates "invpcid address", 0
invalidates "invpcid context", 1
invalidates "invpcid all", 2
invalidates "invpcid all but global", 3
invalidates "invpcid type 4", 4
invalidates "invpcid wide type", 1 << 32
T "invpcid all takes globals"
        mov r9d, PAE | PCIDE | PGE
        mov cr4, r9
        mov qword [abs ENTRY], PAGE | 0x107
        mov eax, PML4 | 7
        mov cr3, rax
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        mov ecx, 2
        invpcid rcx, [abs OTHER]
        mov eax, [abs PAGE]
E
T "invlpg takes globals"
        entry PAGE | 0x107
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        invlpg [abs PAGE + 0x123]
        mov eax, [abs PAGE]
E
T "pge takes globals"
        entry PAGE | 0x107
        mov eax, [abs PAGE]
        mov qword [abs ENTRY], PAGE
        mov r9d, PAE | PCIDE
        mov cr4, r9
        mov eax, [abs PAGE]
E
        mov qword [abs ENTRY], PAGE | 7
T "invpcid reserved"
        mov qword [abs OTHER], 0x1000
        mov ecx, 1
        invpcid rcx, [abs OTHER]
E
T "invpcid reserved type all"
        mov rax, 1 << 40
        mov [abs OTHER], rax
        mov ecx, 2
        invpcid rcx, [abs OTHER]
E
T "invpcid not canonical"
        mov qword [abs OTHER], 0
        mov rax, 0x100000000000000
        mov [abs OTHER + 8], rax
        xor ecx, ecx
        invpcid rcx, [abs OTHER]
E
T "invpcid context not canonical"
        mov ecx, 1
        invpcid rcx, [abs OTHER]
E
T "invpcid absent operand"
        entry PAGE
        mov ecx, 1
        invpcid rcx, [abs PAGE]
E
T "invpcid in user mode"
        mov ecx, 1
        user64
        invpcid rcx, [abs OTHER]
E
        mov qword [abs ENTRY], PAGE | 7
T "pcide 1 to 0"
        mov eax, PML4 | 3
        mov cr3, rax
        cr4_is 0
        mov rax, cr3
        mov rbx, cr4
E
        mov eax, PML4
        mov cr3, rax
T "cr3 bit 63 without pcide"
        mov rax, PML4 | (1 << 63)
        mov cr3, rax
E
T "cr3 bit 52"
        mov rax, PML4 | (1 << 52)
        mov cr3, rax
E
T "cr3 low bits"
        mov eax, PML4 | 0xfff
        mov cr3, rax
        mov rcx, cr3
E
        mov eax, PML4
        mov cr3, rax

; CR0, CR4, CR8
T "cr4 pae off"
        xor eax, eax
        mov cr4, rax
E
T "cr4 bit 63"
        mov rax, PAE | (1 << 63)
        mov cr4, rax
E
T "cr4 bit 15"
        mov eax, PAE | 0x8000
        mov cr4, rax
E
T "cr0 bit 32"
        mov rax, cr0
        mov rcx, 1 << 32
        or rax, rcx
        mov cr0, rax
E
T "cr0 nw without cd"
        mov rax, cr0
        or eax, 0x20000000
        mov cr0, rax
E
T "cr0 reserved bits"
        mov rax, cr0
        mov rbx, rax
        or eax, 0x1ffaff80
        mov cr0, rax
        mov rcx, cr0
        mov cr0, rbx
        xor rcx, rbx
E
T "cr0 pe off"
        mov rax, cr0
        and eax, ~1
        mov cr0, rax
E
T "cr0 pg off in 64-bit mode"
        mov rax, cr0
        and eax, 0x7fffffff
        mov cr0, rax
E
T "cr8"
        mov eax, 9
        mov cr8, rax
        mov rbx, cr8
        xor ecx, ecx
        mov cr8, rcx
E
T "cr8 16"
        mov eax, 16
        mov cr8, rax
E
T "cr1"
        db 0x0f, 0x20, 0xc8
E
T "to cr7"
        db 0x0f, 0x22, 0xf8
E
T "cr3 in user mode"
        user64
        mov rax, cr3
E
T "invlpg in user mode"
        user64
        invlpg [abs PAGE]
E
T "invlpg not canonical"
        mov rax, 0x8000000000000000
        invlpg [rax]
E

; Large pages and INVLPG
T "invlpg within a large page"
        mov eax, [abs 0x600000]
        mov qword [abs PD + 24], 0
        invlpg [abs 0x700000]
        mov eax, [abs 0x600123]
E
        mov qword [abs PD + 24], 0x600087

; Alignment checks
        mov rax, cr0
        or eax, 0x40000
        mov cr0, rax
%macro aligned 2        ; name, instructions at privilege 3 with RFLAGS.AC
T %1
        entry PAGE | 7
        mov edi, PAGE
        push qword USERDS
        push qword STACK3
        push qword 0x40002
        push qword USER64
        push qword %%x
        iretq
%%x:
        %2
E
%endmacro
aligned "ac read 8 at 4", {mov rax, [rdi + 4]}
aligned "ac read 4 at 4", {mov eax, [rdi + 4]}
aligned "ac read 4 at 2", {mov eax, [rdi + 2]}
aligned "ac write 2 at 1", {mov [rdi + 1], ax}
aligned "ac read 1 at 1", {mov al, [rdi + 1]}
aligned "ac modify 4 at 1", {add dword [rdi + 1], 1}
T "ac push"
        push qword USERDS
        push qword STACK3 - 2
        push qword 0x40002
        push qword USER64
        push qword %$x
        iretq
%$x:    push rax
E
T "ac pop"
        push qword USERDS
        push qword STACK3 - 12
        push qword 0x40002
        push qword USER64
        push qword %$x
        iretq
%$x:    pop rax
E
T "ac after aligned ones"
        entry PAGE | 7
        mov edi, PAGE
        push qword USERDS
        push qword STACK3
        push qword 0x40002
        push qword USER64
        push qword %$x
        iretq
%$x:    mov eax, [rdi]
        mov eax, [rdi + 8]
        mov eax, [rdi + 1]
E
T "ac movs"
        mov esi, PAGE + 1
        push qword USERDS
        push qword STACK3
        push qword 0x40002
        push qword USER64
        push qword %$x
        iretq
%$x:    movsd
E
T "ac cleared by popf"
        mov edi, PAGE
        push qword USERDS
        push qword STACK3
        push qword 0x40002
        push qword USER64
        push qword %$x
        iretq
%$x:    push qword 2
        popfq
        mov eax, [rdi + 1]
E
aligned "ac cross", {mov rax, [rdi - 4]}
aligned "ac not canonical", {mov rax, [rbp + rbp]}
aligned "ac cmpxchg8b at 4", {cmpxchg8b [rdi + 4]}
aligned "ac bt", {bt [rdi + 1], ax}
T "ac in supervisor mode"
        entry PAGE | 7
        ac_is 1
        mov eax, [abs PAGE + 1]
E
        mov rax, cr0
        and eax, ~0x40000
        mov cr0, rax
aligned "ac without am", {mov eax, [rdi + 1]}
        finish
image_end:
