import type { DeviceState } from './device-state';
import type { InterruptMessage } from './interrupt-message';
import { DELIVERY } from './local-apic';
import type { MmioRegion } from './mmio-map';

export const IO_APIC_BASE = 0xfec0_0000;
export const IO_APIC_ID = 0;
export const IO_APIC_PINS = 24;

/** Offsets in the page. */
const WINDOW = { select: 0x00, data: 0x10, eoi: 0x40 } as const;
/** Indirect registers. */
const REGISTER = { id: 0, version: 1, arbitration: 2, table: 0x10 } as const;
/** Version with an EOI register, and the number of the last redirection entry. */
const VERSION = ((IO_APIC_PINS - 1) << 16) | 0x20;
const ID_MASK = 0x0f00_0000;

/**
 * Low half of a redirection entry:
 *
 *     7:0 vector   10:8 delivery mode   11 logical destination   12 delivery status (read-only)   13 active low
 *     14 remote IRR (read-only)   15 level-triggered   16 masked
 *
 * High half: 31:24 destination.
 */
const ENTRY = {
  logical: 0x800,
  activeLow: 0x2000,
  remoteIrr: 0x4000,
  level: 0x8000,
  masked: 0x1_0000,
  writable: 0x1_afff,
} as const;

/** The interrupt controller of a multiprocessor PC: 24 inputs, each turned into a message to the local APICs. */
export class IoApic implements MmioRegion {
  readonly base = IO_APIC_BASE;
  readonly size = 0x1000;
  /** Register select, ID, levels of the inputs. */
  private readonly r: Uint32Array;
  private readonly entries: Uint32Array;

  /** @param send carries a message; false means that no processor took it */
  constructor(
    state: DeviceState,
    private readonly send: (message: InterruptMessage) => boolean,
  ) {
    this.r = state.words(4);
    this.entries = state.words(2 * IO_APIC_PINS);
  }

  /** The inputs keep their levels. */
  reset(): void {
    this.r[0] = 0;
    this.r[1] = IO_APIC_ID << 24;
    this.entries.fill(0);
    for (let pin = 0; pin < IO_APIC_PINS; pin++) this.entries[2 * pin] = ENTRY.masked;
  }

  read(offset: number, size: number): bigint {
    const within = offset & 15;
    if (within >= 4) return 0n;
    let value = 0;
    if (offset - within === WINDOW.select) value = this.r[0];
    else if (offset - within === WINDOW.data) value = this.readRegister(this.r[0]);
    return BigInt.asUintN(Math.min(size, 4) * 8, BigInt(value) >> BigInt(within * 8));
  }

  /** Registers are 32 bits wide; of a narrower write only the select register's byte is defined. */
  write(offset: number, size: number, value: bigint): void {
    const low = Number(BigInt.asUintN(32, value));
    if (offset === WINDOW.select) this.r[0] = low & 0xff;
    else if (size < 4) return;
    else if (offset === WINDOW.data) this.writeRegister(this.r[0], low);
    else if (offset === WINDOW.eoi) this.endOfInterrupt(low & 0xff);
  }

  private readRegister(index: number): number {
    if (index === REGISTER.id || index === REGISTER.arbitration) return this.r[1];
    if (index === REGISTER.version) return VERSION;
    const at = index - REGISTER.table;
    return at >= 0 && at < this.entries.length ? this.entries[at] : 0;
  }

  private writeRegister(index: number, value: number): void {
    if (index === REGISTER.id) this.r[1] = value & ID_MASK;
    const at = index - REGISTER.table;
    if (at < 0 || at >= this.entries.length) return;
    if (at & 1) {
      this.entries[at] = value & 0xff00_0000;
      return;
    }
    const pin = at >> 1;
    const wasActive = this.active(pin);
    // A change to edge-triggered forgets a level that has not been serviced.
    const kept = value & ENTRY.level ? this.entries[at] & ENTRY.remoteIrr : 0;
    this.entries[at] = (value & ENTRY.writable) | kept;
    if (this.entries[at] & ENTRY.level) this.service(pin);
    // An edge can also come of a change of the polarity.
    else if (!wasActive && this.active(pin)) this.edge(pin);
  }

  private active(pin: number): boolean {
    return ((this.r[2] >>> pin) & 1) !== (this.entries[2 * pin] & ENTRY.activeLow ? 1 : 0);
  }

  /** @param high electrical level of the input */
  setLine(pin: number, high: boolean): void {
    const before = this.active(pin);
    const bit = 1 << pin;
    this.r[2] = high ? this.r[2] | bit : this.r[2] & ~bit;
    if (this.entries[2 * pin] & ENTRY.level) this.service(pin);
    else if (!before && this.active(pin)) this.edge(pin);
  }

  /** True if a rising edge of `pin` would make no difference now. */
  deaf(pin: number): boolean {
    return (this.entries[2 * pin] & ENTRY.masked) !== 0;
  }

  /** An edge at a masked input is lost. */
  private edge(pin: number): void {
    if (!(this.entries[2 * pin] & ENTRY.masked)) this.send(this.message(pin));
  }

  private service(pin: number): void {
    const entry = this.entries[2 * pin];
    if (entry & (ENTRY.masked | ENTRY.remoteIrr) || !this.active(pin)) return;
    const message = this.message(pin);
    if (this.send(message) && message.level) this.entries[2 * pin] = entry | ENTRY.remoteIrr;
  }

  private message(pin: number): InterruptMessage {
    const entry = this.entries[2 * pin];
    const delivery = (entry >> 8) & 7;
    // NMI, INIT, SMI and ExtINT are edges whatever the trigger mode says.
    const level = (entry & ENTRY.level) !== 0 && (delivery === DELIVERY.fixed || delivery === DELIVERY.lowest);
    return {
      vector: entry & 0xff,
      delivery,
      destination: this.entries[2 * pin + 1] >>> 24,
      logical: (entry & ENTRY.logical) !== 0,
      level,
    };
  }

  /** A local APIC, or a write to the EOI register, says that a level-triggered `vector` has been serviced. */
  endOfInterrupt(vector: number): void {
    for (let pin = 0; pin < IO_APIC_PINS; pin++) {
      const entry = this.entries[2 * pin];
      if ((entry & 0xff) !== vector || !(entry & ENTRY.level)) continue;
      this.entries[2 * pin] = entry & ~ENTRY.remoteIrr;
      this.service(pin);
    }
  }
}
