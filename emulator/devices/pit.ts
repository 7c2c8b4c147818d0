import type { DeviceState } from './device-state';
import { PIT_HZ, ticksAt, timeOfTick } from '../tables/clock';

/** Bytes of a channel's state. */
const B = {
  mode: 0,
  bcd: 1,
  /** Access: 1 low byte, 2 high byte, 3 low then high. */
  access: 2,
  /** The next write is the high byte. */
  writeHigh: 3,
  /** The next read is the high byte. */
  readHigh: 4,
  lowByte: 5,
  /** A count has been written since the control word. */
  loaded: 6,
  gate: 7,
  countLatched: 8,
  statusLatched: 9,
  status: 10,
  pending: 11,
} as const;

/** Quadwords of a channel's state; times are in ticks of the 8254's clock. */
const Q = {
  /** Tick at which the counting element held `count`. */
  start: 0,
  count: 1,
  /** Count that replaces `count` at tick `pendingAt`. */
  pendingCount: 2,
  pendingAt: 3,
  latch: 4,
  /** Ticks counted when the gate closed. */
  held: 5,
} as const;

/** A tick that never comes. */
const NEVER = 0xffff_ffff_ffff_ffffn;

/** One counter of the 8254. Its value is computed from the tick at which it was loaded, never counted. */
class Channel {
  constructor(
    private readonly b: Uint8Array,
    private readonly q: BigUint64Array,
  ) {}

  reset(gate: boolean): void {
    this.b.fill(0);
    this.q.fill(0n);
    this.b[B.mode] = 3;
    this.b[B.access] = 3;
    this.b[B.gate] = gate ? 1 : 0;
  }

  /** Loads `count` as if written at tick `now`. */
  load(written: number, now: bigint): void {
    const { b, q } = this;
    const modulus = b[B.bcd] ? 10_000n : 0x1_0000n;
    let count = BigInt(b[B.bcd] ? fromBcd(written) : written);
    if (count === 0n) count = modulus;
    const mode = b[B.mode];
    if (b[B.loaded] && (mode === 2 || mode === 3) && b[B.gate]) {
      // A running rate generator finishes its period first.
      q[Q.pendingCount] = count;
      q[Q.pendingAt] = this.nextBoundary(now);
      b[B.pending] = 1;
      return;
    }
    // Modes 1 and 5 wait for the gate's rising edge, also with a new count while the old one is under way.
    if (mode === 1 || mode === 5) {
      if (!b[B.loaded]) {
        q[Q.start] = NEVER;
        q[Q.count] = count;
      }
      q[Q.pendingCount] = count;
      q[Q.pendingAt] = NEVER;
      b[B.pending] = 1;
      b[B.loaded] = 1;
      return;
    }
    q[Q.count] = count;
    q[Q.start] = now + 1n;
    q[Q.held] = 0n;
    b[B.loaded] = 1;
  }

  private nextBoundary(now: bigint): bigint {
    const { q } = this;
    if (now < q[Q.start]) return q[Q.start];
    return q[Q.start] + ((now - q[Q.start]) / q[Q.count] + 1n) * q[Q.count];
  }

  /** Takes a pending count over if its time has come. */
  settle(now: bigint): void {
    const { b, q } = this;
    if (!b[B.pending] || q[Q.pendingAt] > now) return;
    q[Q.start] = q[Q.pendingAt];
    q[Q.count] = q[Q.pendingCount];
    b[B.pending] = 0;
  }

  private elapsed(now: bigint): bigint {
    const { b, q } = this;
    if (!b[B.gate] && b[B.mode] !== 1 && b[B.mode] !== 5) return q[Q.held];
    return now > q[Q.start] ? now - q[Q.start] : 0n;
  }

  private value(now: bigint): number {
    const { b, q } = this;
    if (!b[B.loaded]) return 0;
    const count = q[Q.count];
    const t = this.elapsed(now);
    const modulus = b[B.bcd] ? 10_000n : 0x1_0000n;
    let value: bigint;
    if (b[B.mode] === 2) {
      value = count - (t % count);
    } else if (b[B.mode] === 3) {
      const high = (count + 1n) / 2n;
      const inPeriod = t % count;
      value = (count - 2n * (inPeriod < high ? inPeriod : inPeriod - high)) & ~1n;
    } else {
      value = (((count - t) % modulus) + modulus) % modulus;
    }
    const shown = Number(value % modulus);
    return b[B.bcd] ? toBcd(shown) : shown;
  }

  /** Level of OUT. */
  out(now: bigint): boolean {
    const { b, q } = this;
    const mode = b[B.mode];
    if (!b[B.loaded]) return mode !== 0;
    const count = q[Q.count];
    const t = this.elapsed(now);
    switch (mode) {
      case 0:
        return t >= count;
      case 1:
        return now < q[Q.start] || t >= count;
      case 2:
        return !b[B.gate] || t % count !== count - 1n;
      case 3:
        return !b[B.gate] || t % count < (count + 1n) / 2n;
      default:
        return t !== count;
    }
  }

  /** First tick after `after` at which OUT rises, or undefined. */
  nextRise(after: bigint): bigint | undefined {
    const { b, q } = this;
    if (!b[B.loaded] || !b[B.gate]) return undefined;
    const start = q[Q.start];
    const count = q[Q.count];
    switch (b[B.mode]) {
      case 0:
        return start + count > after ? start + count : undefined;
      case 2:
      case 3:
        return after < start + count ? start + count : start + ((after - start) / count + 1n) * count;
      case 4:
        return start + count + 1n > after ? start + count + 1n : undefined;
      default:
        return undefined;
    }
  }

  setGate(open: boolean, now: bigint): void {
    const { b, q } = this;
    if ((b[B.gate] !== 0) === open) return;
    if (!open) {
      q[Q.held] = this.elapsed(now);
      b[B.gate] = 0;
      return;
    }
    b[B.gate] = 1;
    if (b[B.pending]) {
      q[Q.count] = q[Q.pendingCount];
      b[B.pending] = 0;
    }
    const mode = b[B.mode];
    q[Q.start] = mode === 0 || mode === 4 ? now - (q[Q.held] < now ? q[Q.held] : now) : now + 1n;
  }

  control(word: number): void {
    const { b } = this;
    const mode = (word >> 1) & 7;
    b[B.mode] = mode > 5 ? mode - 4 : mode;
    b[B.bcd] = word & 1;
    b[B.access] = (word >> 4) & 3;
    b[B.writeHigh] = 0;
    b[B.readHigh] = 0;
    b[B.loaded] = 0;
    b[B.pending] = 0;
    b[B.countLatched] = 0;
    b[B.statusLatched] = 0;
  }

  latchCount(now: bigint): void {
    if (this.b[B.countLatched]) return;
    this.q[Q.latch] = BigInt(this.value(now));
    this.b[B.countLatched] = 1;
  }

  /** Status byte: 7 OUT, 6 null count, 5:4 access, 3:1 mode, 0 BCD. */
  latchStatus(now: bigint): void {
    const { b, q } = this;
    if (b[B.statusLatched]) return;
    const nullCount = !b[B.loaded] || b[B.pending] || now < q[Q.start];
    b[B.status] =
      (this.out(now) ? 0x80 : 0) | (nullCount ? 0x40 : 0) | (b[B.access] << 4) | (b[B.mode] << 1) | b[B.bcd];
    b[B.statusLatched] = 1;
  }

  read(now: bigint): number {
    const { b } = this;
    if (b[B.statusLatched]) {
      b[B.statusLatched] = 0;
      return b[B.status];
    }
    const value = b[B.countLatched] ? Number(this.q[Q.latch]) : this.value(now);
    const both = b[B.access] === 3;
    const high = both ? b[B.readHigh] !== 0 : b[B.access] === 2;
    if (both) b[B.readHigh] ^= 1;
    if (!both || high) b[B.countLatched] = 0;
    return high ? value >> 8 : value & 0xff;
  }

  write(value: number, now: bigint): void {
    const { b } = this;
    switch (b[B.access]) {
      case 1:
        this.load(value, now);
        break;
      case 2:
        this.load(value << 8, now);
        break;
      default:
        if (b[B.writeHigh]) this.load((value << 8) | b[B.lowByte], now);
        else b[B.lowByte] = value;
        b[B.writeHigh] ^= 1;
    }
  }
}

function fromBcd(value: number): number {
  return (value >> 12) * 1000 + ((value >> 8) & 15) * 100 + ((value >> 4) & 15) * 10 + (value & 15);
}

function toBcd(value: number): number {
  return (
    (Math.floor(value / 1000) << 12) |
    ((Math.floor(value / 100) % 10) << 8) |
    ((Math.floor(value / 10) % 10) << 4) |
    (value % 10)
  );
}

/** The 8254 at ports 0x40 to 0x43, with channel 2's gate and output at port 0x61. Channel 0's OUT is interrupt request 0. */
export class Pit {
  private readonly channels: readonly Channel[];
  /** Tick up to which channel 0's edges have been delivered. */
  private readonly delivered: BigUint64Array;

  /**
   * @param setLine carries channel 0's OUT
   * @param deaf true while an edge on channel 0's OUT would make no difference
   */
  constructor(
    state: DeviceState,
    private readonly setLine: (level: boolean) => void,
    private readonly deaf: () => boolean,
  ) {
    this.channels = [0, 1, 2].map(() => new Channel(state.bytes(16), state.longs(6)));
    this.delivered = state.longs(1);
  }

  /** State as firmware leaves it: channel 0 gives 18.2 Hz. */
  reset(): void {
    this.channels.forEach((channel, index) => channel.reset(index !== 2));
    this.channels[0].load(0, 0n);
    this.delivered[0] = 0n;
    this.setLine(true);
  }

  nextEvent(): bigint | undefined {
    if (this.deaf()) return undefined;
    const rise = this.channels[0].nextRise(this.delivered[0]);
    return rise === undefined ? undefined : timeOfTick(rise, PIT_HZ);
  }

  advance(time: bigint): void {
    const now = ticksAt(time, PIT_HZ);
    if (now <= this.delivered[0]) return;
    const rise = this.channels[0].nextRise(this.delivered[0]);
    for (const channel of this.channels) channel.settle(now);
    this.delivered[0] = now;
    if (rise !== undefined && rise <= now) {
      this.setLine(false);
      this.setLine(true);
    }
    this.setLine(this.channels[0].out(now));
  }

  /** @param register 0 to 3 */
  read(register: number, time: bigint): number {
    return register === 3 ? 0xff : this.channels[register].read(ticksAt(time, PIT_HZ));
  }

  /** @param register 0 to 3 */
  write(register: number, value: number, time: bigint): void {
    const now = ticksAt(time, PIT_HZ);
    if (register < 3) this.channels[register].write(value, now);
    else this.command(value, now);
    this.setLine(this.channels[0].out(now));
  }

  private command(word: number, now: bigint): void {
    const select = word >> 6;
    if (select === 3) {
      // Read-back: bit 5 clear latches counts, bit 4 clear latches status, 3:1 choose the channels.
      this.channels.forEach((channel, index) => {
        if (!(word & (2 << index))) return;
        if (!(word & 0x20)) channel.latchCount(now);
        if (!(word & 0x10)) channel.latchStatus(now);
      });
    } else if ((word & 0x30) === 0) {
      this.channels[select].latchCount(now);
    } else {
      this.channels[select].control(word);
    }
  }

  setSpeakerGate(open: boolean, time: bigint): void {
    this.channels[2].setGate(open, ticksAt(time, PIT_HZ));
  }

  speakerOut(time: bigint): boolean {
    return this.channels[2].out(ticksAt(time, PIT_HZ));
  }
}
