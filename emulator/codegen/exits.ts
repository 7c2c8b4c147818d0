/** Why the interpreter (or a translated region) returned to the outer loop. */
export const EXIT = {
  /** Continue with the next record; never returned to the outer loop. */
  NONE: 0,
  /** No block known at RIP. */
  LOOKUP: 1,
  /** The block at RIP has more instructions than the budget allows. */
  BUDGET: 2,
  /** The instruction in SCRATCH.record did not retire: PENDING says what is to be delivered. */
  FAULT: 3,
  /** The instruction in SCRATCH.record retired and RIP is set; boundary conditions may have changed. */
  EVENT: 4,
  /** A breakpoint mark stands before the instruction at RIP. */
  BREAK: 5,
  /** The code at RIP was written to since it was decoded. */
  STALE: 6,
  /** A REP instruction has done its share of iterations and continues at RIP; it has not retired. */
  REPEAT: 7,
  /** The end mark of a single-step. */
  STEPPED: 8,
  /** Continue at RIP, which cold code has set; never returned to the outer loop. */
  RESUME: 9,
} as const;
export type Exit = (typeof EXIT)[keyof typeof EXIT];

/** Meta word of a slow access: the size in bytes in the low bits, and flags. */
export const ACCESS = {
  SIZE_MASK: 0x7f,
  WRITE: 0x100,
  /** Implicit stack access: a non-canonical address is #SS rather than #GP. */
  STACK: 0x200,
  /** Of a slow modify: what was there is not wanted, and is not read. */
  BLIND: 0x400,
} as const;
