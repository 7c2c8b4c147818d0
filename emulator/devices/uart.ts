import type { DeviceState } from './device-state';

/** Single-byte registers in the UART's state. */
const R = {
  ier: 0,
  lcr: 1,
  mcr: 2,
  /** Overrun and break bits of LSR that reading clears; the rest is derived. */
  errors: 3,
  scratch: 4,
  divisorLow: 5,
  divisorHigh: 6,
  /** FCR bits that stay: 0 FIFO enable, 7:6 trigger level. */
  fcr: 7,
  /** A transmitter-empty interrupt has not been acknowledged. */
  transmitterPending: 8,
  /** Modem-status delta bits (MSR 3:0). */
  deltas: 9,
} as const;

const LSR = { dataReady: 0x01, overrun: 0x02, transmitterEmpty: 0x60 } as const;
const LCR_DLAB = 0x80;
const MCR_OUT2 = 0x08;
const MCR_LOOPBACK = 0x10;
/** CTS, DSR and DCD: somebody listens at the other end. */
const CONNECTED = 0xb0;
const TRIGGER = [1, 4, 8, 14] as const;
const FIFO_SIZE = 16;
/** Input that waits for room in the receiver. */
const QUEUE_SIZE = 4096;

/**
 * A 16550A with a transmitter that is always empty and a receiver fed from a queue: what is typed waits there until the guest has
 * made room, so nothing is lost.
 */
export class Uart {
  private readonly r: Uint8Array;
  private readonly fifo: Uint8Array;
  private readonly queue: Uint8Array;
  /** FIFO start, FIFO length, queue start, queue length. */
  private readonly at: Uint32Array;

  constructor(
    state: DeviceState,
    private readonly transmit: (byte: number) => void,
    private readonly setLine: (level: boolean) => void,
  ) {
    this.r = state.bytes(16);
    this.fifo = state.bytes(FIFO_SIZE);
    this.queue = state.bytes(QUEUE_SIZE);
    this.at = state.words(4);
  }

  reset(): void {
    this.r.fill(0);
    this.at.fill(0);
    this.r[R.divisorLow] = 12;
    this.update();
  }

  /** Queues input; returns how many bytes there was room for. */
  input(bytes: Uint8Array): number {
    const count = Math.min(bytes.length, QUEUE_SIZE - this.at[3]);
    for (let i = 0; i < count; i++) this.queue[(this.at[2] + this.at[3]++) % QUEUE_SIZE] = bytes[i];
    this.refill();
    this.update();
    return count;
  }

  /** @param register 0 to 7 */
  read(register: number): number {
    const r = this.r;
    const divisor = (r[R.lcr] & LCR_DLAB) !== 0;
    switch (register) {
      case 0:
        return divisor ? r[R.divisorLow] : this.receive();
      case 1:
        return divisor ? r[R.divisorHigh] : r[R.ier];
      case 2: {
        const cause = this.cause();
        if (cause === 0x02) {
          r[R.transmitterPending] = 0;
          this.update();
        }
        return cause | (r[R.fcr] & 1 ? 0xc0 : 0);
      }
      case 3:
        return r[R.lcr];
      case 4:
        return r[R.mcr];
      case 5: {
        const status = LSR.transmitterEmpty | r[R.errors] | (this.at[1] > 0 ? LSR.dataReady : 0);
        r[R.errors] = 0;
        this.update();
        return status;
      }
      case 6: {
        const status = this.modemLines() | r[R.deltas];
        r[R.deltas] = 0;
        this.update();
        return status;
      }
      default:
        return r[R.scratch];
    }
  }

  /** @param register 0 to 7 */
  write(register: number, value: number): void {
    const r = this.r;
    const divisor = (r[R.lcr] & LCR_DLAB) !== 0;
    switch (register) {
      case 0:
        if (divisor) r[R.divisorLow] = value;
        else this.send(value);
        break;
      case 1:
        if (divisor) {
          r[R.divisorHigh] = value;
        } else {
          // Enabling the interrupt while the transmitter is empty requests it at once.
          if (value & 2 && !(r[R.ier] & 2)) r[R.transmitterPending] = 1;
          r[R.ier] = value & 0x0f;
        }
        break;
      case 2:
        this.writeFifoControl(value);
        break;
      case 3:
        r[R.lcr] = value;
        break;
      case 4: {
        const before = this.modemLines();
        r[R.mcr] = value & 0x1f;
        this.noteModemChange(before);
        this.refill();
        break;
      }
      case 7:
        r[R.scratch] = value;
        break;
      default:
        // LSR and MSR are read-only.
        break;
    }
    this.update();
  }

  private writeFifoControl(value: number): void {
    const r = this.r;
    const enableChanged = ((value ^ r[R.fcr]) & 1) !== 0;
    if (enableChanged || value & 2) {
      this.at[0] = 0;
      this.at[1] = 0;
    }
    // Other bits are ignored unless the FIFO is enabled by the same write.
    r[R.fcr] = value & 1 ? value & 0xc1 : 0;
    this.refill();
  }

  private send(byte: number): void {
    const r = this.r;
    r[R.transmitterPending] = 0;
    this.update();
    if (r[R.mcr] & MCR_LOOPBACK) this.arrive(byte);
    else this.transmit(byte);
    r[R.transmitterPending] = 1;
  }

  private get depth(): number {
    return this.r[R.fcr] & 1 ? FIFO_SIZE : 1;
  }

  private arrive(byte: number): void {
    if (this.at[1] < this.depth) {
      this.fifo[(this.at[0] + this.at[1]++) % FIFO_SIZE] = byte;
      return;
    }
    this.r[R.errors] |= LSR.overrun;
    // Without a FIFO the new character replaces the old; with one, only the shift register is lost.
    if (this.depth === 1) this.fifo[this.at[0]] = byte;
  }

  private receive(): number {
    if (this.at[1] === 0) return 0;
    const byte = this.fifo[this.at[0]];
    this.at[0] = (this.at[0] + 1) % FIFO_SIZE;
    this.at[1]--;
    // The line falls before the next character arrives, so that an edge-triggered controller sees it.
    this.update();
    this.refill();
    this.update();
    return byte;
  }

  private refill(): void {
    if (this.r[R.mcr] & MCR_LOOPBACK) return;
    while (this.at[3] > 0 && this.at[1] < this.depth) {
      this.arrive(this.queue[this.at[2]]);
      this.at[2] = (this.at[2] + 1) % QUEUE_SIZE;
      this.at[3]--;
    }
  }

  /** MSR 7:4. In loopback the modem-control outputs appear as modem-status inputs: DTR as DSR, RTS as CTS, OUT1 as RI, OUT2 as DCD. */
  private modemLines(): number {
    const mcr = this.r[R.mcr];
    if (!(mcr & MCR_LOOPBACK)) return CONNECTED;
    return ((mcr & 1) << 5) | ((mcr & 2) << 3) | ((mcr & 4) << 4) | ((mcr & 8) << 4);
  }

  private noteModemChange(before: number): void {
    const after = this.modemLines();
    const changes = (before ^ after) >> 4;
    // RI reports only its trailing edge.
    const ringEnded = before & 0x40 && !(after & 0x40) ? 4 : 0;
    this.r[R.deltas] |= (changes & 0x0b) | ringEnded;
  }

  /** IIR 3:0, by priority: line status, received data, character timeout, transmitter empty, modem status. */
  private cause(): number {
    const r = this.r;
    const ier = r[R.ier];
    if (ier & 4 && r[R.errors]) return 0x06;
    if (ier & 1 && this.at[1] > 0) {
      const trigger = r[R.fcr] & 1 ? TRIGGER[r[R.fcr] >> 6] : 1;
      return this.at[1] >= trigger ? 0x04 : 0x0c;
    }
    if (ier & 2 && r[R.transmitterPending]) return 0x02;
    if (ier & 8 && r[R.deltas]) return 0x00;
    return 0x01;
  }

  /** On a PC, OUT2 gates the interrupt; in loopback it is disconnected. */
  private update(): void {
    const gate = (this.r[R.mcr] & (MCR_OUT2 | MCR_LOOPBACK)) === MCR_OUT2;
    this.setLine(gate && this.cause() !== 0x01);
  }
}
