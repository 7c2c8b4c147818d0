; Virtual-8086 mode: segments, what IOPL and VME decide, interrupts into and out of it, and the I/O permission bitmap.
%include "common.inc"
%include "virtual.inc"

IO_MAP  equ 0x68 + 32           ; behind the redirection bitmap

start:  mov esp, STACK0
        call setup32
        ; A TSS with a redirection bitmap and an I/O map.
        mov esi, tss
        mov edi, task
        mov ecx, 0x68 / 4
        rep movsd
        mov word [task + 0x66], IO_MAP
        mov dword [gdt_own], (at(task) & 0xffff) << 16 | task_end - task - 1
        mov dword [gdt_own + 4], 0x8900 | (at(task) >> 16 & 0xff) | (at(task) & 0xff000000)
        mov ax, FREE
        ltr ax
        mov byte [task + IO_MAP + 0x80 / 8], 1          ; port 0x80 is denied
        mov byte [task + 0x68 + 0x22 / 8], 4            ; INT 0x22 is not redirected
        mov byte [task + 0x68 + 0x81 / 8], 2            ; nor are INT 0x80 to 0x87
        mov byte [task + 0x68 + 0x80 / 8], 0xff
        ; Gates of level 3 to level 0, of level 3 to level 3, of 16 bits.
        mov ebx, back
        mov edi, idt + 0x70 * 8
        mov dx, 0xee00
        call put_gate
        mov edi, idt + 0x71 * 8
        mov dx, 0xee00
        call put_gate
        mov word [idt + 0x71 * 8 + 2], USER32
        mov edi, idt + 0x72 * 8
        mov dx, 0xe600
        mov ebx, short_target
        call put_gate
        mov word [idt + 0x72 * 8 + 2], FREE + 8
        mov dword [gdt_own + 8], (at(image) & 0xffff) << 16 | 0xffff
        mov dword [gdt_own + 12], 0x9b00 | (at(image) >> 16 & 0xff)
        ; The 8086 program's own vectors.
        mov word [0x21 * 4], v86(vector21)
        mov word [0x21 * 4 + 2], V86_CS
        mov word [0x22 * 4], v86(vector21)
        mov word [0x22 * 4 + 2], V86_CS
        mov dword [V86_DS * 16 + 0x10], 0x1234abcd
        mov dword [V86_ES * 16 + 0x10], 0x5678abcd
        mov dword [V86_FS * 16 + 0x10], 0x9abc0001
        mov dword [V86_GS * 16 + 0x10], 0xdef00002
        jmp tests
put_gate:
        mov [edi], bx
        mov word [edi + 2], CODE32
        mov [edi + 4], dx
        mov eax, ebx
        shr eax, 16
        mov [edi + 6], ax
        ret
; Returns from an interrupt out of virtual-8086 mode to it.
back:   mov ecx, [esp + 8]
        mov edx, ds
        shl edx, 16
        mov dx, gs
        iretd
bits 16
short_target:
        mov ax, [esp]
        mov bx, [esp + 2]
        mov cx, [esp + 4]
        mov dx, [esp + 8]
        mov si, [esp + 16]
        mov ebp, esp
        jmp dword CODE32:short_out
vector21:
        mov bp, sp
        mov dx, [bp + 4]
        pushf
        pop cx
        iret
bits 32
short_out:
        mov edi, ebp
        int 0x81
        dd 0x1f7fd5

tests:
V "segments", IOPL3
        mov ax, cs
        mov bx, ss
        mov cx, ds
        mov dx, es
        mov si, fs
        mov di, gs
VE
V "loads", IOPL3
        mov eax, [0x10]
        mov ebx, [es:0x10]
        mov ecx, [fs:0x10]
        mov edx, [gs:0x10]
        mov si, V86_ES - 1
        mov ds, si
        mov esi, [0x20]
VE
V "store to cs", IOPL3
        mov ax, V86_ES
        push ax
        pop es
        mov byte [cs:v86(scratch)], 0x5a
        mov al, [cs:v86(scratch)]
VE
V "limit", IOPL3
        mov bx, 0xffff
        mov ax, [bx]
VE
V "limit wide", IOPL3
        mov ebx, 0x10000
        a32 mov al, [ebx]
VE
V "stack limit", IOPL3
        mov sp, 1
        push ax
VE
V "stack wrap", IOPL3
        mov sp, 0
        push ax
        mov bx, sp
VE
V "null selector", IOPL3
        xor ax, ax
        mov ds, ax
        mov eax, [0x21 * 4]
        mov ss, ax
        mov bx, ss
VE
V "lds", IOPL3
        mov word [0x40], 0x10
        mov word [0x42], V86_FS
        lds si, [0x40]
        mov eax, [si]
VE
V "cli iopl 3", IOPL3 | FLAG_IF
        cli
        nop
VE
V "sti iopl 3", IOPL3
        sti
        nop
VE
V "cli iopl 0", 0
        cli
VE
V "sti iopl 2", 0x2000
        sti
VE
V "pushf iopl 0", 0
        pushf
VE
V "popf iopl 0", 0
        push word 0
        popf
VE
V "pushfd iopl 3", IOPL3 | FLAG_IF | 0x200000
        pushfd
        pop eax
VE
V "popfd iopl 3", IOPL3
        push dword 0x3f7fd7 & ~FLAG_TF & ~FLAG_NT
        popfd
        pushfd
        pop eax
        mov bx, ss
VE
V "popf iopl 3", IOPL3
        push word 0x8ed5
        popf
        pushf
        pop ax
VE
V "int iopl 0", 0
        int 0x80
VE
V "int 13 iopl 3", IOPL3
        int 13
VE
V "int 200 iopl 3", IOPL3
        int 200
VE
V "int3 iopl 0", 0
        int3
VE
V "into iopl 0", 0
        mov al, 0x7f
        add al, 1
        into
VE
V "int1 iopl 0", 0
        db 0xf1
VE
V "divide error", IOPL3
        xor cx, cx
        div cx
VE
V "int 80 iopl 3", IOPL3 | FLAG_IF
        int 0x80
VE
V "there and back", IOPL3
        mov ax, 0x1234
        int 0x70
        mov bx, sp
        mov si, ds
        mov di, gs
VE
V "gate to level 3", IOPL3
        int 0x71
VE
V "gate of 16 bits", IOPL3
        int 0x72
VE
V "iret iopl 0", 0
        iret
VE
V "iret iopl 3", IOPL3
        push word 0x0a41
        push cs
        push word v86(%$x)
        iret
%$x:    pushf
        pop ax
VE
V "iretd iopl 3", IOPL3
        push dword 0x80a41
        push dword 0
        push cs
        pop ax
        add sp, 2
        push ax
        push dword v86(%$x)
        o32 iret
%$x:    pushfd
        pop eax
        mov bx, sp
VE
V "far jump", IOPL3
        jmp V86_CS - 1:v86(%$x) + 16
%$x:    mov ax, cs
VE
V "far jump wide", IOPL3
        jmp dword V86_CS:0x10000
VE
V "far call", IOPL3
        call V86_CS - 1:v86(%$x) + 16
        jmp %$y
%$x:    mov bp, sp
        mov ax, [bp]
        sub ax, v86(%$y) - 2
        mov bx, [bp + 2]
        retf 2
%$y:    mov cx, sp
        mov dx, cs
VE
V "far call wide", IOPL3
        call dword V86_CS:v86(%$x)
        jmp %$y
%$x:    mov bp, sp
        mov ebx, [bp + 4]
        o32 retf
%$y:    mov cx, sp
VE
V "hlt", IOPL3
        hlt
VE
V "mov cr0", IOPL3
        mov eax, cr0
VE
V "mov dr0", IOPL3
        mov eax, dr0
VE
V "lgdt", IOPL3
        lgdt [0x10]
VE
V "sgdt", IOPL3
        sgdt [0x100]
        mov ax, [0x100]
VE
V "lmsw", IOPL3
        lmsw ax
VE
V "smsw", IOPL3
        smsw ax
        and ax, 0xf
VE
V "clts", IOPL3
        clts
VE
V "invd", IOPL3
        invd
VE
V "rdmsr", IOPL3
        rdmsr
VE
V "arpl", IOPL3
        arpl ax, bx
VE
V "lar", IOPL3
        lar ax, bx
VE
V "lsl", IOPL3
        lsl ax, bx
VE
V "verr", IOPL3
        verr ax
VE
V "verw", IOPL3
        verw ax
VE
V "sldt", IOPL3
        sldt ax
VE
V "str", IOPL3
        str ax
VE
V "lldt", IOPL3
        lldt ax
VE
V "ltr", IOPL3
        ltr ax
VE
V "lock nop", IOPL3
        db 0xf0, 0x90
VE
V "sysexit", IOPL3
        sysexit
VE
V "in denied", IOPL3
        in al, 0x80
VE
V "out crossing denied", IOPL3
        out 0x7f, ax
VE
V "in allowed", 0
        mov ax, 0x1212
        in al, 0x61
        mov al, 0
        int3
VE
V "in beyond", 0
        mov dx, 0x3e0
        in al, dx
VE
V "outs denied", IOPL3
        mov dx, 0x80
        outsb
VE
V "single step", IOPL3 | FLAG_TF
        nop
        nop
VE
V "single step by popf", IOPL3
        push word IOPL3 | FLAG_TF
        popf
        nop
        nop
VE
V "nt", IOPL3 | FLAG_NT
        push word IOPL3
        push cs
        push word v86(%$x)
        iret
%$x:    pushf
        pop ax
VE
T "iret16 ignores vm"
        o16 push word 2
        o16 push word CODE32
        o16 push word 0
        mov ebx, esp
        add esp, 6
E

; CR4.VME
        mov eax, cr4
        or eax, 1
        mov cr4, eax
V "vme cli", FLAG_VIF | FLAG_IF
        cli
        int3
VE
V "vme sti", FLAG_IF
        sti
        int3
VE
V "vme sti vip", FLAG_VIP | FLAG_IF
        sti
VE
V "vme cli vip", FLAG_VIP | FLAG_VIF
        cli
        int3
VE
V "vme sti iopl 3", IOPL3 | FLAG_VIP
        sti
VE
V "vme pushf vif", FLAG_VIF
        pushf
        pop ax
        int3
VE
V "vme pushf no vif", FLAG_IF
        pushf
        pop ax
        int3
VE
V "vme pushfd", FLAG_VIF
        pushfd
VE
V "vme popf if", 0
        push word FLAG_IF | 0x41
        popf
        int3
VE
V "vme popf no if", FLAG_VIF | FLAG_IF
        push word 0x3000
        popf
        int3
VE
V "vme popf if vip", FLAG_VIP
        push word FLAG_IF
        popf
VE
V "vme popf no if vip", FLAG_VIP
        push word 0x41
        popf
        int3
VE
V "vme popf tf", 0
        push word FLAG_TF
        popf
VE
V "vme popfd", 0
        push dword 0
        popfd
VE
V "vme iret if", 0
        push word FLAG_IF
        push cs
        push word v86(%$x)
        iret
%$x:    int3
VE
V "vme iret if vip", FLAG_VIP
        push word FLAG_IF
        push cs
        push word v86(%$x)
        iret
%$x:    int3
VE
V "vme iret tf", 0
        push word FLAG_TF
        push cs
        push word v86(%$x)
        iret
%$x:    int3
VE
V "vme iretd", 0
        push dword 0
        push dword V86_CS
        push dword v86(%$x)
        o32 iret
%$x:    int3
VE
V "vme int redirected", FLAG_VIF | FLAG_IF
        int 0x21
        mov ax, sp
        int3
VE
V "vme int redirected no vif", FLAG_IF
        int 0x21
        int3
VE
V "vme int redirected iopl 3", IOPL3 | FLAG_IF
        int 0x21
        int3
VE
V "vme int not redirected", FLAG_VIF
        int 0x22
VE
V "vme int not redirected iopl 3", IOPL3
        int 0x22
VE
V "vme int 80 iopl 3", IOPL3 | FLAG_VIF
        int 0x80
VE
V "vme int3", FLAG_VIF | FLAG_IF
        int3
VE
V "vme int redirected tf", IOPL3 | FLAG_TF
        int 0x21
        nop
VE
; CR4.PVI
%macro user 1           ; continues at privilege level 3 with these flags
        push dword USERDS
        push dword STACK3
        push dword %1
        push dword USER32
        push dword %%x
        iretd
%%x:
%endmacro
        mov eax, cr4
        and eax, ~1
        or eax, 2
        mov cr4, eax
T "pvi cli"
        user FLAG_VIF | FLAG_IF
        cli
E 0x1f7fd5
T "pvi sti"
        user FLAG_IF
        sti
E 0x1f7fd5
T "pvi sti vip"
        user FLAG_VIP
        sti
E
T "pvi popf"
        user FLAG_VIF | FLAG_IF
        push dword 0x13000
        popfd
E 0x1f7fd5
T "pvi pushf"
        user FLAG_VIF
        pushfd
        pop eax
E 0x1f7fd5
T "pvi cli iopl 3"
        user IOPL3 | FLAG_VIF | FLAG_IF
        cli
E 0x1f7fd5
        finish

scratch: dd 0
        align 16
task:   times 0x68 db 0
        times 32 db 0
        times 0x3e0 / 8 db 0
        db 0xff
task_end:
image_end:
