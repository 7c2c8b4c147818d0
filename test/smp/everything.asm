; Processors that do a little of everything at random, for ever, while every device interrupts them: what they do must not depend on how
; the run is cut. Each keeps counts and sums from 0x40000 + 0x1000 * its number.
bits 16
org 0x8000
start:  cli
        xor     ax, ax
        mov     ds, ax
        o32 lgdt [gdtr]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 8:pm
align 8
gdtr:   dw 23
        dd gdt
align 8
gdt:    dq 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
bits 32
%macro wrmsrv 2
        mov ecx, %1
        xor edx, edx
        mov eax, %2
        wrmsr
%endmacro
pm:     mov     ax, 16
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     fs, ax
        mov     gs, ax
        ; CR4: OSFXSR, OSXMMEXCPT, OSXSAVE, DE, PCE
        mov     eax, 0x40708
        mov     cr4, eax
        xor     ecx, ecx
        xor     edx, edx
        mov     eax, 7
        xsetbv
        mov     ecx, 0x1b
        rdmsr
        mov     ebp, eax
        or      eax, 0x400
        wrmsr
        wrmsrv  0x80f, 0x1ff
        mov     ecx, 0x802
        rdmsr
        mov     esi, eax            ; number
        ; stack
        mov     eax, esi
        shl     eax, 12
        lea     esp, [eax + 0x31000]
        ; private area
        mov     edi, esi
        shl     edi, 12
        add     edi, 0x40000
        lidt    [idtr]
        test    ebp, 0x100
        jz      ap
        ; build IDT
        mov     ecx, 256
        mov     ebx, idt
        mov     eax, stubs
.g:     mov     edx, eax
        mov     [ebx], dx
        mov     word [ebx+2], 8
        mov     word [ebx+4], 0x8e00
        shr     edx, 16
        mov     [ebx+6], dx
        add     ebx, 8
        add     eax, 16
        loop    .g
        call    devices
        ; start others
        wrmsrv  0x830, 0xc4500
        wrmsrv  0x830, 0xc4608
ap:     ; PIC through LINT0 on the BSP stays
        ; APIC timer
        wrmsrv  0x83e, 3
        bt      esi, 0
        jc      .tsc
        wrmsrv  0x832, 0x20061
        wrmsrv  0x838, 37
        jmp     .pmu
.tsc:   wrmsrv  0x832, 0x40062
.pmu:   wrmsrv  0x834, 0x63
        wrmsrv  0x186, 0x5300c0     ; instructions
        wrmsrv  0x187, 0x5300c4     ; branches
        wrmsrv  0x0c1, 0xffffff00
        wrmsrv  0x0c2, 0xffffff80
        wrmsrv  0x38f, 3
        sti
        fninit
        fld1
loop_:
        inc     dword [edi]
        rdrand  eax
        xor     [edi+4], eax
        movd    xmm0, eax
        pshufd  xmm1, xmm0, 0x1b
        paddd   xmm2, xmm1
        vpaddd  ymm3, ymm3, ymm2
        mov     ecx, eax
        and     ecx, 31
        jmp     [table + ecx*4]
table:  dd a_mwait, a_tpause, a_hlt, a_pause, a_ipi, a_ipi2, a_x87, a_rep, a_tsc, a_adj, a_dr, a_ud, a_div, a_rtc, a_hpet, a_adj
        dd a_umwait, a_cli, a_prio, a_pmu, a_dead, a_ioapic, a_pit, a_store, a_dead, a_dead, a_nmi, a_tsc, a_dr2, a_cnt, a_lowest, a_svr
a_mwait: mov    eax, 0x50000
        xor     ecx, ecx
        xor     edx, edx
        monitor
        xor     eax, eax
        mwait
        jmp     loop_
a_umwait: mov   ebx, 0x50000
        umonitor ebx
        rdtsc
        add     eax, 3000
        adc     edx, 0
        xor     ebx, ebx
        umwait  ebx
        jmp     loop_
a_tpause: rdtsc
        add     eax, 777
        adc     edx, 0
        xor     ebx, ebx
        tpause  ebx
        setc    [edi+8]
        jmp     loop_
a_hlt:  hlt
        jmp     loop_
a_pause: pause
        pause
        jmp     loop_
a_ipi:  mov     edx, eax
        shr     edx, 8
        and     edx, 7
        mov     ecx, 0x830
        mov     eax, 0x4070
        wrmsr
        jmp     loop_
a_ipi2: mov     ecx, 0x830
        xor     edx, edx
        mov     eax, 0xc4071
        wrmsr
        jmp     loop_
a_nmi:  mov     edx, eax
        shr     edx, 8
        and     edx, 3
        mov     ecx, 0x830
        mov     eax, 0x4400
        wrmsr
        jmp     loop_
a_lowest: mov   ecx, 0x830
        mov     edx, 0xff
        mov     eax, 0x4972
        wrmsr
        jmp     loop_
a_x87:  fldpi
        fmulp
        fld     st0
        fstp    tword [edi+16]
        fld1
        faddp
        jmp     loop_
a_rep:  push    edi
        push    esi
        mov     ecx, eax
        shr     ecx, 8
        and     ecx, 0x3ff
        mov     esi, 0x60000
        lea     edi, [edi+0x100]
        rep movsb
        pop     esi
        pop     edi
        jmp     loop_
a_tsc:  rdtsc
        add     [edi+32], eax
        mov     ecx, 0x10
        add     eax, 100
        wrmsr
        jmp     loop_
a_adj:  mov     ecx, 0x3b
        rdmsr
        add     eax, 1234
        adc     edx, 0
        wrmsr
        jmp     loop_
a_dr:   lea     ecx, [edi+36]
        mov     dr0, ecx
        mov     eax, 0x000d0001
        mov     dr7, eax
        inc     dword [edi+36]
        inc     dword [edi+36]
        xor     eax, eax
        mov     dr7, eax
        jmp     loop_
a_dr2:  mov     ecx, a_work
        mov     dr1, ecx
        mov     eax, 0x00000004
        mov     dr7, eax
        jmp     loop_
a_ud:   ud2
        jmp     loop_
a_div:  xor     ecx, ecx
        mov     eax, 1
        div     ecx
        jmp     loop_
a_rtc:  mov     al, 0x0c
        out     0x70, al
        in      al, 0x71
        xor     [edi+40], al
        jmp     loop_
a_hpet: mov     eax, [0xfed000f0]
        add     [edi+44], eax
        jmp     loop_
a_cli:  cli
        mov     ecx, 50
.l:     inc     dword [edi+48]
        loop    .l
        sti
        jmp     loop_
a_prio: and     eax, 0x70
        mov     ecx, 0x808
        xor     edx, edx
        wrmsr
        mov     ecx, 40
.l:     inc     dword [edi+84]
        loop    .l
        wrmsrv  0x808, 0
        jmp     loop_
a_pmu:  xor     ecx, ecx
        rdpmc
        add     [edi+52], eax
        mov     ecx, 1
        rdpmc
        add     [edi+56], eax
        jmp     loop_
a_dead: mov     ebx, eax
        rdtsc
        shr     ebx, 19
        add     eax, ebx
        adc     edx, 0
        mov     ecx, 0x6e0
        wrmsr
        jmp     loop_
a_ioapic: mov   dword [0xfec00000], 0x14
        mov     eax, [0xfec00010]
        xor     eax, 0x10000
        mov     dword [0xfec00000], 0x14
        mov     [0xfec00010], eax
        jmp     loop_
a_pit:  mov     al, 0
        out     0x43, al
        in      al, 0x40
        add     [edi+60], al
        in      al, 0x40
        add     [edi+61], al
        jmp     loop_
a_store: inc    dword [0x50000]
        lock inc dword [0x50004]
        jmp     loop_
a_cnt:  mov     ecx, 0x839
        rdmsr
        add     [edi+64], eax
        jmp     loop_
a_svr:  wrmsrv  0x80f, 0x0ff
        wrmsrv  0x80f, 0x1ff
        bt      esi, 0
        jc      .odd
        wrmsrv  0x832, 0x20061
        jmp     .lvt
.odd:   wrmsrv  0x832, 0x40062
.lvt:   wrmsrv  0x834, 0x63
        test    esi, esi
        jnz     loop_
        wrmsrv  0x835, 0x700
        jmp     loop_
a_work: mov     ecx, 100
.l:     imul    eax, eax, 0x343fd
        add     eax, 0x269ec3
        ror     eax, 7
        xor     [edi+12], eax
        loop    .l
        jmp     loop_

devices:
        ; PIC: base 0x30, unmask IRQ 0
        mov     al, 0x11
        out     0x20, al
        mov     al, 0x30
        out     0x21, al
        mov     al, 4
        out     0x21, al
        mov     al, 1
        out     0x21, al
        mov     al, 0xfe
        out     0x21, al
        ; PIT: 97 ticks
        mov     al, 0x34
        out     0x43, al
        mov     al, 97
        out     0x40, al
        mov     al, 0
        out     0x40, al
        ; LINT0 ExtINT as firmware left it (SVR rewritten above keeps it)
        ; RTC periodic 8192 Hz
        mov     al, 0x0a
        out     0x70, al
        mov     al, 0x23
        out     0x71, al
        mov     al, 0x0b
        out     0x70, al
        mov     al, 0x52
        out     0x71, al
        ; I/O APIC
%macro io 2
        mov     dword [0xfec00000], %1
        mov     dword [0xfec00010], %2
%endmacro
        io      0x14, 0x00000940
        io      0x15, 0xff000000
        io      0x20, 0x00000048
        io      0x21, 0xff000000
        io      0x38, 0x00008050
        io      0x39, 0x00000000
        io      0x3a, 0x00000051
        io      0x3b, 0x01000000
        ; HPET
        mov     dword [0xfed00100], (20<<9)|0x14e
        mov     dword [0xfed00108], 700
        mov     dword [0xfed00108], 333
        mov     dword [0xfed00120], (21<<9)|0x14c
        mov     dword [0xfed00128], 900
        mov     dword [0xfed00128], 411
        mov     dword [0xfed00010], 1
        ret


align 16
stubs:
%assign v 0
%rep 256
align 16
        push    dword v
        jmp     near handler
%assign v v+1
%endrep
align 16
handler:
        pushad
        mov     ebx, [esp+32]
        mov     ecx, 0x802
        rdmsr
        mov     edi, eax
        shl     edi, 12
        add     edi, 0x40000
        inc     dword [edi+ebx*4+0x800]
        rdtsc
        rol     dword [edi+68], 5
        xor     [edi+68], eax
        add     [edi+72], ebx
        test    ebx, ebx
        jz      .skip
        cmp     ebx, 6
        je      .skip
        cmp     ebx, 1
        je      .db
        cmp     ebx, 2
        je      .out
        cmp     ebx, 32
        jb      .dead
        cmp     ebx, 0x30
        je      .pic
        cmp     ebx, 0x37
        je      .out
        cmp     ebx, 0x63
        je      .pmi
        cmp     ebx, 0x50
        je      .hpet
        cmp     ebx, 0x48
        je      .rtc
        cmp     ebx, 0xff
        je      .out
.eoi:   xor     eax, eax
        xor     edx, edx
        mov     ecx, 0x80b
        wrmsr
.out:   popad
        add     esp, 4
        iretd
.skip:  add     dword [esp+36], 2
        jmp     .out
.db:    or      dword [esp+44], 0x10000
        mov     eax, dr6
        add     [edi+76], eax
        mov     eax, 0xffff0ff0
        mov     dr6, eax
        jmp     .out
.dead:  mov     [edi+80], ebx
        cli
        hlt
        jmp     $
.pic:   mov     al, 0x20
        out     0x20, al
        jmp     .out
.hpet:  mov     dword [0xfed00020], 1
        jmp     .eoi
.rtc:   mov     al, 0x0c
        out     0x70, al
        in      al, 0x71
        jmp     .eoi
.pmi:   wrmsrv  0x390, 3
        wrmsrv  0x0c1, 0xffffff00
        wrmsrv  0x0c2, 0xffffff80
        wrmsrv  0x834, 0x63
        jmp     .eoi
align 8
idtr:   dw      2047
        dd      idt
align 8
idt:
