/* The PC's interval timer (8254) behind its interrupt controllers (8259). */
#ifndef TIMER_H
#define TIMER_H

#include "cpu.h"

/* Vector of the timer's interrupt, IRQ 0, in the VMM. */
#define HOST_TIMER_VECTOR 0x20

/* Gives IRQ 0 to 15 the vectors from HOST_TIMER_VECTOR on and masks all but the timer's. */
void timer_start(void);

/* One interrupt, so many microseconds from now (at most 54 000). */
void timer_arm(u32 microseconds);

/* Tells the interrupt controller that the interrupt has been served. */
void timer_acknowledge(void);

#endif
