import { ticksAt, timeOfTick } from '../tables/clock';
import type { DeviceState } from './device-state';
import type { MmioRegion } from './mmio-map';

export const HPET_BASE = 0xfed0_0000;
const HPET_HZ = 100_000_000n;
/** Femtoseconds of a tick. */
const PERIOD = 10_000_000n;
const TIMERS = 3;

/** 63:32 period, 31:16 vendor, 15 legacy replacement, 13 64-bit counter, 12:8 last timer, 7:0 revision. */
export const HPET_CAPABILITIES = (PERIOD << 32n) | 0x8086_a001n | (BigInt(TIMERS - 1) << 8n);

/** Register offsets. */
const REG = { capabilities: 0x000, configuration: 0x010, status: 0x020, counter: 0x0f0, timers: 0x100 } as const;
/** General configuration. */
const ENABLE = 1n;
const LEGACY = 2n;
/** Timer configuration; 63:32 says which inputs of the I/O APIC it can be routed to. */
const TIMER = {
  level: 0x2n,
  enable: 0x4n,
  periodic: 0x8n,
  canPeriodic: 0x10n,
  is64: 0x20n,
  setValue: 0x40n,
  mode32: 0x100n,
  route: 0x3e00n,
  writable: 0x3f4en,
} as const;
const ROUTE_SHIFT = 9n;
/** Inputs 20 to 23, of the last timer also 11. */
const ROUTES = [0x00f0_0000n, 0x00f0_0000n, 0x00f0_0800n] as const;
/** In legacy replacement, timers 0 and 1 take over these requests from the 8254 and the real-time clock. */
const LEGACY_LINES = [0, 8] as const;
const MASK32 = 0xffff_ffffn;
const MASK64 = 0xffff_ffff_ffff_ffffn;

/** Quadwords of the state; the counter is `counterBase` plus the ticks since `enabledAt`. */
const Q = { configuration: 0, status: 1, counterBase: 2, enabledAt: 3, delivered: 4, timers: 5 } as const;
/** Quadwords of a timer. */
const T = { configuration: 0, comparator: 1, period: 2, size: 3 } as const;

export interface HpetOutputs {
  setLine(line: number, level: boolean): void;
  pulse(line: number): void;
  /** Legacy replacement was switched on or off. */
  legacyChanged(on: boolean): void;
  /** When the next event is may have changed. */
  changed(): void;
}

/** The high-precision event timers: a 64-bit counter of 100 MHz and three comparators. */
export class Hpet implements MmioRegion {
  readonly base = HPET_BASE;
  readonly size = 0x1000;
  private readonly q: BigUint64Array;

  constructor(
    state: DeviceState,
    private readonly clock: () => bigint,
    private readonly outputs: HpetOutputs,
  ) {
    this.q = state.longs(Q.timers + TIMERS * T.size);
  }

  reset(): void {
    this.q.fill(0n);
    for (let n = 0; n < TIMERS; n++) {
      this.q[this.at(n, T.configuration)] = (ROUTES[n] << 32n) | TIMER.canPeriodic | TIMER.is64;
      this.q[this.at(n, T.comparator)] = MASK64;
    }
    this.outputs.legacyChanged(false);
  }

  private at(timer: number, field: number): number {
    return Q.timers + timer * T.size + field;
  }

  private get enabled(): boolean {
    return (this.q[Q.configuration] & ENABLE) !== 0n;
  }

  private counter(time: bigint): bigint {
    const { q } = this;
    if (!this.enabled) return q[Q.counterBase];
    return BigInt.asUintN(64, q[Q.counterBase] + ticksAt(time, HPET_HZ) - q[Q.enabledAt]);
  }

  // Timers

  private widthMask(timer: number): bigint {
    return this.q[this.at(timer, T.configuration)] & TIMER.mode32 ? MASK32 : MASK64;
  }

  /** Ticks from a counter value to the timer's next match: from 1 to the full circle. */
  private distance(timer: number, counter: bigint): bigint {
    const mask = this.widthMask(timer);
    const ticks = (this.q[this.at(timer, T.comparator)] - counter) & mask;
    return ticks === 0n ? mask + 1n : ticks;
  }

  nextEvent(): bigint | undefined {
    if (!this.enabled) return undefined;
    const { q } = this;
    let nearest: bigint | undefined;
    for (let n = 0; n < TIMERS; n++) {
      if ((q[this.at(n, T.configuration)] & TIMER.enable) === 0n) continue;
      const distance = this.distance(n, q[Q.delivered]);
      if (nearest === undefined || distance < nearest) nearest = distance;
    }
    if (nearest === undefined) return undefined;
    const tick = BigInt.asUintN(64, q[Q.delivered] - q[Q.counterBase]) + q[Q.enabledAt] + nearest;
    return timeOfTick(tick, HPET_HZ);
  }

  advance(time: bigint): void {
    if (!this.enabled) return;
    const { q } = this;
    const now = this.counter(time);
    const before = q[Q.delivered];
    const passed = BigInt.asUintN(64, now - before);
    if (passed === 0n) return;
    q[Q.delivered] = now;
    for (let n = 0; n < TIMERS; n++) if (this.distance(n, before) <= passed) this.fire(n, now);
  }

  private fire(timer: number, now: bigint): void {
    const { q } = this;
    const configuration = q[this.at(timer, T.configuration)];
    const period = q[this.at(timer, T.period)];
    if (configuration & TIMER.periodic && period !== 0n) {
      const mask = this.widthMask(timer);
      const comparator = q[this.at(timer, T.comparator)];
      const behind = (now - comparator) & mask;
      q[this.at(timer, T.comparator)] = (comparator + (behind / period + 1n) * period) & mask;
    }
    if (configuration & TIMER.level) {
      q[Q.status] |= 1n << BigInt(timer);
      if (configuration & TIMER.enable) this.outputs.setLine(this.line(timer), true);
    } else if (configuration & TIMER.enable) {
      this.outputs.pulse(this.line(timer));
    }
  }

  private line(timer: number): number {
    if (this.q[Q.configuration] & LEGACY && timer < LEGACY_LINES.length) return LEGACY_LINES[timer];
    return Number((this.q[this.at(timer, T.configuration)] & TIMER.route) >> ROUTE_SHIFT);
  }

  // Registers, each of 64 bits that can be accessed whole or by halves

  read(offset: number, size: number): bigint {
    const now = this.clock();
    this.advance(now);
    const value = this.register(offset & ~7, now) >> BigInt((offset & 7) * 8);
    return BigInt.asUintN(size * 8, value);
  }

  private register(offset: number, now: bigint): bigint {
    switch (offset) {
      case REG.capabilities:
        return HPET_CAPABILITIES;
      case REG.configuration:
        return this.q[Q.configuration];
      case REG.status:
        return this.q[Q.status];
      case REG.counter:
        return this.counter(now);
    }
    const timer = (offset - REG.timers) >> 5;
    if (timer < 0 || timer >= TIMERS) return 0n;
    if ((offset & 0x18) === 0) return this.q[this.at(timer, T.configuration)];
    if ((offset & 0x18) === 8) return this.q[this.at(timer, T.comparator)] & this.widthMask(timer);
    return 0n;
  }

  write(offset: number, size: number, value: bigint): void {
    if (size < 4 || offset % size !== 0) return;
    const now = this.clock();
    this.advance(now);
    const register = offset & ~7;
    const old = register === REG.status ? 0n : this.register(register, now);
    const shift = BigInt((offset & 7) * 8);
    const mask = (size === 8 ? MASK64 : MASK32) << shift;
    this.writeRegister(register, (old & ~mask) | ((value << shift) & mask), now);
    this.outputs.changed();
  }

  private writeRegister(register: number, value: bigint, now: bigint): void {
    const { q } = this;
    switch (register) {
      case REG.configuration: {
        const counter = this.counter(now);
        const changed = q[Q.configuration] ^ value;
        // What was requested moves to the other lines.
        if (changed & LEGACY) this.showRequests(false);
        q[Q.configuration] = value & (ENABLE | LEGACY);
        q[Q.counterBase] = counter;
        q[Q.enabledAt] = ticksAt(now, HPET_HZ);
        q[Q.delivered] = counter;
        if (changed & LEGACY) {
          this.outputs.legacyChanged((value & LEGACY) !== 0n);
          this.showRequests(true);
        }
        return;
      }
      case REG.status:
        for (let n = 0; n < TIMERS; n++) if ((value >> BigInt(n)) & 1n) this.clearStatus(n);
        return;
      case REG.counter:
        if (this.enabled) return;
        q[Q.counterBase] = value;
        q[Q.delivered] = value;
        return;
    }
    const timer = (register - REG.timers) >> 5;
    if (timer < 0 || timer >= TIMERS) return;
    if ((register & 0x18) === 0) this.configure(timer, value);
    else if ((register & 0x18) === 8) this.setComparator(timer, value);
  }

  /** Sets the lines of the timers that request level-triggered interrupts. */
  private showRequests(level: boolean): void {
    for (let n = 0; n < TIMERS; n++) {
      const configuration = this.q[this.at(n, T.configuration)];
      const requested = (this.q[Q.status] >> BigInt(n)) & 1n;
      if (requested && configuration & TIMER.enable) this.outputs.setLine(this.line(n), level);
    }
  }

  private clearStatus(timer: number): void {
    const bit = 1n << BigInt(timer);
    if ((this.q[Q.status] & bit) === 0n) return;
    this.q[Q.status] &= ~bit;
    this.outputs.setLine(this.line(timer), false);
  }

  private configure(timer: number, value: bigint): void {
    const at = this.at(timer, T.configuration);
    const old = this.q[at];
    const next = (old & ~TIMER.writable) | (value & TIMER.writable);
    const requested = (this.q[Q.status] >> BigInt(timer)) & 1n;
    if (requested && (old ^ next) & (TIMER.route | TIMER.level | TIMER.enable)) {
      this.outputs.setLine(this.line(timer), false);
    }
    // A route the timer does not have leaves the old one.
    const route = (next & TIMER.route) >> ROUTE_SHIFT;
    this.q[at] = (ROUTES[timer] >> route) & 1n ? next : (next & ~TIMER.route) | (old & TIMER.route);
    if (requested && this.q[at] & TIMER.level && this.q[at] & TIMER.enable) {
      this.outputs.setLine(this.line(timer), true);
    }
  }

  /** Periodic: with the set-value bit the comparator is written, and the period in any case; one write can so set both. */
  private setComparator(timer: number, value: bigint): void {
    const { q } = this;
    const configuration = q[this.at(timer, T.configuration)];
    const written = value & this.widthMask(timer);
    const periodic = (configuration & TIMER.periodic) !== 0n;
    if (!periodic || configuration & TIMER.setValue) q[this.at(timer, T.comparator)] = written;
    if (periodic) q[this.at(timer, T.period)] = written;
    q[this.at(timer, T.configuration)] = configuration & ~TIMER.setValue;
  }
}
