#include "timer.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA 0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA 0xa1

#define ICW1_INITIALISE_WITH_ICW4 0x11
#define ICW4_8086 0x01
#define OCW2_END_OF_INTERRUPT 0x20

#define PIT_CHANNEL0 0x40
#define PIT_COMMAND 0x43
#define PIT_CHANNEL0_ONE_SHOT 0x30 /* low then high byte, mode 0: interrupt on terminal count */
#define PIT_HZ 1193182u

void timer_start(void)
{
    out8(PIC1_COMMAND, ICW1_INITIALISE_WITH_ICW4);
    out8(PIC2_COMMAND, ICW1_INITIALISE_WITH_ICW4);
    out8(PIC1_DATA, HOST_TIMER_VECTOR);
    out8(PIC2_DATA, HOST_TIMER_VECTOR + 8);
    out8(PIC1_DATA, 1 << 2); /* the second controller hangs on IRQ 2 */
    out8(PIC2_DATA, 2);
    out8(PIC1_DATA, ICW4_8086);
    out8(PIC2_DATA, ICW4_8086);
    /* Mode 0 without a count holds the line low: nothing left over from the firmware can interrupt. */
    out8(PIT_COMMAND, PIT_CHANNEL0_ONE_SHOT);
    out8(PIC1_DATA, 0xfe);
    out8(PIC2_DATA, 0xff);
}

void timer_arm(u32 microseconds)
{
    u32 count = (u32)((u64)microseconds * PIT_HZ / 1000000);
    out8(PIT_COMMAND, PIT_CHANNEL0_ONE_SHOT);
    out8(PIT_CHANNEL0, (u8)count);
    out8(PIT_CHANNEL0, (u8)(count >> 8));
}

void timer_acknowledge(void)
{
    out8(PIC1_COMMAND, OCW2_END_OF_INTERRUPT);
}
