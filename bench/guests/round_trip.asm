; The VMM's side of a CPUID exit: look at the reason, step over the instruction, go on.

HOST_RSP        equ 0x6C14
GUEST_RIP       equ 0x681E
EXIT_REASON     equ 0x4402
EXIT_CPUID      equ 10
CPUID_LENGTH    equ 2

section .text
bits 64

; enum vmx_result run_round_trips(u64 count)
global run_round_trips
run_round_trips:
        push    rbx
        push    rbp
        mov     [remaining], rdi
        mov     eax, HOST_RSP
        vmwrite rax, rsp
        vmlaunch
        mov     eax, 2
        jmp     return

global round_trip
round_trip:
        mov     eax, EXIT_REASON
        vmread  rax, rax
        cmp     eax, EXIT_CPUID
        mov     ecx, GUEST_RIP
        jne     failed
        vmread  rax, rcx
        add     rax, CPUID_LENGTH
        vmwrite rcx, rax
        dec     qword [remaining]
        jz      done
        vmresume
failed:
        mov     eax, 2
        jmp     return
done:
        xor     eax, eax
return:
        pop     rbp
        pop     rbx
        ret

section .bss
remaining: resq 1
