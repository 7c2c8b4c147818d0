import { MACHINE_HZ, ticksAt, timeOfTick } from '../tables/clock';
import type { DeviceState } from './device-state';

/** Date at machine time 0: 2025-01-01 00:00:00, a Wednesday. */
export const START_SECONDS = BigInt(Date.UTC(2025, 0, 1) / 1000);

const SIZE = 128;
/** Where the state keeps the register that port 0x70 chose. */
const INDEX = SIZE;

/** Registers of the MC146818; those of the calendar are 0, 2, 4, 6 to 9, and the century's. */
const REG = {
  secondsAlarm: 1,
  minutesAlarm: 3,
  hours: 4,
  hoursAlarm: 5,
  a: 0x0a,
  b: 0x0b,
  c: 0x0c,
  d: 0x0d,
  century: 0x32,
} as const;
const CALENDAR: readonly number[] = [0, 2, 4, 6, 7, 8, 9, REG.century];

const A = { updateInProgress: 0x80, writable: 0x7f } as const;
const B = { hours24: 0x02, binary: 0x04, set: 0x80 } as const;
/** Flags in register C; the bits of B that let them interrupt are the same. */
const FLAG = { update: 0x10, alarm: 0x20, periodic: 0x40, any: 0x80 } as const;
const ENABLES = FLAG.update | FLAG.alarm | FLAG.periodic;

const CRYSTAL_HZ = 32_768n;
/** Register A 6:4: the crystal drives the divider chain; 11x holds it in reset. */
const DIVIDER = { running: 2, reset: 6 } as const;
/** Update in progress is said 244 us before the calendar changes, which takes 1984 us. */
const UPDATE_WARNING = 2_228_000n;
/** From the end of the divider's reset to the first update. */
const FIRST_UPDATE = MACHINE_HZ / 2n;
const DONT_CARE = 0xc0;
const SIXTY = Array.from({ length: 60 }, (_, i) => i);
const PM = 0x80;

/** Quadwords of the state: calendar seconds (Unix time) and machine time of one and the same second's beginning, time settled. */
const Q = { seconds: 0, phase: 1, settled: 2 } as const;

export interface RtcOutputs {
  /** Level of interrupt request 8. */
  setLine(level: boolean): void;
  /** An alarm that interrupts has come: it can wake a sleeping machine. */
  alarm(): void;
  /** When the next event is may have changed. */
  changed(): void;
}

/**
 * The MC146818 real-time clock and its CMOS RAM, ports 0x70 and 0x71. Its calendar follows machine time from a fixed start; setting it moves
 * the calendar, not the time. Flags are computed when somebody looks, never counted.
 */
export class Rtc {
  private readonly r: Uint8Array;
  private readonly q: BigUint64Array;

  constructor(
    state: DeviceState,
    private readonly machine: { readonly ramSize: number; readonly processors: number },
    private readonly outputs: RtcOutputs,
  ) {
    this.r = state.bytes(SIZE + 1);
    this.q = state.longs(3);
  }

  reset(): void {
    const { ramSize, processors } = this.machine;
    this.r.fill(0);
    this.q.fill(0n);
    this.q[Q.seconds] = START_SECONDS;
    const kilobytes = Math.min(Math.max(ramSize / 1024 - 1024, 0), 0xffff);
    this.setWord(0x15, 640);
    this.setWord(0x17, kilobytes);
    this.setWord(0x30, kilobytes);
    this.setWord(0x34, Math.min(Math.max(ramSize / 0x1_0000 - 256, 0), 0xffff));
    this.r[0x5f] = processors - 1;
    this.r[REG.a] = 0x26;
    this.r[REG.b] = B.hours24;
    this.r[REG.d] = 0x80;
    this.outputs.setLine(false);
  }

  private setWord(index: number, value: number): void {
    this.r[index] = value & 0xff;
    this.r[index + 1] = value >> 8;
  }

  // Time

  private get held(): boolean {
    return ((this.r[REG.a] >> 4) & 7) >= DIVIDER.reset;
  }
  private get running(): boolean {
    return ((this.r[REG.a] >> 4) & 7) === DIVIDER.running && (this.r[REG.b] & B.set) === 0;
  }

  private sinceBase(time: bigint): bigint {
    return BigInt.asIntN(64, time - this.q[Q.phase]);
  }
  /** Calendar seconds at `time`; the second that `time` lies in. */
  private secondsAt(time: bigint): bigint {
    return BigInt.asIntN(64, this.q[Q.seconds]) + floorDivide(this.sinceBase(time), MACHINE_HZ);
  }
  private timeOfSecond(seconds: bigint): bigint {
    return (seconds - BigInt.asIntN(64, this.q[Q.seconds])) * MACHINE_HZ + BigInt.asIntN(64, this.q[Q.phase]);
  }

  /** Crystal ticks between periodic flags, or 0. */
  private get period(): bigint {
    const rate = this.r[REG.a] & 15;
    if (rate === 0 || this.held) return 0n;
    return 1n << BigInt(rate < 3 ? rate + 6 : rate - 1);
  }

  /** First of the calendar's seconds after `seconds` that the alarm names, or undefined. */
  private nextAlarm(seconds: bigint): bigint | undefined {
    const day = 86_400n;
    const midnight = floorDivide(seconds, day) * day;
    const from = Number(seconds - midnight) + 1;
    const named = [REG.hoursAlarm, REG.minutesAlarm, REG.secondsAlarm].map((register) => this.r[register]);
    if (!SIXTY.some((second) => matches(named[2], this.encode(second)))) return undefined;
    for (let hour = Math.floor(from / 3600); hour < 48; hour++) {
      if (!matches(named[0], this.encodeHour(hour % 24))) continue;
      for (let minute = Math.max(0, Math.floor(from / 60) - hour * 60); minute < 60; minute++) {
        if (!matches(named[1], this.encode(minute))) continue;
        for (let second = Math.max(0, from - hour * 3600 - minute * 60); second < 60; second++) {
          if (matches(named[2], this.encode(second))) return midnight + BigInt(hour * 3600 + minute * 60 + second);
        }
      }
    }
    return undefined;
  }

  /** Sets the flags of everything that has happened since the last time. */
  private settle(now: bigint): void {
    const { q, r } = this;
    const before = q[Q.settled];
    if (now <= before) return;
    q[Q.settled] = now;
    const period = this.period;
    if (period !== 0n) {
      const ticks = (time: bigint): bigint => floorDivide(ticksAt(this.sinceBase(time), CRYSTAL_HZ), period);
      if (ticks(now) > ticks(before)) r[REG.c] |= FLAG.periodic;
    }
    if (!this.running) return;
    const second = this.secondsAt(now);
    const last = this.secondsAt(before);
    if (second === last) return;
    r[REG.c] |= FLAG.update;
    const alarm = this.nextAlarm(last);
    if (alarm !== undefined && alarm <= second) {
      const first = (r[REG.c] & FLAG.alarm) === 0;
      r[REG.c] |= FLAG.alarm;
      if (first && r[REG.b] & FLAG.alarm) this.outputs.alarm();
    }
  }

  private updateLine(): void {
    const { r } = this;
    const request = (r[REG.c] & r[REG.b] & ENABLES) !== 0;
    r[REG.c] = (r[REG.c] & ENABLES) | (request ? FLAG.any : 0);
    this.outputs.setLine(request);
  }

  nextEvent(): bigint | undefined {
    const { q, r } = this;
    const waited = r[REG.b] & ENABLES & ~r[REG.c];
    if (waited === 0) return undefined;
    const now = q[Q.settled];
    let next: bigint | undefined;
    const period = waited & FLAG.periodic ? this.period : 0n;
    if (period !== 0n) {
      const ticks = ticksAt(this.sinceBase(now), CRYSTAL_HZ);
      const due = (floorDivide(ticks, period) + 1n) * period;
      next = timeOfTick(due, CRYSTAL_HZ) + BigInt.asIntN(64, q[Q.phase]);
    }
    if (this.running && waited & (FLAG.update | FLAG.alarm)) {
      const second = this.secondsAt(now);
      const due = waited & FLAG.update ? second + 1n : this.nextAlarm(second);
      if (due !== undefined) {
        const at = this.timeOfSecond(due);
        if (next === undefined || at < next) next = at;
      }
    }
    return next;
  }

  /** Without interrupts there is nothing to do before somebody looks. */
  advance(now: bigint): void {
    if ((this.r[REG.b] & ENABLES) === 0) return;
    this.settle(now);
    this.updateLine();
  }

  // Registers

  read(port: number, time: bigint): number {
    if (!(port & 1)) return 0xff;
    const { r } = this;
    const index = r[INDEX];
    if (CALENDAR.includes(index)) return this.running ? this.field(index, time) : r[index];
    switch (index) {
      case REG.a:
        return r[REG.a] | (this.updating(time) ? A.updateInProgress : 0);
      case REG.c: {
        this.settle(time);
        this.updateLine();
        const flags = r[REG.c];
        r[REG.c] = 0;
        this.updateLine();
        this.outputs.changed();
        return flags;
      }
      default:
        return r[index];
    }
  }

  private updating(time: bigint): boolean {
    return this.running && this.timeOfSecond(this.secondsAt(time) + 1n) - time <= UPDATE_WARNING;
  }

  write(port: number, value: number, time: bigint): void {
    const { r } = this;
    if (!(port & 1)) {
      r[INDEX] = value & 0x7f;
      return;
    }
    const index = r[INDEX];
    this.settle(time);
    if (CALENDAR.includes(index)) this.setCalendar(time, () => (r[index] = value));
    else if (index === REG.a) this.writeA(value & A.writable, time);
    else if (index === REG.b) {
      // SET forbids update interrupts.
      const allowed = value & B.set ? value & ~FLAG.update : value;
      // A change of format while the clock runs changes how its time is shown.
      if (((r[REG.b] ^ allowed) & B.set) === 0) r[REG.b] = allowed;
      else this.setCalendar(time, () => (r[REG.b] = allowed));
    } else if (index !== REG.c && index !== REG.d) r[index] = value;
    this.updateLine();
    this.outputs.changed();
  }

  private writeA(value: number, time: bigint): void {
    const wasHeld = this.held;
    this.setCalendar(time, () => (this.r[REG.a] = value));
    if (!wasHeld || this.held) return;
    // The divider starts from zero, half a second before the next update.
    const seconds = this.secondsAt(time);
    this.q[Q.phase] = BigInt.asUintN(64, time + FIRST_UPDATE);
    this.q[Q.seconds] = BigInt.asUintN(64, seconds + 1n);
  }

  /** Makes a change to what the calendar says or to whether it runs: what stands in its registers counts before and after. */
  private setCalendar(time: bigint, change: () => void): void {
    const { q, r } = this;
    if (this.running) for (const index of CALENDAR) r[index] = this.field(index, time);
    change();
    if (!this.running) return;
    q[Q.seconds] = BigInt.asUintN(64, this.parse() - floorDivide(this.sinceBase(time), MACHINE_HZ));
  }

  private encode(value: number): number {
    return this.r[REG.b] & B.binary ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }
  private decode(value: number): number {
    return this.r[REG.b] & B.binary ? value : (value >> 4) * 10 + (value & 15);
  }
  private encodeHour(hour: number): number {
    if (this.r[REG.b] & B.hours24) return this.encode(hour);
    return this.encode(hour % 12 === 0 ? 12 : hour % 12) | (hour >= 12 ? PM : 0);
  }
  private decodeHour(value: number): number {
    if (this.r[REG.b] & B.hours24) return this.decode(value);
    return (this.decode(value & ~PM) % 12) + (value & PM ? 12 : 0);
  }

  private field(index: number, time: bigint): number {
    const date = new Date(Number(this.secondsAt(time)) * 1000);
    switch (index) {
      case 0:
        return this.encode(date.getUTCSeconds());
      case 2:
        return this.encode(date.getUTCMinutes());
      case REG.hours:
        return this.encodeHour(date.getUTCHours());
      case 6:
        return date.getUTCDay() + 1;
      case 7:
        return this.encode(date.getUTCDate());
      case 8:
        return this.encode(date.getUTCMonth() + 1);
      case 9:
        return this.encode(date.getUTCFullYear() % 100);
      default:
        return this.encode(Math.floor(date.getUTCFullYear() / 100) % 100);
    }
  }

  /** Unix time of what stands in the calendar's registers; values out of range carry over, the day of the week follows from the date. */
  private parse(): bigint {
    const { r } = this;
    const at = (index: number): number => this.decode(r[index]);
    const year = at(REG.century) * 100 + at(9);
    const date = new Date(0);
    date.setUTCFullYear(year, at(8) - 1, at(7));
    date.setUTCHours(this.decodeHour(r[REG.hours]), at(2), at(0));
    return BigInt(Math.floor(date.getTime() / 1000));
  }
}

function matches(alarm: number, value: number): boolean {
  return (alarm & DONT_CARE) === DONT_CARE || alarm === value;
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient;
}
