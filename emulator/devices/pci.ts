import type { DeviceState } from './device-state';
import type { PortMap } from './port-map';

const ADDRESS = 0xcf8;
const DATA = 0xcfc;
const ENABLE = 0x8000_0000;

/**
 * A function's configuration header, as 32-bit registers: device and vendor, status and command, class and revision, header type,
 * subsystem. None has a register that can be written.
 */
type Header = readonly number[];

/** Function at bus 0 by device number: what tells software that there is a PCI bus, and a way to the ISA devices. */
const FUNCTIONS: ReadonlyMap<number, Header> = new Map([
  // 82441FX host bridge, 82371SB ISA bridge.
  [0, [0x1237_8086, 0x0000_0107, 0x0600_0002, 0x0000_0000]],
  [1, [0x7000_8086, 0x0200_0007, 0x0601_0000, 0x0000_0000]],
]);

/** PCI configuration mechanism 1: an address register and a window of four bytes. Where no function is, all ones are read. */
export class PciConfiguration {
  private readonly address: Uint32Array;

  constructor(state: DeviceState) {
    this.address = state.words(1);
  }

  reset(): void {
    this.address[0] = 0;
  }

  connect(ports: PortMap): void {
    ports.add(ADDRESS, ADDRESS, {
      sizes: [4],
      read: () => this.address[0],
      write: (_port, _size, value) => {
        this.address[0] = value;
      },
    });
    ports.add(DATA, DATA + 3, {
      sizes: [1, 2, 4],
      read: (port, size) => this.read(port - DATA, size),
      write: () => undefined,
    });
  }

  private read(within: number, size: number): number {
    const ones = size === 4 ? 0xffff_ffff : (1 << (size * 8)) - 1;
    const address = this.address[0];
    // 23:16 bus, 15:11 device, 10:8 function, 7:2 register.
    const header = (address & 0xff_0700) === 0 ? FUNCTIONS.get((address >> 11) & 31) : undefined;
    if ((address & ENABLE) === 0 || header === undefined) return ones;
    const register = header[(address >> 2) & 63] ?? 0;
    return ((register >>> (within * 8)) & ones) >>> 0;
  }
}
