/** SDM "Debug Status Register (DR6)". */
export const DR6 = { BREAKPOINTS: 0xf, BD: 0x2000, BS: 0x4000, BT: 0x8000, INITIAL: 0xffff_0ff0 } as const;

/** SDM "Debug Control Register (DR7)". */
export const DR7 = {
  /** L0 to G3. */ ENABLES: 0xff,
  /** L0 to L3, and LE. */ LOCAL_ENABLES: 0x155,
  GD: 0x2000,
  INITIAL: 0x400,
} as const;

/** BOUNDARY.pendingDebug, and pending debug exceptions of a VMCS: B0 to B3 in bits 3:0, as in DR6. */
export const PENDING_DEBUG = {
  /** At least one of the breakpoints met is enabled; without it they make nothing pending. */ ENABLED_BREAKPOINT: 0x1000,
  BS: DR6.BS,
  BT: DR6.BT,
} as const;
