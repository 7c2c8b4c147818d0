/** Handlers of the engine's own marks; those of instruction shapes follow. */
export const HANDLER = {
  /** What every record of a code page becomes when the page is written to. */
  STALE: 0,
  /** A breakpoint before the instruction whose record follows. */
  BREAK: 1,
  /** Behind a single-stepped instruction. */
  STOP: 2,
  /** The block ends here though the code goes on. */
  END: 3,
  /** The instruction whose record follows reaches into the next page. */
  CROSSING: 4,
  /** Put in the place of the next record when a store asks for the boundary to be looked at. */
  LEAVE: 5,
  /** The instruction runs past the code segment's limit or is longer than 15 bytes: #GP(0). */
  LIMIT: 6,
  /** The instruction needs a unit that is not available: #NM. */
  UNAVAILABLE: 7,
  /** Goes on at RIP, if the inline maps know the block there. */
  RESUME: 8,
  FIRST: 9,
} as const;
