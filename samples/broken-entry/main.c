/* hello-vmx's VMM, with one thing wrong. */
#include "console.h"
#include "exits.h"
#include "mistakes.h"
#include "power.h"
#include "vmcs.h"
#include "vmm.h"

#define LOADER_MAGIC 0x2badb002u

/* Multiboot information, up to the command line */
#define INFO_HAS_COMMAND_LINE (1u << 2)

struct multiboot_info {
    u32 flags, memory_lower, memory_upper, boot_device, command_line;
};

static const char *command_line(u32 loader_magic, u32 info_address)
{
    const struct multiboot_info *info = (const struct multiboot_info *)(u64)info_address;
    if (loader_magic != LOADER_MAGIC || !(info->flags & INFO_HAS_COMMAND_LINE))
        return "";
    return (const char *)(u64)info->command_line;
}

/* boot.asm calls this in 64-bit mode. */
_Noreturn void vmm_main(u32 loader_magic, u32 info_address)
{
    console_start();
    print("vmm: hello from VMX root operation\n");
    if (!vmm_start())
        power_off(EXIT_FAILURE);
    if (!vmcs_prepare()) {
        print("vmm: the processor refuses the VMCS\n");
        power_off(EXIT_FAILURE);
    }

    const struct mistake *mistake = mistake_asked_for(command_line(loader_magic, info_address));
    print("vmm: mistake: ");
    print(mistake ? mistake->name : "none");
    print("\n");
    if (mistake)
        mistake->make();

    int finished = vmm_run_guest();
    vmm_stop();
    power_off(finished ? EXIT_SUCCESS : EXIT_FAILURE);
}
