#include "vmm.h"

#include "console.h"
#include "exits.h"
#include "guest_registers.h"
#include "timer.h"
#include "vmx.h"

static u8 vmxon_region[4096] __attribute__((aligned(4096)));

static int vmx_allowed(void)
{
    u64 feature_control;
    if (!(cpuid(1, 0).ecx & CPUID_1_ECX_VMX)) {
        print("vmm: this processor has no VMX\n");
        return 0;
    }
    feature_control = read_msr(IA32_FEATURE_CONTROL);
    if (!(feature_control & FEATURE_CONTROL_LOCK)) {
        write_msr(IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX);
    } else if (!(feature_control & FEATURE_CONTROL_VMX_OUTSIDE_SMX)) {
        print("vmm: the firmware has locked VMX away\n");
        return 0;
    }
    return 1;
}

int vmm_start(void)
{
    if (!vmx_allowed())
        return 0;

    /* VMX operation demands some bits of CR0 and CR4 and forbids others. */
    write_cr0((read_cr0() | read_msr(IA32_VMX_CR0_FIXED0)) & read_msr(IA32_VMX_CR0_FIXED1));
    write_cr4((read_cr4() | CR4_VMXE | read_msr(IA32_VMX_CR4_FIXED0)) & read_msr(IA32_VMX_CR4_FIXED1));

    /* Lines that start with "~" tell of the machine at hand and differ from one to the next. */
    print("~ vmm: IA32_VMX_BASIC is ");
    print_hex(read_msr(IA32_VMX_BASIC));
    print("\n");

    *(u32 *)vmxon_region = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    if (vmxon((u64)vmxon_region) != VM_SUCCEED) {
        print("vmm: VMXON failed\n");
        return 0;
    }
    print("vmm: in VMX operation\n");
    timer_start();
    return 1;
}

static void print_refused_entry(enum vmx_result result)
{
    if (result == VM_FAIL_INVALID) {
        print("vmm: VM entry refused, no current VMCS\n");
        return;
    }
    print("vmm: VM entry refused, VM-instruction error ");
    print_decimal(vmread(VM_INSTRUCTION_ERROR));
    print("\n");
}

static void print_failed_entry(u64 reason)
{
    print("vmm: VM entry failed, exit reason ");
    print_decimal(reason & EXIT_REASON_BASIC);
    print(", qualification ");
    print_decimal(vmread(EXIT_QUALIFICATION));
    print("\n");
}

int vmm_run_guest(void)
{
    struct guest_registers registers = {0};
    int launched = 0;
    do {
        /* Mistakes in controls and host state are refused by the instruction; those in guest state look like an exit. */
        enum vmx_result result = vmx_enter(&registers, launched);
        if (result != VM_SUCCEED) {
            print_refused_entry(result);
            return 0;
        }
        u64 reason = vmread(EXIT_REASON);
        if (reason & EXIT_REASON_ENTRY_FAILURE) {
            print_failed_entry(reason);
            return 0;
        }
        launched = 1;
    } while (serve_exit(&registers));
    return 1;
}

void vmm_stop(void)
{
    vmxoff();
    print("vmm: left VMX operation\n");
}
