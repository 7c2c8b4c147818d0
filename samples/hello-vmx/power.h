/* Ending the machine. */
#ifndef POWER_H
#define POWER_H

#include "console.h"
#include "cpu.h"

/* isa-debug-exit ends the machine with status (value << 1) | 1, so that 0 is never a guest's. */
#define EXIT_SUCCESS 0x10 /* status 33 */
#define EXIT_FAILURE 0x11 /* status 35 */

#define DEBUG_EXIT_PORT 0xf4
#define BOCHS_SHUTDOWN_PORT 0x8900

static inline _Noreturn void power_off(u32 value)
{
    console_flush();
    out32(DEBUG_EXIT_PORT, value);
    /* Still here: not QEMU or Strata. Bochs goes when it reads this word. */
    for (const char *word = "Shutdown"; *word; word++)
        out8(BOCHS_SHUTDOWN_PORT, (u8)*word);
    for (;;)
        asm volatile("cli; hlt");
}

#endif
