/* Timer interrupts: the 8254 through the 8259, the local APIC's timer, HLT, and the shadow of STI. */
#include "runtime.h"

#include "../../samples/hello-vmx/timer.h"

#define APIC 0xfee00000ul
#define APIC_EOI 0x0b0
#define APIC_SPURIOUS 0x0f0
#define APIC_TIMER 0x320
#define APIC_INITIAL_COUNT 0x380
#define APIC_CURRENT_COUNT 0x390
#define APIC_DIVIDE 0x3e0
#define APIC_TIMER_VECTOR 0x30

static volatile u32 ticks;
static volatile u64 vector, interrupted_rip;

static void on_tick(struct frame *frame)
{
    vector = frame->vector;
    interrupted_rip = frame->rip;
    ticks++;
    if (frame->vector == HOST_TIMER_VECTOR)
        timer_acknowledge();
    else
        *(volatile u32 *)(APIC + APIC_EOI) = 0;
}

static void programmable_interval_timer(void)
{
    u64 after;
    timer_start();
    timer_arm(200);
    asm volatile("sti; hlt; 1: lea 1b(%%rip), %0; cli" : "=r"(after) : : "memory");
    report_value("PIT vector", vector);
    report_value("  saved RIP is behind the HLT", interrupted_rip == after);
    report_value("  ticks", ticks);

    ticks = 0;
    timer_arm(100);
    for (volatile u32 i = 0; i < 200000; i++)
        ;
    report_value("ticks while interrupts are off", ticks);
    asm volatile("sti; nop; cli" : : : "memory");
    report_value("ticks after STI", ticks);

    ticks = 0;
    timer_arm(100);
    for (volatile u32 i = 0; i < 200000; i++)
        ;
    asm volatile("sti; lea 1f(%%rip), %0; 1: cli" : "=r"(after) : : "memory");
    report_value("saved RIP is one instruction behind STI", interrupted_rip == after);

    ticks = 0;
    timer_arm(100);
    for (volatile u32 i = 0; i < 200000; i++)
        ;
    asm volatile("sti; cli" : : : "memory");
    report_value("ticks in the shadow of STI", ticks);
    asm volatile("sti; nop; cli" : : : "memory");

    ticks = 0;
    for (u32 i = 0; i < 5; i++) {
        timer_arm(150);
        asm volatile("sti; hlt; cli" : : : "memory");
    }
    report_value("five one-shots", ticks);
}

static void long_string_instruction(void)
{
    /* One REP STOSB must be interruptible, and finish all the same. */
    static u8 buffer[65536];
    u64 di = 0, cx = 0;
    ticks = 0;
    timer_arm(50);
    asm volatile("sti" : : : "memory");
    while (ticks == 0) {
        di = (u64)buffer;
        cx = sizeof buffer;
        asm volatile("rep stosb" : "+D"(di), "+c"(cx) : "a"(0x5a) : "memory");
    }
    asm volatile("cli");
    report_value("interrupted amid REP STOSB: left over", cx);
    report_value("  end", di - (u64)buffer);
    report_value("  last byte", buffer[sizeof buffer - 1]);
}

static void local_apic_timer(void)
{
    map_page(APIC, APIC, PAGE_PRESENT | PAGE_WRITE | 0x18);
    *(volatile u32 *)(APIC + APIC_SPURIOUS) = 0x13f;
    *(volatile u32 *)(APIC + APIC_DIVIDE) = 0xb;
    *(volatile u32 *)(APIC + APIC_TIMER) = APIC_TIMER_VECTOR;
    ticks = 0;
    *(volatile u32 *)(APIC + APIC_INITIAL_COUNT) = 10000;
    asm volatile("sti; hlt; cli" : : : "memory");
    report_value("local APIC timer vector", vector);
    report_value("  ticks", ticks);
    report_value("  current count", *(volatile u32 *)(APIC + APIC_CURRENT_COUNT));

    ticks = 0;
    *(volatile u32 *)(APIC + APIC_TIMER) = APIC_TIMER_VECTOR | 1u << 17;
    *(volatile u32 *)(APIC + APIC_INITIAL_COUNT) = 100000;
    asm volatile("sti");
    while (ticks < 4)
        asm volatile("hlt");
    asm volatile("cli");
    *(volatile u32 *)(APIC + APIC_INITIAL_COUNT) = 0;
    report_value("periodic", ticks);
}

void subject_timer(void)
{
    on_interrupt = on_tick;
    programmable_interval_timer();
    long_string_instruction();
    local_apic_timer();
    on_interrupt = 0;
}
