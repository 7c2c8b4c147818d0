/*
 * The two crossings: into the guest and back.
 *
 * VM entries and exits move RIP, RSP, RFLAGS, control and segment registers by way of the VMCS; the other fifteen general
 * registers stay as they are and are moved here. The CFI lines let a debugger unwind the VMM's stack while the
 * guest runs: HOST_RIP and HOST_RSP point at vmx_exited and the frame below.
 */

#define HOST_RSP 0x6c14

#define VM_SUCCEED 0
#define VM_FAIL_INVALID 1
#define VM_FAIL_VALID 2

        .cfi_sections .debug_frame
        .text

/* enum vmx_result vmx_enter(struct guest_registers *registers, int launched) */
        .globl  vmx_enter
        .type   vmx_enter, @function
vmx_enter:
        .cfi_startproc
        push    %rbp
        .cfi_def_cfa_offset 16
        .cfi_offset %rbp, -16
        push    %rbx
        .cfi_def_cfa_offset 24
        .cfi_offset %rbx, -24
        push    %r12
        .cfi_def_cfa_offset 32
        .cfi_offset %r12, -32
        push    %r13
        .cfi_def_cfa_offset 40
        .cfi_offset %r13, -40
        push    %r14
        .cfi_def_cfa_offset 48
        .cfi_offset %r14, -48
        push    %r15
        .cfi_def_cfa_offset 56
        .cfi_offset %r15, -56
        push    %rdi                    /* where to put the guest's registers at its exit */
        .cfi_def_cfa_offset 64

        mov     $HOST_RSP, %eax
        vmwrite %rsp, %rax
        test    %esi, %esi              /* asked about below: MOV leaves the flags alone */

        mov     0(%rdi), %rax
        mov     8(%rdi), %rcx
        mov     16(%rdi), %rdx
        mov     24(%rdi), %rbx
        mov     32(%rdi), %rbp
        mov     40(%rdi), %rsi
        mov     56(%rdi), %r8
        mov     64(%rdi), %r9
        mov     72(%rdi), %r10
        mov     80(%rdi), %r11
        mov     88(%rdi), %r12
        mov     96(%rdi), %r13
        mov     104(%rdi), %r14
        mov     112(%rdi), %r15
        mov     48(%rdi), %rdi
        jnz     1f
        vmlaunch
        jmp     2f
1:      vmresume
2:
        /* Only a failed entry comes here; one that succeeds goes on in the guest. */
        mov     $VM_FAIL_INVALID, %eax
        jc      3f
        mov     $VM_FAIL_VALID, %eax
        jmp     3f

        .globl  vmx_exited
vmx_exited:
        push    %rdi
        .cfi_def_cfa_offset 72
        mov     8(%rsp), %rdi
        mov     %rax, 0(%rdi)
        mov     %rcx, 8(%rdi)
        mov     %rdx, 16(%rdi)
        mov     %rbx, 24(%rdi)
        mov     %rbp, 32(%rdi)
        mov     %rsi, 40(%rdi)
        mov     %r8, 56(%rdi)
        mov     %r9, 64(%rdi)
        mov     %r10, 72(%rdi)
        mov     %r11, 80(%rdi)
        mov     %r12, 88(%rdi)
        mov     %r13, 96(%rdi)
        mov     %r14, 104(%rdi)
        mov     %r15, 112(%rdi)
        pop     48(%rdi)                /* the guest's RDI */
        .cfi_def_cfa_offset 64
        mov     $VM_SUCCEED, %eax

3:      pop     %rdi
        .cfi_def_cfa_offset 56
        pop     %r15
        .cfi_def_cfa_offset 48
        .cfi_restore %r15
        pop     %r14
        .cfi_def_cfa_offset 40
        .cfi_restore %r14
        pop     %r13
        .cfi_def_cfa_offset 32
        .cfi_restore %r13
        pop     %r12
        .cfi_def_cfa_offset 24
        .cfi_restore %r12
        pop     %rbx
        .cfi_def_cfa_offset 16
        .cfi_restore %rbx
        pop     %rbp
        .cfi_def_cfa_offset 8
        .cfi_restore %rbp
        ret
        .cfi_endproc
        .size   vmx_enter, . - vmx_enter

        .section .note.GNU-stack, "", @progbits
