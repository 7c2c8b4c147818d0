/* Exceptions, injection, interrupts, shadows, windows, activity states, triple faults. */
#include "framework.h"

CODE(do_int3, "int3");
CODE(do_int, "int $0x40");
CODE(do_int1, ".byte 0xf1");
CODE(do_ud, "ud2");
CODE(do_gp, "mov $0x800000000000, %rax; mov (%rax), %rbx");
CODE(do_pf_read, "mov $0x80000000, %eax; mov (%rax), %rbx");
CODE(do_pf_write, "mov $0x80000123, %eax; movb $1, (%rax)");
CODE(do_pf_fetch, "mov $0x80000000, %eax; jmp *%rax");
CODE(do_de, "xor %ecx, %ecx; xor %edx, %edx; div %ecx");
CODE(do_ss, "mov $0x800000000010, %rsp; push %rax");
CODE(do_np, "movq $0, guest_gdt + 24; mov $24, %eax; mov %eax, %ds");
CODE(do_tf, "pushfq; orl $0x100, (%rsp); popfq; nop; nop");
CODE(nothing, "nop");
CODE(sti_nop, "sti; nop; nop; nop");
CODE(nops, "nop; nop; nop");
CODE(sti_hlt, "sti; hlt; nop");
CODE(cli_hlt, "cli; hlt; nop");
CODE(mov_ss, "sti; mov %ss, %eax; mov %eax, %ss; cpuid; nop");
CODE(sti_cpuid, "sti; cpuid; nop");
CODE(iret_here, "mov %rsp, %rcx; push $16; push %rcx; push $0x2; push $8; push $1f; iretq; 1: nop; nop");
CODE(iret_faults, "mov %rsp, %rcx; push $16; push %rcx; push $0x2; push $0x18; push $1f; iretq; 1: nop");
CODE(into_user, "ud2");

static void faults(void)
{
    static const struct { const char *name; const u8 *code; } all[] = {
        {"int3", do_int3}, {"int n", do_int}, {"int1", do_int1}, {"#UD", do_ud}, {"#GP", do_gp}, {"#PF read", do_pf_read},
        {"#PF write", do_pf_write}, {"#PF fetch", do_pf_fetch}, {"#DE", do_de}, {"#SS", do_ss}, {"#GP selector", do_np},
        {"single step", do_tf},
    };
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        setup(all[i].code);
        go(all[i].name);
        setup(all[i].code);
        vmwrite(EXCEPTION_BITMAP, ~0u);
        print("bitmap ");
        go(all[i].name);
    }
    static const struct { u32 bitmap, mask, match; } filters[] = {
        {0x4000, 2, 2}, {0x4000, 2, 0}, {0, 2, 2}, {0, 2, 0}, {0, 0, 0xffffffff}, {0x4000, 0, 0xffffffff},
    };
    for (unsigned i = 0; i < sizeof filters / sizeof *filters; i++) {
        for (int write = 0; write < 2; write++) {
            setup(write ? do_pf_write : do_pf_read);
            vmwrite(EXCEPTION_BITMAP, filters[i].bitmap);
            vmwrite(PAGE_FAULT_ERROR_CODE_MASK, filters[i].mask);
            vmwrite(PAGE_FAULT_ERROR_CODE_MATCH, filters[i].match);
            print(write ? "write " : "read ");
            print_hex(i);
            go(" page-fault filter");
        }
    }
}

static void inject(const char *name, const u8 *code, u32 information, u32 error, u32 length, u64 flags, u32 blocking, u32 activity)
{
    setup(code);
    vmwrite(ENTRY_INTERRUPTION_INFO, information);
    vmwrite(ENTRY_EXCEPTION_ERROR_CODE, error);
    vmwrite(ENTRY_INSTRUCTION_LENGTH, length);
    vmwrite(GUEST_RFLAGS, 2 | flags);
    vmwrite(GUEST_INTERRUPTIBILITY, blocking);
    vmwrite(GUEST_ACTIVITY, activity);
    go(name);
    field("left", vmread(ENTRY_INTERRUPTION_INFO));
    print("\n");
}

static void broken(const char *name, u32 information, u32 error, u32 bitmap, u32 vectors)
{
    setup(nothing);
    vmwrite(ENTRY_INTERRUPTION_INFO, information);
    vmwrite(ENTRY_EXCEPTION_ERROR_CODE, error);
    vmwrite(ENTRY_INSTRUCTION_LENGTH, 2);
    vmwrite(GUEST_RFLAGS, 2);
    vmwrite(EXCEPTION_BITMAP, bitmap);
    vmwrite(GUEST_IDTR_LIMIT, vectors * 16 - 1);
    go(name);
}

static void injections(void)
{
    inject("inject external interrupt", nothing, INJECT(0, 0x41), 0, 0, 0x200, 0, 0);
    inject("inject NMI", nothing, INJECT(2, 2), 0, 0, 0, 0, 0);
    inject("inject NMI, then iret", iret_here, INJECT(2, 2), 0, 0, 0, 0, 0);
    inject("inject #UD", nothing, INJECT(3, 6), 0, 0, 0, 0, 0);
    inject("inject #GP", nothing, INJECT(3, 13) | INJECT_ERROR_CODE, 0x1234, 0, 0, 0, 0);
    inject("inject #PF", nothing, INJECT(3, 14) | INJECT_ERROR_CODE, 0x7, 0, 0, 0, 0);
    inject("inject #DB", nothing, INJECT(3, 1), 0, 0, 0, 0, 0);
    inject("inject software interrupt", nothing, INJECT(4, 0x50), 0, 2, 0, 0, 0);
    inject("inject privileged software exception", nothing, INJECT(5, 1), 0, 1, 0, 0, 0);
    inject("inject software exception", nothing, INJECT(6, 3), 0, 1, 0, 0, 0);
    inject("inject software exception, length 0", nothing, INJECT(6, 3), 0, 0, 0, 0, 0);
    inject("inject #GP with RF", nothing, INJECT(3, 13) | INJECT_ERROR_CODE, 0, 0, 0x10000, 0, 0);
    inject("inject interrupt with IF and RF", nothing, INJECT(0, 0x41), 0, 0, 0x10200, 0, 0);
    inject("inject #UD with STI blocking", nothing, INJECT(3, 6), 0, 0, 0x200, 1, 0);
    inject("inject interrupt in HLT", nothing, INJECT(0, 0x41), 0, 0, 0x200, 0, 1);
    inject("inject NMI in HLT", nothing, INJECT(2, 2), 0, 0, 0, 0, 1);
    inject("inject #DB in HLT", nothing, INJECT(3, 1), 0, 0, 0, 0, 1);
    inject("inject #UD in HLT", nothing, INJECT(3, 6), 0, 0, 0, 0, 1);
    inject("inject NMI with NMI blocking", nothing, INJECT(2, 2), 0, 0, 0, 8, 0);

    broken("interrupt beyond the IDT, all except exits", 0x80000041, 0, ~0u, 32);
    broken("interrupt beyond the IDT", 0x80000041, 0, 0, 32);
    broken("software interrupt beyond the IDT, exits", INJECT(4, 0x50), 0, ~0u, 32);
    broken("exception beyond the IDT, #GP exits", INJECT(3, 6), 0, 1 << 13, 4);
    broken("exception beyond the IDT, #DF exits", INJECT(3, 13) | INJECT_ERROR_CODE, 5, 1 << 8, 9);
    broken("triple fault", INJECT(3, 13) | INJECT_ERROR_CODE, 5, 0, 1);
    broken("#PF beyond the IDT, #DF exits", INJECT(3, 14) | INJECT_ERROR_CODE, 5, 1 << 8, 9);
    broken("NMI beyond the IDT, #GP exits", INJECT(2, 2), 0, 1 << 13, 1);
    broken("#DF beyond the IDT", INJECT(3, 8) | INJECT_ERROR_CODE, 0, 0, 1);
    setup(do_gp);
    vmwrite(GUEST_IDTR_LIMIT, 16 * 9 - 1);
    vmwrite(EXCEPTION_BITMAP, 1 << 8);
    go("#GP in the guest leads to #DF");
    setup(do_ud);
    vmwrite(GUEST_IDTR_LIMIT, 0);
    go("#UD in the guest leads to a triple fault");
    setup(do_int);
    vmwrite(GUEST_IDTR_LIMIT, 16 * 32 - 1);
    vmwrite(EXCEPTION_BITMAP, 1 << 13);
    go("int n beyond the IDT");
    setup(do_int3);
    vmwrite(GUEST_IDTR_LIMIT, 16 * 3 - 1);
    vmwrite(EXCEPTION_BITMAP, 1 << 13);
    go("int3 beyond the IDT");
    setup(iret_faults);
    vmwrite(EXCEPTION_BITMAP, 1 << 13);
    go("iret that faults");
    setup(iret_faults);
    vmwrite(EXCEPTION_BITMAP, 1 << 13);
    vmwrite(GUEST_INTERRUPTIBILITY, 8);
    go("iret that faults, NMIs blocked");
    setup(iret_here);
    vmwrite(GUEST_INTERRUPTIBILITY, 8);
    go("iret unblocks NMIs");
    setup(do_gp);
    guest_idt[2 * 13 + 1] = 0;
    guest_idt[2 * 13] &= ~(0x8000ul << 32);
    vmwrite(EXCEPTION_BITMAP, 1 << 8);
    go("gate not present");
}

static void shadows(void)
{
    setup(nops);
    primary(PRIMARY(2));
    go("interrupt window, IF 0");
    setup(nops);
    primary(PRIMARY(2));
    vmwrite(GUEST_RFLAGS, 0x202);
    go("interrupt window at once");
    setup(nops);
    primary(PRIMARY(2));
    vmwrite(GUEST_RFLAGS, 0x202);
    vmwrite(GUEST_INTERRUPTIBILITY, 1);
    go("interrupt window after STI blocking");
    setup(nops);
    primary(PRIMARY(2));
    vmwrite(GUEST_RFLAGS, 0x202);
    vmwrite(GUEST_INTERRUPTIBILITY, 2);
    go("interrupt window after MOV SS blocking");
    setup(sti_nop);
    primary(PRIMARY(2));
    go("interrupt window after STI");
    setup(sti_cpuid);
    go("cpuid in the STI shadow");
    go_on("and then");
    setup(mov_ss);
    go("cpuid in the MOV SS shadow");
    setup(sti_hlt);
    primary(PRIMARY(7));
    go("hlt exiting in the STI shadow");
    setup(nops);
    vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x4000);
    vmwrite(GUEST_RFLAGS, 0x102);
    go("pending single step");
    setup(nops);
    vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x1001);
    vmwrite(EXCEPTION_BITMAP, 2);
    go("pending breakpoint, #DB exits");
    setup(nops);
    vmwrite(GUEST_PENDING_DEBUG_EXCEPTIONS, 0x1001);
    vmwrite(GUEST_INTERRUPTIBILITY, 2);
    vmwrite(EXCEPTION_BITMAP, 2);
    go("pending breakpoint with MOV SS blocking");
    setup(do_tf);
    vmwrite(EXCEPTION_BITMAP, 2);
    go("single step, #DB exits");
    go("and once more");
}

/* The local APIC sends itself an interrupt, which stays pending as long as IF is 0. */
static void send(u32 vector)
{
    apic_write(0x310, 0);
    apic_write(0x300, 0x44000 | vector);
}

static void drain(void)
{
    /* A guest that takes what is pending, so that the next test starts without. */
    setup(sti_nop);
    vmwrite(EXCEPTION_BITMAP, 0);
    go("drained");
    apic_write(APIC_EOI, 0);
}

static void interrupts(void)
{
    send(0x60);
    setup(nops);
    pin(1);
    go("external interrupt, IF 0");
    setup(nops);
    pin(1);
    exit_controls(EXIT_ACKNOWLEDGE_INTERRUPT);
    vmwrite(GUEST_RFLAGS, 0x202);
    vmwrite(GUEST_INTERRUPTIBILITY, 1);
    go("external interrupt, acknowledged, STI blocking");
    apic_write(APIC_EOI, 0);
    send(0x61);
    setup(sti_nop);
    go("external interrupt delivered");
    apic_write(APIC_EOI, 0);
    send(0x62);
    setup(sti_nop);
    pin(1);
    go("external interrupt after STI, not acknowledged");
    drain();
    send(0x63);
    setup(sti_hlt);
    go("external interrupt wakes from HLT");
    apic_write(APIC_EOI, 0);
    send(0x64);
    setup(sti_nop);
    vmwrite(GUEST_RFLAGS, 0x202);
    vmwrite(GUEST_ACTIVITY, 1);
    pin(1);
    exit_controls(EXIT_ACKNOWLEDGE_INTERRUPT);
    go("external interrupt in HLT");
    apic_write(APIC_EOI, 0);
    send(0x65);
    setup(nops);
    primary(PRIMARY(2));
    pin(1);
    exit_controls(EXIT_ACKNOWLEDGE_INTERRUPT);
    vmwrite(GUEST_RFLAGS, 0x202);
    go("interrupt window before external interrupt");
    drain();
    send(0x66);
    setup(nops);
    vmwrite(ENTRY_INTERRUPTION_INFO, INJECT(3, 6));
    vmwrite(GUEST_RFLAGS, 0x202);
    go("injection before a pending interrupt");
    drain();
    send(0x67);
    setup(sti_nop);
    vmwrite(GUEST_IDTR_LIMIT, 16 * 32 - 1);
    vmwrite(EXCEPTION_BITMAP, 1 << 13);
    go("external interrupt beyond the IDT");
    apic_write(APIC_EOI, 0);
}

void events(void)
{
    faults();
    injections();
    shadows();
    interrupts();
}
