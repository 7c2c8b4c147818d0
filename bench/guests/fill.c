/* Writes every page of RAM from where the image ends safely, so that none of it can stay unbacked. */
#include "workloads.h"

#define FIRST 0x1000000ull

u64 fill_memory(u64 scale)
{
    u64 pages = 0;
    for (u64 at = FIRST; at < scale << 20; at += 4096, pages++)
        *(volatile u64 *)at = at;
    return pages;
}
