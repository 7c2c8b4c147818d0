; From the boot loader's 32-bit world to 64-bit C.
;
; A Multiboot 1 loader (GRUB, QEMU, Strata) leaves the processor in 32-bit protected mode without paging,
; EAX = 0x2BADB002 and EBX = the address of the Multiboot information.

MULTIBOOT_MAGIC equ 0x1BADB002
MULTIBOOT_FLAGS equ 3                   ; align modules, tell the memory map

CR0_PG          equ 1 << 31
CR4_PAE         equ 1 << 5
IA32_EFER       equ 0xC0000080
EFER_LME        equ 1 << 8

PAGE_PRESENT    equ 1 << 0
PAGE_WRITE      equ 1 << 1
PAGE_LARGE      equ 1 << 7

CODE64          equ 0x08
DATA            equ 0x10
TASK            equ 0x18

extern vmm_main

section .multiboot align=4
        dd MULTIBOOT_MAGIC
        dd MULTIBOOT_FLAGS
        dd -(MULTIBOOT_MAGIC + MULTIBOOT_FLAGS)

section .text
bits 32
global _start
_start:
        cli
        cld
        mov     esp, boot_stack_end
        mov     edi, eax                ; first argument of vmm_main: the loader's magic number
        mov     esi, ebx                ; second argument: the Multiboot information

        ; Identity-map the first gigabyte with 2-MByte pages: one PML4 entry, one PDPT entry, 512 PD entries.
        mov     dword [boot_pml4], boot_pdpt + PAGE_PRESENT + PAGE_WRITE
        mov     dword [boot_pdpt], boot_pd + PAGE_PRESENT + PAGE_WRITE
        xor     ecx, ecx
        mov     eax, PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE
.next_page:
        mov     [boot_pd + ecx * 8], eax
        add     eax, 0x200000
        inc     ecx
        cmp     ecx, 512
        jb      .next_page

        ; IA-32e mode: PAE, a PML4, EFER.LME, and then paging.
        mov     eax, cr4
        or      eax, CR4_PAE
        mov     cr4, eax
        mov     eax, boot_pml4
        mov     cr3, eax
        mov     ecx, IA32_EFER
        rdmsr
        or      eax, EFER_LME
        wrmsr
        mov     eax, cr0
        or      eax, CR0_PG
        mov     cr0, eax

        ; The TSS descriptor's base is scattered over the descriptor, so it is filled in here.
        mov     eax, task_state
        mov     [gdt.task + 2], ax
        shr     eax, 16
        mov     [gdt.task + 4], al
        mov     [gdt.task + 7], ah
        lgdt    [gdt_pointer]
        jmp     CODE64:long_mode

bits 64
long_mode:
        mov     eax, DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        mov     eax, TASK               ; VM exits load TR: a VMM must have one
        ltr     ax

        xor     ebp, ebp                ; the end of the chain of frames
        call    vmm_main
.stop:
        hlt
        jmp     .stop

section .data
align 8
global gdt
gdt:
        dq 0
        dq 0x00AF9B000000FFFF           ; 0x08: 64-bit code
        dq 0x00CF93000000FFFF           ; 0x10: data
.task:  dq 0x0000890000000067           ; 0x18: available 64-bit TSS; 16 bytes, base filled in above
        dq 0
gdt_end:
gdt_pointer:
        dw gdt_end - gdt - 1
        dq gdt

section .bss
alignb 4096
boot_pml4:      resb 4096
boot_pdpt:      resb 4096
boot_pd:        resb 4096
global task_state
task_state:     resb 104
alignb 16
                resb 16384
boot_stack_end:
