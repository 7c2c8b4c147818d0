#include "ept.h"

/* A leaf's memory type, and the EPT pointer's: write-back (SDM "EPT Translation Mechanism" and "Extended-Page-Table Pointer (EPTP)") */
#define EPT_WRITE_BACK 6ul
#define EPT_MEMORY_TYPE_SHIFT 3
#define EPT_POINTER_WALK_LENGTH_4 (3ul << 3)

#define EPT_ADDRESS 0x000ffffffffff000ul
#define ENTRIES 512
#define TABLES 8

/* The first is the root, the EPT PML4 table; the others are handed out as they are needed. */
static u64 tables[TABLES][ENTRIES] __attribute__((aligned(4096)));
static unsigned tables_used = 1;

/* The table an entry points to, which is made if there is none. */
static u64 *next_table(u64 *entry)
{
    if (*entry == 0)
        *entry = (u64)tables[tables_used++] | EPT_READ | EPT_WRITE | EPT_EXECUTE;
    return (u64 *)(*entry & EPT_ADDRESS);
}

void ept_map(u64 guest_physical, u64 physical, u64 rights)
{
    /* Nine bits of the address choose an entry on each of four levels, exactly as in ordinary paging. */
    u64 *table = tables[0];
    for (int shift = 39; shift > 12; shift -= 9)
        table = next_table(&table[guest_physical >> shift & (ENTRIES - 1)]);
    table[guest_physical >> 12 & (ENTRIES - 1)] = physical | EPT_WRITE_BACK << EPT_MEMORY_TYPE_SHIFT | rights;
}

u64 ept_pointer(void)
{
    return (u64)tables[0] | EPT_POINTER_WALK_LENGTH_4 | EPT_WRITE_BACK;
}
