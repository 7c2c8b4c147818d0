; 5-level paging: addresses of 57 bits, PML5 entries, and CR4.LA57 itself.
%include "common.inc"
%include "long.inc"
bits 32
PML5    equ 0x184000
LA57    equ 0x1000
PAE     equ 0x20
%define LEVEL5(n) ((n) << 48)

start:  mov esp, STACK0
        call setup32
        enter_long
        mov qword [abs PML5], PML4 | 7
        mov qword [abs PML5 + 8], PML4 | 7
        mov qword [abs PML5 + 16], PML4 | 0x87
        mov qword [abs PML5 + 24], PML4 | 3
        mov qword [abs PML5 + 32], PML4 | 5
        mov rax, (1 << 63) | PML4 | 7
        mov [abs PML5 + 40], rax
        mov rax, (1 << 51) | PML4 | 7
        mov [abs PML5 + 48], rax
        mov qword [abs PML5 + 256 * 8], PML4 | 7
        mov qword [abs PML5 + 255 * 8], PML4 | 7
        mov qword [abs PD + 24], 0x600083       ; a supervisor page
T "la57 in ia-32e mode"
        mov eax, PAE | LA57
        mov cr4, rax
E
T "57 bits with 4 levels"
        mov rax, LEVEL5(1) | BUFFER
        mov rax, [rax]
E
        ; Paging off by way of compatibility mode, and on again with LA57.
        jmp far dword [abs narrow]
narrow: dd narrow32
        dw CODE32
bits 32
narrow32:
        mov eax, cr0
        and eax, 0x7fffffff
        mov cr0, eax
        mov eax, PAE | LA57
        mov cr4, eax
        mov eax, PML5
        mov cr3, eax
        mov eax, 0x80010031
        mov cr0, eax
        jmp CODE64:wide
bits 64
wide:   mov qword [abs BUFFER], 0x12345678
        mov word [abs BUFFER + 0x100], 0xc390
%macro try 2            ; name, address; a read
T %1
        mov rdi, %2
        mov rax, [rdi]
E
%endmacro
%macro tryuser 3        ; name, address, instruction at privilege 3
T %1
        mov rdi, %2
        user64
        %3
E
%endmacro
try "identity", BUFFER
try "lower half", LEVEL5(1) | BUFFER
try "top of the lower half", LEVEL5(255) | BUFFER
try "upper half", (0xff << 56) | BUFFER
try "absent", LEVEL5(7) | BUFFER
try "ps in a pml5 entry", LEVEL5(2) | BUFFER
try "reserved bit 51 of a pml5 entry", LEVEL5(6) | BUFFER
try "not canonical", LEVEL5(256) | BUFFER
try "not canonical, upper", (0xfe << 56) | BUFFER
tryuser "user through a supervisor pml5 entry", LEVEL5(3) | BUFFER, {mov eax, [rdi]}
tryuser "user read", LEVEL5(1) | BUFFER, {mov eax, [rdi]}
tryuser "user write through a read-only pml5 entry", LEVEL5(4) | BUFFER, {mov [rdi], eax}
tryuser "user read of a supervisor page", LEVEL5(1) | 0x600000, {mov eax, [rdi]}
T "write through a read-only pml5 entry"
        mov rdi, LEVEL5(4) | BUFFER
        mov [rdi], eax
E
T "call"
        mov rdi, LEVEL5(1) | (BUFFER + 0x100)
        call rdi
E
T "fetch through an nx pml5 entry"
        mov rdi, LEVEL5(5) | (BUFFER + 0x100)
        jmp rdi
E
T "jump not canonical"
        mov rdi, LEVEL5(256)
        jmp rdi
E
T "ret not canonical"
        mov rdi, LEVEL5(256)
        push rdi
        ret
E
T "jump and back"
        mov rdi, LEVEL5(1) | at(%$there)
        jmp rdi
%$there: lea rax, [rel %$back]
        mov rcx, 0xffffffff
        and rax, rcx
        jmp rax
%$back: nop
E
T "cross the top of the lower half"
        mov rdi, 0x00fffffffffffffc
        mov rax, [rdi]
E
T "accessed and dirty"
        mov rdi, LEVEL5(255) | BUFFER
        and byte [abs PML5 + 255 * 8], ~0x20
        mov rax, cr3
        mov cr3, rax
        mov rax, [abs PML5 + 255 * 8]
        mov [rdi], rax
        mov rbx, [abs PML5 + 255 * 8]
        mov rcx, [abs PD + 8]
E 0
T "invlpg"
        mov rdi, LEVEL5(7) | BUFFER
        mov qword [abs PML5 + 56], PML4 | 7
        invlpg [rdi]
        mov rax, [rdi]
        mov qword [abs PML5 + 56], 0
        invlpg [rdi]
        mov rax, [rdi]
E
T "la57 off in ia-32e mode"
        mov eax, PAE
        mov cr4, rax
E
T "pop and push"
        mov rsp, LEVEL5(1) | 0x1e8000
        push rax
        pop rbx
        mov rsp, STACK0
E
T "lstar"
        set_msr 0xc0000082, LEVEL5(1)
        rdmsr
E
T "syscall and sysret"
        set_msr 0xc0000081, 0x0020000800000000
        set_msr 0xc0000082, LEVEL5(1) | at(%$target)
        set_msr 0xc0000084, 0
        syscall
%$target: mov rbx, rcx
        lea rdx, [rel %$target]
        mov eax, 0
        mov rcx, 0
        mov edi, %$done
        jmp rdi
%$done: nop
E 0
        finish
image_end:
