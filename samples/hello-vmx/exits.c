#include "exits.h"

#include "console.h"
#include "ept.h"
#include "guest_interface.h"
#include "timer.h"

/* Highest basic exit reason counted */
#define REASONS 64

static u32 counts[REASONS];

/* The machine's page that backs LAZY_PAGE once the guest has touched it. */
static u8 spare_page[PAGE_SIZE] __attribute__((aligned(4096)));

/* A timer interrupt the guest has not taken yet. */
static int timer_pending;

static void print_exit(const char *what)
{
    print("vmm: exit, ");
    print(what);
}

/* Exits for instructions leave RIP at the instruction; who has done its work must step over it. */
static void skip_instruction(void)
{
    vmwrite(GUEST_RIP, vmread(GUEST_RIP) + vmread(EXIT_INSTRUCTION_LENGTH));
}

/* Four characters of the hypervisor's name, as one register of CPUID holds them. */
static u32 name_part(int part)
{
    const char *name = HYPERVISOR_NAME;
    u32 word = 0;
    for (int i = 3; i >= 0; i--)
        word = word << 8 | (u8)name[part * 4 + i];
    return word;
}

static void serve_cpuid(struct guest_registers *registers)
{
    u32 leaf = (u32)registers->rax;
    struct cpuid_result result = {HYPERVISOR_LEAF, name_part(0), name_part(1), name_part(2)};

    print_exit("CPUID: leaf ");
    print_hex(leaf);
    print("\n");
    if (leaf != HYPERVISOR_LEAF) {
        result = cpuid(leaf, (u32)registers->rcx);
        if (leaf == 1)
            result.ecx = (result.ecx & ~CPUID_1_ECX_VMX) | CPUID_1_ECX_HYPERVISOR;
    }
    registers->rax = result.eax;
    registers->rbx = result.ebx;
    registers->rcx = result.ecx;
    registers->rdx = result.edx;
    skip_instruction();
}

static void serve_io(struct guest_registers *registers)
{
    u64 qualification = vmread(EXIT_QUALIFICATION);
    print_exit("I/O instruction: ");
    print(qualification & QUALIFICATION_IO_IN ? "IN from" : "OUT to");
    print(" port ");
    print_hex(qualification >> 16 & 0xffff);
    print(", ");
    print_decimal((qualification & QUALIFICATION_IO_SIZE) + 1);
    print(" byte, value ");
    print_hex(registers->rax & 0xff);
    print("\n");
    skip_instruction();
}

/* Locked without VMX: a guest of this VMM shall not start one of its own. */
static void serve_rdmsr(struct guest_registers *registers)
{
    print_exit("RDMSR: MSR ");
    print_hex((u32)registers->rcx);
    print("\n");
    registers->rax = FEATURE_CONTROL_LOCK;
    registers->rdx = 0;
    skip_instruction();
}

/* RIP stays where it is: the instruction runs again and finds the page. Nothing was cached, so no INVEPT is needed. */
static int serve_ept_violation(void)
{
    u64 address = vmread(GUEST_PHYSICAL_ADDRESS);
    print_exit("EPT violation: ");
    print(vmread(EXIT_QUALIFICATION) & QUALIFICATION_EPT_WRITE ? "write to" : "read or fetch of");
    print(" guest-physical ");
    print_hex(address);
    print("\n");
    if ((address & ~(PAGE_SIZE - 1)) != LAZY_PAGE) {
        print("vmm: there is no memory for the guest\n");
        return 0;
    }
    ept_map(LAZY_PAGE, (u64)spare_page, EPT_READ | EPT_WRITE);
    return 1;
}

static void serve_vmcall(struct guest_registers *registers)
{
    print_exit("VMCALL: hypercall ");
    print_decimal(registers->rax);
    print(", argument ");
    print_decimal(registers->rbx);
    print("\n");
    if (registers->rax == HYPERCALL_ARM_TIMER) {
        timer_arm((u32)registers->rbx);
        registers->rax = HYPERCALL_DONE;
    } else {
        registers->rax = HYPERCALL_UNKNOWN;
    }
    skip_instruction();
}

/* The exit itself has taken the interrupt from the controller ("acknowledge interrupt on exit"). */
static void serve_external_interrupt(void)
{
    u32 vector = (u32)vmread(EXIT_INTERRUPTION_INFO) & INTERRUPTION_VECTOR;
    print_exit("external interrupt: vector ");
    print_hex(vector);
    print("\n");
    timer_acknowledge();
    if (vector == HOST_TIMER_VECTOR)
        timer_pending = 1;
}

/*
 * Gives a pending timer interrupt to the guest: VM entry injects it through the guest's own IDT. A guest that has
 * interrupts blocked is left alone until the interrupt window opens, which is an exit of its own.
 */
static void deliver_timer(void)
{
    u32 controls = (u32)vmread(PROCESSOR_BASED_CONTROLS) & ~PROCESSOR_INTERRUPT_WINDOW_EXITING;
    if (timer_pending) {
        int open = (vmread(GUEST_RFLAGS) & RFLAGS_IF) &&
                   !(vmread(GUEST_INTERRUPTIBILITY) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
        if (open) {
            vmwrite(ENTRY_INTERRUPTION_INFO, INTERRUPTION_VALID | INTERRUPTION_EXTERNAL | GUEST_TIMER_VECTOR);
            timer_pending = 0;
        } else {
            controls |= PROCESSOR_INTERRUPT_WINDOW_EXITING;
        }
    }
    vmwrite(PROCESSOR_BASED_CONTROLS, controls);
}

static int serve_reason(u32 reason, struct guest_registers *registers)
{
    switch (reason) {
    case EXIT_CPUID:
        serve_cpuid(registers);
        return 1;
    case EXIT_IO_INSTRUCTION:
        serve_io(registers);
        return 1;
    case EXIT_RDMSR:
        serve_rdmsr(registers);
        return 1;
    case EXIT_EPT_VIOLATION:
        return serve_ept_violation();
    case EXIT_VMCALL:
        serve_vmcall(registers);
        return 1;
    case EXIT_EXTERNAL_INTERRUPT:
        serve_external_interrupt();
        return 1;
    case EXIT_INTERRUPT_WINDOW:
        return 1;
    case EXIT_HLT:
        print_exit("HLT: the guest has finished\n");
        return 0;
    default:
        print_exit("reason ");
        print_decimal(reason);
        print(", which this VMM does not serve\n");
        return 0;
    }
}

int serve_exit(struct guest_registers *registers)
{
    u32 reason = (u32)vmread(EXIT_REASON) & EXIT_REASON_BASIC;
    if (reason < REASONS)
        counts[reason]++;
    if (!serve_reason(reason, registers))
        return 0;
    deliver_timer();
    return 1;
}

void print_exit_counts(void)
{
    static const struct {
        u32 reason;
        const char *name;
    } names[] = {
        {EXIT_EXTERNAL_INTERRUPT, "external interrupt"},
        {EXIT_CPUID, "CPUID"},
        {EXIT_HLT, "HLT"},
        {EXIT_VMCALL, "VMCALL"},
        {EXIT_IO_INSTRUCTION, "I/O instruction"},
        {EXIT_RDMSR, "RDMSR"},
        {EXIT_EPT_VIOLATION, "EPT violation"},
    };
    for (u32 i = 0; i < sizeof names / sizeof names[0]; i++) {
        print("vmm: exits for ");
        print(names[i].name);
        print(": ");
        print_decimal(counts[names[i].reason]);
        print("\n");
    }
}
