/* Code that changes: in the same block, in a loop, through another address, by a string instruction. */
#include "runtime.h"

#define CODE (WINDOW + 0x30000)
#define ALIAS (WINDOW + 0x32000)

typedef u64 function(void);

/* mov eax, imm32; ret */
static void write_function(volatile u8 *at, u32 value)
{
    at[0] = 0xb8;
    for (int i = 0; i < 4; i++)
        at[1 + i] = (u8)(value >> 8 * i);
    at[5] = 0xc3;
}

static u64 loop_that_changes_itself(void)
{
    volatile u8 *at = (u8 *)CODE;
    /* Each round changes the immediate of the ADD two instructions on. */
    static const u8 code[] = {
        0x31, 0xc0,                               /*  0: xor eax, eax */
        0xb9, 0x0a, 0x00, 0x00, 0x00,             /*  2: mov ecx, 10 */
        0x88, 0x0d, 0x04, 0x00, 0x00, 0x00,       /*  7: mov [rip + 4], cl: to 17 */
        0xeb, 0x00,                               /* 13: jmp 15 */
        0x83, 0xc0, 0x00,                         /* 15: add eax, imm8 at 17 */
        0xff, 0xc9,                               /* 18: dec ecx */
        0x75, 0xf1,                               /* 20: jnz 7 */
        0xc3,                                     /* 22: ret */
    };
    for (u32 i = 0; i < sizeof code; i++)
        at[i] = code[i];
    return ((function *)CODE)();
}

void subject_modification(void)
{
    u64 page = new_page(), other = new_page();
    map_page(CODE, page, PAGE_PRESENT | PAGE_WRITE);
    map_page(ALIAS, page, PAGE_PRESENT | PAGE_WRITE);

    write_function((u8 *)CODE, 1);
    report_value("first", ((function *)CODE)());
    write_function((u8 *)CODE, 2);
    report_value("rewritten", ((function *)CODE)());
    write_function((u8 *)ALIAS, 3);
    report_value("rewritten through an alias", ((function *)CODE)());
    write_function((u8 *)page, 4);
    report_value("rewritten at its physical address", ((function *)CODE)());

    static u8 template[16];
    write_function(template, 5);
    asm volatile("rep movsb" : : "S"(template), "D"(CODE), "c"(6) : "memory");
    report_value("rewritten by REP MOVSB", ((function *)CODE)());

    write_function((u8 *)other, 6);
    map_page(CODE, other, PAGE_PRESENT | PAGE_WRITE);
    report_value("mapped to another page", ((function *)CODE)());
    report_value("the alias still to the first", ((function *)ALIAS)());

    u64 sum = 0;
    for (u32 i = 0; i < 200; i++) {
        write_function((u8 *)CODE, i);
        sum += ((function *)CODE)();
    }
    report_value("two hundred versions", sum);
    report_value("a loop that changes itself", loop_that_changes_itself());

    /* Code whose last bytes lie on the next page, changed there. */
    u64 next = new_page();
    map_page(CODE + PAGE_SIZE, next, PAGE_PRESENT | PAGE_WRITE);
    write_function((u8 *)(CODE + PAGE_SIZE - 3), 0x12345678);
    report_value("across two pages", ((function *)(CODE + PAGE_SIZE - 3))());
    ((volatile u8 *)next)[0] = 0xaa;
    report_value("changed on the second page", ((function *)(CODE + PAGE_SIZE - 3))());
}
