import type { DeviceState } from './device-state';
import type { InterruptLines } from './interrupt-lines';
import type { MmioRegion } from './mmio-map';
import type { PortHandler, PortMap } from './port-map';

/** Ports of QEMU's pc-testdev. */
const PORT = { scratch: 0xe0, flush: 0xe4, bytes: 0xe8, lines: 0x2000 } as const;
const LINES = 24;
const BASE = 0xff00_0000;
/** QEMU's has 64 KiB; here a page repeats over as much. */
const SIZE = 0x1_0000;
const PAGE = 0x1000;

/** QEMU's test device for PCs: a scratch register in port space, scratch memory on the bus, and a port for each interrupt line. */
export class TestDevice implements MmioRegion {
  readonly base = BASE;
  readonly size = SIZE;
  private readonly scratch: Uint8Array;
  private readonly memory: Uint8Array;

  constructor(
    state: DeviceState,
    private readonly lines: InterruptLines,
  ) {
    this.scratch = state.bytes(4);
    this.memory = state.bytes(PAGE);
  }

  reset(): void {
    this.scratch.fill(0);
    this.memory.fill(0);
  }

  /** @param debugConsole port that stays the debug console's */
  connect(ports: PortMap, debugConsole: number): void {
    ports.add(PORT.scratch, PORT.scratch + 3, {
      sizes: [1, 2, 4],
      read: (port, size) => this.load(port & 3, size),
      write: (port, size, value) => this.store(port & 3, size, value),
    });
    // A page whose address is written is taken out of translation caches and put back: nothing that can be seen.
    ports.add(PORT.flush, PORT.flush + 3, { sizes: [1, 2, 4], read: () => 0, write: () => undefined });
    for (let port: number = PORT.bytes; port < PORT.bytes + 4; port++) {
      if (port === debugConsole) continue;
      ports.add(port, port, {
        sizes: [1],
        read: (at) => this.load(at & 3, 1),
        write: (at, _size, value) => this.store(at & 3, 1, value),
      });
    }
    ports.add(PORT.lines, PORT.lines + LINES - 1, this.linePorts());
  }

  private linePorts(): PortHandler {
    return {
      sizes: [1, 2, 4],
      read: () => 0xff,
      write: (port, _size, value) => this.lines.set(port - PORT.lines, value !== 0),
    };
  }

  private load(at: number, size: number): number {
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value * 256 + (at + i < 4 ? this.scratch[at + i] : 0)) >>> 0;
    return value;
  }

  private store(at: number, size: number, value: number): void {
    for (let i = 0; i < size && at + i < 4; i++) this.scratch[at + i] = value >>> (i * 8);
  }

  read(offset: number, size: number): bigint {
    let value = 0n;
    for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(this.memory[(offset + i) % PAGE]);
    return value;
  }

  write(offset: number, size: number, value: bigint): void {
    for (let i = 0; i < size; i++) this.memory[(offset + i) % PAGE] = Number((value >> BigInt(i * 8)) & 0xffn);
  }
}
