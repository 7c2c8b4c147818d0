/**
 * The machine's clocks. Machine time counts instructions, nominally one a nanosecond; every other clock is derived from it by
 * integer arithmetic on absolute counts, so that none drifts and all are exact at every instruction.
 */

/** Machine time units in a second. */
export const MACHINE_HZ = 1_000_000_000n;
/** What would come at this time or later never comes: machine time is kept in 64 bits, and this is 292 years. */
export const END_OF_TIME = 1n << 63n;
/** The time-stamp counter runs at machine time. */
export const TSC_HZ = MACHINE_HZ;
/** Input clock of the 8254: a third of the colour subcarrier of NTSC. */
export const PIT_HZ = 1_193_182n;
/** ACPI's power-management timer: three times the 8254's clock. */
export const PM_TIMER_HZ = 3_579_545n;
/** The core crystal clock, which also drives the local APIC timer before its divider. */
export const APIC_TIMER_HZ = 100_000_000n;
/** Memory refresh toggles bit 4 of port 0x61 this often, in machine time. */
export const REFRESH_PERIOD = 15_085n;

/** Ticks of a clock of `hz` that are over at machine time `time`. */
export function ticksAt(time: bigint, hz: bigint): bigint {
  return (time * hz) / MACHINE_HZ;
}

/** First machine time at which `ticks` ticks of a clock of `hz` are over. */
export function timeOfTick(ticks: bigint, hz: bigint): bigint {
  return (ticks * MACHINE_HZ + hz - 1n) / hz;
}
