/* Privilege level 3: what it may not do, and how it gets back. */
#include "runtime.h"

#define CODE (WINDOW + 0x10000)
#define STACK (WINDOW + 0x11000)
#define SECRET (WINDOW + 0x12000)

#define IA32_STAR 0xc0000081
#define IA32_LSTAR 0xc0000082
#define IA32_FMASK 0xc0000084

extern void run_user(u64 code, u64 stack);
extern const u8 leave_user[];

static u8 kernel_stack[PAGE_SIZE] __attribute__((aligned(4096)));
static u64 code_page;

static void run(const char *name, const u8 *code, u32 length)
{
    for (u32 i = 0; i < length; i++)
        ((u8 *)code_page)[i] = code[i];
    caught.count = 0;
    resume_rip = (u64)leave_user;
    resume_rsp = (u64)kernel_stack + 2048;
    try_start = CODE;
    run_user(CODE, STACK + PAGE_SIZE);
    report(name);
    print("  cs ");
    print_hex(caught.frame.cs);
    print(", ss ");
    print_hex(caught.frame.ss);
    print(", rsp ");
    print_hex(caught.frame.rsp);
    print(", handler on the kernel's stack: ");
    print(caught.handler_rsp == (u64)kernel_stack + PAGE_SIZE ? "yes\n" : "no\n");
}

#define RUN(name, ...)                                   \
    do {                                                 \
        static const u8 code[] = {__VA_ARGS__};          \
        run(name, code, sizeof code);                    \
    } while (0)

void subject_user(void)
{
    code_page = new_page();
    map_page(CODE, code_page, PAGE_PRESENT | PAGE_USER);
    map_page(STACK, new_page(), PAGE_PRESENT | PAGE_WRITE | PAGE_USER);
    map_page(SECRET, new_page(), PAGE_PRESENT | PAGE_WRITE);
    set_kernel_stack((u64)kernel_stack + PAGE_SIZE);
    set_gate(3, 3, 0);

    RUN("HLT", 0xf4);
    RUN("CLI", 0x90, 0xfa);
    RUN("OUT to a port", 0xb0, 0x41, 0xe6, 0xe9);
    RUN("INT3", 0x50, 0xcc);
    RUN("INT to a gate of level 0", 0xcd, 0x28);
    RUN("MOV to CR3", 0x0f, 0x22, 0xd8);
    RUN("RDMSR", 0x0f, 0x32);
    RUN("read of a supervisor page", 0x48, 0x8b, 0x04, 0x25, 0x00, 0x20, 0x01, 0x40);
    RUN("write to a supervisor page", 0x48, 0x89, 0x04, 0x25, 0x00, 0x20, 0x01, 0x40);
    RUN("write to its own code", 0x48, 0x89, 0x04, 0x25, 0x00, 0x00, 0x01, 0x40);
    RUN("jump to a supervisor page", 0xb8, 0x00, 0x20, 0x01, 0x40, 0xff, 0xe0);
    RUN("POPF that would set IF and IOPL", 0x68, 0x02, 0x32, 0x00, 0x00, 0x9d, 0x9c, 0x58, 0xcc);
    report_value("  rax", caught.frame.rax);
    set_gate(3, 0, 0);
}
