/** What answers at a port. Registers have side effects on both reads and writes. */
export interface PortHandler {
  /** Access sizes taken as they come; any other is made byte by byte. */
  readonly sizes: readonly number[];
  /** @returns an unsigned number of `size` bytes */
  read(port: number, size: number): number;
  write(port: number, size: number, value: number): void;
}

const BYTE = [1];

/** A device whose registers are a byte wide. */
export function bytePorts(read: (port: number) => number, write: (port: number, value: number) => void): PortHandler {
  return { sizes: BYTE, read: (port) => read(port), write: (port, _size, value) => write(port, value) };
}

/** Who answers at which of the 65536 ports. Nobody: reads give all ones, writes are dropped. */
export class PortMap {
  private readonly handlers = new Map<number, PortHandler>();

  /** @param last inclusive */
  add(first: number, last: number, handler: PortHandler): void {
    for (let port = first; port <= last; port++) {
      if (this.handlers.has(port)) throw new Error(`two devices answer at port 0x${port.toString(16)}`);
      this.handlers.set(port, handler);
    }
  }

  read(port: number, size: number): number {
    const handler = this.handlers.get(port);
    if (handler?.sizes.includes(size)) return handler.read(port, size);
    if (size === 1) return 0xff;
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value * 256 + this.readByte((port + i) & 0xffff)) >>> 0;
    return value;
  }

  write(port: number, size: number, value: number): void {
    const handler = this.handlers.get(port);
    if (handler?.sizes.includes(size)) {
      handler.write(port, size, value);
      return;
    }
    if (size === 1) return;
    for (let i = 0; i < size; i++) this.write((port + i) & 0xffff, 1, (value >>> (i * 8)) & 0xff);
  }

  private readByte(port: number): number {
    const handler = this.handlers.get(port);
    return handler?.sizes.includes(1) ? handler.read(port, 1) : 0xff;
  }
}
