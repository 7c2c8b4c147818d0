/* Paging: rights, accessed and dirty flags, translations kept until INVLPG, large pages, reserved bits. */
#include "runtime.h"

#define FIRST (WINDOW + 0x1000)
#define SECOND (WINDOW + 0x2000)
#define LARGE (WINDOW + 0x200000)
#define FLAGS (PAGE_PRESENT | PAGE_WRITE | PAGE_USER | PAGE_ACCESSED | PAGE_DIRTY | PAGE_NO_EXECUTE)

static void report_flags(const char *name, u64 entry)
{
    report_value(name, entry & 0xfff);
}

static void rights(void)
{
    u64 page = new_page();
    volatile u64 *entry = map_page(FIRST, page, PAGE_PRESENT);

    TRY("mov %0, %%rcx; mov (%%rcx), %%rdx", "b"(FIRST));
    report("read of a read-only page");
    TRY("mov %0, %%rcx; mov %%rdx, (%%rcx)", "b"(FIRST));
    report("write to a read-only page");
    TRY("mov %0, %%rcx; addq $0, (%%rcx)", "b"(FIRST));
    report("read-modify-write of a read-only page");
    TRY("mov %%cr0, %%rcx; btr $16, %%rcx; mov %%rcx, %%cr0; mov %%rdx, (%0)", "b"(FIRST));
    report("write to a read-only page without CR0.WP");
    TRY("mov %%cr0, %%rcx; bts $16, %%rcx; mov %%rcx, %%cr0");
    report("CR0.WP set");
    report_flags("entry after the write", *entry);

    map_page(FIRST, page, PAGE_PRESENT | PAGE_WRITE | PAGE_NO_EXECUTE);
    *(volatile u8 *)FIRST = 0xc3;
    TRY("call *%0", "b"(FIRST));
    report("call to a page not to be executed");
    map_page(FIRST, page, PAGE_PRESENT | PAGE_WRITE);
    TRY("call *%0", "b"(FIRST));
    report("call to a page that may be executed");

    map_page(FIRST, page | 1ul << 51, PAGE_PRESENT | PAGE_WRITE);
    TRY("mov (%0), %%rdx", "b"(FIRST));
    report("reserved address bit");
    map_page(FIRST, page, 0);
}

static void accessed_and_dirty(void)
{
    volatile u64 *entry = map_page(FIRST, new_page(), PAGE_PRESENT | PAGE_WRITE);
    u64 value;
    report_flags("fresh entry", *entry);
    asm volatile("mov (%1), %0" : "=r"(value) : "r"(FIRST));
    report_flags("read", *entry);
    asm volatile("lock orq $0, (%0)" : : "r"(FIRST) : "memory");
    report_flags("written", *entry);
    *entry &= ~(PAGE_ACCESSED | PAGE_DIRTY);
    invalidate(FIRST);
    asm volatile("cmpxchg %1, (%0)" : : "r"(FIRST), "r"(1ul), "a"(5ul) : "memory", "cc");
    report_flags("failed CMPXCHG", *entry);
}

static void translations(void)
{
    u64 one = new_page(), two = new_page();
    volatile u64 *cell = (u64 *)FIRST;
    volatile u64 *entry = map_page(FIRST, one, PAGE_PRESENT | PAGE_WRITE);
    *(u64 *)one = 0x111;
    *(u64 *)two = 0x222;
    report_value("first page", *cell);
    *entry = two | PAGE_PRESENT | PAGE_WRITE;
    invalidate(FIRST);
    report_value("second page after INVLPG", *cell);
    *entry = one | PAGE_PRESENT | PAGE_WRITE;
    asm volatile("mov %0, %%cr3" : : "r"(read_cr3()) : "memory");
    report_value("first page after MOV to CR3", *cell);

    /* One page of memory at two addresses. */
    map_page(SECOND, one, PAGE_PRESENT | PAGE_WRITE);
    *(volatile u64 *)SECOND = 0x333;
    report_value("written through an alias", *cell);
}

static void large_pages(void)
{
    u64 *directory;
    u64 pml4 = read_cr3() & ~(PAGE_SIZE - 1);
    map_page(FIRST, new_page(), PAGE_PRESENT);
    directory = (u64 *)(((u64 *)(((u64 *)pml4)[0] & ~0xffful))[1] & ~0xffful);
    directory[1] = 0 | PAGE_PRESENT | PAGE_WRITE | PAGE_LARGE;
    invalidate(LARGE);
    report_value("multiboot magic through a 2-MByte page", *(volatile u32 *)(LARGE + 0x100000));
    report_value("entry of a 2-MByte page", directory[1]);
    directory[1] |= 1ul << 13;
    invalidate(LARGE);
    TRY("mov (%0), %%rdx", "b"(LARGE));
    report("reserved bit of a 2-MByte page");
    directory[1] = 0;
    invalidate(LARGE);
}

void subject_paging(void)
{
    rights();
    accessed_and_dirty();
    translations();
    large_pages();
}
