/* CPUID exits, served by the least a VMM can do. */
#include "vmcs.h"
#include "vmm.h"
#include "vmx.h"
#include "workloads.h"

#define SECONDARY_ENABLE_VPID (1u << 5)

extern enum vmx_result run_round_trips(u64 count);
extern const u8 round_trip[];

u64 exit_round_trips(u64 scale)
{
    u64 count = scale * 1000;
    if (!vmm_start() || !vmcs_prepare())
        return 0;
    /* Translations of the guest and of the VMM live side by side, as every VMM that cares for speed has it. */
    vmwrite(SECONDARY_CONTROLS, vmread(SECONDARY_CONTROLS) | SECONDARY_ENABLE_VPID);
    vmwrite(VPID, 1);
    vmwrite(HOST_RIP, (u64)round_trip);
    if (run_round_trips(count) != VM_SUCCEED)
        return 0;
    vmm_stop();
    return count;
}
