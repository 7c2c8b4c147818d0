import type { OutputChannel } from '../api';
import type { MachineMemory } from '../state/memory';
import { REFRESH_PERIOD } from '../tables/clock';
import { AcpiPm, PM_BASE, PM_LENGTH, SLEEP_TYPE } from './acpi-pm';
import type { TimedDevice } from './bus';
import type { DeviceState } from './device-state';
import { FW_CFG_DATA, FW_CFG_SELECTOR, FwCfg } from './fw-cfg';
import { Hpet } from './hpet';
import { InterruptLines } from './interrupt-lines';
import type { InterruptMessage } from './interrupt-message';
import { IoApic } from './io-apic';
import { KeyboardController } from './keyboard-controller';
import { MmioMap } from './mmio-map';
import { PciConfiguration } from './pci';
import { PicPair } from './pic';
import { Pit } from './pit';
import { bytePorts, PortMap } from './port-map';
import { Power } from './power';
import { Rtc } from './rtc';
import { TestDevice } from './test-device';
import { Uart } from './uart';

export interface ChipsetOutputs {
  /** A character the guest wrote. */
  output(channel: OutputChannel, byte: number): void;
  /** What interrupts are pending, when the next event is, or whether the power is on may have changed. */
  changed(): void;
  /** Carries an interrupt to the local APICs; false means that none took it. */
  deliver(message: InterruptMessage): boolean;
  /** The PIC's output has risen. */
  externalInterrupt(): void;
}

/** Interrupt requests of the devices that have fixed ones. */
const IRQ = { timer: 0, com1: 4, rtc: 8, acpi: 9, numericError: 13 } as const;
/** A write ends the request that FERR# made, as on the AT. */
const NUMERIC_ERROR_CLEAR = 0xf0;
const DEBUG_CONSOLE = 0xe9;
/** Power-management control of Bochs and old QEMU. */
const OLD_PM_CONTROL = 0xb004;

/** State bytes: port 0x61 7:0, port 0x92, last PIC output level, HPET's legacy replacement. */
const MISC = { systemControl: 0, port92: 1, picOutput: 2, legacyReplaced: 3 } as const;

/** The PC around the processors and their local APICs: ports, interrupt controllers, timers, firmware's interfaces. */
export class Chipset implements TimedDevice {
  readonly ports = new PortMap();
  readonly mmio = new MmioMap();
  private readonly pic: PicPair;
  private readonly ioApic: IoApic;
  private readonly lines: InterruptLines;
  private readonly pit: Pit;
  private readonly hpet: Hpet;
  private readonly rtc: Rtc;
  private readonly pm: AcpiPm;
  private readonly uart: Uart;
  private readonly keyboard: KeyboardController;
  private readonly power: Power;
  private readonly fwCfg: FwCfg;
  private readonly pci: PciConfiguration;
  private readonly testDevice: TestDevice;
  private readonly misc: Uint8Array;

  /** @param clock machine time of the access being made */
  constructor(
    state: DeviceState,
    memory: MachineMemory,
    processors: number,
    private readonly clock: () => bigint,
    private readonly outputs: ChipsetOutputs,
  ) {
    const changed = (): void => outputs.changed();
    const machine = { ramSize: memory.ramSize, processors };
    this.misc = state.bytes(8);
    this.power = new Power(state, memory, changed);
    this.pic = new PicPair(state, () => this.picChanged());
    this.ioApic = new IoApic(state, (message) => outputs.deliver(message));
    this.lines = new InterruptLines(this.pic, this.ioApic);
    this.pit = new Pit(
      state,
      (level) => {
        if (!this.misc[MISC.legacyReplaced]) this.lines.set(IRQ.timer, level);
      },
      () => this.misc[MISC.legacyReplaced] !== 0 || this.lines.deaf(IRQ.timer),
    );
    this.rtc = new Rtc(state, machine, {
      setLine: (level) => {
        if (!this.misc[MISC.legacyReplaced]) this.lines.set(IRQ.rtc, level);
      },
      alarm: () => this.rtcAlarm(),
      changed,
    });
    this.hpet = new Hpet(state, clock, {
      setLine: (line, level) => this.lines.set(line, level),
      pulse: (line) => this.lines.pulse(line),
      legacyChanged: (on) => this.replaceLegacy(on),
      changed,
    });
    this.pm = new AcpiPm(state, clock, {
      setLine: (level) => this.lines.set(IRQ.acpi, level),
      sleep: (type) => {
        if (type === SLEEP_TYPE.s5) this.power.off();
        else if (type === SLEEP_TYPE.s3) this.power.sleep();
      },
      changed,
    });
    this.uart = new Uart(
      state,
      (byte) => outputs.output('serial', byte),
      (level) => this.lines.set(IRQ.com1, level),
    );
    this.keyboard = new KeyboardController(state, () => this.power.requestReset());
    this.fwCfg = new FwCfg(state, machine);
    this.pci = new PciConfiguration(state);
    this.testDevice = new TestDevice(state, this.lines);
    this.connectPorts();
    for (const region of [this.ioApic, this.hpet, this.testDevice]) this.mmio.add(region);
  }

  /** Everything as firmware has set it up. */
  reset(): void {
    this.misc.fill(0);
    this.misc[MISC.port92] = 2;
    this.ioApic.reset();
    this.pit.reset();
    this.uart.reset();
    this.rtc.reset();
    this.hpet.reset();
    this.pm.reset();
    this.pic.reset();
    this.keyboard.reset();
    this.fwCfg.reset();
    this.pci.reset();
    this.testDevice.reset();
    this.power.reset();
  }

  /** Firmware hands over to a boot loader. */
  handOver(): void {
    this.pic.handOver();
  }

  /** Feeds the serial port; returns how many bytes it had room for. */
  input(bytes: Uint8Array): number {
    return this.uart.input(bytes);
  }

  // Interrupts

  private picChanged(): void {
    this.outputs.changed();
    const level = this.pic.requested ? 1 : 0;
    if (level && !this.misc[MISC.picOutput]) this.outputs.externalInterrupt();
    this.misc[MISC.picOutput] = level;
    this.lines.setPicOutput(level !== 0);
  }

  /** The PIC's output. */
  get externalInterruptRequested(): boolean {
    return this.pic.requested;
  }

  /** The processor's acknowledgement of the PIC; gives the vector. */
  acknowledge(): number {
    this.advance(this.clock());
    return this.pic.acknowledge();
  }

  /** A processor's FERR#: the request stands until the handler writes port 0xf0. */
  numericError(): void {
    this.lines.set(IRQ.numericError, true);
  }

  /** A local APIC has seen the end of a level-triggered interrupt. */
  endOfInterrupt(vector: number): void {
    this.ioApic.endOfInterrupt(vector);
  }

  private replaceLegacy(on: boolean): void {
    this.misc[MISC.legacyReplaced] = on ? 1 : 0;
    this.lines.set(IRQ.timer, false);
    this.lines.set(IRQ.rtc, false);
  }

  /** The real-time clock's alarm is an event of ACPI's, and wakes a sleeping machine if it is allowed to. */
  private rtcAlarm(): void {
    this.pm.rtcAlarm();
    if (!this.power.sleeping || !this.pm.alarmWakes) return;
    this.pm.wake();
    this.power.wake();
  }

  // Time

  nextEvent(): bigint | undefined {
    return sooner(
      sooner(this.pit.nextEvent(), this.rtc.nextEvent()),
      sooner(this.hpet.nextEvent(), this.pm.nextEvent()),
    );
  }

  advance(now: bigint): void {
    this.pit.advance(now);
    this.rtc.advance(now);
    this.hpet.advance(now);
    this.pm.advance(now);
  }

  /** Lets happen what is due, before an access. */
  private settle(): bigint {
    const now = this.clock();
    this.advance(now);
    return now;
  }

  // Ports

  private connectPorts(): void {
    const { ports, pic, pit, rtc, keyboard, uart, power } = this;
    const picPorts = bytePorts(
      (port) => {
        this.settle();
        return pic.read(port);
      },
      (port, value) => {
        this.settle();
        pic.write(port, value);
      },
    );
    for (const first of [0x20, 0xa0, 0x4d0]) ports.add(first, first + 1, picPorts);
    const pitPorts = bytePorts(
      (port) => pit.read(port & 3, this.settle()),
      (port, value) => {
        pit.write(port & 3, value, this.settle());
        this.outputs.changed();
      },
    );
    ports.add(0x40, 0x43, pitPorts);
    const numericError = bytePorts(
      () => 0xff,
      () => this.lines.set(IRQ.numericError, false),
    );
    ports.add(NUMERIC_ERROR_CLEAR, NUMERIC_ERROR_CLEAR, numericError);
    const keyboardPorts = bytePorts(
      (port) => keyboard.read(port),
      (port, value) => keyboard.write(port, value),
    );
    ports.add(0x60, 0x60, keyboardPorts);
    ports.add(0x64, 0x64, keyboardPorts);
    const systemControl = bytePorts(
      () => this.readSystemControl(),
      (_port, value) => {
        const now = this.settle();
        this.misc[MISC.systemControl] = value & 0x0f;
        pit.setSpeakerGate((value & 1) !== 0, now);
      },
    );
    ports.add(0x61, 0x61, systemControl);
    const rtcPorts = bytePorts(
      (port) => rtc.read(port, this.clock()),
      (port, value) => rtc.write(port, value, this.clock()),
    );
    ports.add(0x70, 0x71, rtcPorts);
    const port92 = bytePorts(
      () => this.misc[MISC.port92],
      (_port, value) => {
        this.misc[MISC.port92] = (value & ~1) | 2;
        if (value & 1) power.requestReset();
      },
    );
    ports.add(0x92, 0x92, port92);
    const console = bytePorts(
      () => DEBUG_CONSOLE,
      (_port, value) => this.outputs.output('debugcon', value),
    );
    ports.add(DEBUG_CONSOLE, DEBUG_CONSOLE, console);
    ports.add(
      0xf4,
      0xf4,
      writeOnly([1, 2, 4], (value) => power.debugExit(value)),
    );
    const uartPorts = bytePorts(
      (port) => uart.read(port & 7),
      (port, value) => uart.write(port & 7, value),
    );
    ports.add(0x3f8, 0x3ff, uartPorts);
    ports.add(FW_CFG_SELECTOR, FW_CFG_DATA, this.fwCfg);
    ports.add(PM_BASE, PM_BASE + PM_LENGTH - 1, this.pm);
    ports.add(
      0xcf9,
      0xcf9,
      writeOnly([1], (value) => value & 4 && power.requestReset()),
    );
    ports.add(
      0x8900,
      0x8900,
      writeOnly([1], (value) => power.shutdownByte(value)),
    );
    ports.add(
      OLD_PM_CONTROL,
      OLD_PM_CONTROL,
      writeOnly([2], (value) => power.acpiControl(value)),
    );
    this.pci.connect(ports);
    this.testDevice.connect(ports, DEBUG_CONSOLE);
  }

  /** Port 0x61: bit 0 gate of channel 2, bit 1 speaker, bit 4 refresh toggle, bit 5 channel 2's OUT. */
  private readSystemControl(): number {
    const now = this.settle();
    const refresh = (now / REFRESH_PERIOD) & 1n ? 0x10 : 0;
    return this.misc[MISC.systemControl] | refresh | (this.pit.speakerOut(now) ? 0x20 : 0);
  }
}

function sooner(a: bigint | undefined, b: bigint | undefined): bigint | undefined {
  if (a === undefined) return b;
  return b === undefined || a < b ? a : b;
}

/** A register that reads as nobody's. */
function writeOnly(sizes: readonly number[], write: (value: number) => void) {
  return {
    sizes,
    read: (_port: number, size: number): number => (size === 4 ? 0xffff_ffff : (1 << (size * 8)) - 1),
    write: (_port: number, _size: number, value: number): void => write(value),
  };
}
