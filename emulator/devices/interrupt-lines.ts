import type { IoApic } from './io-apic';
import type { PicPair } from './pic';

/** Input of the I/O APIC that the timer's interrupt request 0 is wired to; input 0 is the PIC's output. */
export const TIMER_PIN = 2;
const PIC_PIN = 0;
/** First input that is not an ISA interrupt request. */
const FIRST_PCI_PIN = 16;

/** The board's interrupt request lines: each ends at the PIC, if it is one of the ISA bus's, and at the I/O APIC. */
export class InterruptLines {
  constructor(
    private readonly pic: PicPair,
    private readonly ioApic: IoApic,
  ) {}

  /** @param line 0 to 15 ISA requests, 16 to 23 inputs of the I/O APIC alone */
  set(line: number, level: boolean): void {
    if (line < FIRST_PCI_PIN && line !== 2) this.pic.setLine(line, level);
    if (line !== 2) this.ioApic.setLine(line === 0 ? TIMER_PIN : line, level);
  }

  setPicOutput(level: boolean): void {
    this.ioApic.setLine(PIC_PIN, level);
  }

  /** A request of the shortest length. */
  pulse(line: number): void {
    this.set(line, false);
    this.set(line, true);
    this.set(line, false);
  }

  /** True if a rising edge of `line` would change nothing that can be seen before a controller is next written to. */
  deaf(line: number): boolean {
    const pin = line === 0 ? TIMER_PIN : line;
    return (line >= FIRST_PCI_PIN || this.pic.deaf(line)) && this.ioApic.deaf(pin);
  }
}
