/** SDM "Pre-defined Architectural Performance Events", and what the machine's performance monitoring has. */

/** What the machine counts of a processor. */
export type CountedEvent = 'cycles' | 'instructions' | 'branches';

export interface ArchitecturalEvent {
  /** SDM name; its place in the list is its bit in CPUID.0AH:EBX. */
  readonly name: string;
  readonly eventSelect: number;
  readonly umask: number;
  /** Undefined: not countable, and CPUID says so. */
  readonly counts: CountedEvent | undefined;
}

const event = (
  name: string,
  eventSelect: number,
  umask: number,
  counts: CountedEvent | undefined,
): ArchitecturalEvent => ({ name, eventSelect, umask, counts });

/** An instruction takes a cycle, core or reference, of its processor. The machine has no caches and predicts no branches. */
export const ARCHITECTURAL_EVENTS: readonly ArchitecturalEvent[] = [
  event('UnHalted Core Cycles', 0x3c, 0x00, 'cycles'),
  event('Instruction Retired', 0xc0, 0x00, 'instructions'),
  event('UnHalted Reference Cycles', 0x3c, 0x01, 'cycles'),
  event('LLC Reference', 0x2e, 0x4f, undefined),
  event('LLC Misses', 0x2e, 0x41, undefined),
  event('Branch Instruction Retired', 0xc4, 0x00, 'branches'),
  event('Branch Misses Retired', 0xc5, 0x00, undefined),
];

/** Events of fixed-function counters 0, 1 and 2. */
export const FIXED_EVENTS: readonly CountedEvent[] = ['instructions', 'cycles', 'cycles'];

export const COUNTER_BITS = 48;
export const FIXED_COUNTERS = FIXED_EVENTS.length;
export const ARCHITECTURAL_EVENT_COUNT = ARCHITECTURAL_EVENTS.length;
/** CPUID.0AH:EBX: a bit for each event that is not there. */
export const UNAVAILABLE_EVENTS = ARCHITECTURAL_EVENTS.reduce(
  (mask, { counts }, bit) => (counts === undefined ? mask | (1 << bit) : mask),
  0,
);

/** What IA32_PERFEVTSELx selects with these two bytes; undefined where nothing is counted. */
export function selectedEvent(eventSelect: number, umask: number): CountedEvent | undefined {
  return ARCHITECTURAL_EVENTS.find((row) => row.eventSelect === eventSelect && row.umask === umask)?.counts;
}
