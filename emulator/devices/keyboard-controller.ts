import type { DeviceState } from './device-state';

/** State bytes. */
const R = { output: 0, outputFull: 1, commandByte: 2, pendingCommand: 3, outputPort: 4 } as const;
/** Status: self-test passed, keyboard not locked. */
const STATUS = 0x14;

/** The 8042 without a keyboard behind it: what start-up code asks of it, and the reset line. Ports 0x60 and 0x64. */
export class KeyboardController {
  private readonly r: Uint8Array;

  constructor(
    state: DeviceState,
    private readonly requestReset: () => void,
  ) {
    this.r = state.bytes(8);
  }

  reset(): void {
    this.r.fill(0);
    // Reset line high, A20 open.
    this.r[R.outputPort] = 0x03;
  }

  read(port: number): number {
    if (port === 0x64) return STATUS | this.r[R.outputFull];
    this.r[R.outputFull] = 0;
    return this.r[R.output];
  }

  write(port: number, value: number): void {
    if (port === 0x64) this.command(value);
    else this.data(value);
  }

  private answer(value: number): void {
    this.r[R.output] = value;
    this.r[R.outputFull] = 1;
  }

  private command(value: number): void {
    // 0xf0 to 0xff pulse the output port's low bits; bit 0 is the processor's reset line.
    if (value >= 0xf0) {
      if (!(value & 1)) this.requestReset();
      return;
    }
    this.r[R.pendingCommand] = 0;
    switch (value) {
      case 0x20:
        this.answer(this.r[R.commandByte]);
        break;
      case 0xaa:
        this.answer(0x55);
        break;
      case 0xab:
        this.answer(0x00);
        break;
      case 0xd0:
        this.answer(this.r[R.outputPort]);
        break;
      case 0x60:
      case 0xd1:
        this.r[R.pendingCommand] = value;
        break;
    }
  }

  private data(value: number): void {
    const command = this.r[R.pendingCommand];
    this.r[R.pendingCommand] = 0;
    if (command === 0x60) {
      this.r[R.commandByte] = value;
    } else if (command === 0xd1) {
      // A20 stays open whatever is written.
      this.r[R.outputPort] = value | 2;
      if (!(value & 1)) this.requestReset();
    }
  }
}
