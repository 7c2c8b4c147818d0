; A guest that does nothing but CPUID. Its names are those hello-vmx's VMCS speaks of.

section .text
bits 64
global guest_start
guest_start:
        cpuid
        jmp     guest_start

section .data
align 4096
global guest_pml4
guest_pml4:
        dq guest_pdpt + 3
        times 511 dq 0
guest_pdpt:
        dq guest_pd + 3
        times 511 dq 0
guest_pd:
%assign page 0
%rep 8
        dq page + 0x83
%assign page page + 0x200000
%endrep
        times 504 dq 0

section .bss
alignb 16
        resb 4096
global guest_stack_end
guest_stack_end:
