; Protection keys of user and supervisor pages.
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
%define KEY(n) ((n) << 59)
PAE     equ 0x20
SMAP    equ 0x200000
PKE     equ 0x400000
PKS     equ 0x1000000
PKRS    equ 0x6e1

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
%macro pkru_is 1
        mov eax, %1
        xor ecx, ecx
        xor edx, edx
        wrpkru
%endmacro
T "rdpkru without pke"
        xor ecx, ecx
        rdpkru
E
        cr4_is PKE
T "wrpkru and rdpkru"
        pkru_is 0x55555554
        mov rax, -1
        mov rdx, -1
        rdpkru
E
T "rdpkru ecx"
        mov ecx, 1
        rdpkru
E
T "wrpkru ecx"
        mov ecx, 1
        xor edx, edx
        wrpkru
E
T "wrpkru edx"
        xor ecx, ecx
        mov edx, 1
        wrpkru
E
%macro trykey 4         ; name, PKRU, entry, instructions at privilege 0
T %1
        entry %3
        pkru_is %2
        mov edi, PAGE
        %4
E
%endmacro
%macro trykeyuser 4
T %1
        entry %3
        pkru_is %2
        mov edi, PAGE
        user64
        %4
E
%endmacro
        pkru_is 0
        mov byte [abs PAGE], 0xc3
trykey "key read", 0xc, PAGE | 7 | KEY(1), {mov eax, [rdi]}
trykey "key read with writes disabled", 8, PAGE | 7 | KEY(1), {movzx eax, byte [rdi]}
trykey "key write with writes disabled", 8, PAGE | 7 | KEY(1), {mov byte [rdi], 0xc3}
trykey "key read of another", 0xc, PAGE | 7 | KEY(2), {movzx eax, byte [rdi]}
trykey "key of a supervisor page", 0xc, PAGE | 3 | KEY(1), {movzx eax, byte [rdi]}
trykey "key fetch", 0xc, PAGE | 7 | KEY(1), {call rdi}
trykey "key read absent", 0xc, PAGE | KEY(1), {mov eax, [rdi]}
trykey "key 15", 0xc0000000, PAGE | 7 | KEY(15), {mov [rdi], eax}
trykeyuser "key user read", 4, PAGE | 7 | KEY(1), {mov eax, [rdi]}
trykeyuser "key user write", 8, PAGE | 7 | KEY(1), {mov [rdi], eax}
trykeyuser "key user read with writes disabled", 8, PAGE | 7 | KEY(1), {movzx eax, byte [rdi]}
trykeyuser "key user write read-only", 8, PAGE | 5 | KEY(1), {mov [rdi], eax}
trykeyuser "key user supervisor page", 4, PAGE | 3 | KEY(1), {mov eax, [rdi]}
        wp_is 1
trykey "key write with writes disabled and wp", 8, PAGE | 7 | KEY(1), {mov [rdi], eax}
        wp_is 0
T "key changes"
        entry PAGE | 7 | KEY(3)
        pkru_is 0
        movzx ebx, byte [abs PAGE]
        mov byte [abs PAGE], bl
        pkru_is 0xc0
        mov ebx, [abs PAGE]
E
        pkru_is 0
        cr4_is 0
T "keys off"
        entry PAGE | 7 | KEY(1)
        movzx eax, byte [abs PAGE]
E


; Keys of supervisor pages
        cr4_is PKS
%macro trysupervisor 4  ; name, IA32_PKRS, entry, instructions at privilege 0
T %1
        entry %3
        set_msr PKRS, %2
        mov edi, PAGE
        %4
E
%endmacro
T "pkrs"
        set_msr PKRS, 0xfffffffc
        rdmsr
        mov ebx, eax
        set_msr PKRS, 0
E
T "pkrs bit 32"
        mov ecx, PKRS
        xor eax, eax
        mov edx, 1
        wrmsr
E
trysupervisor "supervisor key read", 4, PAGE | 3 | KEY(1), {mov eax, [rdi]}
trysupervisor "supervisor key write", 8, PAGE | 3 | KEY(1), {mov byte [rdi], 0xc3}
trysupervisor "supervisor key read with writes disabled", 8, PAGE | 3 | KEY(1), {movzx eax, byte [rdi]}
trysupervisor "supervisor key of a user page", 4, PAGE | 7 | KEY(1), {movzx eax, byte [rdi]}
trysupervisor "supervisor key fetch", 4, PAGE | 3 | KEY(1), {call rdi}
        wp_is 1
trysupervisor "supervisor key write with wp", 8, PAGE | 3 | KEY(1), {mov [rdi], eax}
trysupervisor "supervisor key write read-only with wp", 8, PAGE | 1 | KEY(1), {mov [rdi], eax}
        wp_is 0
T "supervisor key user access"
        entry PAGE | 3 | KEY(1)
        set_msr PKRS, 4
        user64
        mov eax, [abs PAGE]
E
T "supervisor key changes"
        entry PAGE | 3 | KEY(1)
        set_msr PKRS, 0
        movzx ebx, byte [abs PAGE]
        mov [abs PAGE], bl
        set_msr PKRS, 4
        mov eax, [abs PAGE]
E
        set_msr PKRS, 0
        finish
image_end:
