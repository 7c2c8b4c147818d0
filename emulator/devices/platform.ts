import type { OutputChannel } from '../api';
import { BOUNDARY, MSRS } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { LATCHED } from '../tables/boundary-state';
import { REFRESH_PERIOD } from '../tables/clock';
import type { InterruptSource, PhysicalBus, PortDevice, TimedDevice } from './bus';
import { Cmos } from './cmos';
import { DeviceState } from './device-state';
import { KeyboardController } from './keyboard-controller';
import { APIC, DELIVERY, LocalApic, type Ipi } from './local-apic';
import { PicPair } from './pic';
import { Pit } from './pit';
import { Power } from './power';
import { Uart } from './uart';

export interface PlatformOutputs {
  /** A character the guest wrote. */
  output(channel: OutputChannel, byte: number): void;
}

const APIC_BASE = { x2apic: 0x400n, enabled: 0x800n, address: 0xf_ffff_f000n } as const;
const APIC_PAGE_SIZE = 0x1000;
const COM1_IRQ = 4;
const X2APIC_FIRST = 0x800;
const X2APIC_READ_ONLY: ReadonlySet<number> = new Set([
  APIC.id,
  APIC.version,
  APIC.ppr,
  APIC.ldr,
  APIC.currentCount,
  ...range(APIC.isr, 24),
]);

function range(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/**
 * The PC around the processor: ports, interrupt controllers, timers and the local APIC's page. Everything it remembers lives in the
 * machine's memory; what it says depends only on that and on machine time.
 */
export class Platform implements PortDevice, InterruptSource, TimedDevice, PhysicalBus {
  /** True when what interrupts are pending, when the next event is, or whether the power is on may have changed. The outer loop clears it. */
  changed = true;

  private readonly pic: PicPair;
  private readonly pit: Pit;
  private readonly uart: Uart;
  private readonly cmos: Cmos;
  private readonly keyboard: KeyboardController;
  private readonly power: Power;
  readonly apic: LocalApic;
  /** Port 0x61 7:0, port 0x92, last PIC output level. */
  private readonly misc: Uint8Array;
  private readonly pciAddress: Uint32Array;

  /** @param clock machine time of the access being made */
  constructor(
    private readonly memory: MachineMemory,
    private readonly clock: () => bigint,
    private readonly outputs: PlatformOutputs,
  ) {
    const state = new DeviceState(memory);
    const changed = (): void => {
      this.changed = true;
    };
    this.misc = state.bytes(8);
    this.pciAddress = state.words(1);
    this.pic = new PicPair(state, () => this.picChanged());
    this.pit = new Pit(
      state,
      (level) => this.pic.setLine(0, level),
      () => this.pic.deaf(0),
    );
    this.uart = new Uart(
      state,
      (byte) => this.outputs.output('serial', byte),
      (level) => this.pic.setLine(COM1_IRQ, level),
    );
    this.cmos = new Cmos(state, memory.ramSize);
    this.keyboard = new KeyboardController(state, () => this.power.requestReset());
    this.power = new Power(state, memory, changed);
    this.apic = new LocalApic(state, 0, {
      changed,
      signal: (ipi) => this.signal(ipi),
      tscOffset: () => BigInt.asIntN(64, this.memory.u64[MSRS.tscAdjust >> 3]),
    });
    this.reset();
  }

  /** Everything as firmware leaves it to a boot loader. */
  reset(): void {
    this.misc.fill(0);
    this.misc[1] = 2;
    this.pciAddress[0] = 0;
    this.pit.reset();
    this.uart.reset();
    this.pic.reset();
    this.apic.reset();
    this.apic.setVirtualWire();
    this.cmos.reset();
    this.keyboard.reset();
    this.power.reset();
    this.changed = true;
  }

  /** Feeds the serial port; returns how many bytes it had room for. */
  input(bytes: Uint8Array): number {
    return this.uart.input(bytes);
  }

  // Interrupts

  private picChanged(): void {
    this.changed = true;
    const level = this.pic.requested ? 1 : 0;
    if (level && !this.misc[2]) this.apic.lint0Edge();
    this.misc[2] = level;
  }

  private signal(ipi: Ipi): void {
    const latched = BOUNDARY.latched >> 2;
    const { u32 } = this.memory;
    if (ipi.delivery === DELIVERY.nmi) u32[latched] |= LATCHED.NMI;
    else if (ipi.delivery === DELIVERY.init) u32[latched] |= LATCHED.INIT;
    else if (ipi.delivery === DELIVERY.startup)
      u32[latched] = (u32[latched] & ~LATCHED.VECTOR_MASK) | LATCHED.SIPI | (ipi.vector << LATCHED.VECTOR_SHIFT);
    this.changed = true;
  }

  private get apicBase(): bigint {
    return this.memory.u64[MSRS.apicBase >> 3];
  }
  private get apicOn(): boolean {
    return (this.apicBase & APIC_BASE.enabled) !== 0n;
  }

  private extIntPending(): boolean {
    return (!this.apicOn || this.apic.passesExtInt) && this.pic.requested;
  }

  interruptPending(): boolean {
    return (this.apicOn && this.apic.request() >= 0) || this.extIntPending();
  }

  /** Local APIC first, then the PIC through LINT0. Called only while an interrupt is pending; otherwise gives a spurious vector. */
  acknowledge(): number {
    this.advance(this.clock());
    this.changed = true;
    const vector = this.apicOn ? this.apic.request() : -1;
    if (vector >= 0) {
      this.apic.acknowledge(vector);
      return vector;
    }
    return this.pic.acknowledge();
  }

  /** SDM "Local APIC State After It Receives an INIT Reset": as after power-up, but its ID, which does not change here. */
  initialize(): void {
    this.apic.reset();
  }

  /** Task-priority class, CR8. */
  get taskPriority(): number {
    return this.apic.tpr >> 4;
  }
  set taskPriority(value: number) {
    this.apic.tpr = (value & 15) << 4;
  }

  // Time

  nextEvent(): bigint | undefined {
    const pit = this.pit.nextEvent();
    const apic = this.apicOn && !this.apic.timerIsMoot ? this.apic.timer.nextEvent() : undefined;
    if (pit === undefined) return apic;
    return apic === undefined || pit < apic ? pit : apic;
  }

  advance(now: bigint): void {
    this.pit.advance(now);
    this.apic.timer.advance(now);
  }

  // Physical address space

  /** Frame of the local APIC's page, or -1 when the APIC does not answer there. */
  private apicFrame(): number {
    const base = this.apicBase;
    if ((base & (APIC_BASE.enabled | APIC_BASE.x2apic)) !== APIC_BASE.enabled) return -1;
    return Number((base & APIC_BASE.address) >> 12n);
  }

  claims(physicalPage: number): boolean {
    return physicalPage === this.apicFrame();
  }

  /** A register is the low 4 bytes of its 16; what lies between reads as zero. */
  read(physical: number, size: number): bigint {
    const offset = this.apicOffset(physical);
    if (offset < 0) return (1n << BigInt(size * 8)) - 1n;
    const within = offset & 15;
    if (within >= 4) return 0n;
    const now = this.clock();
    this.advance(now);
    const value = BigInt(this.apic.read(offset >> 4, now, false)) >> BigInt(within * 8);
    return BigInt.asUintN(Math.min(size, 4) * 8, value);
  }

  /** Only aligned 32-bit writes are defined; a narrower or misaligned one is dropped. */
  write(physical: number, size: number, value: bigint): void {
    const offset = this.apicOffset(physical);
    if (offset < 0 || size < 4 || (offset & 15) !== 0) return;
    const now = this.clock();
    this.advance(now);
    this.apic.write(offset >> 4, Number(BigInt.asUintN(32, value)), now);
  }

  private apicOffset(physical: number): number {
    const frame = this.apicFrame();
    const offset = frame < 0 ? -1 : physical - frame * APIC_PAGE_SIZE;
    return offset < APIC_PAGE_SIZE ? offset : -1;
  }

  // x2APIC and the TSC deadline, for RDMSR and WRMSR

  private get x2apicOn(): boolean {
    return (this.apicBase & APIC_BASE.enabled) !== 0n && (this.apicBase & APIC_BASE.x2apic) !== 0n;
  }

  /** RDMSR of 0x800 to 0x8ff; undefined means #GP(0). */
  readApicMsr(msr: number): bigint | undefined {
    const register = msr - X2APIC_FIRST;
    if (!this.x2apicOn || !isX2apicRegister(register) || register === APIC.eoi || register === APIC.selfIpi)
      return undefined;
    const now = this.clock();
    this.advance(now);
    return register === APIC.icrLow ? this.apic.commandRegister : BigInt(this.apic.read(register, now, true));
  }

  /** WRMSR of 0x800 to 0x8ff; false means #GP(0). */
  writeApicMsr(msr: number, value: bigint): boolean {
    const register = msr - X2APIC_FIRST;
    if (!this.x2apicOn || !isX2apicRegister(register) || X2APIC_READ_ONLY.has(register)) return false;
    const now = this.clock();
    this.advance(now);
    if (register === APIC.icrLow) {
      this.apic.commandRegister = value;
      return true;
    }
    if (value >> 32n !== 0n) return false;
    const low = Number(value);
    if ((register === APIC.eoi || register === APIC.esr) && low !== 0) return false;
    if (register === APIC.selfIpi) this.apic.command((low & 0xff) | 0x4_0000, 0, true);
    else this.apic.write(register, low, now);
    return true;
  }

  get tscDeadline(): bigint {
    this.advance(this.clock());
    return this.apic.timer.deadline;
  }
  set tscDeadline(value: bigint) {
    this.advance(this.clock());
    this.apic.timer.deadline = value;
    // One that has passed already fires now.
    this.advance(this.clock());
    this.changed = true;
  }

  // Ports

  readPort(port: number, size: number): number {
    if (size > 1) {
      const wide = this.readWide(port, size);
      if (wide !== undefined) return wide;
    }
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value * 256 + this.readByte((port + i) & 0xffff)) >>> 0;
    return value;
  }

  writePort(port: number, size: number, value: number): void {
    if (this.writeWide(port, size, value)) return;
    for (let i = 0; i < size; i++) this.writeByte((port + i) & 0xffff, (value >>> (i * 8)) & 0xff);
  }

  private readWide(port: number, size: number): number | undefined {
    if (port === 0xcf8 && size === 4) return this.pciAddress[0];
    return undefined;
  }

  /** Registers wider than a byte. */
  private writeWide(port: number, size: number, value: number): boolean {
    switch (port) {
      case 0xf4:
        this.power.debugExit(value);
        return true;
      case 0xcf8:
        if (size === 4) this.pciAddress[0] = value;
        return size === 4;
      case 0x604:
      case 0xb004:
        if (size === 2) this.power.acpiControl(value);
        return true;
      default:
        return false;
    }
  }

  private readByte(port: number): number {
    switch (port) {
      case 0x20:
      case 0x21:
      case 0xa0:
      case 0xa1:
      case 0x4d0:
      case 0x4d1:
        this.advance(this.clock());
        return this.pic.read(port);
      case 0x40:
      case 0x41:
      case 0x42:
      case 0x43: {
        const now = this.clock();
        this.advance(now);
        return this.pit.read(port & 3, now);
      }
      case 0x60:
      case 0x64:
        return this.keyboard.read(port);
      case 0x61:
        return this.readSystemControl();
      case 0x70:
      case 0x71:
        return this.cmos.read(port, this.clock());
      case 0x92:
        return this.misc[1];
      case 0xe9:
        return 0xe9;
      default:
        return port >= 0x3f8 && port <= 0x3ff ? this.uart.read(port & 7) : 0xff;
    }
  }

  private writeByte(port: number, value: number): void {
    switch (port) {
      case 0x20:
      case 0x21:
      case 0xa0:
      case 0xa1:
      case 0x4d0:
      case 0x4d1:
        this.advance(this.clock());
        this.pic.write(port, value);
        break;
      case 0x40:
      case 0x41:
      case 0x42:
      case 0x43: {
        const now = this.clock();
        this.advance(now);
        this.pit.write(port & 3, value, now);
        this.changed = true;
        break;
      }
      case 0x60:
      case 0x64:
        this.keyboard.write(port, value);
        break;
      case 0x61: {
        const now = this.clock();
        this.advance(now);
        this.misc[0] = value & 0x0f;
        this.pit.setSpeakerGate((value & 1) !== 0, now);
        break;
      }
      case 0x70:
      case 0x71:
        this.cmos.write(port, value);
        break;
      case 0x92:
        this.misc[1] = value | 2;
        if (value & 1) this.power.requestReset();
        break;
      case 0xcf9:
        if (value & 4) this.power.requestReset();
        break;
      case 0xe9:
        this.outputs.output('debugcon', value);
        break;
      case 0x8900:
        this.power.shutdownByte(value);
        break;
      default:
        if (port >= 0x3f8 && port <= 0x3ff) this.uart.write(port & 7, value);
    }
  }

  /** Port 0x61: bit 0 gate of channel 2, bit 1 speaker, bit 4 refresh toggle, bit 5 channel 2's OUT. */
  private readSystemControl(): number {
    const now = this.clock();
    this.advance(now);
    const refresh = (now / REFRESH_PERIOD) & 1n ? 0x10 : 0;
    return this.misc[0] | refresh | (this.pit.speakerOut(now) ? 0x20 : 0);
  }
}

/** Registers that have an x2APIC MSR: no DFR, no high half of the ICR; a self-IPI register instead. */
function isX2apicRegister(register: number): boolean {
  if (register === APIC.dfr || register === APIC.icrHigh || register === APIC.apr) return false;
  return (
    register === APIC.id ||
    register === APIC.version ||
    register === APIC.tpr ||
    (register >= APIC.ppr && register <= APIC.eoi) ||
    register === APIC.ldr ||
    (register >= APIC.svr && register < APIC.irr + 8) ||
    register === APIC.esr ||
    (register >= APIC.icrLow && register <= APIC.currentCount) ||
    register === APIC.divide ||
    register === APIC.selfIpi
  );
}
