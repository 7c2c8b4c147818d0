/* The VMM's life: into VMX operation, round the loop of entries and exits, out again. */
#ifndef VMM_H
#define VMM_H

/* Enters VMX operation. Says why not and returns 0 where the processor cannot or may not. */
int vmm_start(void);

/* Runs the guest of the current VMCS to its end. Returns 0 if a VM entry failed, and says how. */
int vmm_run_guest(void);

void vmm_stop(void);

#endif
