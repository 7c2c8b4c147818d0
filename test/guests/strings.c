/* String instructions with REP: direction, overlap, early end, page crossings, a fault in the middle. */
#include "runtime.h"

#define FIRST (WINDOW + 0x20000)

static u8 buffer[256];

static void fill(void)
{
    for (u32 i = 0; i < sizeof buffer; i++)
        buffer[i] = (u8)(i * 7 + 3);
}

static u64 checksum(const u8 *bytes, u32 length)
{
    u64 hash = 0xcbf29ce484222325;
    for (u32 i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

#define STRING(name, instructions, from, to, count, value)                                          \
    do {                                                                                            \
        u64 si = (u64)(from), di = (u64)(to), cx = (count), ax = (value), flags;                    \
        fill();                                                                                     \
        asm volatile(instructions "; pushfq; pop %4; cld"                                           \
                     : "+S"(si), "+D"(di), "+c"(cx), "+a"(ax), "=r"(flags) : : "memory", "cc");     \
        print(name);                                                                                \
        print(": ");                                                                                \
        print_decimal(si - (u64)(from) + 1000);                                                     \
        print(" ");                                                                                 \
        print_decimal(di - (u64)(to) + 1000);                                                       \
        print(" ");                                                                                 \
        print_decimal(cx);                                                                          \
        print(" ");                                                                                 \
        print_hex(ax);                                                                              \
        print(" ");                                                                                 \
        print_hex(checksum(buffer, sizeof buffer));                                                 \
        print("\n");                                                                                \
        (void)flags;                                                                                \
    } while (0)

static void across_pages(void)
{
    volatile u64 *second;
    u64 one = new_page(), two = new_page();
    map_page(FIRST, one, PAGE_PRESENT | PAGE_WRITE);
    second = map_page(FIRST + PAGE_SIZE, two, 0);

    TRY("mov $0xabababababababab, %%rax; mov $100, %%ecx; mov %0, %%rdi; rep stosb", "b"(FIRST + PAGE_SIZE - 40));
    report("REP STOSB into a page that is not mapped");
    report_value("  rcx", caught.frame.rcx);
    report_value("  rdi", caught.frame.rdi);
    report_value("  last byte before", *(volatile u8 *)(FIRST + PAGE_SIZE - 1));
    TRY("mov $100, %%ecx; mov %0, %%rsi; lea buffer, %%rdi; std; sub $1, %%rsi; cld; rep lodsq", "b"(FIRST + PAGE_SIZE - 39));
    report("REP LODSQ that ends between two pages");
    report_value("  rcx", caught.frame.rcx);
    report_value("  rsi", caught.frame.rsi);
    TRY("mov $20, %%ecx; mov %0, %%rdi; lea buffer, %%rsi; rep movsl", "b"(FIRST + PAGE_SIZE - 6));
    report("REP MOVSD whose second doubleword straddles");
    report_value("  rcx", caught.frame.rcx);
    report_value("  rdi", caught.frame.rdi);
    report_value("  last bytes before", *(volatile u16 *)(FIRST + PAGE_SIZE - 2));

    *second = two | PAGE_PRESENT | PAGE_WRITE;
    invalidate(FIRST + PAGE_SIZE);
    TRY("mov $0x0102030405060708, %%rax; mov $600, %%ecx; mov %0, %%rdi; rep stosq", "b"(FIRST + 3));
    report("REP STOSQ over both pages");
    report_value("  first page", checksum((u8 *)one, PAGE_SIZE));
    report_value("  second page", checksum((u8 *)two, PAGE_SIZE));
    TRY("mov $4000, %%ecx; mov %0, %%rsi; lea 5(%%rsi), %%rdi; rep movsb", "b"(FIRST + 100));
    report("REP MOVSB with an overlap");
    report_value("  first page", checksum((u8 *)one, PAGE_SIZE));
    report_value("  second page", checksum((u8 *)two, PAGE_SIZE));
}

void subject_strings(void)
{
    STRING("MOVSB", "rep movsb", buffer, buffer + 100, 50, 0);
    STRING("MOVSB overlapping", "rep movsb", buffer, buffer + 1, 50, 0);
    STRING("MOVSB downwards", "std; rep movsb", buffer + 60, buffer + 64, 50, 0);
    STRING("MOVSW", "rep movsw", buffer, buffer + 101, 20, 0);
    STRING("MOVSQ", "rep movsq", buffer + 3, buffer + 100, 10, 0);
    STRING("MOVSB no times", "rep movsb", buffer, buffer + 100, 0, 0);
    STRING("STOSD", "rep stosl", buffer, buffer + 10, 9, 0xdeadbeef);
    STRING("LODSB", "rep lodsb", buffer, buffer, 9, 0x1111111111111111);
    STRING("LODSD", "lodsl", buffer, buffer, 9, 0x1111111111111111);
    STRING("SCASB found", "repne scasb", buffer, buffer, 200, 0x5e);
    STRING("SCASB not found", "repne scasb", buffer, buffer, 5, 0x00);
    STRING("SCASW while equal", "repe scasw", buffer, buffer, 200, 0x0a03);
    STRING("CMPSB", "repe cmpsb", buffer, buffer, 200, 0);
    STRING("CMPSB differing", "repe cmpsb", buffer, buffer + 1, 200, 0);
    STRING("CMPSQ while different", "repne cmpsq", buffer, buffer + 8, 10, 0);
    STRING("32-bit addresses", "addr32 rep movsb", buffer, buffer + 100, 5 + (1ul << 32), 0);
    across_pages();
}
