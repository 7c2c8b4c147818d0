; Integer instructions of 32-bit protected mode with their prefixes, segments, far transfers, gates and privilege levels.
%include "common.inc"

%assign next_own 0
%macro own 2            ; name, descriptor
%1      equ FREE + next_own * 8
  %assign next_own next_own + 1
        dq %2
%endmacro

start:  mov esp, STACK0
        call setup32
        mov esi, own_descriptors
        mov edi, gdt_own
        mov ecx, own_count * 2
        rep movsd
        mov esi, low
        mov edi, LOW
        mov ecx, low_end - low
        rep movsb
        mov dword [BUFFER], 0x89abcdef
        mov dword [BUFFER + 4], 0x01234567

; Operand and address sizes
T "add16"
        o16 add [esi], ax
        mov ebx, [esi]
        mov dword [esi], 0x89abcdef
E
T "addr16"
        mov ebx, 0xffff0100
        mov esi, 0xffff0010
        mov dword [0x110], 0x5a5a1234
        mov eax, [bx + si]
        mov ecx, [bx + si - 0x100 + 0x100]
        a16 lea edx, [bx + si + 0x7f]
E
T "addr16 wrap"
        mov ebx, 0xfff8
        mov dword [8], 0xcafe0001
        mov eax, [bx + 0x10]
E
T "lea16"
        lea ax, [esi + edi * 2 + 0x12345]
        a16 lea ecx, [bp + di]
E
T "movzx"
        movzx eax, byte [esi + 3]
        movsx bx, byte [esi + 3]
        movsx ecx, word [esi + 2]
        movzx edx, ch
E
T "pusha16"
        o16 pusha
        o16 popa
        pushad
        mov eax, [esp + 12]
        popad
E
T "push sizes"
        mov ecx, esp
        o16 push 0x1234
        push byte -3
        push es
        o16 pushf
        sub ecx, esp
        mov eax, [esp + 2]
        mov ebx, [esp + 6]
        mov edx, [esp + 8]
E
T "pop mem esp"
        push dword 0x13579bdf
        pop dword [esp + 4]
        mov eax, [esp + 4]
E
T "enter"
        mov ecx, esp
        enter 16, 0
        sub ecx, esp
        mov eax, ebp
        leave
        mov ebx, ebp
E
T "enter 3"
        mov ebp, OTHER + 0x100
        mov dword [OTHER + 0xfc], 0xaaaa0001
        mov dword [OTHER + 0xf8], 0xaaaa0002
        enter 8, 3
        mov eax, [ebp]
        mov ebx, [ebp - 4]
        mov ecx, [ebp - 8]
        mov edx, [ebp - 12]
        mov edi, ebp
        mov esi, esp
E
T "aaa daa aam"
        mov eax, 0x0539
        add al, 0x29
        daa
        mov bl, al
        mov eax, 0x000f
        aaa
        mov ecx, eax
        mov eax, 0x3f
        aam
        mov edx, eax
        aad
E 0x401
T "das aas"
        mov eax, 0x35
        sub al, 0x47
        das
        mov ebx, eax
        mov eax, 0x0105
        sub al, 9
        aas
        mov ecx, eax
E 0x411
T "aam 0"
        aam 0
E
T "salc"
        stc
        db 0xd6
E
T "bound inside"
        mov dword [edi], 5
        mov dword [edi + 4], 10
        mov eax, 7
        bound eax, [edi]
E
T "bound"
        mov eax, 11
        bound eax, [edi]
E
T "into"
        mov al, 0x7f
        add al, 1
        into
E
T "into no"
        into
E
T "int3"
        int3
E
T "int1"
        db 0xf1
E
T "div0"
        xor ecx, ecx
        div ecx
E
T "div overflow"
        mov edx, 5
        mov ecx, 5
        div ecx
E
T "idiv min"
        mov eax, 0x80000000
        cdq
        mov ecx, -1
        idiv ecx
E
T "idiv8 min"
        mov ax, 0x8000
        mov cl, 0xff
        idiv cl
E
T "cmpxchg8b"
        mov eax, [esi]
        mov edx, [esi + 4]
        mov ebx, 0xb0b0b0b0
        mov ecx, 0xc0c0c0c0
        cmpxchg8b [esi]
        cmpxchg8b [esi]
E
T "cmpxchg8b reg"
        db 0x0f, 0xc7, 0xc8
E
T "cmpxchg fail"
        cmpxchg [esi], ecx
E
T "xadd8"
        lock xadd [esi], ah
E
T "bt mem"
        mov ebx, -5
        mov dword [edi - 4], 0
        bts [edi], ebx
        mov eax, [edi - 4]
        o16 bt [edi - 4], bx
E 0x1
T "shld16"
        o16 shld ax, bx, 20
        mov ax, 0x1234
        shld ax, bx, 4
E 0
T "rcl"
        stc
        rcl al, 9
        rcr bx, 17
        rcl ecx, 31
E 1
T "loop16"
        mov ecx, 0xffff0003
%$l:    inc eax
        a16 loop %$l
E
T "jcxz"
        mov ecx, 0xffff0000
        jcxz %$t
        inc eax
%$t:    jecxz %$u
        inc ebx
%$u:
E
T "movs16"
        mov ecx, 0xabcd0003
        mov esi, 0xfff08000
        mov edi, 0xfff09000
        mov dword [0x8000], 0x01020304
        mov dword [0x8004], 0x05060708
        mov dword [0x9004], 0
        a16 rep movsw
        mov eax, [0x9000]
        mov ebx, [0x9004]
E
T "movs di wrap"
        mov dword [0xfffe], 0
        mov ecx, 2
        mov esi, BUFFER
        mov edi, 0x1fffe
        mov al, 0xe7
        mov ah, 0xe8
        a16 rep stosw
        movzx ebx, word [0xfffe]
        movzx edx, word [0]
E
T "cmps std"
        std
        mov esi, BUFFER + 8
        mov edi, BUFFER + 8
        mov ecx, 4
        repe cmpsd
E
T "scas"
        mov edi, BUFFER
        mov ecx, 16
        mov al, 0x23
        repne scasb
E
T "xlat"
        mov ebx, BUFFER
        mov al, 5
        xlatb
E
T "arpl"
        mov ax, 0x0010
        mov bx, 0x0013
        arpl ax, bx
E
T "lahf"
        mov ah, 0xd5
        sahf
        mov ah, 0
        lahf
E
T "smsw lmsw"
        smsw eax
        lmsw ax
        smsw ebx
        movzx eax, ax
        movzx ebx, bx
E
T "sldt str"
        sldt eax
        str ebx
        o16 str cx
E

; Undefined and malformed
T "lock mov"
        db 0xf0, 0x89, 0x06
E
T "lock reg"
        db 0xf0, 0x01, 0xc0
E
T "lock cmp"
        db 0xf0, 0x39, 0x06
E
T "ud2"
        ud2
E
T "ud1"
        db 0x0f, 0xb9, 0xc0
E
T "0f 0a"
        db 0x0f, 0x0a
E
T "c4 reg"
        db 0xc4, 0xc0
E
T "8f /1"
        db 0x8f, 0x08
E
T "fe /7"
        db 0xfe, 0xf8
E
T "ff /7"
        db 0xff, 0xf8
E
T "ff /5 reg"
        db 0xff, 0xe8
E
T "ff /3 reg"
        db 0xff, 0xd8
E
T "lea reg"
        db 0x8d, 0xc0
E
T "mov cs"
        db 0x8e, 0xc8
E
T "mov seg 6"
        db 0x8c, 0xf0
E
T "mov cr1"
        db 0x0f, 0x20, 0xc8
E
T "mov cr5"
        db 0x0f, 0x22, 0xe8
E
T "syscall legacy"
        db 0x0f, 0x07
E
T "swapgs legacy"
        db 0x0f, 0x01, 0xf8
E
T "fifteen"
        times 14 db 0x66
        nop
E
T "sixteen"
        times 15 db 0x66
        nop
E
T "sixteen lock"
        times 15 db 0xf0
        nop
E
T "rsm"
        rsm
E
T "vmcall"
        db 0x0f, 0x01, 0xc2
E
T "vmread"
        db 0x0f, 0x78, 0xc0
E

; Segments
%macro loads 3          ; name, register, selector
T %1
        mov ax, %3
        mov %2, ax
        mov ebx, %2
E
%endmacro
loads "ds null", ds, 0
loads "ds null rpl", ds, 3
loads "ss null", ss, 0
loads "ss rpl", ss, DATA | 3
loads "ss ro", ss, READONLY
loads "ss code", ss, CODE32
loads "ss absent", ss, ABSENT
loads "ss user", ss, USERDS
loads "ds absent", ds, ABSENT
loads "ds execute", ds, EXECONLY
loads "ds code", ds, CODE32
loads "ds rpl", ds, DATA | 3
loads "ds system", ds, TSS
loads "ds outside", ds, 0x1f8
loads "ds ldt", ds, 0x0c
loads "fs user", fs, USERDS
T "ds null use"
        xor eax, eax
        mov ds, ax
        mov ebx, [0x1000]
E
T "es null use"
        xor eax, eax
        mov es, ax
        stosb
E
T "small in"
        mov ax, SMALL
        mov ds, ax
        mov ebx, [0xffc]
        mov ecx, [0xffd - 1]
E
T "small out"
        mov ax, SMALL
        mov ds, ax
        mov ebx, [0xffd]
E
T "small ss enter"
        mov ax, SMALL
        mov ss, ax
        mov esp, 0x800
        enter 0x900, 0
E
T "small byte"
        mov ax, SMALL
        mov ds, ax
        mov bl, [0x1000]
E
T "small wrap"
        mov ax, SMALL
        mov ds, ax
        mov ebx, [0xfffffffe]
E
T "small ss"
        mov ax, SMALL
        mov ss, ax
        mov esp, 0x800
        mov ebx, [esp + 0x900]
E
T "small ss push"
        mov ax, SMALL
        mov ss, ax
        mov esp, 0xffe
        mov ebx, esp
        pop eax
E
T "ebp limit"
        mov ax, SMALL
        mov ss, ax
        mov esp, 0x800
        mov ebp, 0x1000
        mov eax, [ebp]
E
T "down in"
        mov ax, DOWN
        mov ds, ax
        mov ebx, [0x1000]
        mov ecx, [0xfffffffc]
        mov ebx, 0
        mov ecx, 0
E
T "down out"
        mov ax, DOWN
        mov ds, ax
        mov ebx, [0xfff]
E
T "down16 out"
        mov ax, DOWN16
        mov ds, ax
        mov ebx, [0xfffd]
E
T "down16 in"
        mov ax, DOWN16
        mov ds, ax
        mov ebx, [0xfffc]
        mov ebx, 0
E
T "ro write"
        mov ax, READONLY
        mov ds, ax
        mov eax, [BUFFER + 0x40]
        mov [BUFFER + 0x40], ebx
E
T "code write"
        mov [cs:BUFFER], ebx
E
T "execonly read"
        jmp EXECONLY:%$x
%$x:    mov eax, [cs:BUFFER]
        nop
E
T "restored"
        jmp CODE32:%$x
%$x:    mov eax, cs
E
T "16-bit stack"
        mov ax, DATA16
        mov ss, ax
        mov esp, 0xabcd0000
        push dword 0x600df00d
        mov ebx, esp
        mov ecx, [0xfffc]
        pop eax
        mov edx, esp
E
T "16-bit stack call"
        mov ax, DATA16
        mov ss, ax
        mov esp, 0xabcd8000
        call %$x
%$x:    mov ebx, esp
        enter 4, 1
        mov ecx, esp
        mov edx, ebp
        leave
        pop eax
        sub eax, %$x
E
T "16-bit stack int"
        mov ax, DATA16
        mov ss, ax
        mov esp, 0xabcd8000
        int3
E
T "16-bit code"
        jmp CODE16:LOW
E
T "base"
        mov ax, BASED
        mov gs, ax
        mov eax, [gs:0]
        mov [gs:4], ebx
        mov ecx, [BUFFER + 4]
        mov esi, 0
        gs lodsd
E
T "accessed"
        mov al, [gdt_own + UNACCESSED - FREE + 5]
        mov cx, UNACCESSED
        mov fs, cx
        mov bl, [gdt_own + UNACCESSED - FREE + 5]
E
T "lds"
        mov dword [edi], 0x0badcafe
        mov word [edi + 4], BASED
        lds ebx, [edi]
        mov eax, ds
        o16 les cx, [cs:OTHER]
E
T "lss"
        mov dword [edi], STACK0 - 64
        mov word [edi + 4], DATA
        lss esp, [edi]
        mov eax, esp
E
T "lfs absent"
        mov word [edi + 4], ABSENT
        lfs ebx, [edi]
E
T "pop ds absent"
        mov ebx, esp
        push dword ABSENT
        pop ds
E
T "lar lsl"
        mov cx, SMALL
        lar eax, cx
        lsl ebx, cx
        mov cx, BASED
        lsl edx, cx
E
T "lar bad"
        mov cx, 0x1f8
        lar eax, cx
        setz bl
        mov cx, GATE0
        lar edx, cx
        lsl ecx, cx
        setz bh
E
T "verr"
        mov cx, EXECONLY
        verr cx
        setz al
        mov cx, READONLY
        verr cx
        setz ah
        verw cx
        setz bl
        mov cx, DATA
        verw cx
        setz bh
E
T "lldt"
        mov ax, LDT
        lldt ax
        mov ebx, 0
        mov bx, 4
        mov gs, bx
        mov ecx, gs
E
T "lldt bad"
        mov ax, DATA
        lldt ax
E
T "lldt absent"
        mov ax, LDTABSENT
        lldt ax
E
T "ltr busy"
        mov ax, TSS
        ltr ax
E
T "ltr null"
        xor eax, eax
        ltr ax
E
T "sgdt"
        sgdt [edi]
        movzx eax, word [edi]
        mov ebx, [edi + 2]
        sub ebx, gdt
        o16 sidt [edi]
        mov ecx, [edi + 2]
        sub ecx, idt
E
T "lgdt limit"
        mov word [edi], 0x4f
        mov dword [edi + 2], gdt
        lgdt [edi]
        mov cx, FREE
        mov es, cx
        mov cx, FREE + 8
        mov es, cx
E
T "lgdt restored"
        lgdt [gdt_pointer]
E

; Far transfers
T "far jump null"
        jmp 0:0x100000
E
T "far jump data"
        jmp DATA:0x100000
E
T "far jump absent"
        jmp CODEABSENT:0x100000
E
T "far jump user"
        jmp USER32:0x100000
E
T "far jump limit"
        jmp CODESMALL:0x100000
E
T "far jump tss"
        jmp LDT:0
E
T "far conforming"
        jmp CONFORMING:%$x
%$x:    mov eax, cs
        jmp CODE32:%$y
%$y:
E
T "far call"
        mov ebx, esp
        call CODE32:%$x
%$x:    sub ebx, esp
        mov eax, [esp]
        sub eax, %$x
        mov ecx, [esp + 4]
        and ecx, 0xffff
E
T "far indirect"
        mov dword [edi], %$x
        mov word [edi + 4], CONFORMING
        call far [edi]
%$x:    mov eax, [esp + 4]
        mov ebx, cs
        jmp CODE32:%$y
%$y:
E
T "retf"
        push dword CODE32
        push dword %$x
        mov ebx, esp
        retf 8
%$x:    sub ebx, esp
E
T "retf null"
        push dword 0
        push dword %$x
        retf
%$x:
E
T "retf inner rpl"
        push dword CODE32
        push dword %$x
        retf
%$x:    mov eax, cs
E
T "call gate same"
        call GATE0:0
        jmp %$y
gate_target:
        mov ecx, [esp + 4]
        and ecx, 0xffff
        mov ebx, cs
        retf
%$y:
E
T "call gate absent"
        call GATEABSENT:0
E
T "call gate data"
        call GATEDATA:0
E
T "jmp gate"
        jmp GATEJUMP:0
        nop
gate_jump_target:
        mov eax, cs
E

; Privilege levels
T "iret same"
        pushfd
        push dword CODE32
        push dword %$x
        mov ebx, esp
        iretd
%$x:    sub ebx, esp
E
T "iret16"
        mov ebx, esp
        o16 pushf
        o16 push word CODE32
        o16 push word LOW + low_jump - low
        mov edx, %$x
        o16 iret
%$x:    sub ebx, esp
E
T "iret nt"
        pushfd
        or dword [esp], 0x4000
        popfd
        pushfd
        pop eax
        and eax, 0x4000
E 0x4000
%macro user 0           ; continues at privilege level 3
        push dword USERDS
        push dword STACK3
        push dword 2
        push dword USER32
        push dword %%x
        iretd
%%x:
%endmacro
T "user int80"
        user
        int 0x80
E
T "user drop"
        mov ax, DATA
        mov ds, ax
        mov ax, USERDS
        mov es, ax
        mov ax, CONFORMING
        mov gs, ax
        mov ax, USER32
        mov fs, ax
        user
        mov eax, ds
        mov ebx, es
        mov ecx, fs
        mov edx, gs
E
T "user cli"
        user
        cli
E
T "user hlt"
        user
        hlt
E
T "user in"
        user
        in al, 0x80
E
T "user int3"
        user
        int3
E
T "user int 13"
        user
        int 13
E
T "user int 200"
        user
        int 200
E
T "user popf"
        user
        push dword 0x3202
        popfd
        pushfd
        pop eax
E
T "user ss"
        user
        mov ax, DATA
        mov ss, ax
E
T "user ds"
        user
        mov ax, DATA
        mov ds, ax
E
T "user mov cr"
        user
        mov eax, cr0
E
T "user lgdt"
        user
        lgdt [edi]
E
T "user rdmsr"
        user
        rdmsr
E
T "user lmsw"
        user
        lmsw ax
E
T "user smsw"
        user
        smsw ax
E
T "user invlpg"
        user
        invlpg [esi]
E
T "user dr"
        user
        mov eax, dr7
E
T "user wbinvd"
        user
        wbinvd
E
T "user gate"
        user
        push dword 0xdead0001
        push dword 0xdead0002
        call GATE3:0
gate3_back:
        mov edi, esp
        jmp %$done
gate3_target:
        mov eax, [esp + 8]
        mov ebx, [esp + 12]
        mov ecx, [esp + 4]
        mov edx, [esp + 20]
        mov esi, esp
        retf 8
%$done:
E
T "user gate dpl"
        user
        call GATE0:0
E
T "user far"
        user
        jmp CODE32:0x100000
E
T "user conforming"
        user
        jmp CONFORMING:%$x
%$x:    mov eax, cs
E
T "user iret inner"
        user
        pushfd
        push dword CODE32
        push dword 0
        iretd
E
T "user page gate limit"
        user
        call GATESMALL:0
E
        finish

; Code that runs below 64 KiB, 16 bits wide but for the first instruction.
LOW     equ 0x6000
low:
bits 16
        mov esp, 0x7ff0
        mov eax, 0x12345678
        mov bx, 0x8001
        add bx, ax
        mov cx, [bx - 0x6000]
        mov edx, [esp]
        push ax
        push dword 0x01020304
        pop si
        call .near
        mov di, sp
        mov dword [ds:0x6f00], 0x9abcdef0
        add byte [bp + si], 0
        a32 mov eax, [0x6f00]
        int3
.near:  ret
bits 32
low_jump:
        jmp edx
low_end:

own_descriptors:
own READONLY,   descriptor(0, 0xfffff, 0x91, 0xc)
own EXECONLY,   descriptor(0, 0xfffff, 0x99, 0xc)
own ABSENT,     descriptor(0, 0xfffff, 0x13, 0xc)
own SMALL,      descriptor(0, 0xfff, 0x93, 4)
own DOWN,       descriptor(0, 0xfff, 0x97, 4)
own DOWN16,     descriptor(0, 0xfff, 0x97, 0)
own DATA16,     descriptor(0, 0xffff, 0x93, 0)
own CODE16,     descriptor(0, 0xffff, 0x9b, 0)
own BASED,      descriptor(BUFFER, 1, 0x93, 0xc)
own UNACCESSED, descriptor(0, 0xfffff, 0x92, 0xc)
own LDT,        descriptor(at(gdt) + DATA, 7, 0x82, 0)
own LDTABSENT,  descriptor(at(gdt), 7, 0x02, 0)
own CODEABSENT, descriptor(0, 0xfffff, 0x1b, 0xc)
own CODESMALL,  descriptor(0, 0xfff, 0x9b, 4)
own CONFORMING, descriptor(0, 0xfffff, 0x9f, 0xc)
%define gate(target, selector, access, count) (at(target) & 0xffff) | ((selector) << 16) | ((count) << 32) | ((access) << 40) | ((at(target) >> 16) << 48)
own GATE0,      gate(gate_target, CODE32, 0x8c, 0)
own GATE3,      gate(gate3_target, CODE32, 0xec, 2)
own GATEABSENT, gate(gate_target, CODE32, 0x0c, 0)
own GATEDATA,   gate(gate_target, DATA, 0x8c, 0)
own GATEJUMP,   gate(gate_jump_target, CODE32, 0x8c, 0)
own GATESMALL,  gate(gate_target, CODESMALL, 0xec, 0)
own_count equ next_own
image_end:
