; Real mode with its limits, big real mode, 16-bit gates, fast system calls of 32 bits, alignment checks.
%include "common.inc"
%include "virtual.inc"

%assign next_own 0
%macro own 2            ; name, descriptor
%1      equ FREE + next_own * 8
  %assign next_own next_own + 1
        dq %2
%endmacro

REAL_SS equ 0x6000
REAL_SP equ 0x8000

; R "name", data selector: what follows runs in real mode with segments that keep the limits of the selector's.
%macro R 1-2 DATA16
T %1
        mov dword [real_target], v86(%$real)
        mov dword [real_data], %2
        jmp enter_real
bits 16
%$real:
%endmacro
; Ends at INT 20H, or by whatever exception comes first.
%macro RE 0
        int 0x20
%$end:
bits 32
        call after32
  %pop
%endmacro

start:  mov esp, STACK0
        call setup32
        mov esi, own_descriptors
        mov edi, gdt_own
        mov ecx, own_count * 2
        rep movsd
        ; Real-mode vectors.
        xor edi, edi
        mov eax, V86_CS << 16 | v86(real_stubs)
        mov ecx, 33
.vector:
        stosd
        add eax, 8
        loop .vector
        mov dword [0x2000 * 16], 0x00420043
        mov dword [0x3000 * 16 + 0x10], 0x5678abcd
        mov dword [0x2000 * 16 + 0x10], 0x1234abcd
        mov dword [BUFFER], 0x89abcdef
        jmp tests

enter_real:
        mov [kept_esp], esp
        mov ebp, [real_data]
        mov ds, bp
        mov es, bp
        mov fs, bp
        mov gs, bp
        mov bp, DATA16
        mov ss, bp
        jmp CODE16:v86(.sixteen)
bits 16
.sixteen:
        mov ebp, cr0
        and ebp, ~1
        mov cr0, ebp
        jmp V86_CS:v86(.real)
.real:  lidt [cs:v86(real_idt)]
        mov bp, REAL_SS
        mov ss, bp
        mov esp, REAL_SP
        mov bp, V86_DS
        mov ds, bp
        mov bp, V86_ES
        mov es, bp
        mov bp, V86_FS
        mov fs, bp
        mov bp, V86_GS
        mov gs, bp
        mov ebp, 0x77777777
        jmp [cs:v86(real_target)]

        align 8
real_stubs:
%assign vector 0
%rep 33
        push word vector
        jmp near real_common
        align 8
  %assign vector vector + 1
%endrep
; Takes the exception's story back to protected mode. Stack: vector, IP, CS, FLAGS.
real_common:
        mov [cs:v86(real_eax)], eax
        mov [cs:v86(real_ebx)], ebx
        mov ax, sp
        mov [cs:v86(real_sp)], ax
        mov [cs:v86(real_ss)], ss
        pop word [cs:v86(real_vector)]
        pop word [cs:v86(real_ip)]
        pop word [cs:v86(real_cs)]
        pop word [cs:v86(real_flags)]
        o32 lgdt [cs:v86(gdt_pointer)]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp dword CODE32:protected
bits 32
protected:
        mov ax, DATA
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov esp, [kept_esp]
        lidt [idt_pointer]
%macro tell 2
        say {" ", %1, "="}
        movzx eax, word [%2]
        call hex32
%endmacro
        push esi
        say " #"
        tell "v", real_vector
        movzx eax, word [real_ip]
        add eax, V86_CS * 16
        sub eax, [test_base]
        mov [real_ip], ax
        tell "at", real_ip
        tell "cs", real_cs
        and word [real_flags], ~0x8d5
        tell "fl", real_flags
        tell "ss", real_ss
        tell "sp", real_sp
        pop esi
        mov eax, [real_eax]
        mov ebx, [real_ebx]
        int 0x81
        dd 0

tests:
R "segments"
        mov eax, [0x10]
        mov ebx, [es:0x10]
        mov cx, ds
        mov si, V86_DS + 1
        mov ds, si
        mov edx, [0]
RE
R "store to cs"
        mov byte [cs:v86(scratch)], 0x5a
        mov al, [cs:v86(scratch)]
RE
R "limit"
        mov bx, 0xffff
        mov ax, [bx]
RE
R "limit byte"
        mov bx, 0xffff
        mov al, [bx]
        mov al, 0
RE
R "limit bp"
        mov bp, 0xfffe
        mov eax, [bp]
RE
R "limit wide"
        mov ebx, 0x10000
        mov al, [ebx]
RE
R "limit string"
        mov si, 0xfffe
        mov cx, 2
        rep lodsw
RE
R "big real", DATA
        mov ebx, BUFFER - V86_DS * 16
        mov eax, [ebx]
        mov cx, 0x1000
        mov ds, cx
        add ebx, (V86_DS - 0x1000) * 16
        mov ecx, [ebx]
        mov edx, [fs:ebx - (V86_FS - 0x1000) * 16]
RE
R "expand down", DOWN16
        mov bx, 0x1000
        mov al, [bx]
        mov al, 0
        mov bx, 0xfff
        mov al, [bx]
RE
R "small limit", SMALL16
        mov ax, [0xffe]
        mov ax, 0
        mov ax, [0xfff]
RE
R "jump beyond"
        jmp dword V86_CS:0x10000
RE
R "near jump beyond"
        mov eax, 0x10000
        jmp eax
RE
R "near call beyond"
        mov eax, 0x10000
        call eax
RE
R "far call"
        call V86_CS - 1:v86(%$x) + 16
        jmp %$y
%$x:    mov bp, sp
        mov bx, [bp + 2]
        mov cx, cs
        retf 4
%$y:    mov dx, sp
RE
R "far call wide"
        call dword V86_CS:v86(%$x)
        jmp %$y
%$x:    mov bp, sp
        mov ebx, [bp + 4]
        and ebx, 0xffff
        o32 retf
%$y:    mov dx, sp
RE
R "iret"
        push word 0x7ed5
        push cs
        push word v86(%$x)
        iret
%$x:    pushf
        pop ax
        push word 2
        popf
RE
R "iretd"
        push dword 0x247ed7 & ~0x100
        push dword V86_CS
        push dword v86(%$x)
        o32 iret
%$x:    pushfd
        pop eax
        push dword 2
        popfd
RE
R "popfd"
        push dword 0x3f7ed7 & ~0x100
        popfd
        pushfd
        pop eax
        push dword 2
        popfd
RE
R "divide"
        xor cx, cx
        div cx
RE
R "bound"
        mov dword [0x20], 0x00100008
        mov ax, 7
        bound ax, [0x20]
RE
R "into"
        mov al, 0x7f
        add al, 1
        into
RE
R "int3"
        int3
RE
R "int1"
        db 0xf1
RE
R "int 9"
        int 9
RE
R "ud2"
        ud2
RE
R "arpl"
        arpl ax, bx
RE
R "sldt"
        sldt ax
RE
R "str"
        str ax
RE
R "lldt"
        lldt ax
RE
R "ltr"
        ltr ax
RE
R "lar"
        lar ax, bx
RE
R "lsl"
        lsl ax, bx
RE
R "verr"
        verr ax
RE
R "verw"
        verw ax
RE
R "lock"
        db 0xf0, 0x90
RE
R "real sysenter"
        sysenter
RE
R "real sysexit"
        sysexit
RE
R "mov to cs"
        db 0x8e, 0xc8
RE
R "smsw"
        smsw ax
        and ax, 0xf
        clts
RE
R "lgdt 24 bits"
        mov dword [0x20], 0x5678ffff
        mov word [0x24], 0x9a12
        lgdt [0x20]
        sgdt [0x30]
        mov eax, [0x32]
        o32 lgdt [0x20]
        sgdt [0x30]
        mov ebx, [0x32]
RE
R "interrupt table limit"
        lidt [cs:v86(short_idt)]
        int 0x20
RE
R "tf"
        push word 0x102
        popf
        nop
        nop
RE
R "pusha wrap"
        mov sp, 8
        pusha
RE
R "enter"
        enter 8, 2
        mov bx, sp
        mov ax, bp
        leave
        mov cx, sp
RE
R "fifteen bytes"
        times 14 db 0x66
        nop
        mov ax, 1
RE
R "sixteen bytes"
        times 15 db 0x66
        nop
RE

; 16-bit gates in protected mode
T "call gate 16 same"
        call GATE16:0
gate16_back:
        jmp %$done
bits 16
gate16_target:
        mov eax, [esp]
        mov ebx, esp
        o32 retf
bits 32
%$done: sub eax, gate16_back
E 0
%macro user 1           ; continues at privilege level 3 with these flags
        push dword USERDS
        pop ds
        push ds
        pop es
        push ds
        push dword STACK3
        push dword %1
        push dword USER32
        push dword %%x
        iretd
%%x:
%endmacro
T "call gate 16 inner"
        user 2
        push word 0x1111
        push word 0x2222
        push word 0x3333
        call GATE16USER:0
bits 16
gate16_inner:
        mov eax, [esp + 2]
        mov ebx, [esp + 6]
        mov ecx, [esp + 10]
        mov dx, ss
        mov esi, esp
        jmp dword CODE32:%$there
bits 32
%$there:
E 0
T "call gate 31 parameters"
        user 2
        sub esp, 0x80
        mov dword [esp], 0xabc
        mov dword [esp + 30 * 4], 0xdef
        call GATE31:0
gate31_target:
        mov eax, [esp + 8]
        mov ebx, [esp + 8 + 30 * 4]
        mov ecx, [esp + 8 + 31 * 4]
        sub ecx, STACK3 - 0x80
        mov edx, [esp + 8 + 32 * 4]
        mov esi, esp
E 0
T "call gate parameters beyond the stack"
        user 2
        mov ax, USERSMALL
        mov ss, ax
        mov esp, 0xff0
        call GATE31:0
E
T "tss without stack"
        mov word [gdt + TSS], 6
        mov byte [gdt + TSS + 5], 0x89
        mov ax, TSS
        ltr ax
        mov word [gdt + TSS], 0x67
        mov byte [gdt + TSS + 5], 0x89
        mov ax, TSS
        ltr ax
E
T "tss 16 inner"
        mov word [tss16 + 2], 0x9000
        mov word [tss16 + 4], STACK16
        mov ax, TSS16
        ltr ax
        user 2
        call GATE31:0
E 0
        mov byte [gdt + TSS + 5], 0x89
        mov ax, TSS
        ltr ax
T "conforming keeps level"
        user 2
        call GATECONFORMING:0
gate_conforming:
        mov eax, cs
        mov ebx, ss
E 0

; Fast system calls
T "sysenter"
        mov ecx, 0x174
        mov eax, CODE32
        xor edx, edx
        wrmsr
        mov ecx, 0x175
        mov eax, STACK0 - 0x40
        wrmsr
        mov ecx, 0x176
        mov eax, %$x
        wrmsr
        user 0x202
        sysenter
%$x:    mov eax, cs
        mov ebx, ss
        mov ecx, esp
        pushfd
        pop edx
E 0
T "sysexit"
        mov ecx, STACK3
        mov edx, %$x
        sysexit
%$x:    mov eax, cs
        mov ebx, ss
        mov ecx, esp
E 0
T "sysexit user"
        user 2
        sysexit
E
T "sysenter null"
        mov ecx, 0x174
        xor eax, eax
        xor edx, edx
        wrmsr
        sysenter
E
T "syscall"
        syscall
E

; Alignment
%define AC 0x40002
        mov eax, cr0
        or eax, 0x40000
        mov cr0, eax
T "ac level 0"
        push dword AC
        popfd
        mov eax, [esi + 1]
E 0
T "ac 4"
        user AC
        mov eax, [esi]
        mov eax, [esi + 2]
E
T "ac 2"
        user AC
        mov ax, [esi + 2]
        mov al, [esi + 1]
        mov ax, [esi + 1]
E
T "ac write"
        user AC
        mov [esi + 3], eax
E
T "ac modify"
        user AC
        inc dword [esi + 1]
E
T "ac stack"
        user AC
        sub esp, 2
        push eax
E
T "ac string"
        user AC
        inc esi
        movsd
E
T "ac popf"
        user 2
        mov eax, [esi + 1]
        push dword AC
        popfd
        mov eax, [esi + 1]
E
T "ac cleared"
        user AC
        push dword 2
        popfd
        mov eax, [esi + 1]
E
T "ac bound"
        user AC
        mov eax, 0
        mov dword [esi], 0
        bound eax, [esi + 2]
E
T "ac far pointer"
        user AC
        les eax, [esi + 1]
E
T "ac sgdt"
        user AC
        sgdt [esi + 1]
        mov eax, 1
E
T "ac and fault"
        user AC
        mov ax, 0
        mov ds, ax
        mov eax, [esi + 1]
E
        mov eax, cr0
        and eax, ~0x40000
        mov cr0, eax
T "ac without am"
        user AC
        mov eax, [esi + 1]
E 0
        finish

        align 4
real_target: dd 0
real_data: dd 0
real_eax: dd 0
real_ebx: dd 0
real_vector: dw 0
real_ip: dw 0
real_cs: dw 0
real_flags: dw 0
real_ss: dw 0
real_sp: dw 0
kept_esp: dd 0
scratch: dd 0
real_idt: dw 0x3ff
        dd 0
short_idt: dw 0x7f
        dd 0
        align 16
tss16:  times 0x30 db 0

own_descriptors:
own CODE16,     descriptor(V86_CS * 16, 0xffff, 0x9b, 0)
own DATA16,     descriptor(0, 0xffff, 0x93, 0)
own DOWN16,     descriptor(0, 0xfff, 0x97, 0)
own SMALL16,    descriptor(0, 0xfff, 0x93, 0)
own USERSMALL_, descriptor(0, 0xfff, 0xf3, 4)
USERSMALL equ USERSMALL_ + 3
own CODE16IMAGE, descriptor(at(image), 0xffff, 0x9b, 0)
%define gate(target, selector, access, count) (at(target) & 0xffff) | ((selector) << 16) | ((count) << 32) | ((access) << 40) | ((at(target) >> 16) << 48)
own GATE16,     gate(gate16_target, CODE16IMAGE, 0x84, 0)
own GATE16USER, gate(gate16_inner, CODE16IMAGE, 0xe4, 3)
own GATE31,     gate(gate31_target, CODE32, 0xec, 31)
own TSS16_,     descriptor(at(tss16), 0x2b, 0x81, 0)
TSS16 equ TSS16_
own STACK16,    descriptor(0, 0xffff, 0x93, 0)
own CONFORMING, descriptor(0, 0xfffff, 0x9f, 0xc)
own GATECONFORMING, gate(gate_conforming, CONFORMING, 0xec, 0)
own_count equ next_own
image_end:
