/*
 * The guest: a small 64-bit kernel that does, one after the other, what makes a processor in VMX non-root operation
 * leave for its VMM. It runs as it would on a machine of its own.
 */
#include "console.h"
#include "cpu.h"
#include "guest_interface.h"

#define CODE_SELECTOR 0x08
#define INTERRUPT_GATE 0x8e00

struct gate {
    u16 offset_low, selector, attributes, offset_middle;
    u32 offset_high, reserved;
};

static struct gate idt[GUEST_TIMER_VECTOR + 1] __attribute__((aligned(16)));
static volatile u32 ticks;

extern const u8 guest_timer_stub[];

void guest_timer_interrupt(void)
{
    ticks++;
}

static void set_up_interrupts(void)
{
    u64 handler = (u64)guest_timer_stub;
    idt[GUEST_TIMER_VECTOR] = (struct gate){
        .offset_low = (u16)handler,
        .selector = CODE_SELECTOR,
        .attributes = INTERRUPT_GATE,
        .offset_middle = (u16)(handler >> 16),
        .offset_high = (u32)(handler >> 32),
    };
    struct table_pointer pointer = {sizeof idt - 1, (u64)idt};
    asm volatile("lidt %0" : : "m"(pointer));
}

static u64 hypercall(u64 number, u64 argument)
{
    u64 answer;
    asm volatile("vmcall" : "=a"(answer) : "a"(number), "b"(argument) : "memory");
    return answer;
}

/* CPUID always exits: the VMM decides what its guest is told. */
static void ask_who_runs_us(void)
{
    struct cpuid_result result = cpuid(HYPERVISOR_LEAF, 0);
    u32 words[] = {result.ebx, result.ecx, result.edx};
    u32 features = cpuid(1, 0).ecx;
    print("guest: CPUID says the hypervisor is ");
    for (int i = 0; i < 12; i++)
        print_char((char)(words[i / 4] >> i % 4 * 8));
    print(", and VMX is ");
    print(features & CPUID_1_ECX_VMX ? "there\n" : "not there\n");
}

/* This port exits; the serial port, on which these lines are printed, does not. The I/O bitmaps say so. */
static void report_progress(u8 code)
{
    out8(PROGRESS_PORT, code);
    print("guest: wrote to port 0x80\n");
}

/* Exits by the MSR bitmap, and the VMM makes up the answer. */
static void read_feature_control(void)
{
    u64 value = read_msr(IA32_FEATURE_CONTROL);
    print("guest: IA32_FEATURE_CONTROL reads ");
    print_hex(value);
    print("\n");
}

/* The guest's own page tables map this page, the EPT does not: an EPT violation, not a page fault. */
static void touch_lazy_page(void)
{
    volatile u64 *cell = (u64 *)LAZY_PAGE;
    *cell = 0x1122334455667788;
    print("guest: the page at ");
    print_hex(LAZY_PAGE);
    print(" holds ");
    print_hex(*cell);
    print("\n");
}

static void wait_for_timer(void)
{
    asm volatile("sti");
    if (hypercall(HYPERCALL_ARM_TIMER, 1000) != HYPERCALL_DONE)
        print("guest: the VMM does not know the hypercall\n");
    while (ticks == 0)
        ;
    asm volatile("cli");
    print("guest: timer interrupt number ");
    print_decimal(ticks);
    print("\n");
}

void guest_main(void)
{
    print("guest: hello from VMX non-root operation\n");
    set_up_interrupts();
    ask_who_runs_us();
    report_progress(0x42);
    read_feature_control();
    touch_lazy_page();
    wait_for_timer();
    print("guest: nothing left to do, HLT\n");
    asm volatile("hlt");
}
