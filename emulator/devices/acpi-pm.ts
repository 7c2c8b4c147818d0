import { PM_TIMER_HZ, ticksAt, timeOfTick } from '../tables/clock';
import type { DeviceState } from './device-state';
import type { PortHandler } from './port-map';

/** First port of the fixed power-management registers, and their offsets. */
export const PM_BASE = 0x600;
export const PM_OFFSET = { status: 0, enable: 2, control: 4, timer: 8 } as const;
export const PM_LENGTH = 12;
/** Sleep types of the states that the DSDT names. */
export const SLEEP_TYPE = { s5: 0, s3: 1 } as const;

/** Status and enable bits. */
const EVENT = { timer: 0x001, wake: 0x8000, rtc: 0x400 } as const;
const STATUS_BITS = 0x8731;
const ENABLE_BITS = 0x0721;
/** Control: 0 SCI (there is no SMM, so always on), 12:10 sleep type, 13 sleep. */
const CONTROL = { sci: 0x0001, typeShift: 10, sleep: 0x2000, kept: 0x1c02 } as const;
/** The timer has 24 bits; its status is set whenever the topmost changes. */
const TIMER_MASK = 0xff_ffffn;
const HALF = 1n << 23n;

/** Words of the state. */
const R = { status: 0, enable: 1, control: 2 } as const;

export interface AcpiPmOutputs {
  /** Level of the system control interrupt. */
  setLine(level: boolean): void;
  /** The guest has asked to sleep. */
  sleep(type: number): void;
  /** When the next event is may have changed. */
  changed(): void;
}

/** ACPI's fixed hardware: the PM1 event and control registers and the power-management timer. */
export class AcpiPm implements PortHandler {
  readonly sizes = [1, 2, 4];
  private readonly r: Uint32Array;
  /** Timer tick up to which its status has been seen to. */
  private readonly settled: BigUint64Array;

  constructor(
    state: DeviceState,
    private readonly clock: () => bigint,
    private readonly outputs: AcpiPmOutputs,
  ) {
    this.r = state.words(3);
    this.settled = state.longs(1);
  }

  reset(): void {
    this.r.fill(0);
    this.settled[0] = 0n;
    this.r[R.control] = CONTROL.sci;
    this.outputs.setLine(false);
  }

  /** The real-time clock's alarm. */
  rtcAlarm(): void {
    this.r[R.status] |= EVENT.rtc;
    this.updateLine();
  }

  /** True if the alarm may wake the machine. */
  get alarmWakes(): boolean {
    return (this.r[R.enable] & EVENT.rtc) !== 0;
  }

  wake(): void {
    this.r[R.status] |= EVENT.wake;
  }

  private settle(now: bigint): void {
    const ticks = ticksAt(now, PM_TIMER_HZ);
    if (ticks / HALF > this.settled[0] / HALF) {
      this.r[R.status] |= EVENT.timer;
      this.updateLine();
    }
    if (ticks > this.settled[0]) this.settled[0] = ticks;
  }

  private updateLine(): void {
    this.outputs.setLine((this.r[R.status] & this.r[R.enable]) !== 0);
  }

  private get timerMatters(): boolean {
    return (this.r[R.enable] & ~this.r[R.status] & EVENT.timer) !== 0;
  }

  nextEvent(): bigint | undefined {
    if (!this.timerMatters) return undefined;
    return timeOfTick((this.settled[0] / HALF + 1n) * HALF, PM_TIMER_HZ);
  }

  advance(now: bigint): void {
    if (this.timerMatters) this.settle(now);
  }

  read(port: number, size: number): number {
    const now = this.clock();
    this.settle(now);
    const offset = port - PM_BASE;
    if (offset >= PM_OFFSET.timer) {
      const timer = Number(ticksAt(now, PM_TIMER_HZ) & TIMER_MASK);
      return narrow(timer, offset - PM_OFFSET.timer, size);
    }
    const { r } = this;
    const words = [r[R.status] | (r[R.enable] << 16), r[R.control], 0];
    return narrow(words[offset >> 2] >>> 0, offset & 3, size);
  }

  /** Status bits are cleared by writing ones. */
  write(port: number, size: number, value: number): void {
    const now = this.clock();
    this.settle(now);
    const offset = port - PM_BASE;
    const shift = (offset & 1) * 8;
    const mask = size === 1 ? 0xff << shift : 0xffff;
    const low = (value << shift) & mask;
    const { r } = this;
    switch (offset & ~1) {
      case PM_OFFSET.status:
        r[R.status] &= ~(low & STATUS_BITS);
        if (size === 4) r[R.enable] = (value >>> 16) & ENABLE_BITS;
        break;
      case PM_OFFSET.enable:
        r[R.enable] = ((r[R.enable] & ~mask) | low) & ENABLE_BITS;
        break;
      case PM_OFFSET.control: {
        const control = (r[R.control] & ~mask) | low;
        r[R.control] = (control & CONTROL.kept) | CONTROL.sci;
        if (control & CONTROL.sleep) this.outputs.sleep((control >> CONTROL.typeShift) & 7);
        break;
      }
    }
    this.updateLine();
    this.outputs.changed();
  }
}

/** `size` bytes from byte `from` of a register of 32 bits. */
function narrow(value: number, from: number, size: number): number {
  const rest = value >>> (from * 8);
  return size === 4 ? rest : rest & ((1 << (size * 8)) - 1);
}
