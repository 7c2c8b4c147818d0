/* Which stack an exception arrives on: the running one aligned, an IST's, or that of privilege level 0. */
#include "runtime.h"

static u8 ist_stack[PAGE_SIZE] __attribute__((aligned(4096)));

#define IST_TOP ((u64)ist_stack + PAGE_SIZE)

static void report_handler_stack(const char *name)
{
    report(name);
    print("  handler's stack: ");
    if (caught.handler_rsp > (u64)ist_stack && caught.handler_rsp <= IST_TOP) {
        print("IST, ");
        print_decimal(IST_TOP - caught.handler_rsp);
        print(" bytes below its top");
    } else {
        print("running, ");
        print_decimal(resume_rsp - caught.handler_rsp);
        print(" bytes below RSP");
    }
    print("\n");
}

void subject_stacks(void)
{
    TRY("mov %%rsp, %%r8; and $-16, %%rsp; mov %%rsp, resume_rsp; ud2; 1: mov %%r8, %%rsp; jmp 1f");
    report_handler_stack("aligned");
    TRY("mov %%rsp, %%r8; and $-16, %%rsp; sub $8, %%rsp; mov %%rsp, resume_rsp; ud2; 1: mov %%r8, %%rsp; jmp 1f");
    report_handler_stack("not aligned");
    set_ist(1, IST_TOP);
    set_gate(6, 0, 1);
    TRY("ud2");
    report_handler_stack("IST");
    set_ist(1, IST_TOP - 24);
    TRY("ud2");
    report_handler_stack("IST not aligned");
    set_gate(6, 0, 0);

    set_ist(2, IST_TOP);
    set_gate(12, 0, 2);
    TRY("movabs $0x8000000000000000, %%rcx; mov %%rcx, %%rsp; pop %%rdx");
    report_handler_stack("POP from a non-canonical stack");
    report_value("  saved RSP", caught.frame.rsp);

    /* The page fault cannot be pushed either: a double fault, which has a stack of its own. */
    set_ist(3, IST_TOP);
    set_gate(8, 0, 3);
    TRY("mov $0x40000800, %%rsp; push %%rcx");
    report_handler_stack("double fault");
    report_value("  saved RSP", caught.frame.rsp);
    set_gate(8, 0, 0);
    set_gate(12, 0, 0);
}
