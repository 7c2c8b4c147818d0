#include "runtime.h"

#include "power.h"

#define IA32_EFER 0xc0000080
#define EFER_SYSCALL (1ul << 0)
#define EFER_NO_EXECUTE (1ul << 11)
#define CR0_WRITE_PROTECT (1ul << 16)
#define CR4_PAGE_GLOBAL (1ul << 7)

struct gate {
    u16 offset_low, selector, attributes, offset_middle;
    u32 offset_high, reserved;
};

struct task_state {
    u32 reserved0;
    u64 rsp[3];
    u64 reserved1;
    u64 ist[7];
    u64 reserved2;
    u16 reserved3, io_map;
} __attribute__((packed));

static struct gate idt[64] __attribute__((aligned(16)));
static struct task_state task __attribute__((aligned(16)));

static u64 gdt[] = {
    0,
    0x00af9b000000ffff, /* 64-bit code */
    0x00cf93000000ffff, /* data */
    0, 0,               /* TSS */
    0x00cf9b000000ffff, /* 32-bit code */
    0x00cf13000000ffff, /* data that is not present */
    0x00cff3000000ffff, /* user data */
    0x00affb000000ffff, /* user code */
    0x00cf91000000ffff, /* read-only data */
};

extern const u64 stub_table[64];

struct caught caught;
u64 resume_rip, resume_rsp, try_start;
void (*on_interrupt)(struct frame *frame);

static u8 pages[64][PAGE_SIZE] __attribute__((aligned(4096)));
static u32 pages_used;

u64 new_page(void)
{
    return (u64)pages[pages_used++];
}

void catch_exception(struct frame *frame)
{
    if (frame->vector >= 32 && on_interrupt) {
        on_interrupt(frame);
        return;
    }
    caught.frame = *frame;
    asm volatile("mov %%cr2, %0" : "=r"(caught.cr2));
    caught.handler_rsp = (u64)(frame + 1);
    if (caught.count++ > 8) {
        print("too many exceptions\n");
        power_off(EXIT_FAILURE);
    }
    frame->cs = CODE64;
    frame->ss = DATA;
    frame->rip = resume_rip;
    frame->rsp = resume_rsp;
    frame->rflags &= ~0x100ul;
}

void report(const char *name)
{
    print(name);
    if (caught.count == 0) {
        print(": nothing\n");
        return;
    }
    print(": vector ");
    print_decimal(caught.frame.vector);
    print(", error ");
    print_hex(caught.frame.error);
    print(", rip ");
    if (caught.frame.rip - try_start < 64) {
        print("+");
        print_decimal(caught.frame.rip - try_start);
    } else {
        print_hex(caught.frame.rip);
    }
    if (caught.frame.vector == 14) {
        print(", cr2 ");
        print_hex(caught.cr2);
    }
    print("\n");
}

void report_value(const char *name, u64 value)
{
    print(name);
    print(": ");
    print_hex(value);
    print("\n");
}

volatile u64 *map_page(u64 linear, u64 physical, u64 flags)
{
    u64 *table = (u64 *)(read_cr3() & ~(PAGE_SIZE - 1));
    for (int shift = 39; shift > 12; shift -= 9) {
        u64 *entry = &table[linear >> shift & 511];
        if (*entry == 0)
            *entry = new_page();
        *entry |= PAGE_PRESENT | PAGE_WRITE | PAGE_USER;
        table = (u64 *)(*entry & 0x000ffffffffff000ul);
    }
    table[linear >> 12 & 511] = physical | flags;
    invalidate(linear);
    return &table[linear >> 12 & 511];
}

void set_gate(u32 vector, u32 privilege, u32 ist)
{
    u64 handler = stub_table[vector];
    idt[vector] = (struct gate){
        .offset_low = (u16)handler,
        .selector = CODE64,
        .attributes = (u16)(0x8e00 | privilege << 13 | ist),
        .offset_middle = (u16)(handler >> 16),
        .offset_high = (u32)(handler >> 32),
    };
}

void set_ist(u32 number, u64 stack)
{
    task.ist[number - 1] = stack;
}

void set_kernel_stack(u64 stack)
{
    task.rsp[0] = stack;
}

void runtime_start(void)
{
    u64 base = (u64)&task;
    struct table_pointer gdt_pointer = {sizeof gdt - 1, (u64)gdt}, idt_pointer = {sizeof idt - 1, (u64)idt};

    task.io_map = sizeof task;
    gdt[TASK / 8] = (sizeof task - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
    gdt[TASK / 8 + 1] = base >> 32;
    asm volatile("lgdt %0" : : "m"(gdt_pointer));
    asm volatile("lldt %w0" : : "r"(0));
    asm volatile("ltr %w0" : : "r"(TASK));
    for (u32 vector = 0; vector < 64; vector++)
        set_gate(vector, 0, 0);
    asm volatile("lidt %0" : : "m"(idt_pointer));
    write_msr(IA32_EFER, read_msr(IA32_EFER) | EFER_NO_EXECUTE | EFER_SYSCALL);
    write_cr0(read_cr0() | CR0_WRITE_PROTECT);
    write_cr4(read_cr4() | CR4_PAGE_GLOBAL);
}
