#include "console.h"
#include "exits.h"
#include "power.h"
#include "vmcs.h"
#include "vmm.h"

/* boot.asm calls this in 64-bit mode. */
_Noreturn void vmm_main(u32 loader_magic, u32 multiboot_info)
{
    (void)loader_magic;
    (void)multiboot_info;

    console_start();
    print("vmm: hello from VMX root operation\n");
    if (!vmm_start())
        power_off(EXIT_FAILURE);
    if (!vmcs_prepare()) {
        print("vmm: the processor refuses the VMCS\n");
        power_off(EXIT_FAILURE);
    }

    int finished = vmm_run_guest();
    print_exit_counts();
    vmm_stop();
    power_off(finished ? EXIT_SUCCESS : EXIT_FAILURE);
}
