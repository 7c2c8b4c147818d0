/* Between these marks on the debug console the harness takes the time. */
#ifndef MARKS_H
#define MARKS_H

#include "cpu.h"

#define DEBUG_CONSOLE 0xe9

static inline void mark(const char *text)
{
    for (; *text; text++)
        out8(DEBUG_CONSOLE, (u8)*text);
}

#define MARK_START "<<start>>\n"
#define MARK_END "<<end>>\n"

#endif
