/** Exit statuses of `strata run`. A guest's own, from isa-debug-exit, are odd: (value << 1) | 1. */
export const EXIT_STATUS = {
  powerOff: 0,
  badInput: 2,
  halted: 3,
  shutdown: 4,
  break: 5,
  livelock: 6,
  limit: 124,
  interrupted: 130,
} as const;
