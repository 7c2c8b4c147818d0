import type { DeviceState } from './device-state';
import type { PortHandler } from './port-map';

export const FW_CFG_SELECTOR = 0x510;
export const FW_CFG_DATA = 0x511;

/** Item keys of QEMU's firmware configuration device. */
const KEY = {
  signature: 0x00,
  interface: 0x01,
  ramSize: 0x03,
  processors: 0x05,
  maxProcessors: 0x0f,
  files: 0x19,
} as const;

/**
 * QEMU's firmware configuration device with the items that software reads which was not loaded by firmware. An item is chosen by its key at
 * port 0x510, then read byte by byte at port 0x511; behind its end, and of an item there is not, zeros are read.
 */
export class FwCfg implements PortHandler {
  readonly sizes = [1, 2, 4];
  private readonly items: ReadonlyMap<number, Uint8Array>;
  /** Key, bytes read. */
  private readonly r: Uint32Array;

  constructor(state: DeviceState, machine: { readonly ramSize: number; readonly processors: number }) {
    this.r = state.words(2);
    const processors = little(machine.processors, 2);
    this.items = new Map([
      [KEY.signature, new TextEncoder().encode('QEMU')],
      // The traditional interface alone: no DMA.
      [KEY.interface, little(1, 4)],
      [KEY.ramSize, little(machine.ramSize, 8)],
      [KEY.processors, processors],
      [KEY.maxProcessors, processors],
      // The number of files in the directory.
      [KEY.files, little(0, 4)],
    ]);
  }

  reset(): void {
    this.r.fill(0);
  }

  /** A wider read than a byte gives a byte, as the device's register is one. */
  read(port: number, size: number): number {
    if (port === FW_CFG_SELECTOR) return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffff_ffff;
    const item = this.items.get(this.r[0]);
    const at = this.r[1];
    if (item === undefined || at >= item.length) return 0;
    this.r[1] = at + 1;
    return item[at];
  }

  write(port: number, size: number, value: number): void {
    if (port !== FW_CFG_SELECTOR || size === 1) return;
    this.r[0] = value & 0xffff;
    this.r[1] = 0;
  }
}

function little(value: number, bytes: number): Uint8Array {
  return new Uint8Array(BigUint64Array.of(BigInt(value)).buffer).slice(0, bytes);
}
