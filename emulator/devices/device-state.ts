import { DEVICES, DEVICES_SIZE } from '../state/layout';
import type { MachineMemory } from '../state/memory';

/**
 * Hands out the machine's device area to devices, as typed views. Whatever a device remembers lives in one of them, so that a
 * copy of the machine's memory is a copy of its devices. Equal sequences of calls give equal layouts.
 */
export class DeviceState {
  private next = DEVICES;

  constructor(private readonly memory: MachineMemory) {}

  bytes(count: number): Uint8Array {
    return new Uint8Array(this.memory.wasm.buffer, this.take(count, 1), count);
  }

  words(count: number): Uint32Array {
    return new Uint32Array(this.memory.wasm.buffer, this.take(count, 4), count);
  }

  longs(count: number): BigUint64Array {
    return new BigUint64Array(this.memory.wasm.buffer, this.take(count, 8), count);
  }

  private take(count: number, width: number): number {
    const at = Math.ceil(this.next / width) * width;
    this.next = at + count * width;
    if (this.next > DEVICES + DEVICES_SIZE) throw new Error('the devices do not fit into the device area');
    return at;
  }
}
