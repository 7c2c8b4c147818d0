/* CPUID exit round trips: a guest that executes nothing else, and a VMM that does the least a VMM can do. */
#include "console.h"
#include "power.h"
#include "vmx.h"

#ifndef ROUND_TRIPS
#define ROUND_TRIPS 200000
#endif

static u8 vmxon_region[4096] __attribute__((aligned(4096)));
static u8 vmcs_region[4096] __attribute__((aligned(4096)));
static u8 guest_stack[4096] __attribute__((aligned(4096)));
static u64 pml4[512] __attribute__((aligned(4096)));
static u64 pdpt[512] __attribute__((aligned(4096)));
static u64 pd[512] __attribute__((aligned(4096)));

extern u8 task_state[];
extern u64 gdt[];
extern const u8 guest_loop[], exit_handler[];

/*
 * RBP counts down in the root; the guest only has CPUID to say. 15 instructions a round trip: CPUID and its loop, and the
 * handler's VMREADs of reason, RIP and length, VMWRITE of RIP, and VMRESUME.
 */
asm(".globl guest_loop, exit_handler, run_guest\n"
    "guest_loop: cpuid\n jmp guest_loop\n"
    ".balign 16\n"
    "run_guest: mov $0x6c14, %eax\n vmwrite %rsp, %rax\n mov %rdi, %rbp\n vmlaunch\n ret\n"
    ".balign 16\n"
    "exit_handler: mov $0x4402, %eax\n vmread %rax, %rbx\n cmp $10, %ebx\n jne 1f\n"
    "mov $0x681e, %eax\n vmread %rax, %rbx\n mov $0x440c, %ecx\n vmread %rcx, %rdx\n add %rdx, %rbx\n vmwrite %rbx, %rax\n"
    "dec %rbp\n jz 1f\n vmresume\n"
    "1: ret\n");
void run_guest(u64 count);

static void controls(enum vmcs_field at, u32 msr, u32 wanted)
{
    vmwrite(at, (u32)read_msr(msr) | wanted);
}

static void segment(int index, u16 selector, u32 limit, u32 rights)
{
    vmwrite(GUEST_ES_SELECTOR + 2 * index, selector);
    vmwrite(GUEST_ES_BASE + 2 * index, 0);
    vmwrite(GUEST_ES_LIMIT + 2 * index, limit);
    vmwrite(GUEST_ES_ACCESS_RIGHTS + 2 * index, rights);
}

_Noreturn void vmm_main(u32 loader_magic, u32 multiboot_info)
{
    (void)loader_magic;
    (void)multiboot_info;
    console_start();
    if (!(read_msr(IA32_FEATURE_CONTROL) & FEATURE_CONTROL_LOCK))
        write_msr(IA32_FEATURE_CONTROL, FEATURE_CONTROL_LOCK | FEATURE_CONTROL_VMX_OUTSIDE_SMX);
    write_cr0(read_cr0() | read_msr(IA32_VMX_CR0_FIXED0));
    write_cr4(read_cr4() | CR4_VMXE);
    *(u32 *)vmxon_region = *(u32 *)vmcs_region = (u32)read_msr(IA32_VMX_BASIC) & 0x7fffffff;
    vmxon((u64)vmxon_region);
    vmclear((u64)vmcs_region);
    vmptrld((u64)vmcs_region);
    controls(PIN_BASED_CONTROLS, IA32_VMX_TRUE_PINBASED_CTLS, 0);
    controls(PROCESSOR_BASED_CONTROLS, IA32_VMX_TRUE_PROCBASED_CTLS, PROCESSOR_ACTIVATE_SECONDARY_CONTROLS);
    vmwrite(SECONDARY_CONTROLS, SECONDARY_ENABLE_EPT);
    controls(EXIT_CONTROLS, IA32_VMX_TRUE_EXIT_CTLS, EXIT_HOST_ADDRESS_SPACE_SIZE);
    controls(ENTRY_CONTROLS, IA32_VMX_TRUE_ENTRY_CTLS, ENTRY_IA32E_MODE_GUEST);
    pml4[0] = (u64)pdpt | 7;
    pdpt[0] = (u64)pd | 7;
    for (u64 i = 0; i < 512; i++)
        pd[i] = i << 21 | 0xb7;
    vmwrite(EPT_POINTER, (u64)pml4 | 0x1e);
    vmwrite(VMCS_LINK_POINTER, ~0ul);

    struct table_pointer idt;
    asm volatile("sidt %0" : "=m"(idt));
    vmwrite(HOST_CR0, read_cr0());
    vmwrite(HOST_CR3, read_cr3());
    vmwrite(HOST_CR4, read_cr4());
    vmwrite(HOST_CS_SELECTOR, 8);
    vmwrite(HOST_SS_SELECTOR, 16);
    vmwrite(HOST_DS_SELECTOR, 16);
    vmwrite(HOST_ES_SELECTOR, 16);
    vmwrite(HOST_TR_SELECTOR, 24);
    vmwrite(HOST_TR_BASE, (u64)task_state);
    vmwrite(HOST_GDTR_BASE, (u64)gdt);
    vmwrite(HOST_IDTR_BASE, idt.base);
    vmwrite(HOST_RIP, (u64)exit_handler);
    vmwrite(GUEST_CR0, read_cr0());
    vmwrite(GUEST_CR3, read_cr3());
    vmwrite(GUEST_CR4, read_cr4());
    vmwrite(GUEST_DR7, 0x400);
    vmwrite(GUEST_RSP, (u64)(guest_stack + sizeof guest_stack));
    vmwrite(GUEST_RIP, (u64)guest_loop);
    vmwrite(GUEST_RFLAGS, RFLAGS_FIXED);
    segment(0, 16, ~0u, ACCESS_DATA);
    segment(1, 8, ~0u, ACCESS_CODE64);
    segment(2, 16, ~0u, ACCESS_DATA);
    segment(3, 16, ~0u, ACCESS_DATA);
    segment(4, 0, ~0u, ACCESS_UNUSABLE);
    segment(5, 0, ~0u, ACCESS_UNUSABLE);
    segment(6, 0, 0, ACCESS_UNUSABLE);
    segment(7, 0, 0x67, ACCESS_BUSY_TSS64);

    print("go\n");
    run_guest(ROUND_TRIPS);
    print("exit reason ");
    print_decimal(vmread(EXIT_REASON));
    print("\n");
    power_off(EXIT_SUCCESS);
}
