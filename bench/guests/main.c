/* One workload, chosen by "work=NAME" on the command line, "scale=N" times; none of them is the empty run. */
#include "console.h"
#include "marks.h"
#include "power.h"
#include "workloads.h"

static const struct {
    const char *name;
    u64 (*run)(u64 scale);
} workloads[] = {
    {"alu", alu_loop},
    {"array", array_walk},
    {"fib", fibonacci},
    {"mix", compiled_mix},
    {"matrix", matrix_product},
    {"matrix-avx", matrix_product_avx},
    {"memcpy", memory_copy},
    {"checksum", checksum},
    {"code-16", code_16},
    {"exceptions", exception_round_trips},
    {"exits", exit_round_trips},
    {"fill", fill_memory},
};

/* The value behind "NAME=" in a command line, or an empty text. */
static const char *option(const char *command_line, const char *name)
{
    for (; *command_line; command_line++) {
        const char *at = command_line, *expected = name;
        while (*expected && *at == *expected)
            at++, expected++;
        if (!*expected && *at == '=')
            return at + 1;
    }
    return "";
}

static int same_word(const char *a, const char *b)
{
    while (*b && *a == *b)
        a++, b++;
    return !*b && (*a == '\0' || *a == ' ');
}

struct multiboot_info {
    u32 flags, memory_lower, memory_upper, boot_device, command_line;
};

_Noreturn void vmm_main(u32 loader_magic, u32 info_address)
{
    const char *command_line = (const char *)(u64)((const struct multiboot_info *)(u64)info_address)->command_line;
    const char *name = option(command_line, "work");
    u64 scale = 0, result = 0;
    (void)loader_magic;
    for (const char *digit = option(command_line, "scale"); *digit >= '0' && *digit <= '9'; digit++)
        scale = scale * 10 + (u64)(*digit - '0');

    console_start();
    mark(MARK_START);
    for (u32 i = 0; i < sizeof workloads / sizeof workloads[0]; i++)
        if (same_word(name, workloads[i].name))
            result = workloads[i].run(scale);
    mark(MARK_END);
    print("result ");
    print_hex(result);
    print("\n");
    power_off(EXIT_SUCCESS);
}
