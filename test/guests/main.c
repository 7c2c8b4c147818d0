/*
 * A report on the machine, the same on every x86-64 processor. "== name" starts the part of a subject, so that a
 * comparison can be told subject by subject.
 */
#include "power.h"
#include "runtime.h"

static const struct {
    const char *name;
    void (*run)(void);
} subjects[] = {
    {"exceptions", subject_exceptions},
    {"stacks", subject_stacks},
    {"paging", subject_paging},
    {"user", subject_user},
    {"compatibility", subject_compatibility},
    {"strings", subject_strings},
    {"modification", subject_modification},
    {"crossing", subject_crossing},
    {"arithmetic", subject_arithmetic},
    {"segments", subject_segments},
    {"timer", subject_timer},
};

_Noreturn void vmm_main(void)
{
    console_start();
    runtime_start();
    for (u32 i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        print("== ");
        print(subjects[i].name);
        print("\n");
        subjects[i].run();
    }
    print("== end\n");
    power_off(EXIT_SUCCESS);
}
