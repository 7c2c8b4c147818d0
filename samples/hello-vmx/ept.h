/* Extended page tables: which of the machine's memory the guest sees, and where. */
#ifndef EPT_H
#define EPT_H

#include "cpu.h"

#define PAGE_SIZE 4096ul

/* Rights of an EPT entry */
#define EPT_READ (1ul << 0)
#define EPT_WRITE (1ul << 1)
#define EPT_EXECUTE (1ul << 2)

/* Maps the page of guest-physical memory at `guest_physical` to the machine's at `physical`. */
void ept_map(u64 guest_physical, u64 physical, u64 rights);

/* The EPT pointer for the VMCS. */
u64 ept_pointer(void);

#endif
