/* What the VMM does for its guest at each VM exit. */
#ifndef EXITS_H
#define EXITS_H

#include "guest_registers.h"

/* Serves the exit that has just happened. Returns 0 when the guest is not to go on. */
int serve_exit(struct guest_registers *registers);

/* Prints how many exits of each reason there were. */
void print_exit_counts(void);

#endif
