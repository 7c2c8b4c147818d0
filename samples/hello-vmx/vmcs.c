#include "vmcs.h"

#include "console.h"
#include "ept.h"
#include "guest_interface.h"
#include "guest_registers.h"
#include "vmx.h"

#define HOST_CODE_SELECTOR 0x08
#define HOST_DATA_SELECTOR 0x10
#define HOST_TASK_SELECTOR 0x18

#define GUEST_CODE_SELECTOR 0x08
#define GUEST_DATA_SELECTOR 0x10

#define DR7_AT_RESET 0x400

/* From the linker script and guest_entry.asm */
extern const u8 guest_text_start[], guest_text_end[], guest_data_start[], guest_data_end[];
extern const u8 guest_start[], guest_pml4[], guest_stack_end[];

extern u8 task_state[];

static u8 vmcs_region[4096] __attribute__((aligned(4096)));

/* Ports 0 to 0x7fff and 0x8000 to 0xffff, a bit each; 1 exits. */
static u8 io_bitmaps[2][4096] __attribute__((aligned(4096)));

/* Reads of MSRs 0 to 0x1fff come first in the bitmap; 1 exits. */
static u8 msr_bitmap[4096] __attribute__((aligned(4096)));

/*
 * A capability MSR says which controls may be what: low half, bits that must be 1; high half, bits that may be 1.
 * Software asks for what it needs and takes what must be.
 */
static u32 with_required_bits(u32 capability_msr, u32 wanted)
{
    u64 capability = read_msr(capability_msr);
    u32 must_be_one = (u32)capability, may_be_one = (u32)(capability >> 32);
    if (wanted & ~may_be_one) {
        print("vmm: the processor lacks controls ");
        print_hex(wanted & ~may_be_one);
        print(" of capability MSR ");
        print_hex(capability_msr);
        print("\n");
    }
    return (wanted | must_be_one) & may_be_one;
}

static void write_controls(void)
{
    vmwrite(PIN_BASED_CONTROLS, with_required_bits(IA32_VMX_TRUE_PINBASED_CTLS, PIN_EXTERNAL_INTERRUPT_EXITING));
    vmwrite(PROCESSOR_BASED_CONTROLS,
            with_required_bits(IA32_VMX_TRUE_PROCBASED_CTLS,
                               PROCESSOR_HLT_EXITING | PROCESSOR_USE_IO_BITMAPS | PROCESSOR_USE_MSR_BITMAPS |
                                   PROCESSOR_ACTIVATE_SECONDARY_CONTROLS));
    vmwrite(SECONDARY_CONTROLS, with_required_bits(IA32_VMX_PROCBASED_CTLS2, SECONDARY_ENABLE_EPT));
    vmwrite(EXIT_CONTROLS, with_required_bits(IA32_VMX_TRUE_EXIT_CTLS,
                                              EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_ACKNOWLEDGE_INTERRUPT));
    vmwrite(ENTRY_CONTROLS, with_required_bits(IA32_VMX_TRUE_ENTRY_CTLS, ENTRY_IA32E_MODE_GUEST));

    io_bitmaps[0][PROGRESS_PORT / 8] |= 1 << PROGRESS_PORT % 8;
    vmwrite(IO_BITMAP_A, (u64)io_bitmaps[0]);
    vmwrite(IO_BITMAP_B, (u64)io_bitmaps[1]);
    msr_bitmap[IA32_FEATURE_CONTROL / 8] |= 1 << IA32_FEATURE_CONTROL % 8;
    vmwrite(MSR_BITMAP, (u64)msr_bitmap);

    /* No exceptions exit, no MSR lists, nothing to inject yet; the guest owns all of CR0 and CR4. */
    vmwrite(EXCEPTION_BITMAP, 0);
    vmwrite(PAGE_FAULT_ERROR_CODE_MASK, 0);
    vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, 0);
    vmwrite(CR3_TARGET_COUNT, 0);
    vmwrite(EXIT_MSR_STORE_COUNT, 0);
    vmwrite(EXIT_MSR_LOAD_COUNT, 0);
    vmwrite(ENTRY_MSR_LOAD_COUNT, 0);
    vmwrite(ENTRY_INTERRUPTION_INFO, 0);
    vmwrite(CR0_GUEST_HOST_MASK, 0);
    vmwrite(CR4_GUEST_HOST_MASK, 0);
    vmwrite(CR0_READ_SHADOW, 0);
    vmwrite(CR4_READ_SHADOW, 0);
    /* No shadow VMCS. */
    vmwrite(VMCS_LINK_POINTER, ~0ul);
}

/* Its code may be read and executed, its data read and written; LAZY_PAGE is left out. */
static void map_guest_memory(void)
{
    u64 page;
    for (page = (u64)guest_text_start; page < (u64)guest_text_end; page += PAGE_SIZE)
        ept_map(page, page, EPT_READ | EPT_EXECUTE);
    for (page = (u64)guest_data_start; page < (u64)guest_data_end; page += PAGE_SIZE)
        ept_map(page, page, EPT_READ | EPT_WRITE);
    vmwrite(EPT_POINTER, ept_pointer());
}

/* What the processor becomes at each VM exit: the VMM as it is now, at vmx_exited. */
static void write_host_state(void)
{
    struct table_pointer gdt, idt;
    asm volatile("sgdt %0" : "=m"(gdt));
    asm volatile("sidt %0" : "=m"(idt));

    vmwrite(HOST_CR0, read_cr0());
    vmwrite(HOST_CR3, read_cr3());
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_CS_SELECTOR, HOST_CODE_SELECTOR);
    vmwrite(HOST_SS_SELECTOR, HOST_DATA_SELECTOR);
    vmwrite(HOST_DS_SELECTOR, HOST_DATA_SELECTOR);
    vmwrite(HOST_ES_SELECTOR, HOST_DATA_SELECTOR);
    vmwrite(HOST_FS_SELECTOR, 0);
    vmwrite(HOST_GS_SELECTOR, 0);
    vmwrite(HOST_TR_SELECTOR, HOST_TASK_SELECTOR);
    vmwrite(HOST_FS_BASE, read_msr(IA32_FS_BASE));
    vmwrite(HOST_GS_BASE, read_msr(IA32_GS_BASE));
    vmwrite(HOST_TR_BASE, (u64)task_state);
    vmwrite(HOST_GDTR_BASE, gdt.base);
    vmwrite(HOST_IDTR_BASE, idt.base);
    vmwrite(HOST_SYSENTER_CS, read_msr(IA32_SYSENTER_CS));
    vmwrite(HOST_SYSENTER_ESP, read_msr(IA32_SYSENTER_ESP));
    vmwrite(HOST_SYSENTER_EIP, read_msr(IA32_SYSENTER_EIP));
    vmwrite(HOST_RIP, (u64)vmx_exited);
}

/* The eight segment registers' fields have the same order and distance in every group. */
enum segment { ES, CS, SS, DS, FS, GS, LDTR, TR };

static void write_guest_segment(enum segment segment, u16 selector, u32 limit, u32 access_rights)
{
    vmwrite(GUEST_ES_SELECTOR + 2 * segment, selector);
    vmwrite(GUEST_ES_BASE + 2 * segment, 0);
    vmwrite(GUEST_ES_LIMIT + 2 * segment, limit);
    vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * segment, access_rights);
}

/* What the processor becomes at the first VM entry: a 64-bit kernel at guest_start. */
static void write_guest_state(void)
{
    vmwrite(GUEST_CR0, read_cr0());
    vmwrite(GUEST_CR3, (u64)guest_pml4);
    vmwrite(GUEST_CR4, read_cr4());
    vmwrite(GUEST_DR7, DR7_AT_RESET);
    vmwrite(GUEST_RSP, (u64)guest_stack_end);
    vmwrite(GUEST_RIP, (u64)guest_start);
    vmwrite(GUEST_RFLAGS, RFLAGS_FIXED);

    write_guest_segment(CS, GUEST_CODE_SELECTOR, 0xffffffff, ACCESS_CODE64);
    write_guest_segment(SS, GUEST_DATA_SELECTOR, 0xffffffff, ACCESS_DATA);
    write_guest_segment(DS, GUEST_DATA_SELECTOR, 0xffffffff, ACCESS_DATA);
    write_guest_segment(ES, GUEST_DATA_SELECTOR, 0xffffffff, ACCESS_DATA);
    write_guest_segment(FS, 0, 0xffffffff, ACCESS_UNUSABLE);
    write_guest_segment(GS, 0, 0xffffffff, ACCESS_UNUSABLE);
    write_guest_segment(LDTR, 0, 0, ACCESS_UNUSABLE);
    write_guest_segment(TR, 0, 0x67, ACCESS_BUSY_TSS64);

    /* The guest loads tables of its own. */
    vmwrite(GUEST_GDTR_BASE, 0);
    vmwrite(GUEST_GDTR_LIMIT, 0);
    vmwrite(GUEST_IDTR_BASE, 0);
    vmwrite(GUEST_IDTR_LIMIT, 0);

    vmwrite(GUEST_INTERRUPTIBILITY, 0);
    vmwrite(GUEST_ACTIVITY, 0);
    vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS, 0);
    vmwrite(GUEST_IA32_DEBUGCTL, 0);
    vmwrite(GUEST_SYSENTER_CS, 0);
    vmwrite(GUEST_SYSENTER_ESP, 0);
    vmwrite(GUEST_SYSENTER_EIP, 0);
}

int vmcs_prepare(void)
{
    /* The region starts with the processor's VMCS revision identifier; the rest is the processor's business. */
    *(u32 *)vmcs_region = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    if (vmclear((u64)vmcs_region) != VM_SUCCEED || vmptrld((u64)vmcs_region) != VM_SUCCEED)
        return 0;
    write_controls();
    map_guest_memory();
    write_host_state();
    write_guest_state();
    return 1;
}
