/* What the guest and the VMM have agreed on. */
#ifndef GUEST_INTERFACE_H
#define GUEST_INTERFACE_H

/* CPUID leaf that names the hypervisor: twelve characters in EBX, ECX and EDX */
#define HYPERVISOR_LEAF 0x40000000
#define HYPERVISOR_NAME "StrataHello!"

/* The port the guest reports its progress on; the only one it cannot write without a VM exit */
#define PROGRESS_PORT 0x80

/* Guest-physical memory that is there only once it is touched */
#define LAZY_PAGE 0x800000ul

/* VMCALL: RAX = the number, RBX = the argument; RAX = the answer, 0 for "done" */
#define HYPERCALL_ARM_TIMER 1 /* argument: microseconds until the timer interrupt */
#define HYPERCALL_DONE 0ul
#define HYPERCALL_UNKNOWN (~0ul)

/* Vector of the timer interrupt in the guest, deliberately not the VMM's */
#define GUEST_TIMER_VECTOR 0x30

#endif
