; 32-bit and PAE paging: error codes, large pages, rights, reserved bits, PDPTEs.
%include "common.inc"
DIR     equ 0x180000
TABLE   equ 0x181000
POINTERS equ 0x182000
PAGE    equ 0x401000
bits 32
start:  mov esp, STACK0
        call setup32
        mov edi, DIR
        xor eax, eax
        mov ecx, 0x3000 / 4
        rep stosd
        mov dword [DIR], 0x87
        mov dword [DIR + 4], TABLE | 7
        mov eax, 0x10
        mov cr4, eax
        mov eax, DIR
        mov cr3, eax
        mov eax, 0x80010031
        mov cr0, eax

%macro try 4            ; name, low half of the entry, high half or none, instruction
T %1
        mov dword [TABLE + ENTRY], %2
  %ifnidn %3,none
        mov dword [TABLE + ENTRY + 4], %3
  %endif
        invlpg [PAGE]
        mov edi, PAGE
        %4
E
%endmacro
%define ENTRY 4
try "32 ok", 0x200007, none, {mov eax, [edi]}
try "32 absent", 0, none, {mov eax, [edi + 4]}
try "32 write", 0x200005, none, {mov [edi], eax}
try "32 dirty", 0x200007, none, {mov [edi], eax}
T "32 entry"
        mov eax, [TABLE + 4]
        mov ebx, [DIR + 4]
        mov ecx, [DIR]
E
T "32 user"
        mov dword [TABLE + 4], 0x200003
        invlpg [PAGE]
        push dword USERDS
        push dword STACK3
        push dword 2
        push dword USER32
        push dword %$x
        iretd
%$x:    mov eax, [PAGE + 12]
E
T "pse reserved"
        mov dword [DIR + 8], 0x200087
        mov eax, [0x800000]
E
T "pse 36"
        mov dword [DIR + 8], 0x2087
        mov dword [DIR + 8], 0x0087
        mov ebx, [0x800000 + BUFFER]
        mov eax, [BUFFER]
        sub eax, ebx
E
T "pse 36 above 4g"
        mov dword [DIR + 8], 0x2087
        invlpg [0x800000]
        mov eax, [0x800000]
E
T "pse 36 top"
        mov dword [DIR + 8], 0x1fe087
        invlpg [0x800000]
        mov eax, [0x800000]
        mov [0x800000], ebx
        mov ecx, [DIR + 8]
E
T "pse pat"
        mov dword [DIR + 8], 0x1087
        invlpg [0x800000]
        mov eax, [0x800000 + BUFFER]
        sub eax, [BUFFER]
E
        mov dword [DIR], 0x83
        mov eax, cr3
        mov cr3, eax
T "smep in 32-bit paging"
        mov eax, 0x100010
        mov cr4, eax
        mov dword [TABLE + 4], 0x200007
        invlpg [PAGE]
        mov eax, PAGE
        jmp eax
E
        mov eax, 0x10
        mov cr4, eax
        mov dword [DIR], 0x87
        mov eax, cr3
        mov cr3, eax
T "pcide outside ia-32e mode"
        mov eax, 0x20010
        mov cr4, eax
E
T "cross pages"
        mov dword [TABLE + 4], 0x200007
        mov dword [TABLE + 8], 0
        invlpg [PAGE]
        mov eax, [PAGE + 0xffd]
E
T "wrap 4g"
        mov eax, [0xfffffffe]
E
; PAE
        mov eax, 0x31
        mov cr0, eax
        mov edi, DIR
        xor eax, eax
        mov ecx, 0x3000 / 4
        rep stosd
        mov dword [POINTERS], DIR | 1
        mov dword [DIR], 0x87
        mov dword [DIR + 8], 0x200087
        mov dword [DIR + 16], TABLE | 7
        mov eax, 0x20
        mov cr4, eax
        mov eax, POINTERS
        mov cr3, eax
        mov ecx, 0xc0000080
        mov eax, 0x800
        xor edx, edx
        wrmsr
        mov eax, 0x80010031
        mov cr0, eax
%define ENTRY 8
try "pae ok", 0x200007, 0, {mov eax, [edi]}
try "pae absent", 0, 0, {mov eax, [edi + 4]}
try "pae write", 0x200005, 0, {mov [edi], eax}
try "pae nx", 0x200007, 0x80000000, {jmp edi}
try "pae reserved", 0x200007, 0x00100000, {mov eax, [edi]}
try "pae reserved 62", 0x200007, 0x40000000, {mov eax, [edi]}
T "pae 2m reserved"
        mov dword [DIR + 24], 0x602087
        mov eax, [0x600000]
E
T "pae pdpte absent"
        mov eax, [0x40000000]
E
T "pae pdpte cached"
        mov dword [POINTERS + 8], DIR | 1
        mov eax, [0x40000000]
E
T "pae pdpte loaded"
        mov eax, cr3
        mov cr3, eax
        mov eax, [0x40000000 + BUFFER]
        sub eax, [BUFFER]
E
T "pae pdpte reserved"
        mov dword [POINTERS + 16], DIR | 7
        mov eax, cr3
        mov cr3, eax
E
        mov dword [POINTERS + 16], 0
T "pae entries"
        mov eax, [DIR]
        mov ebx, [DIR + 8]
        mov ecx, [POINTERS]
E
T "pae cr4 change loads pdptes"
        mov dword [POINTERS + 24], DIR | 1
        mov eax, 0xa0
        mov cr4, eax
        mov eax, [0xc0000000 + BUFFER]
        sub eax, [BUFFER]
        mov dword [POINTERS + 24], 0
        mov ebx, [0xc0000000 + BUFFER]
        sub ebx, [BUFFER]
E
T "pae cr4 change refused"
        mov dword [POINTERS + 24], DIR | 0x21
        mov eax, 0x20
        mov cr4, eax
E
T "pae cr0 change refused"
        mov eax, cr0
        or eax, 0x40000000
        mov cr0, eax
E
T "pae cr0 wp loads none"
        mov eax, cr0
        xor eax, 0x10000
        mov cr0, eax
        xor eax, 0x10000
        mov cr0, eax
        mov ebx, cr4
E
        mov dword [POINTERS + 24], 0
        mov eax, 0x20
        mov cr4, eax
T "pae pdpte absent with reserved bits"
        mov dword [POINTERS + 24], 0xfffffffe
        mov dword [POINTERS + 28], 0xffffffff
        mov eax, cr3
        mov cr3, eax
        mov eax, [0xc0000000]
E
T "pae pdpte beyond maxphyaddr"
        mov dword [POINTERS + 24], DIR | 1
        mov dword [POINTERS + 28], 0x100000
        mov eax, cr3
        mov cr3, eax
E
        mov dword [POINTERS + 24], 0
        mov dword [POINTERS + 28], 0
T "pae nx without nxe"
        mov ecx, 0xc0000080
        xor eax, eax
        xor edx, edx
        wrmsr
        mov dword [TABLE + 8], 0x200007
        mov dword [TABLE + 12], 0x80000000
        invlpg [PAGE]
        mov eax, [PAGE]
E
        mov ecx, 0xc0000080
        mov eax, 0x800
        xor edx, edx
        wrmsr
T "lme with paging"
        mov ecx, 0xc0000080
        mov eax, 0x900
        xor edx, edx
        wrmsr
E
        finish
image_end:
