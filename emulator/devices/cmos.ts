import type { DeviceState } from './device-state';
import { MACHINE_HZ } from '../tables/clock';

/** Date at machine time 0: 2025-01-01 00:00:00, a Wednesday. */
const EPOCH_MS = Date.UTC(2025, 0, 1);
const SIZE = 128;
const INDEX = SIZE;

const bcd = (value: number): number => (Math.floor(value / 10) << 4) | (value % 10);

/** The RTC and its CMOS RAM, ports 0x70 and 0x71: a calendar that follows machine time, and the memory sizes firmware stores. */
export class Cmos {
  private readonly r: Uint8Array;

  constructor(
    state: DeviceState,
    private readonly ramSize: number,
  ) {
    this.r = state.bytes(SIZE + 1);
  }

  reset(): void {
    this.r.fill(0);
    const kilobytes = Math.min(Math.max(this.ramSize / 1024 - 1024, 0), 0xffff);
    const above16M = Math.min(Math.max(this.ramSize / 0x1_0000 - 256, 0), 0xffff);
    this.setWord(0x15, 640);
    this.setWord(0x17, kilobytes);
    this.setWord(0x30, kilobytes);
    this.setWord(0x34, above16M);
    this.r[0x0a] = 0x26;
    this.r[0x0b] = 0x02;
    this.r[0x0d] = 0x80;
  }

  private setWord(index: number, value: number): void {
    this.r[index] = value & 0xff;
    this.r[index + 1] = value >> 8;
  }

  read(port: number, time: bigint): number {
    if (!(port & 1)) return 0xff;
    const index = this.r[INDEX];
    const part = this.datePart(index, time);
    if (part !== undefined) return this.r[0x0b] & 4 ? part : bcd(part);
    return this.r[index];
  }

  /** The clock cannot be set: it is machine time. */
  write(port: number, value: number): void {
    if (!(port & 1)) this.r[INDEX] = value & 0x7f;
    else if (this.r[INDEX] !== 0x0c && this.r[INDEX] !== 0x0d) this.r[this.r[INDEX]] = value;
  }

  private datePart(index: number, time: bigint): number | undefined {
    if (index > 9 && index !== 0x32) return undefined;
    const date = new Date(EPOCH_MS + Number(time / (MACHINE_HZ / 1000n)));
    switch (index) {
      case 0:
        return date.getUTCSeconds();
      case 2:
        return date.getUTCMinutes();
      case 4:
        return date.getUTCHours();
      case 6:
        return date.getUTCDay() + 1;
      case 7:
        return date.getUTCDate();
      case 8:
        return date.getUTCMonth() + 1;
      case 9:
        return date.getUTCFullYear() % 100;
      case 0x32:
        return Math.floor(date.getUTCFullYear() / 100);
      default:
        // Alarms.
        return undefined;
    }
  }
}
