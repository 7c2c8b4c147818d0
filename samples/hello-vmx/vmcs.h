/* The VMCS of the one guest. */
#ifndef VMCS_H
#define VMCS_H

/* Makes the VMCS current and fills it: controls, host state, guest state. Returns 0 if the processor refuses it. */
int vmcs_prepare(void);

#endif
