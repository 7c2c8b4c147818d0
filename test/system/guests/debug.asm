; Debug registers, single steps, RF: each trap is logged and returned from, and a test's log is printed behind it.
%include "common.inc"

WATCH   equ BUFFER + 0x40

; EXEC0 address, DR7: sets DR0 and DR7.
%macro arm 2
        mov eax, %1
        mov dr0, eax
        mov eax, %2
        mov dr7, eax
        mov eax, 0x11111111
%endmacro
%define L0 1
%define G1 8
%define WRITE(n, len) (((len) << 2 | 1) << (16 + 4 * (n)))
%define IO(n, len) (((len) << 2 | 2) << (16 + 4 * (n)))
%define ACCESS(n, len) (((len) << 2 | 3) << (16 + 4 * (n)))

%macro D 1-2 0          ; name, RF set by the handler
        mov dword [set_rf], %2
        mov dword [log_count], 0
        mov dword [limit], 12
T %1
%endmacro
; Ends a test and prints its log.
%macro DE 0-1 0x40cd5
        int 0x81
        dd %1
%$end:
        call after32
        mov ebp, %$name
        call print_log
  %pop
%endmacro

start:  mov esp, STACK0
        call setup32
        mov ebx, trace
        mov edi, idt + 8
        mov dx, 0x8e00
        call put_gate
        mov ebx, nothing
        mov edi, idt + 0x60 * 8
        mov dx, 0xee00
        call put_gate
        mov ebx, fault
        mov edi, idt + 0x61 * 8
        mov dx, 0xee00
        call put_gate
        mov edi, low_data
        jmp tests
put_gate:
        mov [edi], bx
        mov word [edi + 2], CODE32
        mov [edi + 4], dx
        mov eax, ebx
        shr eax, 16
        mov [edi + 6], ax
        ret
nothing: iretd
fault:  iretd
trace:  pushad
        mov eax, dr6
        mov ecx, [log_count]
        mov edi, ecx
        shl edi, 4
        add edi, log
        mov [edi], eax
        mov eax, [esp + 32]
        sub eax, [test_base]
        mov [edi + 4], eax
        mov eax, [esp + 40]
        and eax, ~0x8d5
        mov [edi + 8], eax
        mov eax, dr7
        mov [edi + 12], eax
        inc ecx
        mov [log_count], ecx
        mov eax, 0xffff0ff0
        mov dr6, eax
        cmp ecx, [limit]
        jb .more
        xor eax, eax
        mov dr7, eax
        and dword [esp + 40], ~0x100
.more:  cmp dword [set_rf], 0
        je .out
        or dword [esp + 40], 0x10000
.out:   popad
        iretd
print_log:
        xor eax, eax
        mov dr7, eax
        mov eax, 0xffff0ff0
        mov dr6, eax
        mov esi, log
        mov ecx, [log_count]
.next:  test ecx, ecx
        jz .done
        push ecx
        push esi
        mov esi, ebp
        call puts
        mov al, '.'
        call putc
        mov eax, [log_count]
        sub eax, ecx
        call hex8
        say " #"
        pop esi
        mov ebx, 4
.word:  mov al, ' '
        call putc
        lodsd
        call hex32
        dec ebx
        jnz .word
        call newline
        pop ecx
        dec ecx
        jmp .next
.done:  ret

tests:
; Instruction breakpoints
D "instruction", 1
        arm %$x, L0
        nop
%$x:    inc ebx
        inc ebx
DE
D "instruction without rf"
        mov dword [limit], 3
        arm %$x, L0
        nop
%$x:    inc ebx
        inc ebx
DE
D "instruction repeated", 1
        mov ecx, 3
        arm %$x, L0
%$x:    rep lodsb
DE
D "instruction in a loop", 1
        mov ecx, 3
        arm %$x, L0
%$x:    loop %$x
DE
D "instruction twice the same", 1
        mov eax, %$x
        mov dr1, eax
        arm %$x, L0 | G1 | 2
%$x:    inc ebx
DE
D "instruction disabled", 1
        arm %$x, 0x700
%$x:    inc ebx
DE
D "instruction second byte", 1
        arm %$x + 1, L0
%$x:    mov ebx, 5
DE
D "instruction that faults", 1
        arm %$x, L0
        xor ecx, ecx
%$x:    div ecx
DE
D "instruction after mov ss", 1
        arm %$x, L0
        mov dx, ss
        mov ss, dx
%$x:    inc ebx
        inc ebx
DE
D "instruction at int", 1
        arm %$x, L0
%$x:    int 0x60
        inc ebx
DE
D "instruction with tf", 1
        arm %$x, L0
        push dword 0x102
        popfd
        nop
%$x:    inc ebx
        push dword 2
        popfd
DE
D "iret with rf"
        arm %$x, L0
        push dword 0x10002
        push dword CODE32
        push dword %$x
        iretd
%$x:    inc ebx
        inc ebx
DE
D "popf clears rf", 1
        arm %$x, L0
        push dword 0x10002
        popfd
%$x:    pushfd
        pop ebx
DE
D "rf is not pushed", 1
        push dword 0x10002
        push dword CODE32
        push dword %$y
        iretd
%$y:    pushfd
        pop ebx
DE

; Data breakpoints
D "write 1"
        arm WATCH, L0 | WRITE(0, 0)
        mov ebx, [WATCH]
        mov byte [WATCH + 1], 1
        mov byte [WATCH], 1
        nop
        mov dword [WATCH - 3], 1
        nop
        mov dword [WATCH - 4], 1
DE
D "write 2"
        arm WATCH, L0 | WRITE(0, 1)
        mov byte [WATCH + 1], 1
        nop
        mov byte [WATCH + 2], 1
        nop
DE
D "write 4 unaligned"
        arm WATCH + 3, L0 | WRITE(0, 3)
        mov byte [WATCH], 1
        nop
        mov byte [WATCH + 4], 1
        nop
DE
D "access"
        arm WATCH, L0 | ACCESS(0, 3)
        mov ebx, [WATCH]
        mov bl, [WATCH + 3]
        mov bl, [WATCH + 4]
        cmp dword [WATCH - 1], 5
        push dword [WATCH]
        pop dword [WATCH]
        inc dword [WATCH]
        xchg ebx, [WATCH]
        fild dword [WATCH]
        nop
DE
D "stack"
        arm STACK0 - 8, L0 | ACCESS(0, 3)
        push eax
        push eax
        nop
        mov eax, [esp]
        nop
DE
D "call"
        arm STACK0 - 4, L0 | WRITE(0, 3)
        call %$f
%$f:    nop
DE
D "two at once"
        mov eax, WATCH + 2
        mov dr1, eax
        arm WATCH, L0 | G1 | WRITE(0, 0) | WRITE(1, 1)
        mov dword [WATCH], 0
        nop
        mov byte [WATCH + 2], 0
        nop
DE
D "reads are no writes of cold instructions"
        arm WATCH, L0 | ACCESS(0, 1)
        sidt [WATCH - 4]
        lgdt [%$g]
        smsw [WATCH]
        jmp %$h
%$g:    dw gdt_end - gdt - 1
        dd gdt
%$h:    nop
DE
D "movs"
        mov edi, WATCH - 2
        mov esi, OTHER
        mov ecx, 5
        arm WATCH, L0 | WRITE(0, 0)
        rep movsb
        nop
DE
D "stos"
        mov edi, WATCH - 8
        mov ecx, 4
        arm WATCH, L0 | WRITE(0, 3)
        rep stosd
        nop
DE
D "cmps"
        mov edi, WATCH - 2
        mov esi, WATCH - 2
        mov ecx, 5
        arm WATCH, L0 | ACCESS(0, 0)
        repe cmpsb
        nop
DE
D "data with tf"
        arm WATCH, L0 | WRITE(0, 0)
        push dword 0x102
        popfd
        mov byte [WATCH], 1
        nop
        push dword 2
        popfd
DE
D "mov ss of watched"
        mov dword [WATCH], DATA
        arm WATCH, L0 | ACCESS(0, 1)
        mov ss, [WATCH]
        inc ebx
        inc ebx
DE
D "data of a jump"
        mov dword [WATCH], %$x
        arm WATCH, L0 | ACCESS(0, 3)
        jmp [WATCH]
        nop
%$x:    nop
DE
D "data of a fault"
        mov dword [WATCH], 0
        arm WATCH, L0 | ACCESS(0, 3)
        div dword [WATCH]
DE
D "in a loop"
        mov ecx, 4
        arm WATCH, L0 | WRITE(0, 3)
%$x:    mov [WATCH], ecx
        dec ecx
        jnz %$x
DE

; I/O breakpoints
D "io without de"
        arm 0x80, L0 | IO(0, 0)
        out 0x80, al
        nop
DE
        mov eax, cr4
        or eax, 8
        mov cr4, eax
D "io"
        arm 0x80, L0 | IO(0, 0)
        out 0x80, al
        nop
        in al, 0x80
        mov al, 0x11
        out 0x81, al
        out 0x7f, ax
        nop
        mov edx, 0x80
        mov ecx, 2
        rep outsb
        nop
DE
D "dr4 with de"
        mov eax, dr4
DE
D "dr5 with de"
        mov dr5, eax
DE
        mov eax, cr4
        and eax, ~8
        mov cr4, eax
D "dr4 without de"
        mov eax, 0xffff0fff
        mov dr6, eax
        mov ebx, dr4
        mov eax, 0x700
        mov dr5, eax
        mov ecx, dr7
DE

; The registers themselves
D "reserved bits"
        mov eax, -1
        mov dr6, eax
        mov ebx, dr6
        xor eax, eax
        mov dr6, eax
        mov ecx, dr6
        mov dr7, eax
        mov edx, dr7
        mov eax, 0xffffdf00
        mov dr7, eax
        mov esi, dr7
        xor eax, eax
        mov dr7, eax
        mov eax, 0xdeadbeef
        mov dr3, eax
        mov edi, dr3
DE
D "general detect"
        mov eax, 0x2000
        mov dr7, eax
        mov ebx, 5
        mov ecx, dr0
        inc ebx
DE
D "general detect write"
        mov eax, 0x2000
        mov dr7, eax
        mov dr2, ebx
        mov ecx, dr2
DE
D "int1"
        db 0xf1
        inc ebx
DE
D "int 1"
        int 1
        inc ebx
DE

; Single steps
D "tf"
        push dword 0x102
        popfd
        inc ebx
        jmp %$x
        nop
%$x:    inc ebx
        push dword 2
        popfd
        inc ebx
DE
D "tf rep"
        mov ecx, 3
        mov esi, BUFFER
        push dword 0x102
        popfd
        rep lodsb
        push dword 2
        popfd
DE
D "tf int"
        push dword 0x102
        popfd
        int 0x60
        inc ebx
        push dword 2
        popfd
DE
D "tf mov ss"
        mov dx, ss
        push dword 0x102
        popfd
        mov ss, dx
        inc ebx
        inc ebx
        push dword 2
        popfd
DE
D "tf pop ss"
        push ss
        push dword 0x102
        popfd
        pop ss
        inc ebx
        inc ebx
        push dword 2
        popfd
DE
D "tf iret"
        push dword 0x102
        push dword CODE32
        push dword %$x
        iretd
%$x:    inc ebx
        push dword 2
        push dword CODE32
        push dword %$y
        iretd
%$y:    inc ebx
DE
D "tf sysenter"
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
        push dword 0x102
        popfd
        sysenter
%$x:    inc ebx
        push dword 2
        popfd
        mov esp, STACK0 - 0x40
DE
D "tf far call"
        push dword 0x102
        popfd
        call CODE32:%$x
%$x:    add esp, 8
        push dword 2
        popfd
DE
D "tf fault"
        push dword 0x102
        popfd
        xor ecx, ecx
        div ecx
DE
D "tf cpuid"
        push dword 0x102
        popfd
        mov eax, 0
        cpuid
        push dword 2
        popfd
        xor eax, eax
        xor ebx, ebx
        xor ecx, ecx
        xor edx, edx
DE
D "tf sti"
        push dword 0x102
        popfd
        sti
        cli
        push dword 2
        popfd
DE
        finish

low_data: dd 0
set_rf: dd 0
limit:  dd 0
        align 4
log_count: dd 0
log:    times 64 dd 0
image_end:
