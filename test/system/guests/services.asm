; MSRs and what is refused them, cache control, MONITOR and MWAIT, time stamps, counters, XCR0, random numbers and bases.
%include "common.inc"
%include "long.inc"
bits 32
start:  mov esp, STACK0
        call setup32
        enter_long
        ; 4-KByte pages for 2 to 4 MBytes by PT; the third one is not there, the fourth only read
        mov edi, PT
        mov eax, 0x200007
        mov ecx, 512
fill:   mov [rdi], rax
        add eax, 0x1000
        add edi, 8
        loop fill
        mov qword [abs PT + 16], 0
        and byte [abs PT + 24], ~2
        mov qword [abs PD + 8], PT | 7
        mov rax, cr3
        mov cr3, rax

ABSENT  equ 0x202000
READ    equ 0x203000
PAE     equ 0x20
TSD     equ 4
PCE     equ 0x100
FSGS    equ 0x10000
OSXSAVE equ 0x40000
CANON   equ 0xffff8123456789ab
NONCAN     equ 0x8000000000000000

%macro cr4_is 1         ; PAE and these
        mov r9d, PAE | (%1)
        mov cr4, r9
%endmacro
; Writes an MSR, reads it back into EDX:EAX, and puts back what it was.
%macro msr 3            ; name, index, value
T %1
        mov ecx, %2
        rdmsr
        mov r10d, eax
        mov r11d, edx
        mov rax, %3
        mov rdx, rax
        shr rdx, 32
        wrmsr
        rdmsr
        mov edi, eax
        mov esi, edx
        mov eax, r10d
        mov edx, r11d
        wrmsr
        mov eax, edi
        mov edx, esi
E 0
%endmacro
%macro try 2            ; name, instructions at privilege 0
T %1
        %2
E
%endmacro
%macro tryuser 2
T %1
        user64
        %2
E
%endmacro

msr "star", 0xc0000081, 0x1234567887654321
msr "lstar", 0xc0000082, CANON
msr "lstar not canonical", 0xc0000082, NONCAN
msr "cstar not canonical", 0xc0000083, NONCAN
msr "fmask", 0xc0000084, 0x87654321
msr "fs base not canonical", 0xc0000100, NONCAN
msr "gs base not canonical", 0xc0000101, NONCAN
msr "kernel gs base", 0xc0000102, CANON
msr "kernel gs base not canonical", 0xc0000102, NONCAN
msr "tsc aux", 0xc0000103, 0x87654321
msr "sysenter cs", 0x174, 0x1234
msr "sysenter esp", 0x175, CANON
msr "sysenter esp not canonical", 0x175, NONCAN
msr "sysenter eip not canonical", 0x176, NONCAN
msr "pat", 0x277, 0x0007040600050106
msr "pat type 2", 0x277, 0x0007040600020106
msr "pat type 3", 0x277, 0x0307040600010106
msr "pat type 8", 0x277, 0x0807040600010106
msr "mtrr base", 0x200, 0x12345006
msr "mtrr base type 2", 0x200, 0x12345002
msr "mtrr base type 7", 0x200, 0x12345007
msr "mtrr base reserved", 0x200, 0x12345806
msr "mtrr base too wide", 0x200, 0x0010000000000006
msr "mtrr mask", 0x201, 0xfffff800
msr "mtrr mask reserved", 0x201, 0xfffffc00
msr "mtrr mask too wide", 0x201, 0x0010000000000800
msr "mtrr fixed", 0x250, 0x0605040100060504
msr "mtrr fixed type 2", 0x250, 0x0605040200060504
msr "mtrr default type", 0x2ff, 0xc06
msr "mtrr default type 3", 0x2ff, 0xc03
msr "mtrr default reserved", 0x2ff, 0x1c06
msr "efer reserved", 0xc0000080, 0x1901
msr "efer nxe", 0xc0000080, 0xd01
msr "efer without lme", 0xc0000080, 0x401
T "rdmsr nothing"
        mov ecx, 0x12345678
        rdmsr
E
T "wrmsr nothing"
        mov ecx, 0x12345678
        wrmsr
E
T "wrmsr mtrrcap"
        mov ecx, 0xfe
        wrmsr
E
T "rdmsr user"
        user64
        mov ecx, 0x10
        rdmsr
E
T "wrmsr user"
        user64
        mov ecx, 0x10
        wrmsr
E

try "clflush", {clflush [rsi]}
try "clflush absent", {clflush [abs ABSENT]}
try "clflush read-only", {clflush [abs READ]}
T "clflush not canonical"
        mov rdi, NONCAN
        clflush [rdi]
E
T "clflush not canonical stack"
        mov rbp, NONCAN
        clflush [rbp]
E
try "clflushopt absent", {clflushopt [abs ABSENT]}
tryuser "clflush user", {clflush [abs READ]}
T "lock clflush"
        db 0xf0
        clflush [rsi]
E
try "prefetch absent", {prefetcht0 [abs ABSENT]}
T "prefetch not canonical"
        mov rdi, NONCAN
        prefetchnta [rdi]
E
try "prefetchw absent", {prefetchw [abs ABSENT]}
T "fences"
        lfence
        mfence
        sfence
E
T "lock mfence"
        db 0xf0
        mfence
E
T "movnti"
        mov rdi, 0x123456789abcdef0
        movnti [rsi], rdi
        mov rax, [rsi]
        movnti [rsi], edi
        mov rbx, [rsi]
E
T "movnti read-only cr0.wp=1"
        mov rax, cr0
        or eax, 0x10000
        mov cr0, rax
        movnti [abs READ], ebx
E
try "wbinvd", {wbinvd}
tryuser "wbinvd user", {wbinvd}
tryuser "invd user", {invd}

T "monitor"
        mov eax, esi
        xor ecx, ecx
        xor edx, edx
        monitor
E
T "monitor extension"
        mov eax, esi
        mov ecx, 2
        monitor
E
T "monitor absent"
        mov eax, ABSENT
        xor ecx, ecx
        monitor
E
T "monitor not canonical"
        mov rax, NONCAN
        xor ecx, ecx
        monitor
E
T "mwait extension"
        mov ecx, 2
        mwait
E
T "monitor user"
        user64
        xor ecx, ecx
        mov eax, esi
        monitor
E
T "mwait user"
        user64
        xor ecx, ecx
        mwait
E

T "rdtscp"
        set_msr 0xc0000103, 0x12345
        rdtscp
        xor eax, eax
        xor edx, edx
E
T "rdtsc user"
        user64
        rdtsc
        xor eax, eax
        xor edx, edx
E
cr4_is TSD
T "rdtsc tsd"
        rdtsc
        xor eax, eax
        xor edx, edx
E
tryuser "rdtsc user tsd", {rdtsc}
tryuser "rdtscp user tsd", {rdtscp}
cr4_is 0
T "rdpmc user"
        user64
        xor ecx, ecx
        rdpmc
E
T "rdpmc nothing"
        mov ecx, 0x7f
        rdpmc
E

try "rdfsbase off", {rdfsbase rax}
cr4_is FSGS
T "fs base"
        mov rax, CANON
        wrfsbase rax
        rdfsbase rbx
        rdfsbase ecx
E
T "gs base 32"
        mov rax, CANON
        wrgsbase eax
        rdgsbase rbx
E
T "fs base not canonical write"
        mov rax, NONCAN
        wrfsbase rax
E
T "fs base user"
        user64
        mov rax, CANON
        wrfsbase rax
        rdfsbase rbx
E
T "swapgs"
        mov rax, CANON
        wrgsbase rax
        set_msr 0xc0000102, 0x1234
        swapgs
        rdgsbase rbx
        mov ecx, 0xc0000102
        rdmsr
E
tryuser "swapgs user", {swapgs}

cr4_is 0
T "xgetbv off"
        xor ecx, ecx
        xgetbv
E
T "xsetbv off"
        xor ecx, ecx
        mov eax, 1
        xor edx, edx
        xsetbv
E
cr4_is OSXSAVE
T "xgetbv"
        xor ecx, ecx
        xgetbv
E
T "xgetbv nothing"
        mov ecx, 7
        xgetbv
E
%macro xcr0 2
T %1
        xor ecx, ecx
        mov eax, %2
        xor edx, edx
        xsetbv
        xgetbv
E
%endmacro
xcr0 "xsetbv 7", 7
xcr0 "xsetbv 3", 3
xcr0 "xsetbv 1", 1
xcr0 "xsetbv without x87", 2
xcr0 "xsetbv avx without sse", 5
xcr0 "xsetbv undefined", 0x40000003
T "xsetbv high"
        xor ecx, ecx
        mov eax, 3
        mov edx, 1
        xsetbv
E
T "xsetbv register 1"
        mov ecx, 1
        mov eax, 3
        xor edx, edx
        xsetbv
E
T "xsetbv user"
        user64
        xor ecx, ecx
        mov eax, 3
        xor edx, edx
        xsetbv
E
T "xgetbv user"
        user64
        xor ecx, ecx
        xgetbv
E
cr4_is 0

T "rdrand"
        push qword 0x8d7
        popfq
        rdrand rax
        mov eax, 0
E
T "rdrand 16"
        rdrand ax
        mov ax, 0
E
T "rdrand 32"
        rdrand eax
        shr rax, 32
E 0
T "rdseed"
        rdseed rax
        mov eax, 0
E
T "lock rdrand"
        db 0xf0
        rdrand eax
E
try "rdrand f3", {db 0xf3, 0x0f, 0xc7, 0xf0}

        finish
image_end:
