/* VM entries that fail, one changed field each, on top of a VMCS that works. */
#include "framework.h"

CODE(done, "nop");

struct change {
    const char *name;
    u32 field;
    u64 value;
    /* XOR the value into the field instead of writing it. */
    int flip;
};

static const struct change changes[] = {
    {"pin control that must be 1", PIN_BASED_CONTROLS, 0x2, 1},
    {"pin control that must be 0", PIN_BASED_CONTROLS, 0x80000000, 1},
    {"primary control that must be 1", PROCESSOR_BASED_CONTROLS, 0x2, 1},
    {"primary control that must be 0", PROCESSOR_BASED_CONTROLS, 0x1, 1},
    {"exit control that must be 1", EXIT_CONTROLS, 0x1, 1},
    {"entry control that must be 1", ENTRY_CONTROLS, 0x1, 1},
    {"entry control for SMM", ENTRY_CONTROLS, 0x400, 1},
    {"five CR3 targets", CR3_TARGET_COUNT, 5, 0},
    {"virtual NMIs without NMI exiting", PIN_BASED_CONTROLS, 0x20, 1},
    {"NMI window without virtual NMIs", PROCESSOR_BASED_CONTROLS, 0x400000, 1},
    {"exit MSR-store list misaligned", EXIT_MSR_STORE_ADDRESS, 8, 0},
    {"entry interruption type 1", ENTRY_INTERRUPTION_INFO, 0x80000120, 0},
    {"entry interruption NMI with vector 3", ENTRY_INTERRUPTION_INFO, 0x80000203, 0},
    {"entry exception with vector 32", ENTRY_INTERRUPTION_INFO, 0x80000320, 0},
    {"entry exception #GP without error code", ENTRY_INTERRUPTION_INFO, 0x8000030d, 0},
    {"entry exception #UD with error code", ENTRY_INTERRUPTION_INFO, 0x80000b06, 0},
    {"entry interruption reserved bit", ENTRY_INTERRUPTION_INFO, 0x80001306, 0},
    {"software interrupt of length 16", ENTRY_INTERRUPTION_INFO, 0x80000420, 2},
    {"host CR0 without NE", HOST_CR0, 0x20, 1},
    {"host CR0 without PG", HOST_CR0, 0x80000000, 1},
    {"host CR4 without VMXE", HOST_CR4, 0x2000, 1},
    {"host CR4 without PAE", HOST_CR4, 0x20, 1},
    {"host CR4 reserved bit", HOST_CR4, 0x80000000, 1},
    {"host CR3 beyond physical addresses", HOST_CR3, 1ul << 52, 1},
    {"host SYSENTER_ESP not canonical", HOST_SYSENTER_ESP, 1ul << 56, 0},
    {"host SYSENTER_EIP not canonical", HOST_SYSENTER_EIP, 1ul << 56, 0},
    {"host CS 0", HOST_CS_SELECTOR, 0, 0},
    {"host TR 0", HOST_TR_SELECTOR, 0, 0},
    {"host SS with RPL", HOST_SS_SELECTOR, 0x13, 0},
    {"host DS with TI", HOST_DS_SELECTOR, 0x14, 0},
    {"host SS 0", HOST_SS_SELECTOR, 0, 0},
    {"host GS base not canonical", HOST_GS_BASE, 1ul << 56, 0},
    {"host GDTR base not canonical", HOST_GDTR_BASE, 1ul << 56, 0},
    {"host RIP not canonical", HOST_RIP, 1ul << 56, 0},
    {"host address space size 0", EXIT_CONTROLS, 0x200, 1},
    {"guest CR0 without NE", GUEST_CR0, 0x20, 1},
    {"guest CR0 without PG", GUEST_CR0, 0x80000000, 1},
    {"guest CR0 without PE", GUEST_CR0, 1, 1},
    {"guest CR0 high bits", GUEST_CR0, 1ul << 32, 1},
    {"guest CR4 without VMXE", GUEST_CR4, 0x2000, 1},
    {"guest CR4 without PAE", GUEST_CR4, 0x20, 1},
    {"guest CR4 reserved bit", GUEST_CR4, 0x80000000, 1},
    {"guest CR3 beyond physical addresses", GUEST_CR3, 1ul << 52, 1},
    {"guest DR7 high bits, loaded", GUEST_DR7, 1ul << 32, 10},
    {"guest SYSENTER_ESP not canonical", GUEST_SYSENTER_ESP, 1ul << 56, 0},
    {"guest DEBUGCTL reserved", GUEST_IA32_DEBUGCTL, 0x8000000000000000, 10},
    {"guest TR unusable", GUEST_TR_ACCESS_RIGHTS, 0x10000, 1},
    {"guest TR not busy", GUEST_TR_ACCESS_RIGHTS, 0x2, 1},
    {"guest TR with TI", GUEST_TR_SELECTOR, 4, 0},
    {"guest TR base not canonical", GUEST_TR_BASE, 1ul << 56, 0},
    {"guest TR granularity against limit", GUEST_TR_ACCESS_RIGHTS, 0x8000, 1},
    {"guest LDTR usable with a bad type", GUEST_LDTR_ACCESS_RIGHTS, 0x83, 0},
    {"guest LDTR with TI", GUEST_LDTR_ACCESS_RIGHTS, 0x82, 3},
    {"guest CS data", GUEST_CS_ACCESS_RIGHTS, 0x2093, 0},
    {"guest CS without accessed", GUEST_CS_ACCESS_RIGHTS, 1, 1},
    {"guest CS not present", GUEST_CS_ACCESS_RIGHTS, 0x80, 1},
    {"guest CS L and D", GUEST_CS_ACCESS_RIGHTS, 0x4000, 1},
    {"guest CS DPL 3", GUEST_CS_ACCESS_RIGHTS, 0x60, 1},
    {"guest CS reserved", GUEST_CS_ACCESS_RIGHTS, 0x100, 1},
    {"guest CS base high", GUEST_CS_BASE, 1ul << 32, 0},
    {"guest CS RPL 3", GUEST_CS_SELECTOR, 11, 0},
    {"guest SS RPL 3", GUEST_SS_SELECTOR, 19, 0},
    {"guest SS read-only", GUEST_SS_ACCESS_RIGHTS, 0xc091, 0},
    {"guest SS DPL 3", GUEST_SS_ACCESS_RIGHTS, 0xc0f3, 0},
    {"guest DS system", GUEST_DS_ACCESS_RIGHTS, 0xc083, 0},
    {"guest DS execute-only", GUEST_DS_ACCESS_RIGHTS, 0xa099, 0},
    {"guest DS limit against granularity", GUEST_DS_LIMIT, 0xfffffffe, 0},
    {"guest ES DPL below RPL", GUEST_ES_SELECTOR, 19, 0},
    {"guest FS base not canonical", GUEST_FS_BASE, 1ul << 56, 0},
    {"guest GDTR limit", GUEST_GDTR_LIMIT, 0x10000, 0},
    {"guest IDTR base not canonical", GUEST_IDTR_BASE, 1ul << 56, 0},
    {"guest RIP not canonical", GUEST_RIP, 1ul << 57, 0},
    {"guest RFLAGS bit 1", GUEST_RFLAGS, 0, 0},
    {"guest RFLAGS reserved", GUEST_RFLAGS, 0x8002, 0},
    {"guest RFLAGS VM in IA-32e mode", GUEST_RFLAGS, 0x20002, 0},
    {"guest activity 4", GUEST_ACTIVITY, 4, 0},
    {"guest interruptibility reserved", GUEST_INTERRUPTIBILITY, 0x20, 0},
    {"guest STI blocking with IF 0", GUEST_INTERRUPTIBILITY, 1, 0},
    {"guest STI and MOV SS blocking", GUEST_INTERRUPTIBILITY, 3, 0},
    {"guest SMI blocking", GUEST_INTERRUPTIBILITY, 4, 0},
    {"guest HLT with MOV SS blocking", GUEST_INTERRUPTIBILITY, 2, 4},
    {"guest pending debug reserved", GUEST_PENDING_DEBUG_EXCEPTIONS, 0x10, 0},
    {"guest pending debug BS with TF 0 and MOV SS", GUEST_PENDING_DEBUG_EXCEPTIONS, 0x4000, 5},
    {"link pointer misaligned", VMCS_LINK_POINTER, 0x1001, 0},
    {"link pointer to the current VMCS", VMCS_LINK_POINTER, 0, 6},
    {"IA-32e guest in 32-bit code", ENTRY_CONTROLS, 0x200, 1},
    {"injected #UD with MOV SS blocking", ENTRY_INTERRUPTION_INFO, 0x80000306, 7},
    {"injected interrupt with IF 0", ENTRY_INTERRUPTION_INFO, 0x80000020, 0},
    {"injected interrupt with STI blocking", ENTRY_INTERRUPTION_INFO, 0x80000020, 8},
    {"injected NMI with MOV SS blocking", ENTRY_INTERRUPTION_INFO, 0x80000202, 7},
    {"injected software interrupt in HLT", ENTRY_INTERRUPTION_INFO, 0x80000420, 9},
};

static u64 msrs[8] __attribute__((aligned(16)));

static void ept_pointers(void)
{
    static const struct { const char *name; u64 flip; } bad[] = {
        {"EPT memory type 1", 7}, {"EPT walk length 3", 0x8}, {"EPT walk length 5", 0x38}, {"EPT reserved bit", 0x100},
        {"EPT pointer beyond physical addresses", 1ul << 52}, {"EPT good", 0},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        setup(done);
        use_ept(0);
        vmwrite(EPT_POINTER, vmread(EPT_POINTER) ^ bad[i].flip);
        go(bad[i].name);
    }
    setup(done);
    secondary(1u << 7);
    go("unrestricted guest without EPT");
    setup(done);
    secondary(1u << 5);
    vmwrite(VPID, 0);
    go("VPID 0");
    setup(done);
    primary(1u << 25);
    vmwrite(IO_BITMAP_B, 8);
    go("I/O bitmap misaligned");
    setup(done);
    primary(1u << 28);
    vmwrite(MSR_BITMAP, 1ul << 52);
    go("MSR bitmap beyond physical addresses");
}

static void msr_lists(void)
{
    static const struct { const char *name; u32 index, reserved; u64 value; } bad[] = {
        {"MSR load of FS base", IA32_FS_BASE, 0, 0}, {"MSR load reserved bits", IA32_SYSENTER_CS, 1, 0},
        {"MSR load of no MSR", 0x12345678, 0, 0}, {"MSR load of an x2APIC MSR", 0x802, 0, 0},
        {"MSR load of a bad value", IA32_SYSENTER_ESP, 0, 1ul << 56}, {"MSR load", IA32_SYSENTER_ESP, 0, 0x1234},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        setup(done);
        msrs[0] = IA32_SYSENTER_CS;
        msrs[1] = 8;
        msrs[2] = bad[i].index | (u64)bad[i].reserved << 32;
        msrs[3] = bad[i].value;
        vmwrite(ENTRY_MSR_LOAD_ADDRESS, (u64)msrs);
        vmwrite(ENTRY_MSR_LOAD_COUNT, 2);
        go(bad[i].name);
        field("sysenter-cs", read_msr(IA32_SYSENTER_CS));
        print("\n");
    }
    setup(done);
    msrs[0] = IA32_SYSENTER_CS;
    msrs[1] = 0x55;
    msrs[4] = IA32_SYSENTER_CS;
    msrs[5] = 0;
    vmwrite(GUEST_SYSENTER_CS, 0x77);
    vmwrite(EXIT_MSR_LOAD_ADDRESS, (u64)msrs);
    vmwrite(EXIT_MSR_LOAD_COUNT, 1);
    vmwrite(EXIT_MSR_STORE_ADDRESS, (u64)&msrs[4]);
    vmwrite(EXIT_MSR_STORE_COUNT, 1);
    go("exit MSR lists");
    field("sysenter-cs", read_msr(IA32_SYSENTER_CS));
    field("stored", msrs[5]);
    print("\n");
    vmwrite(ENTRY_MSR_LOAD_ADDRESS, (u64)msrs + 8);
    vmwrite(ENTRY_MSR_LOAD_COUNT, 1);
    go_on("entry MSR list misaligned");
}

void entries(void)
{
    setup(done);
    go("entry without a mistake");
    ATTEMPT("vmlaunch of a launched VMCS", "vmlaunch", "a"(0));
    ATTEMPT("vmcall in root", "vmcall", "a"(0));
    for (unsigned i = 0; i < sizeof changes / sizeof *changes; i++) {
        const struct change *change = &changes[i];
        setup(done);
        u64 old = vmread(change->field);
        vmwrite(change->field, change->flip == 1 ? old ^ change->value : change->value);
        if (change->flip == 2) vmwrite(ENTRY_INSTRUCTION_LENGTH, 16);
        if (change->flip == 3) vmwrite(GUEST_LDTR_SELECTOR, 4);
        if (change->flip == 4 || change->flip == 9) vmwrite(GUEST_ACTIVITY, 1);
        if (change->flip == 5) vmwrite(GUEST_INTERRUPTIBILITY, 2);
        if (change->flip == 6) vmwrite(VMCS_LINK_POINTER, (u64)vmcs_region);
        if (change->flip == 7) vmwrite(GUEST_INTERRUPTIBILITY, 2);
        if (change->flip == 8) vmwrite(GUEST_INTERRUPTIBILITY, 1), vmwrite(GUEST_RFLAGS, 0x202);
        if (change->flip == 9) vmwrite(ENTRY_INSTRUCTION_LENGTH, 2);
        if (change->flip == 10) entry_controls(ENTRY_IA32E_MODE_GUEST | 4);
        go(change->name);
    }
    ept_pointers();
    msr_lists();
}
