/* The general registers of the guest, which no VM entry or exit moves: software must. world_switch.S knows the order. */
#ifndef GUEST_REGISTERS_H
#define GUEST_REGISTERS_H

#include "vmx.h"

struct guest_registers {
    u64 rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
};

/*
 * Runs the guest until its next VM exit: VMLAUNCH the first time, VMRESUME ever after.
 * VM_SUCCEED: there was an exit. Anything else: the guest has not run.
 */
enum vmx_result vmx_enter(struct guest_registers *registers, int launched);

/* Where VM exits arrive, the HOST_RIP of the VMCS. */
extern const u8 vmx_exited[];

#endif
