import type { OutputChannel } from '../api';
import type { MachineMemory } from '../state/memory';
import type { InterruptSource, PhysicalBus, PortDevice, TimedDevice } from './bus';
import { Chipset } from './chipset';
import { DeviceState } from './device-state';
import { LocalApics } from './local-apics';

const PAGE_SIZE = 4096;

export interface PlatformOutputs {
  /** A character the guest wrote. */
  output(channel: OutputChannel, byte: number): void;
}

/**
 * What the processors see of the rest of the PC: their local APICs, ports, device registers in memory, and time. Everything it remembers
 * lives in the machine's memory; what it says depends only on that and on machine time.
 */
export class Platform implements PortDevice, InterruptSource, TimedDevice, PhysicalBus {
  /** True when what interrupts are pending, when the next event is, or whether the power is on may have changed. The outer loop clears it. */
  changed = true;
  readonly apics: LocalApics;
  private readonly chipset: Chipset;

  /** @param clock machine time of the access being made */
  constructor(
    memory: MachineMemory,
    private readonly clock: () => bigint,
    outputs: PlatformOutputs,
    processors = 1,
  ) {
    const state = new DeviceState(memory);
    const changed = (): void => {
      this.changed = true;
    };
    this.apics = new LocalApics(state, memory, processors, clock, {
      changed,
      endOfInterrupt: (vector) => this.chipset.endOfInterrupt(vector),
    });
    this.chipset = new Chipset(state, memory, processors, clock, {
      output: (channel, byte) => outputs.output(channel, byte),
      changed,
      deliver: (message) => this.apics.deliver(message),
      externalInterrupt: () => this.apics.lint0Edge(),
    });
    this.reset();
  }

  /** Everything as firmware has set it up. */
  reset(): void {
    this.apics.reset();
    this.chipset.reset();
    this.changed = true;
  }

  /** Firmware hands over to a boot loader: the timer's interrupts are its own from now on. */
  handOver(): void {
    this.chipset.handOver();
  }

  /** Feeds the serial port; returns how many bytes it had room for. */
  input(bytes: Uint8Array): number {
    return this.chipset.input(bytes);
  }

  // Interrupts

  interruptPending(processor: number): boolean {
    if (this.apics.request(processor) >= 0) return true;
    return this.chipset.externalInterruptRequested && this.apics.passesExtInt(processor);
  }

  /** Local APIC first, then the PIC. Called only while an interrupt is pending; otherwise gives a spurious vector. */
  acknowledge(processor: number): number {
    this.advance(this.clock());
    this.changed = true;
    const vector = this.apics.request(processor);
    const apic = this.apics.of(processor);
    if (vector >= 0) {
      apic.acknowledge(vector);
      return vector;
    }
    apic.acknowledgeExtInt();
    return this.chipset.acknowledge();
  }

  /** SDM "Local APIC State After It Receives an INIT Reset": as after power-up, but its ID, which does not change here. */
  initialize(processor: number): void {
    this.apics.of(processor).reset();
  }

  // Time

  /** A processor signals an x87 exception by FERR#. */
  numericError(): void {
    this.chipset.numericError();
  }

  nextEvent(): bigint | undefined {
    const chipset = this.chipset.nextEvent();
    const apic = this.apics.nextEvent();
    if (chipset === undefined) return apic;
    return apic === undefined || chipset < apic ? chipset : apic;
  }

  advance(now: bigint): void {
    this.chipset.advance(now);
    this.apics.advance(now);
  }

  // Physical address space

  claims(physicalPage: number): boolean {
    return this.apics.claims(physicalPage) || this.chipset.mmio.claims(physicalPage);
  }

  read(physical: number, size: number): bigint {
    this.advance(this.clock());
    if (this.apics.claims(Math.floor(physical / PAGE_SIZE))) return this.apics.read(physical, size);
    const region = this.chipset.mmio.at(physical);
    return region === undefined ? (1n << BigInt(size * 8)) - 1n : region.read(physical - region.base, size);
  }

  write(physical: number, size: number, value: bigint): void {
    this.advance(this.clock());
    if (this.apics.claims(Math.floor(physical / PAGE_SIZE))) {
      this.apics.write(physical, size, value);
      return;
    }
    const region = this.chipset.mmio.at(physical);
    region?.write(physical - region.base, size, value);
  }

  // Ports

  readPort(port: number, size: number): number {
    return this.chipset.ports.read(port, size);
  }

  writePort(port: number, size: number, value: number): void {
    this.chipset.ports.write(port, size, value);
  }
}
