; Hardware task switches: by JMP, CALL, IRET, interrupts and exceptions; 32-bit and 16-bit; their faults before and after the old task is left.
%include "common.inc"
%include "virtual.inc"

%assign next_own 0
%macro own 2            ; name, descriptor
%1      equ FREE + next_own * 8
  %assign next_own next_own + 1
        dq %2
%endmacro

; Puts all as it was: descriptors of this guest, TSS fields, TR.
restore:
        pushad
        mov esi, own_descriptors
        mov edi, gdt_own
        mov ecx, own_count * 2
        rep movsd
        mov edi, task
        mov ecx, (task_end - task) / 4
        xor eax, eax
        rep stosd
        mov dword [task + 4], STACKT
        mov dword [task + 8], DATA
        mov dword [task + 0x20], entered
        mov dword [task + 0x24], 2
        mov dword [task + 0x28], 0xa0a0a0a0
        mov dword [task + 0x2c], 0xc1c1c1c1
        mov dword [task + 0x30], 0xd2d2d2d2
        mov dword [task + 0x34], 0xb3b3b3b3
        mov dword [task + 0x38], STACKT - 0x100
        mov dword [task + 0x3c], 0xbbbbbbbb
        mov dword [task + 0x40], 0x51515151
        mov dword [task + 0x44], 0xd1d1d1d1
        mov dword [task + 0x48], DATA
        mov dword [task + 0x4c], CODE32
        mov dword [task + 0x50], DATA
        mov dword [task + 0x54], DATA
        mov dword [task + 0x58], USERDS
        mov dword [task + 0x5c], 0
        mov word [task + 0x66], 0x68
        mov edi, short_task
        mov ecx, 0x2c / 4
        xor eax, eax
        rep stosd
        mov word [short_task + 0x0e], LOW
        mov word [short_task + 0x10], 2
        mov word [short_task + 0x12], 0xa0a0
        mov word [short_task + 0x14], 0xc1c1
        mov word [short_task + 0x16], 0xd2d2
        mov word [short_task + 0x18], 0xb3b3
        mov word [short_task + 0x1a], 0x7000
        mov word [short_task + 0x1c], 0xbbbb
        mov word [short_task + 0x1e], 0x5151
        mov word [short_task + 0x20], 0xd1d1
        mov word [short_task + 0x22], DATA
        mov word [short_task + 0x24], CODE32
        mov word [short_task + 0x26], DATA16
        mov word [short_task + 0x28], DATA
        mov byte [gdt + TSS + 5], 0x89
        mov ax, TSS
        ltr ax
        clts
        pushfd
        and dword [esp], ~0x4000
        popfd
        mov dword [tss + 0x20], 0xeeeeeeee
        mov dword [tss + 0x24], 0xeeeeeeee
        popad
        ret

; What the new task reports: registers it came with, TR, the back link, TS, NT, the old task's saved state.
entered:
        mov [seen], eax
        mov [seen + 4], ecx
        mov [seen + 8], esp
        mov [seen + 12], ebp
        pushfd
        pop eax
        mov [seen + 16], eax
        call report
        int 0x81
        dd 0xffffffff
; In registers: EAX the stack pointer, EBX EBP, ECX TR and the link, EDX CR0 and the flags, ESI, EDI FS and GS.
report: str cx
        shl ecx, 16
        mov cx, [task]
        mov eax, cr0
        shl eax, 28
        mov edx, [seen + 16]
        and edx, 0xfffffff
        or edx, eax
        mov eax, [seen + 8]
        mov ebx, [seen]
        mov esi, [tss + 0x24]
        mov edi, fs
        shl edi, 16
        mov di, gs
        ret

start:  mov esp, STACK0
        call setup32
        mov esi, low
        mov edi, LOW
        mov ecx, low_end - low
        rep movsb
        mov edi, idt + 0x70 * 8
        mov dword [edi], TASK << 16
        mov dword [edi + 4], 0xe500
        mov edi, idt + 0x71 * 8
        mov dword [edi], TASK << 16
        mov dword [edi + 4], 0x6500
        mov edi, idt + 0x72 * 8
        mov dword [edi], DATA << 16
        mov dword [edi + 4], 0xe500
        mov edi, idt + 0x73 * 8
        mov dword [edi], TASK16 << 16
        mov dword [edi + 4], 0xe500
        mov edi, idt + 0x74 * 8
        mov dword [edi], TASK << 16
        mov dword [edi + 4], 0x8500

; Exceptions through task gates: %1 the vector.
%macro gate_exception 1
        mov edi, idt + %1 * 8
        mov eax, [edi]
        mov ebx, [edi + 4]
        mov [kept], eax
        mov [kept + 4], ebx
        mov dword [edi], TASK << 16
        mov dword [edi + 4], 0x8500
%endmacro
%macro gate_restore 1
        mov eax, [kept]
        mov ebx, [kept + 4]
        mov [idt + %1 * 8], eax
        mov [idt + %1 * 8 + 4], ebx
%endmacro

%macro TASKTEST 1
        call restore
T %1
%endmacro

TASKTEST "jmp tss"
        jmp TASK:0x12345
E
T "jmp tss old state"
        mov eax, [tss + 0x28]
        mov ebx, [tss + 0x4c]
        mov ecx, [tss + 0x38]
        mov edx, [gdt + TSS + 4]
        mov esi, [gdt + TASK + 4]
        mov edi, [tss + 0x44]
E
TASKTEST "call tss"
        call TASK:0
E
T "call tss old state"
        mov edx, [gdt + TSS + 4]
        mov esi, [gdt + TASK + 4]
        mov eax, [tss + 0x20]
        sub eax, [tss + 0x38]
        mov ecx, [task]
E
TASKTEST "jmp task gate"
        jmp GATE:0
E
TASKTEST "call task gate"
        call GATE:0
E
TASKTEST "int task gate"
        int 0x70
E
TASKTEST "int task gate absent"
        int 0x71
E
TASKTEST "int task gate data"
        int 0x72
E
TASKTEST "exception by task gate"
        gate_exception 0
        xor ecx, ecx
        div ecx
E
        gate_restore 0
T "exception old state"
        mov eax, [tss + 0x24]
        and eax, ~0x8d5
        mov ebx, [tss + 0x2c]
E
TASKTEST "exception with error code by task gate"
        gate_exception 13
        mov eax, 0xfff8
        mov ds, ax
E
        gate_restore 13
T "error code"
        mov eax, [STACKT - 0x104]
E
TASKTEST "iret from task"
        mov dword [task + 0x20], %$there
        mov eax, 1
        call TASK:0
        str bx
        mov ecx, [gdt + TASK + 4]
        mov edx, [gdt + TSS + 4]
        mov esi, cr0
        and esi, 8
        pushfd
        pop edi
        jmp %$done
%$there:
        pushfd
        pop dword [seen]
        iretd
%$done:
        mov ebp, [task + 0x20]
        sub ebp, %$there
        add eax, ebp
E
T "iret saved flags"
        mov eax, [task + 0x24]
        mov ebx, [seen]
E
TASKTEST "iret twice"
        mov dword [task + 0x20], %$again
        call TASK:0
        call TASK:0
        jmp %$done
%$again:
        inc ebp
        iretd
        inc ebp
        iretd
%$done: mov eax, [task + 0x3c]
E
TASKTEST "iret link data"
        pushfd
        or dword [esp], 0x4000
        popfd
        mov word [tss], DATA
        iretd
E
TASKTEST "iret link not busy"
        pushfd
        or dword [esp], 0x4000
        popfd
        mov word [tss], TASK
        iretd
E
TASKTEST "iret link null"
        pushfd
        or dword [esp], 0x4000
        popfd
        mov word [tss], 0
        iretd
E
TASKTEST "iret link ldt"
        pushfd
        or dword [esp], 0x4000
        popfd
        mov word [tss], TASK | 4
        iretd
E
TASKTEST "jmp busy"
        jmp TSS:0
E
TASKTEST "jmp gate to busy"
        mov word [gdt + GATE + 2], TSS
        jmp GATE:0
E
TASKTEST "jmp absent"
        and byte [gdt + TASK + 5], 0x7f
        jmp TASK:0
E
TASKTEST "jmp short limit"
        mov word [gdt + TASK], 0x66
        jmp TASK:0
E
TASKTEST "int short limit"
        mov word [gdt + TASK], 0x66
        int 0x70
E
TASKTEST "gate absent"
        and byte [gdt + GATE + 5], 0x7f
        jmp GATE:0
E
TASKTEST "gate to ldt selector"
        mov word [gdt + GATE + 2], TASK | 4
        jmp GATE:0
E
TASKTEST "gate to null"
        mov word [gdt + GATE + 2], 0
        call GATE:0
E
TASKTEST "gate beyond gdt"
        mov word [gdt + GATE + 2], 0xfff8
        call GATE:0
E
%macro user 0           ; continues at privilege level 3
        push dword USERDS
        push dword STACK3
        push dword 2
        push dword USER32
        push dword %%x
        iretd
%%x:
%endmacro
TASKTEST "user jmp tss"
        user
        jmp TASK:0
E
TASKTEST "user jmp user gate"
        or byte [gdt + GATE + 5], 0x60
        user
        jmp GATE:0
E
TASKTEST "user int gate"
        user
        int 0x70
E
TASKTEST "user int system gate"
        user
        int 0x74
E
TASKTEST "to user"
        mov dword [task + 0x4c], USER32
        mov dword [task + 0x50], USERDS
        mov dword [task + 0x48], USERDS
        mov dword [task + 0x54], USERDS
        mov dword [task + 0x38], STACK3
        mov dword [task + 0x20], %$u
        mov dword [task + 4], STACKT
        mov dword [task + 8], DATA
        jmp TASK:0
%$u:    mov eax, cs
        mov ebx, ss
E
; What is wrong with the new task.
TASKTEST "cs null"
        mov dword [task + 0x4c], 0
        jmp TASK:0
E
TASKTEST "cs data"
        mov dword [task + 0x4c], DATA
        jmp TASK:0
E
TASKTEST "cs rpl"
        mov dword [task + 0x4c], CODE32 + 3
        jmp TASK:0
E
TASKTEST "cs absent"
        mov dword [task + 0x4c], CODEABSENT
        jmp TASK:0
E
TASKTEST "cs limit"
        mov dword [task + 0x4c], CODESMALL
        jmp TASK:0
E
TASKTEST "cs conforming"
        mov dword [task + 0x4c], CONFORMING
        jmp TASK:0
E
TASKTEST "ds absent"
        mov dword [task + 0x54], ABSENT
        jmp TASK:0
E
TASKTEST "ds beyond"
        mov dword [task + 0x54], 0xfff8
        jmp TASK:0
E
TASKTEST "es execute only"
        mov dword [task + 0x48], EXECONLY
        call TASK:0
E
TASKTEST "fs privilege"
        mov dword [task + 0x58], DATA + 3
        jmp TASK:0
E
TASKTEST "gs system"
        mov dword [task + 0x5c], TASK
        jmp TASK:0
E
TASKTEST "ldt data"
        mov dword [task + 0x60], DATA
        jmp TASK:0
E
TASKTEST "ldt absent"
        mov dword [task + 0x60], LDTABSENT
        jmp TASK:0
E
TASKTEST "ldt"
        mov dword [task + 0x60], LDT
        mov dword [task + 0x54], 4
        jmp TASK:0
E
TASKTEST "int ds absent"
        mov dword [task + 0x54], ABSENT
        int 0x70
E
TASKTEST "nt from tss"
        mov dword [task + 0x24], 0x4002
        jmp TASK:0
E
TASKTEST "flags"
        mov dword [task + 0x24], 0x243cd7
        jmp TASK:0
E
TASKTEST "trap flag"
        mov dword [task + 0x64], 0x680001
        jmp TASK:0
E
TASKTEST "trap flag by int"
        mov dword [task + 0x64], 0x680001
        int 0x70
E
TASKTEST "tf"
        mov dword [task + 0x24], 0x102
        jmp TASK:0
E
TASKTEST "local breakpoints"
        mov eax, 0x55
        mov dr7, eax
        mov eax, 0x003f0355
        xor eax, eax
        mov dr0, eax
        mov eax, 0x20703ff
        mov dr7, eax
        mov dword [task + 0x20], %$there
        jmp TASK:0
%$there:
        mov eax, dr7
        xor ebx, ebx
        mov dr7, ebx
E
        xor eax, eax
        mov dr7, eax
TASKTEST "virtual 8086"
        mov dword [task + 0x24], FLAG_VM | IOPL3 | 2
        mov dword [task + 0x20], v86(virtual_entry)
        mov dword [task + 0x4c], V86_CS
        mov dword [task + 0x50], V86_SS
        mov dword [task + 0x38], V86_SP
        mov dword [task + 0x48], V86_ES
        mov dword [task + 0x54], V86_DS
        mov dword [task + 0x58], V86_FS
        mov dword [task + 0x5c], V86_GS
        mov dword [task + 4], STACKT
        mov dword [task + 8], DATA
        jmp TASK:0
E
; 16-bit tasks.
TASKTEST "jmp 16-bit tss"
        jmp TASK16:0
E
T "16-bit flags"
        mov eax, [tss + 0x24]
        mov ebx, [gdt + TASK16 + 4]
        mov ecx, [gdt + TSS + 4]
E
TASKTEST "call 16-bit tss"
        call TASK16:0
E
TASKTEST "int 16-bit tss"
        int 0x73
E
TASKTEST "16-bit short limit"
        mov word [gdt + TASK16], 0x2a
        jmp TASK16:0
E
TASKTEST "16-bit and back"
        mov word [short_task + 0x0e], LOW + low_return - low
        mov eax, 0x12345678
        call TASK16:0
        str bx
        mov ecx, [gdt + TASK16 + 4]
        movzx edx, word [short_task + 0x0e]
        movzx esi, word [short_task + 0x12]
        movzx edi, word [short_task + 0x28]
E
TASKTEST "old tss too short"
        mov byte [gdt + TASK16 + 5], 0x89
        mov ax, TASK16
        ltr ax
        jmp TASK:0
E
        call restore
        finish

; Reached with 16 bits of EIP.
LOW     equ 0x6000
low:    mov [seen], eax
        mov [seen + 8], esp
        pushfd
        pop dword [seen + 16]
        and dword [seen], 0xffff
        and dword [seen + 8], 0xffff
        mov eax, report
        call eax
        movzx ecx, word [short_task]
        int 0x81
        dd 0xffffffff
low_return:
        mov eax, 0x0000beef
        iretd
low_end:

bits 16
virtual_entry:
        mov ax, ds
        mov bx, ss
        mov cx, es
        mov dx, fs
        mov si, gs
        mov di, sp
        int 0x81
        dd 0x1f7fd5
bits 32

own_descriptors:
own TASK,       descriptor(at(task), 0x67, 0x89, 0)
own TASK16,      descriptor(at(short_task), 0x2b, 0x81, 0)
own GATE,       (TASK << 16) | (0x85 << 40)
own DATA16,     descriptor(0, 0xffff, 0x93, 0)
own ABSENT,     descriptor(0, 0xfffff, 0x13, 0xc)
own EXECONLY,   descriptor(0, 0xfffff, 0x99, 0xc)
own CODEABSENT, descriptor(0, 0xfffff, 0x1b, 0xc)
own CODESMALL,  descriptor(0, 0xfff, 0x9b, 4)
own CONFORMING, descriptor(0, 0xfffff, 0x9f, 0xc)
own LDT,        descriptor(at(gdt) + DATA, 7, 0x82, 0)
own LDTABSENT,  descriptor(at(gdt), 7, 0x02, 0)
own_count equ next_own

        align 16
task:   times 0x70 db 0
task_end:
        align 16
short_task: times 0x30 db 0
seen:   times 8 dd 0
kept:   dq 0
image_end:
