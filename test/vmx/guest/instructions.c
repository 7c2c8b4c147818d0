/* VMX instructions in root operation: faults, VMfails, VM-instruction errors. */
#include "framework.h"

#define M(value) "m"(*(u64[1]){value})

static void outside(void)
{
    u64 cr4 = read_cr4() & ~CR4_VMXE;
    write_cr4(cr4);
    ATTEMPT("vmxon without VMXE", "vmxon %1", M((u64)vmxon_region));
    ATTEMPT("vmcall outside", "vmcall", M(0));
    ATTEMPT("vmxoff outside", "vmxoff", M(0));
    ATTEMPT("vmread outside", "vmread %%rax, %%r11", "a"(0x6800ul));
}

void instructions(void)
{
    outside();
    if (!(read_msr(IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK)) {
        write_cr4(read_cr4() | CR4_VMXE);
        ATTEMPT("vmxon with feature control unlocked", "vmxon %1", M((u64)vmxon_region));
        write_msr(IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX);
    }
    write_cr4(read_cr4() | CR4_VMXE);
    ATTEMPT("wrmsr to locked feature control", "wrmsr", "c"(IA32_FEATURE_CONTROL), "a"(0), "d"(0));
    ATTEMPT("vmlaunch before vmxon", "vmlaunch", M(0));
    u32 revision = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    *(u32 *)vmxon_region = revision + 1;
    ATTEMPT("vmxon with wrong revision", "vmxon %1", M((u64)vmxon_region));
    *(u32 *)vmxon_region = revision;
    ATTEMPT("vmxon misaligned", "vmxon %1", M((u64)vmxon_region + 8));
    ATTEMPT("vmxon beyond physical addresses", "vmxon %1", M(1ul << 52));
    write_cr0(read_cr0() & ~0x20ul);
    ATTEMPT("vmxon without CR0.NE", "vmxon %1", M((u64)vmxon_region));
    write_cr0(read_cr0() | 0x20);
    ATTEMPT("vmxon", "vmxon %1", M((u64)vmxon_region));
    ATTEMPT("clearing VMXE in operation", "mov %1, %%cr4", "r"(read_cr4() & ~CR4_VMXE));
    ATTEMPT("clearing NE in operation", "mov %1, %%cr0", "r"(read_cr0() & ~0x20ul));
    ATTEMPT("clearing PG in operation", "mov %1, %%cr0", "r"(read_cr0() & 0x7ffffffful));
    ATTEMPT("vmxon twice, no VMCS", "vmxon %1", M((u64)vmxon_region));
    ATTEMPT("vmcall in root, no VMCS", "vmcall", M(0));
    ATTEMPT("vmread, no VMCS", "vmread %%rax, %%r11", "a"(0x6800ul));
    ATTEMPT("vmwrite, no VMCS", "vmwrite %%rax, %%rcx", "a"(0x6800ul), "c"(0x6800ul));
    ATTEMPT("vmlaunch, no VMCS", "vmlaunch", M(0));
    ATTEMPT("vmresume, no VMCS", "vmresume", M(0));
    ATTEMPT("vmptrst, no VMCS", "vmptrst %1", "m"(*(u64 *)scratch));
    print("pointer");
    field("is", *(u64 *)scratch);
    print("\n");
    ATTEMPT("vmclear misaligned, no VMCS", "vmclear %1", M((u64)vmcs_region + 4));
    *(u32 *)vmcs_region = revision;
    *(u32 *)other_region = revision;
    ATTEMPT("vmclear", "vmclear %1", M((u64)vmcs_region));
    ATTEMPT("vmptrld", "vmptrld %1", M((u64)vmcs_region));
    ATTEMPT("vmxon twice", "vmxon %1", M((u64)vmxon_region));
    ATTEMPT("vmclear misaligned", "vmclear %1", M((u64)vmcs_region + 4));
    ATTEMPT("vmclear beyond physical addresses", "vmclear %1", M(1ul << 52));
    ATTEMPT("vmclear of the VMXON region", "vmclear %1", M((u64)vmxon_region));
    ATTEMPT("vmptrld misaligned", "vmptrld %1", M((u64)vmcs_region + 4));
    ATTEMPT("vmptrld beyond physical addresses", "vmptrld %1", M(1ul << 52));
    ATTEMPT("vmptrld of the VMXON region", "vmptrld %1", M((u64)vmxon_region));
    *(u32 *)other_region = revision ^ 1;
    ATTEMPT("vmptrld with wrong revision", "vmptrld %1", M((u64)other_region));
    *(u32 *)other_region = revision | 0x80000000;
    ATTEMPT("vmptrld of a shadow VMCS", "vmptrld %1", M((u64)other_region));
    ATTEMPT("vmptrld again", "vmptrld %1", M((u64)vmcs_region));
    ATTEMPT("vmresume of a clear VMCS", "vmresume", M(0));
    ATTEMPT("vmread of no field", "vmread %%rax, %%r11", "a"(0x6c30ul));
    ATTEMPT("vmread with upper bits", "vmread %%rax, %%r11", "a"(0x100006800ul));
    ATTEMPT("vmwrite of no field", "vmwrite %%rax, %%rcx", "a"(0x6800ul), "c"(0x6c30ul));
    ATTEMPT("vmread of high half of no 64-bit field", "vmread %%rax, %%r11", "a"(0x6801ul));
    ATTEMPT("vmlaunch blocked by MOV SS", "mov %%ss, %%r11d; mov %%r11d, %%ss; vmlaunch", M(0));
    ATTEMPT("vmresume blocked by MOV SS", "mov %%ss, %%r11d; mov %%r11d, %%ss; vmresume", M(0));
    u64 descriptor[2] = {0, 0};
#define DESCRIPTOR "m"(*(u8(*)[16])descriptor)
    ATTEMPT("invept type 0", "invept %1, %%rax", DESCRIPTOR, "a"(0ul));
    ATTEMPT("invept type 3", "invept %1, %%rax", DESCRIPTOR, "a"(3ul));
    ATTEMPT("invept type 2", "invept %1, %%rax", DESCRIPTOR, "a"(2ul));
    ATTEMPT("invept single context 0", "invept %1, %%rax", DESCRIPTOR, "a"(1ul));
    descriptor[0] = (u64)ept_pml4 | 0x1e;
    ATTEMPT("invept single context", "invept %1, %%rax", DESCRIPTOR, "a"(1ul));
    ATTEMPT("invvpid type 4", "invvpid %1, %%rax", DESCRIPTOR, "a"(4ul));
    descriptor[0] = 0x10001;
    ATTEMPT("invvpid reserved bits", "invvpid %1, %%rax", DESCRIPTOR, "a"(1ul));
    descriptor[0] = 0;
    ATTEMPT("invvpid single context of VPID 0", "invvpid %1, %%rax", DESCRIPTOR, "a"(1ul));
    ATTEMPT("invvpid retaining globals of VPID 0", "invvpid %1, %%rax", DESCRIPTOR, "a"(3ul));
    ATTEMPT("invvpid address of VPID 0", "invvpid %1, %%rax", DESCRIPTOR, "a"(0ul));
    ATTEMPT("invvpid all contexts", "invvpid %1, %%rax", DESCRIPTOR, "a"(2ul));
    descriptor[0] = 1;
    ATTEMPT("invvpid single context", "invvpid %1, %%rax", DESCRIPTOR, "a"(1ul));
    ATTEMPT("invvpid retaining globals", "invvpid %1, %%rax", DESCRIPTOR, "a"(3ul));
    descriptor[1] = 0x100000000000000;
    ATTEMPT("invvpid non-canonical address", "invvpid %1, %%rax", DESCRIPTOR, "a"(0ul));
    ATTEMPT("vmread to a non-canonical address", "vmread %%rax, (%%rcx)", "a"(0x6800ul), "c"(0x800000000000ul));
    ATTEMPT("vmptrld from a page not present", "vmptrld (%1)", "r"(0x80000000ul));
    ATTEMPT("vmptrst", "vmptrst %1", "m"(*(u64 *)scratch));
    print("pointer");
    field("is", *(u64 *)scratch - (u64)vmcs_region);
    print("\n");
    ATTEMPT("vmclear of the current VMCS", "vmclear %1", M((u64)vmcs_region));
    ATTEMPT("vmread after it", "vmread %%rax, %%r11", "a"(0x6800ul));
    ATTEMPT("vmxoff", "vmxoff", M(0));
}

/* Every encoding that can be written, and what it holds of all ones. */
void fields(void)
{
    u32 revision = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    *(u32 *)vmcs_region = revision;
    vmclear((u64)vmcs_region);
    vmptrld((u64)vmcs_region);
    for (u32 group = 0; group < 16; group++) {
        for (u32 index = 0; index < 0x60; index++) {
            u64 encoding = group << 11 >> 0;
            encoding = (group >> 2) << 13 | (group & 3) << 10 | index;
            enum vmx_result written = vmwrite(encoding, 0xfedcba9876543210ul);
            u64 error = written == VM_FAIL_VALID ? vmread(VM_INSTRUCTION_ERROR) : 0;
            if (error == 12)
                continue;
            print("field ");
            print_hex(encoding);
            print(":");
            field("error", error);
            if (!error)
                field("holds", vmread(encoding));
            print("\n");
        }
    }
}
