/** A device on the I/O port bus. Reads and writes have side effects; `peek` in the debugger never comes here. */
export interface PortDevice {
  /** @param size 1, 2 or 4 bytes */
  readPort(port: number, size: number): number;
  writePort(port: number, size: number, value: number): void;
}

/** What the processor's boundary asks of the platform. */
export interface InterruptSource {
  /** True if a maskable interrupt is requested of this processor (its priority allows it). No side effect. */
  interruptPending(processor: number): boolean;
  /** Acknowledges: returns the vector and moves it in service. */
  acknowledge(processor: number): number;
  /** INIT has reached this processor: its local APIC goes to the state the SDM gives it after INIT. */
  initialize(processor: number): void;
}

/** Devices that act on their own at a time; times are machine time (instructions). */
export interface TimedDevice {
  /** Machine time of the next thing this device does, or undefined. */
  nextEvent(): bigint | undefined;
  /** Lets everything due at `now` happen. */
  advance(now: bigint): void;
}

/** Physical addresses outside RAM. Unclaimed reads give all ones, unclaimed writes are dropped. */
export interface PhysicalBus {
  read(physical: number, size: number): bigint;
  write(physical: number, size: number, value: bigint): void;
  /** True if the page belongs to a device even though RAM lies beneath it (local APIC). */
  claims(physicalPage: number): boolean;
}
