import { BOUNDARY, MACHINE, MSRS, VMX } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { windowShift } from '../state/windows';
import { ACTIVITY, LATCHED } from '../tables/boundary-state';
import { APIC_BASE } from '../tables/msrs';
import type { DeviceState } from './device-state';
import type { InterruptMessage } from './interrupt-message';
import { DELIVERY, ICR_WRITABLE, LocalApic, SHORTHAND, type Signal, wideDestination } from './local-apic';
import { APIC } from './local-apic-registers';

const PAGE_SIZE = 0x1000;
/** Of IA32_APIC_BASE's low half. */
const BASE = {
  bootstrap: Number(APIC_BASE.bootstrap),
  x2apic: Number(APIC_BASE.x2apic),
  enabled: Number(APIC_BASE.enable),
} as const;
const BASE_ADDRESS = 0xf_ffff_ffff_f000n;

const X2APIC_FIRST = 0x800;
/** Bits 31:0 that may be written as 1 to the x2APIC's registers; what is not listed cannot be written. */
const X2APIC_WRITABLE: Readonly<Record<number, number>> = {
  [APIC.tpr]: 0xff,
  [APIC.eoi]: 0,
  [APIC.svr]: 0x3ff,
  [APIC.esr]: 0,
  // Status bits are not refused.
  [APIC.icrLow]: ICR_WRITABLE | 0x1000,
  [APIC.lvtTimer]: 0x7_10ff,
  [APIC.lvtThermal]: 0x1_17ff,
  [APIC.lvtPerformance]: 0x1_17ff,
  [APIC.lvtLint0]: 0x1_f7ff,
  [APIC.lvtLint1]: 0x1_f7ff,
  [APIC.lvtError]: 0x1_10ff,
  [APIC.initialCount]: 0xffff_ffff,
  [APIC.divide]: 0x0b,
  [APIC.selfIpi]: 0xff,
};

/** Registers RDMSR reads: no DFR, no high half of the ICR, nothing that is written only. */
function isX2apicReadable(register: number): boolean {
  if (register === APIC.id || register === APIC.version || register === APIC.ppr || register === APIC.ldr) return true;
  if (register >= APIC.isr && register < APIC.irr + 8) return true;
  if (register === APIC.currentCount) return true;
  return register in X2APIC_WRITABLE && register !== APIC.eoi && register !== APIC.selfIpi;
}

export interface LocalApicsOutputs {
  /** What is requested of a processor, or the time of the next event, may have changed. */
  changed(): void;
  /** A level-triggered interrupt of this vector has been serviced. */
  endOfInterrupt(vector: number): void;
}

/** The local APICs of all processors, and the bus between them, the I/O APIC and the processors. */
export class LocalApics {
  private readonly apics: readonly LocalApic[];

  /** @param clock machine time of the access being made */
  constructor(
    state: DeviceState,
    private readonly memory: MachineMemory,
    processors: number,
    private readonly clock: () => bigint,
    private readonly outputs: LocalApicsOutputs,
  ) {
    this.apics = Array.from(
      { length: processors },
      (_, processor) =>
        new LocalApic(state, processor, {
          changed: outputs.changed,
          signal: (signal, vector) => this.signal(processor, signal, vector),
          send: (message, shorthand) => void this.send(message, shorthand, processor),
          endOfInterrupt: outputs.endOfInterrupt,
          tscOffset: () => BigInt.asIntN(64, memory.u64[(MSRS.tscAdjust + windowShift(memory, processor)) >> 3]),
        }),
    );
  }

  /** As firmware leaves them to a boot loader. */
  reset(): void {
    for (const apic of this.apics) apic.reset();
    this.apics[0].setVirtualWire();
  }

  of(processor: number): LocalApic {
    return this.apics[processor];
  }
  get active(): LocalApic {
    return this.apics[this.memory.u32[MACHINE.activeProcessor >> 2]];
  }

  // Modes

  private baseLow(processor: number): number {
    return this.memory.u32[(MSRS.apicBase + windowShift(this.memory, processor)) >> 2];
  }
  isEnabled(processor: number): boolean {
    return (this.baseLow(processor) & BASE.enabled) !== 0;
  }
  private isX2apic(processor: number): boolean {
    const both = BASE.enabled | BASE.x2apic;
    return (this.baseLow(processor) & both) === both;
  }

  /** IA32_APIC_BASE of the active processor has changed from `old` to `value`: SDM "x2APIC State Transitions". */
  modeChanged(old: bigint, value: bigint): void {
    const gained = Number(value & ~old & 0xfffn);
    // The next time it is enabled it starts as after a reset.
    if (old & ~value & APIC_BASE.enable) this.active.reset();
    else if (gained & BASE.x2apic) this.active.enterX2apic();
    this.outputs.changed();
  }

  // Messages

  /** Carries a message to the processors it is for. Returns false if none takes it. */
  deliver(message: InterruptMessage): boolean {
    return this.send({ ...message, destination: wideDestination(message.destination) }, SHORTHAND.none, -1);
  }

  private send(message: InterruptMessage, shorthand: number, sender: number): boolean {
    const { delivery, vector, level } = message;
    const targets = this.apics.filter(({ id }) => this.isEnabled(id) && this.isTarget(id, message, shorthand, sender));
    if (delivery === DELIVERY.lowest) return this.lowest(targets)?.receive(delivery, vector, level) ?? false;
    let taken = false;
    for (const apic of targets) taken = apic.receive(delivery, vector, level) || taken;
    return taken;
  }

  private isTarget(id: number, { destination, logical }: InterruptMessage, shorthand: number, sender: number): boolean {
    switch (shorthand) {
      case SHORTHAND.none:
        return this.apics[id].isDestination(destination, logical, this.isX2apic(id));
      case SHORTHAND.self:
        return id === sender;
      case SHORTHAND.all:
        return true;
      default:
        return id !== sender;
    }
  }

  /** The enabled one with the lowest arbitration priority; of equals, that with the lowest ID. */
  private lowest(targets: readonly LocalApic[]): LocalApic | undefined {
    const candidates = targets.filter((apic) => apic.softwareEnabled);
    return candidates.reduce<LocalApic | undefined>(
      (best, apic) => (best === undefined || apic.apr < best.apr ? apic : best),
      undefined,
    );
  }

  /** Latches a request at the boundary of a processor. */
  private signal(processor: number, signal: Signal, vector: number): void {
    const { u32 } = this.memory;
    const shift = windowShift(this.memory, processor);
    const latched = (BOUNDARY.latched + shift) >> 2;
    const now = u32[latched];
    if (signal === DELIVERY.nmi) u32[latched] = now | LATCHED.NMI;
    else if (signal === DELIVERY.init) {
      // A start-up message only counts after the INIT.
      u32[latched] = (now & ~(LATCHED.SIPI | LATCHED.VECTOR_MASK)) | LATCHED.INIT;
    } else if (this.awaitsStartup(processor, shift)) {
      u32[latched] = (now & ~LATCHED.VECTOR_MASK) | LATCHED.SIPI | (vector << LATCHED.VECTOR_SHIFT);
    }
    this.outputs.changed();
  }

  /** In wait-for-SIPI, or going there by an INIT that nothing blocks. Elsewhere a start-up message is lost. */
  private awaitsStartup(processor: number, shift: number): boolean {
    const { u32 } = this.memory;
    if (u32[(BOUNDARY.activity + shift) >> 2] === ACTIVITY.WAIT_FOR_SIPI) return true;
    if ((u32[(BOUNDARY.latched + shift) >> 2] & LATCHED.INIT) === 0 || u32[(VMX.mode + shift) >> 2] !== 0) return false;
    return (this.baseLow(processor) & BASE.bootstrap) === 0;
  }

  // What processors ask

  /** Vector to be delivered to a processor now, or -1. */
  request(processor: number): number {
    return this.isEnabled(processor) ? this.apics[processor].request() : -1;
  }

  /** Whether the PIC's output reaches a processor. */
  passesExtInt(processor: number): boolean {
    if (this.isEnabled(processor)) return this.apics[processor].passesExtInt;
    // With its APIC disabled the bootstrap processor has the PIC's output at its INTR pin.
    return processor === 0;
  }

  /** A rising edge of the PIC's output, which is wired to every LINT0. */
  lint0Edge(): void {
    for (const apic of this.apics) if (this.isEnabled(apic.id)) apic.lint0Edge();
  }

  // Time

  nextEvent(): bigint | undefined {
    let next: bigint | undefined;
    for (const apic of this.apics) {
      if (!this.isEnabled(apic.id) || apic.timerIsMoot) continue;
      const due = apic.timer.nextEvent();
      if (due !== undefined && (next === undefined || due < next)) next = due;
    }
    return next;
  }

  advance(now: bigint): void {
    for (const apic of this.apics) apic.timer.advance(now);
  }

  // The active processor's page

  /** Frame of the page, or -1 when the APIC does not answer there. */
  private frame(): number {
    const base = MSRS.apicBase >> 2;
    const { u32 } = this.memory;
    if ((u32[base] & (BASE.enabled | BASE.x2apic)) !== BASE.enabled) return -1;
    return Number((this.memory.u64[base >> 1] & BASE_ADDRESS) >> 12n);
  }

  claims(physicalPage: number): boolean {
    return physicalPage === this.frame();
  }

  /** A register is the low 4 bytes of its 16; what lies between reads as zero. To be called for pages it claims. */
  read(physical: number, size: number): bigint {
    const within = physical & 15;
    if (within >= 4) return 0n;
    const register = (physical % PAGE_SIZE) >> 4;
    const value = BigInt(this.active.read(register, this.clock(), false)) >> BigInt(within * 8);
    return BigInt.asUintN(Math.min(size, 4) * 8, value);
  }

  /** Only aligned 32-bit writes are defined; a narrower or misaligned one is dropped. */
  write(physical: number, size: number, value: bigint): void {
    if (size < 4 || (physical & 15) !== 0) return;
    const register = (physical % PAGE_SIZE) >> 4;
    this.active.write(register, Number(BigInt.asUintN(32, value)), this.clock(), false);
  }

  // x2APIC and the TSC deadline, for RDMSR and WRMSR

  private get x2apicOn(): boolean {
    return this.isX2apic(this.memory.u32[MACHINE.activeProcessor >> 2]);
  }

  /** RDMSR of 0x800 to 0x8ff; undefined means #GP(0). */
  readMsr(msr: number): bigint | undefined {
    const register = msr - X2APIC_FIRST;
    if (!this.x2apicOn || !isX2apicReadable(register)) return undefined;
    this.advance(this.clock());
    if (register === APIC.icrLow) return this.active.commandRegister;
    return BigInt(this.active.read(register, this.clock(), true));
  }

  /** WRMSR of 0x800 to 0x8ff; false means #GP(0). */
  writeMsr(msr: number, value: bigint): boolean {
    const register = msr - X2APIC_FIRST;
    if (!this.x2apicOn || !(register in X2APIC_WRITABLE)) return false;
    const low = Number(BigInt.asUintN(32, value));
    if ((low & ~X2APIC_WRITABLE[register]) !== 0) return false;
    if (register !== APIC.icrLow && value >> 32n !== 0n) return false;
    this.advance(this.clock());
    if (register === APIC.icrLow) this.active.commandRegister = value;
    else this.active.write(register, low, this.clock(), true);
    return true;
  }

  get tscDeadline(): bigint {
    this.advance(this.clock());
    return this.active.timer.deadline;
  }
  set tscDeadline(value: bigint) {
    this.advance(this.clock());
    this.active.timer.deadline = value;
    // One that has passed already fires now.
    this.advance(this.clock());
    this.outputs.changed();
  }
}
