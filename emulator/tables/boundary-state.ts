/**
 * BOUNDARY.activity, and activity state of a VMCS: SDM "Guest Non-Register State". WAITING, in MWAIT and its kin, is none of a VMCS, where
 * such a processor is active.
 */
export const ACTIVITY = { ACTIVE: 0, HLT: 1, SHUTDOWN: 2, WAIT_FOR_SIPI: 3, WAITING: 4 } as const;

/** BOUNDARY.interruptibility, and interruptibility state of a VMCS. */
export const BLOCKING = {
  STI: 1,
  MOV_SS: 2,
  SMI: 4,
  NMI: 8,
  ENCLAVE: 0x10,
  /** Of one instruction: STI's or MOV SS's. */ SHADOW: 3,
} as const;

/** VMX.mode. */
export const VMX_MODE = { OFF: 0, ROOT: 1, NON_ROOT: 2 } as const;

/** Bits of BOUNDARY.latched: requests that wait for the boundary. */
export const LATCHED = { NMI: 1, INIT: 2, SIPI: 4, VECTOR_SHIFT: 8, VECTOR_MASK: 0xff00 } as const;
