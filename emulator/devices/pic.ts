import type { DeviceState } from './device-state';

/** Registers of one 8259A, as bytes of its state. */
const R = {
  irr: 0,
  isr: 1,
  imr: 2,
  /** Levels of the eight inputs. */
  lines: 3,
  /** ICW2: vector of input 0. */
  base: 4,
  /** Initialisation word expected next at the odd port: 2, 3, 4, or 0. */
  expect: 5,
  /** ICW1. */
  icw1: 6,
  /** ICW4: bit 1 automatic EOI, bit 4 special fully nested mode. */
  icw4: 7,
  /** The even port reads ISR rather than IRR. */
  readIsr: 8,
  poll: 9,
  specialMask: 10,
  /** Input with the lowest priority; 7 after initialisation. */
  lowest: 11,
  rotateOnAutoEoi: 12,
  /** ELCR: inputs that are level-triggered. */
  elcr: 13,
} as const;

const CASCADE = 2;
/** Inputs the ELCR cannot make level-triggered: timer, keyboard, cascade; RTC and coprocessor on the second chip. */
const ALWAYS_EDGE = [0x07, 0x21] as const;

/** What firmware listens to when it hands over: the timer, and the cascade. */
const FIRMWARE_MASK = 0xfa;

/** One 8259A. */
class Chip {
  constructor(
    private readonly r: Uint8Array,
    private readonly isMaster: boolean,
    private readonly changed: () => void,
  ) {}

  /** Initialised with `base`, all inputs masked, nothing requested. The inputs keep their levels. */
  reset(base: number): void {
    const lines = this.r[R.lines];
    this.r.fill(0);
    this.r[R.lines] = lines;
    this.r[R.base] = base;
    this.r[R.imr] = 0xff;
    this.r[R.icw4] = 1;
    this.r[R.lowest] = 7;
  }

  get elcr(): number {
    return this.r[R.elcr];
  }
  set elcr(value: number) {
    this.r[R.elcr] = value & ~ALWAYS_EDGE[this.isMaster ? 0 : 1];
    this.changed();
  }

  /** True if an edge on `input` would make no difference now: latched already, or masked. */
  deaf(input: number): boolean {
    return ((this.r[R.irr] | this.r[R.imr]) & (1 << input)) !== 0;
  }

  setLine(input: number, level: boolean): void {
    const r = this.r;
    const bit = 1 << input;
    const before = r[R.lines];
    const irr = r[R.irr];
    if (r[R.elcr] & bit || r[R.icw1] & 8) {
      r[R.irr] = level ? irr | bit : irr & ~bit;
    } else if (level && !(before & bit)) {
      r[R.irr] = irr | bit;
    } else if (!level && input === CASCADE && this.isMaster) {
      // The second chip withdraws its request: the cascade is no latched edge of a device.
      r[R.irr] = irr & ~bit;
    }
    r[R.lines] = level ? before | bit : before & ~bit;
    if (r[R.irr] !== irr) this.changed();
  }

  /** Input to be serviced now, or -1. */
  request(): number {
    const r = this.r;
    const requests = r[R.irr] & ~r[R.imr];
    if (requests === 0) return -1;
    let blocking = r[R.isr];
    if (r[R.specialMask]) blocking &= ~r[R.imr];
    for (let k = 1; k <= 8; k++) {
      const input = (r[R.lowest] + k) & 7;
      const bit = 1 << input;
      const nested = this.isMaster && input === CASCADE && (r[R.icw4] & 0x10) !== 0;
      if (blocking & bit && !nested && !r[R.specialMask]) return -1;
      if (requests & bit && !(blocking & bit && !nested)) return input;
    }
    return -1;
  }

  /** Moves `input` (-1: a spurious request) in service and returns its vector. */
  acknowledge(input: number): number {
    const r = this.r;
    if (input < 0) return r[R.base] | 7;
    const bit = 1 << input;
    if (!(r[R.elcr] & bit) && !(r[R.icw1] & 8)) r[R.irr] &= ~bit;
    if (r[R.icw4] & 2) {
      if (r[R.rotateOnAutoEoi]) r[R.lowest] = input;
    } else {
      r[R.isr] |= bit;
    }
    this.changed();
    return r[R.base] | input;
  }

  read(odd: boolean): number {
    const r = this.r;
    if (r[R.poll]) {
      r[R.poll] = 0;
      const input = this.request();
      if (input < 0) return 0;
      this.acknowledge(input);
      return 0x80 | input;
    }
    if (odd) return r[R.imr];
    return r[R.readIsr] ? r[R.isr] : r[R.irr];
  }

  write(odd: boolean, value: number): void {
    if (odd) this.writeData(value);
    else if (value & 0x10) this.initialise(value);
    else if (value & 8) this.writeOcw3(value);
    else this.writeOcw2(value);
    this.changed();
  }

  private initialise(icw1: number): void {
    const r = this.r;
    r[R.icw1] = icw1;
    r[R.imr] = 0;
    r[R.isr] = 0;
    r[R.irr] = 0;
    r[R.icw4] = 0;
    r[R.lowest] = 7;
    r[R.readIsr] = 0;
    r[R.specialMask] = 0;
    r[R.poll] = 0;
    r[R.rotateOnAutoEoi] = 0;
    r[R.expect] = 2;
  }

  private writeData(value: number): void {
    const r = this.r;
    switch (r[R.expect]) {
      case 2:
        r[R.base] = value & 0xf8;
        // ICW1 bit 1: a single chip, no ICW3; bit 0: ICW4 follows.
        r[R.expect] = r[R.icw1] & 2 ? (r[R.icw1] & 1 ? 4 : 0) : 3;
        break;
      case 3:
        r[R.expect] = r[R.icw1] & 1 ? 4 : 0;
        break;
      case 4:
        r[R.icw4] = value;
        r[R.expect] = 0;
        break;
      default:
        r[R.imr] = value;
    }
  }

  private writeOcw3(value: number): void {
    const r = this.r;
    if (value & 4) r[R.poll] = 1;
    if (value & 2) r[R.readIsr] = value & 1;
    if (value & 0x40) r[R.specialMask] = (value >> 5) & 1;
  }

  /** OCW2: bit 7 rotate, bit 6 specific, bit 5 EOI. */
  private writeOcw2(value: number): void {
    const r = this.r;
    const named = value & 7;
    switch (value >> 5) {
      case 0:
        r[R.rotateOnAutoEoi] = 0;
        break;
      case 4:
        r[R.rotateOnAutoEoi] = 1;
        break;
      case 1:
      case 5: {
        const input = this.highestInService();
        if (input < 0) break;
        r[R.isr] &= ~(1 << input);
        if (value & 0x80) r[R.lowest] = input;
        break;
      }
      case 3:
      case 7:
        r[R.isr] &= ~(1 << named);
        if (value & 0x80) r[R.lowest] = named;
        break;
      case 6:
        r[R.lowest] = named;
        break;
    }
  }

  private highestInService(): number {
    const r = this.r;
    const inService = r[R.specialMask] ? r[R.isr] & ~r[R.imr] : r[R.isr];
    for (let k = 1; k <= 8; k++) {
      const input = (r[R.lowest] + k) & 7;
      if (inService & (1 << input)) return input;
    }
    return -1;
  }
}

/** The PC's pair of 8259A interrupt controllers: ports 0x20, 0x21, 0xa0, 0xa1 and the ELCRs 0x4d0, 0x4d1. */
export class PicPair {
  private readonly master: Chip;
  private readonly slave: Chip;

  /** @param changed called when the pair's INT output may have changed */
  constructor(state: DeviceState, changed: () => void) {
    this.master = new Chip(state.bytes(16), true, changed);
    this.slave = new Chip(state.bytes(16), false, () => this.cascade());
  }

  reset(): void {
    this.master.reset(0x08);
    this.slave.reset(0x70);
  }

  /** Firmware hands over to a boot loader. */
  handOver(): void {
    this.master.write(true, FIRMWARE_MASK);
  }

  /** Level of the pair's INT output. */
  get requested(): boolean {
    return this.master.request() >= 0;
  }

  /** @param irq 0 to 15 */
  setLine(irq: number, level: boolean): void {
    if (irq < 8) this.master.setLine(irq, level);
    else this.slave.setLine(irq - 8, level);
  }

  /** True if a rising edge of `irq` would change nothing that can be seen before the pair is next written to. */
  deaf(irq: number): boolean {
    return irq < 8 ? this.master.deaf(irq) : this.slave.deaf(irq - 8);
  }

  /** The processor's two INTA cycles. */
  acknowledge(): number {
    const input = this.master.request();
    const vector = this.master.acknowledge(input);
    if (input !== CASCADE) return vector;
    const slaveVector = this.slave.acknowledge(this.slave.request());
    this.cascade();
    return slaveVector;
  }

  read(port: number): number {
    switch (port) {
      case 0x4d0:
        return this.master.elcr;
      case 0x4d1:
        return this.slave.elcr;
      default:
        return (port & 0x80 ? this.slave : this.master).read((port & 1) !== 0);
    }
  }

  write(port: number, value: number): void {
    if (port === 0x4d0) this.master.elcr = value;
    else if (port === 0x4d1) this.slave.elcr = value;
    else (port & 0x80 ? this.slave : this.master).write((port & 1) !== 0, value);
  }

  /** Carries the second chip's INT output to the first one's input 2; a request still there after an acknowledge is a new edge. */
  private cascade(): void {
    this.master.setLine(CASCADE, false);
    if (this.slave.request() >= 0) this.master.setLine(CASCADE, true);
  }
}
