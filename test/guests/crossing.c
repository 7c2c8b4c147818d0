/* Instructions and data that lie on two pages. */
#include "runtime.h"

#define FIRST (WINDOW + 0x40000)
#define SECOND (FIRST + PAGE_SIZE)

typedef u64 function(void);

/* mov rax, imm64; ret */
static const u8 code[] = {0x48, 0xb8, 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0xc3};

static void place(u64 at)
{
    for (u32 i = 0; i < sizeof code; i++)
        ((volatile u8 *)at)[i] = code[i];
}

static void fetches(volatile u64 *second)
{
    u64 sum = 0, page = *second & ~0xffful;
    for (u32 split = 1; split <= 10; split++) {
        place(SECOND - split);
        sum = sum * 31 + ((function *)(SECOND - split))();
    }
    report_value("every split", sum);

    place(SECOND - 4);
    *second = 0;
    invalidate(SECOND);
    TRY("call *%0", "b"(SECOND - 4));
    report("rest of the instruction not mapped");
    *second = page | PAGE_PRESENT | PAGE_WRITE | PAGE_NO_EXECUTE;
    invalidate(SECOND);
    TRY("call *%0", "b"(SECOND - 4));
    report("rest of the instruction not to be executed");
    *second = page | PAGE_PRESENT | PAGE_WRITE;
    invalidate(SECOND);
    TRY("call *%0", "b"(SECOND - 4));
    report("all there again");
    TRY("mov %0, %%rcx; movb $0x90, -1(%%rcx); movb $0x66, (%%rcx); lea 1(%%rcx), %%rdi; mov $0x66, %%eax; mov $20, %%edx; "
        "xchg %%ecx, %%edx; rep stosb; call *%%rdx", "b"(SECOND));
    report("too many prefixes");
}

static void accesses(volatile u64 *second)
{
    u64 page = *second & ~0xffful, sum = 0;
    for (u32 split = 1; split < 8; split++) {
        volatile u64 *cell = (u64 *)(SECOND - split);
        *cell = 0x0102030405060708ul * split;
        *cell += 1;
        asm volatile("lock xaddq %0, (%1)" : : "r"(3ul), "r"(cell) : "memory");
        sum = sum * 31 + *cell;
    }
    report_value("every split", sum);

    *(volatile u64 *)(SECOND - 8) = 0x5555555555555555;
    *second = 0;
    invalidate(SECOND);
    TRY("mov (%0), %%rdx", "b"(SECOND - 3));
    report("load");
    TRY("movq $-1, (%0)", "b"(SECOND - 3));
    report("store");
    report_value("  bytes before", *(volatile u64 *)(SECOND - 8));
    TRY("addl $1, (%0)", "b"(SECOND - 2));
    report("read-modify-write");
    *second = page | PAGE_PRESENT;
    invalidate(SECOND);
    TRY("mov (%0), %%rdx", "b"(SECOND - 3));
    report("load, second page read-only");
    TRY("movq $-1, (%0)", "b"(SECOND - 3));
    report("store, second page read-only");
    report_value("  bytes before", *(volatile u64 *)(SECOND - 8));
}

void subject_crossing(void)
{
    map_page(FIRST, new_page(), PAGE_PRESENT | PAGE_WRITE);
    volatile u64 *second = map_page(SECOND, new_page(), PAGE_PRESENT | PAGE_WRITE);
    fetches(second);
    accesses(second);
}
