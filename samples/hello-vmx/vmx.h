/*
 * The vocabulary of VMX: VMCS field encodings, control bits and exit reasons, grouped as the SDM groups them
 * (volume 3, "Virtual Machine Control Structures" and appendices B and C), with this sample's share of each group.
 */
#ifndef VMX_H
#define VMX_H

#include "cpu.h"

/* Capability MSRs (appendix A) */
#define IA32_VMX_BASIC 0x480
#define IA32_VMX_CR0_FIXED0 0x486
#define IA32_VMX_CR0_FIXED1 0x487
#define IA32_VMX_CR4_FIXED0 0x488
#define IA32_VMX_CR4_FIXED1 0x489
#define IA32_VMX_PROCBASED_CTLS2 0x48b
#define IA32_VMX_TRUE_PINBASED_CTLS 0x48d
#define IA32_VMX_TRUE_PROCBASED_CTLS 0x48e
#define IA32_VMX_TRUE_EXIT_CTLS 0x48f
#define IA32_VMX_TRUE_ENTRY_CTLS 0x490

/* VMCS field encodings (appendix B) */
enum vmcs_field {
    /* 16-bit control, guest-state and host-state fields */
    VPID = 0x0000,
    GUEST_ES_SELECTOR = 0x0800,
    GUEST_CS_SELECTOR = 0x0802,
    GUEST_SS_SELECTOR = 0x0804,
    GUEST_DS_SELECTOR = 0x0806,
    GUEST_FS_SELECTOR = 0x0808,
    GUEST_GS_SELECTOR = 0x080a,
    GUEST_LDTR_SELECTOR = 0x080c,
    GUEST_TR_SELECTOR = 0x080e,
    HOST_ES_SELECTOR = 0x0c00,
    HOST_CS_SELECTOR = 0x0c02,
    HOST_SS_SELECTOR = 0x0c04,
    HOST_DS_SELECTOR = 0x0c06,
    HOST_FS_SELECTOR = 0x0c08,
    HOST_GS_SELECTOR = 0x0c0a,
    HOST_TR_SELECTOR = 0x0c0c,

    /* 64-bit control fields */
    IO_BITMAP_A = 0x2000,
    IO_BITMAP_B = 0x2002,
    MSR_BITMAP = 0x2004,
    EPT_POINTER = 0x201a,

    /* 64-bit read-only data field */
    GUEST_PHYSICAL_ADDRESS = 0x2400,

    /* 64-bit guest-state fields */
    VMCS_LINK_POINTER = 0x2800,
    GUEST_IA32_DEBUGCTL = 0x2802,

    /* 32-bit control fields */
    PIN_BASED_CONTROLS = 0x4000,
    PROCESSOR_BASED_CONTROLS = 0x4002,
    EXCEPTION_BITMAP = 0x4004,
    PAGE_FAULT_ERROR_CODE_MASK = 0x4006,
    PAGE_FAULT_ERROR_CODE_MATCH = 0x4008,
    CR3_TARGET_COUNT = 0x400a,
    EXIT_CONTROLS = 0x400c,
    EXIT_MSR_STORE_COUNT = 0x400e,
    EXIT_MSR_LOAD_COUNT = 0x4010,
    ENTRY_CONTROLS = 0x4012,
    ENTRY_MSR_LOAD_COUNT = 0x4014,
    ENTRY_INTERRUPTION_INFO = 0x4016,
    SECONDARY_CONTROLS = 0x401e,

    /* 32-bit read-only data fields */
    VM_INSTRUCTION_ERROR = 0x4400,
    EXIT_REASON = 0x4402,
    EXIT_INTERRUPTION_INFO = 0x4404,
    EXIT_INSTRUCTION_LENGTH = 0x440c,

    /* 32-bit guest-state fields */
    GUEST_ES_LIMIT = 0x4800,
    GUEST_CS_LIMIT = 0x4802,
    GUEST_SS_LIMIT = 0x4804,
    GUEST_DS_LIMIT = 0x4806,
    GUEST_FS_LIMIT = 0x4808,
    GUEST_GS_LIMIT = 0x480a,
    GUEST_LDTR_LIMIT = 0x480c,
    GUEST_TR_LIMIT = 0x480e,
    GUEST_GDTR_LIMIT = 0x4810,
    GUEST_IDTR_LIMIT = 0x4812,
    GUEST_ES_ACCESS_RIGHTS = 0x4814,
    GUEST_CS_ACCESS_RIGHTS = 0x4816,
    GUEST_SS_ACCESS_RIGHTS = 0x4818,
    GUEST_DS_ACCESS_RIGHTS = 0x481a,
    GUEST_FS_ACCESS_RIGHTS = 0x481c,
    GUEST_GS_ACCESS_RIGHTS = 0x481e,
    GUEST_LDTR_ACCESS_RIGHTS = 0x4820,
    GUEST_TR_ACCESS_RIGHTS = 0x4822,
    GUEST_INTERRUPTIBILITY = 0x4824,
    GUEST_ACTIVITY = 0x4826,
    GUEST_SYSENTER_CS = 0x482a,

    /* 32-bit host-state field */
    HOST_SYSENTER_CS = 0x4c00,

    /* Natural-width control fields */
    CR0_GUEST_HOST_MASK = 0x6000,
    CR4_GUEST_HOST_MASK = 0x6002,
    CR0_READ_SHADOW = 0x6004,
    CR4_READ_SHADOW = 0x6006,

    /* Natural-width read-only data fields */
    EXIT_QUALIFICATION = 0x6400,
    GUEST_LINEAR_ADDRESS = 0x640a,

    /* Natural-width guest-state fields */
    GUEST_CR0 = 0x6800,
    GUEST_CR3 = 0x6802,
    GUEST_CR4 = 0x6804,
    GUEST_ES_BASE = 0x6806,
    GUEST_CS_BASE = 0x6808,
    GUEST_SS_BASE = 0x680a,
    GUEST_DS_BASE = 0x680c,
    GUEST_FS_BASE = 0x680e,
    GUEST_GS_BASE = 0x6810,
    GUEST_LDTR_BASE = 0x6812,
    GUEST_TR_BASE = 0x6814,
    GUEST_GDTR_BASE = 0x6816,
    GUEST_IDTR_BASE = 0x6818,
    GUEST_DR7 = 0x681a,
    GUEST_RSP = 0x681c,
    GUEST_RIP = 0x681e,
    GUEST_RFLAGS = 0x6820,
    GUEST_PENDING_DEBUG_EXCEPTIONS = 0x6822,
    GUEST_SYSENTER_ESP = 0x6824,
    GUEST_SYSENTER_EIP = 0x6826,

    /* Natural-width host-state fields */
    HOST_CR0 = 0x6c00,
    HOST_CR3 = 0x6c02,
    HOST_CR4 = 0x6c04,
    HOST_FS_BASE = 0x6c06,
    HOST_GS_BASE = 0x6c08,
    HOST_TR_BASE = 0x6c0a,
    HOST_GDTR_BASE = 0x6c0c,
    HOST_IDTR_BASE = 0x6c0e,
    HOST_SYSENTER_ESP = 0x6c10,
    HOST_SYSENTER_EIP = 0x6c12,
    HOST_RSP = 0x6c14, /* world_switch.S writes this one */
    HOST_RIP = 0x6c16,
};

/* Pin-based VM-execution controls */
#define PIN_EXTERNAL_INTERRUPT_EXITING (1u << 0)

/* Processor-based VM-execution controls */
#define PROCESSOR_INTERRUPT_WINDOW_EXITING (1u << 2)
#define PROCESSOR_HLT_EXITING (1u << 7)
#define PROCESSOR_USE_IO_BITMAPS (1u << 25)
#define PROCESSOR_USE_MSR_BITMAPS (1u << 28)
#define PROCESSOR_ACTIVATE_SECONDARY_CONTROLS (1u << 31)

#define SECONDARY_ENABLE_EPT (1u << 1)

/* VM-exit and VM-entry controls */
#define EXIT_HOST_ADDRESS_SPACE_SIZE (1u << 9)
#define EXIT_ACKNOWLEDGE_INTERRUPT (1u << 15)
#define ENTRY_IA32E_MODE_GUEST (1u << 9)

/* Segment access rights: type, S, P; L for 64-bit code, D/B and G; and "unusable" */
#define ACCESS_CODE64 0xa09b
#define ACCESS_DATA 0xc093
#define ACCESS_BUSY_TSS64 0x008b
#define ACCESS_UNUSABLE 0x10000

/* Interruptibility state */
#define BLOCKING_BY_STI (1u << 0)
#define BLOCKING_BY_MOV_SS (1u << 1)

/* Interruption information: vector in 7:0, type in 10:8 */
#define INTERRUPTION_VECTOR 0xffu
#define INTERRUPTION_EXTERNAL (0u << 8)
#define INTERRUPTION_VALID (1u << 31)

/* Basic exit reasons (appendix C) and the flag for "this entry failed" */
enum exit_reason {
    EXIT_EXTERNAL_INTERRUPT = 1,
    EXIT_INTERRUPT_WINDOW = 7,
    EXIT_CPUID = 10,
    EXIT_HLT = 12,
    EXIT_VMCALL = 18,
    EXIT_IO_INSTRUCTION = 30,
    EXIT_RDMSR = 31,
    EXIT_INVALID_GUEST_STATE = 33,
    EXIT_EPT_VIOLATION = 48,
};
#define EXIT_REASON_BASIC 0xffffu
#define EXIT_REASON_ENTRY_FAILURE (1u << 31)

/* Exit qualification of an EPT violation */
#define QUALIFICATION_EPT_WRITE (1u << 1)

/* Exit qualification of an I/O instruction: size - 1 in 2:0, port in 31:16 */
#define QUALIFICATION_IO_SIZE 7u
#define QUALIFICATION_IO_IN (1u << 3)

/* What a VMX instruction says about itself (SDM "Conventions") */
enum vmx_result {
    VM_SUCCEED,
    VM_FAIL_INVALID, /* CF: no current VMCS */
    VM_FAIL_VALID,   /* ZF: the VM-instruction error field says why */
};

#define VMX_RESULT(carry, zero) ((carry) ? VM_FAIL_INVALID : (zero) ? VM_FAIL_VALID : VM_SUCCEED)

static inline enum vmx_result vmxon(u64 region)
{
    u8 carry, zero;
    asm volatile("vmxon %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(region) : "memory");
    return VMX_RESULT(carry, zero);
}

static inline void vmxoff(void)
{
    asm volatile("vmxoff" : : : "cc", "memory");
}

static inline enum vmx_result vmclear(u64 vmcs)
{
    u8 carry, zero;
    asm volatile("vmclear %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(vmcs) : "memory");
    return VMX_RESULT(carry, zero);
}

static inline enum vmx_result vmptrld(u64 vmcs)
{
    u8 carry, zero;
    asm volatile("vmptrld %2" : "=@ccc"(carry), "=@ccz"(zero) : "m"(vmcs) : "memory");
    return VMX_RESULT(carry, zero);
}

static inline u64 vmread(enum vmcs_field field)
{
    u64 value;
    asm volatile("vmread %1, %0" : "=r"(value) : "r"((u64)field) : "cc");
    return value;
}

static inline enum vmx_result vmwrite(enum vmcs_field field, u64 value)
{
    u8 carry, zero;
    asm volatile("vmwrite %3, %2" : "=@ccc"(carry), "=@ccz"(zero) : "r"((u64)field), "r"(value));
    return VMX_RESULT(carry, zero);
}

#endif
