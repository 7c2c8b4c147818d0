import { BOUNDARY, MSRS } from '../state/layout';
import { MachineMemory } from '../state/memory';
import { switchWindow, windowShift } from '../state/windows';
import { Platform } from './platform';

/** A platform alone, with a clock the test turns. */
export class TestPlatform {
  time = 0n;
  serial = '';
  debugcon = '';
  readonly memory = new MachineMemory(16 << 20);
  readonly platform: Platform;

  constructor(processors = 1) {
    for (let processor = 0; processor < processors; processor++) {
      this.memory.u64[(MSRS.apicBase + windowShift(this.memory, processor)) >> 3] =
        processor === 0 ? 0xfee0_0900n : 0xfee0_0800n;
    }
    this.platform = new Platform(
      this.memory,
      () => this.time,
      {
        output: (channel, byte) => {
          this[channel] += String.fromCharCode(byte);
        },
      },
      processors,
    );
  }

  /** Accesses come from this processor from now on. */
  switchTo(processor: number): void {
    switchWindow(this.memory, processor);
  }

  /** BOUNDARY.latched of a processor. */
  latched(processor = 0): number {
    return this.memory.u32[(BOUNDARY.latched + windowShift(this.memory, processor)) >> 2];
  }

  in(port: number, size = 1): number {
    return this.platform.readPort(port, size);
  }

  out(port: number, ...values: readonly number[]): void {
    for (const value of values) this.platform.writePort(port, 1, value);
  }

  apic(offset: number): number {
    return Number(this.platform.read(0xfee0_0000 + offset, 4));
  }

  setApic(offset: number, value: number): void {
    this.platform.write(0xfee0_0000 + offset, 4, BigInt(value));
  }

  /** Lets time pass, in one go. */
  pass(time: bigint): void {
    this.time += time;
    this.platform.advance(this.time);
  }

  /** Goes to the next event and lets it happen; gives its time. */
  nextEvent(): bigint | undefined {
    const next = this.platform.nextEvent();
    if (next !== undefined) {
      this.time = next;
      this.platform.advance(next);
    }
    return next;
  }

  /** Initialises the PIC pair at vectors 0x20 and 0x28 with masks. */
  initPic(masterMask: number, slaveMask: number, icw4 = 0x01): void {
    this.out(0x20, 0x11);
    this.out(0x21, 0x20, 0x04, icw4, masterMask);
    this.out(0xa0, 0x11);
    this.out(0xa1, 0x28, 0x02, 0x01, slaveMask);
  }

  /** Acknowledges what is pending, or undefined. */
  interrupt(processor = 0): number | undefined {
    return this.platform.interruptPending(processor) ? this.platform.acknowledge(processor) : undefined;
  }
}
