import type { DeviceState } from './device-state';
import { APIC } from './local-apic-registers';
import { APIC_TIMER_HZ, ticksAt, timeOfTick } from '../tables/clock';

const MODE = { oneShot: 0, periodic: 1, deadline: 2 } as const;

/**
 * The local APIC's timer. It is never counted down: it remembers the tick it was started at, in undivided ticks, and everything is
 * computed from that.
 */
export class ApicTimer {
  /** Start tick, and TSC deadline (0: disarmed). */
  private readonly q: BigUint64Array;
  /** 1 while a count-down is under way. */
  private readonly running: Uint8Array;

  constructor(
    state: DeviceState,
    private readonly regs: Uint32Array,
    /** The timer has expired; its LVT entry may be masked. */
    private readonly fire: () => void,
    private readonly tscOffset: () => bigint,
  ) {
    this.q = state.longs(2);
    this.running = state.bytes(1);
  }

  reset(): void {
    this.q.fill(0n);
    this.running[0] = 0;
  }

  private get mode(): number {
    return (this.regs[APIC.lvtTimer] >> 17) & 3;
  }

  /** Divide configuration: bits 3,1,0 give 2, 4, 8, 16, 32, 64, 128, 1. */
  private get divisor(): bigint {
    const bits = this.regs[APIC.divide];
    const index = ((bits >> 1) & 4) | (bits & 3);
    return 1n << BigInt((index + 1) & 7);
  }

  private get period(): bigint {
    return BigInt(this.regs[APIC.initialCount]) * this.divisor;
  }

  start(initial: number, time: bigint): void {
    // SDM "TSC-Deadline Mode": writes to the initial count are ignored.
    if (this.mode === MODE.deadline) return;
    this.regs[APIC.initialCount] = initial;
    this.q[0] = ticksAt(time, APIC_TIMER_HZ);
    this.running[0] = initial === 0 ? 0 : 1;
  }

  /** Writes the LVT register; a change to or from TSC-deadline mode disarms the timer. */
  setMode(lvt: number, time: bigint): void {
    const wasDeadline = this.mode === MODE.deadline;
    const count = this.currentCount(time);
    this.regs[APIC.lvtTimer] = lvt;
    if (wasDeadline !== (this.mode === MODE.deadline)) {
      this.running[0] = 0;
      this.q[1] = 0n;
      if (!wasDeadline) this.regs[APIC.initialCount] = 0;
    } else if (this.running[0]) {
      this.resume(count, time);
    }
  }

  setDivide(value: number, time: bigint): void {
    const count = this.currentCount(time);
    this.regs[APIC.divide] = value;
    if (this.running[0]) this.resume(count, time);
  }

  /** Moves the start so that `count` is left at `time`; it may lie before machine time 0, so the arithmetic wraps at 64 bits. */
  private resume(count: number, time: bigint): void {
    const done = (BigInt(this.regs[APIC.initialCount]) - BigInt(count)) * this.divisor;
    this.q[0] = ticksAt(time, APIC_TIMER_HZ) - done;
  }

  private elapsed(time: bigint): bigint {
    return BigInt.asIntN(64, ticksAt(time, APIC_TIMER_HZ) - this.q[0]);
  }

  currentCount(time: bigint): number {
    if (!this.running[0] || this.mode === MODE.deadline) return 0;
    const initial = BigInt(this.regs[APIC.initialCount]);
    const counted = this.elapsed(time) / this.divisor;
    if (this.mode === MODE.periodic) return Number(initial - (counted % initial));
    return counted >= initial ? 0 : Number(initial - counted);
  }

  /** IA32_TSC_DEADLINE: 0 unless armed in TSC-deadline mode. */
  get deadline(): bigint {
    return this.mode === MODE.deadline ? this.q[1] : 0n;
  }
  set deadline(value: bigint) {
    if (this.mode === MODE.deadline) this.q[1] = value;
  }

  nextEvent(): bigint | undefined {
    if (this.mode === MODE.deadline) {
      if (this.q[1] === 0n) return undefined;
      const due = this.q[1] - this.tscOffset();
      return due > 0n ? due : 0n;
    }
    if (!this.running[0]) return undefined;
    return timeOfTick(BigInt.asIntN(64, this.q[0]) + this.period, APIC_TIMER_HZ);
  }

  advance(time: bigint): void {
    const due = this.nextEvent();
    if (due === undefined || due > time) return;
    if (this.mode === MODE.deadline) {
      this.q[1] = 0n;
    } else if (this.mode === MODE.periodic) {
      this.q[0] += (this.elapsed(time) / this.period) * this.period;
    } else {
      this.running[0] = 0;
    }
    this.fire();
  }
}
