import { MACHINE } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import type { DeviceState } from './device-state';

/** Bits of MACHINE.poweredOff. */
export const POWERED_OFF = 0x8000_0000;
/** Set beside POWERED_OFF when the guest asked for a reset: there is no firmware to start again from. */
export const RESET_REQUESTED = 0x4000_0000;
/** The guest sleeps in S3: nothing runs until a device wakes the machine. */
export const SLEEPING = 0x2000_0000;

const SHUTDOWN_WORD = 'Shutdown';
/** SLP_EN: whatever the sleep type, this machine's end. */
const ACPI_POWER_OFF = 0x2000;

/** The ways a guest ends the machine, or lays it to sleep. */
export class Power {
  /** Characters of the shutdown word seen so far. */
  private readonly progress: Uint8Array;

  constructor(
    state: DeviceState,
    private readonly memory: MachineMemory,
    private readonly changed: () => void,
  ) {
    this.progress = state.bytes(1);
  }

  reset(): void {
    this.progress[0] = 0;
    this.memory.u32[MACHINE.poweredOff >> 2] = 0;
  }

  /** QEMU's isa-debug-exit. */
  debugExit(value: number): void {
    this.off(((value << 1) | 1) & 0xff);
  }

  /** Bochs's port 0x8900: the word written byte by byte powers off. */
  shutdownByte(value: number): void {
    const seen = this.progress[0];
    if (value === SHUTDOWN_WORD.charCodeAt(seen)) this.progress[0] = seen + 1;
    else this.progress[0] = value === SHUTDOWN_WORD.charCodeAt(0) ? 1 : 0;
    if (this.progress[0] !== SHUTDOWN_WORD.length) return;
    this.progress[0] = 0;
    this.off(0);
  }

  /** A write to the power-management control register of Bochs and old QEMU (0xb004). */
  acpiControl(value: number): void {
    if (value & ACPI_POWER_OFF) this.off(0);
  }

  requestReset(): void {
    this.off(0, RESET_REQUESTED);
  }

  get sleeping(): boolean {
    return (this.memory.u32[MACHINE.poweredOff >> 2] & SLEEPING) !== 0;
  }

  sleep(): void {
    this.memory.u32[MACHINE.poweredOff >> 2] = SLEEPING;
    this.changed();
  }

  wake(): void {
    this.memory.u32[MACHINE.poweredOff >> 2] = 0;
    this.changed();
  }

  off(status = 0, extra = 0): void {
    this.memory.u32[MACHINE.poweredOff >> 2] = POWERED_OFF | extra | status;
    this.changed();
  }
}
