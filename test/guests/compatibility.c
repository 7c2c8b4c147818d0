/* Compatibility mode: 32-bit code under a 64-bit kernel. */
#include "runtime.h"

typedef void piece(void);
extern piece compat_arithmetic, compat_stack, compat_addressing, compat_decimal, compat_wrap, compat_strings,
    compat_flags, compat_loop, compat_undefined;
extern u64 run_compatibility(piece *code);

void subject_compatibility(void)
{
    report_value("arithmetic", run_compatibility(compat_arithmetic));
    report_value("stack", run_compatibility(compat_stack));
    report_value("addressing", run_compatibility(compat_addressing));
    report_value("decimal adjust", run_compatibility(compat_decimal));
    report_value("address wraps at 4 GiB", run_compatibility(compat_wrap));
    report_value("strings", run_compatibility(compat_strings));
    report_value("flags", run_compatibility(compat_flags));
    report_value("loop", run_compatibility(compat_loop));
    TRY("mov %0, %%rdi; call run_compatibility", "i"(compat_undefined));
    report("undefined opcode");
}
