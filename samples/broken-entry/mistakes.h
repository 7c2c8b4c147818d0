/* VM-entry mistakes to find. */
#ifndef MISTAKES_H
#define MISTAKES_H

#include "cpu.h"

struct mistake {
    const char *name;
    void (*make)(void);
};

/* The mistake that "mistake=NUMBER" or "mistake=NAME" on the command line asks for, or null. */
const struct mistake *mistake_asked_for(const char *command_line);

#endif
