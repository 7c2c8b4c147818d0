import { ApicTimer } from './apic-timer';
import type { DeviceState } from './device-state';
import type { InterruptMessage } from './interrupt-message';
import { APIC } from './local-apic-registers';

/** 6 LVT entries, as MCG_CAP knows no CMCI; integrated APIC; EOI broadcasts cannot be suppressed. */
const VERSION = 0x0005_0014;
const LVT_MASKED = 0x1_0000;
/** Delivery mode of an interrupt message, interrupt command or LVT entry. */
export const DELIVERY = { fixed: 0, lowest: 1, smi: 2, nmi: 4, init: 5, startup: 6, extInt: 7 } as const;
const ERROR = { sendIllegalVector: 0x20, receivedIllegalVector: 0x40, illegalRegister: 0x80 } as const;

/** Writable bits of the LVT registers. */
const LVT_WRITABLE: Readonly<Record<number, number>> = {
  [APIC.lvtTimer]: 0x7_00ff,
  [APIC.lvtThermal]: 0x1_07ff,
  [APIC.lvtPerformance]: 0x1_07ff,
  [APIC.lvtLint0]: 0x1_a7ff,
  [APIC.lvtLint1]: 0x1_a7ff,
  [APIC.lvtError]: 0x1_00ff,
};
const LVTS = Object.keys(LVT_WRITABLE).map(Number);

/** Writable bits of the low half of the interrupt command register. */
export const ICR_WRITABLE = 0x000c_cfff;
/** Destination that names every processor; of 8 bits, it is 0xff. */
export const BROADCAST = 0xffff_ffff;
export const wideDestination = (destination: number): number => (destination === 0xff ? BROADCAST : destination);
/** Destination shorthands, ICR 19:18. */
export const SHORTHAND = { none: 0, self: 1, all: 2, others: 3 } as const;
const LEVEL_DEASSERT = { mask: 0xc000, value: 0x8000 } as const;
const LOGICAL = 0x800;

/** Requests a processor takes at an instruction boundary whatever its local APIC's priorities. */
export type Signal = typeof DELIVERY.nmi | typeof DELIVERY.init | typeof DELIVERY.startup;

/** How a local APIC reaches the rest of the machine. */
export interface ApicOutputs {
  /** Called when what the APIC requests, or the time of its next event, may have changed. */
  changed(): void;
  /** NMI, INIT or start-up IPI to the APIC's own processor. */
  signal(signal: Signal, vector: number): void;
  /** An interrupt command of this APIC, to be carried to its destinations. */
  send(message: InterruptMessage, shorthand: number): void;
  /** A level-triggered interrupt has been serviced. */
  endOfInterrupt(vector: number): void;
  /** TSC less machine time: what the TSC deadline is measured against. */
  tscOffset(): bigint;
}

/** One processor's local APIC: register file of the xAPIC page, addressed by APIC register index. */
export class LocalApic {
  private readonly regs: Uint32Array;
  /** Errors not yet latched into ESR by a write to it; 1 while an ExtINT message waits for the PIC to be asked. */
  private readonly hidden: Uint32Array;
  readonly timer: ApicTimer;

  constructor(
    state: DeviceState,
    readonly id: number,
    private readonly outputs: ApicOutputs,
  ) {
    this.regs = state.words(0x40);
    this.hidden = state.words(2);
    this.timer = new ApicTimer(state, this.regs, () => this.local(APIC.lvtTimer), outputs.tscOffset);
  }

  /** SDM "Local APIC State After Power-Up or Reset". */
  reset(): void {
    this.regs.fill(0);
    this.hidden.fill(0);
    this.regs[APIC.dfr] = 0xffff_ffff;
    this.regs[APIC.svr] = 0xff;
    for (const lvt of LVTS) this.regs[lvt] = LVT_MASKED;
    this.timer.reset();
    this.outputs.changed();
  }

  /** Virtual-wire mode, as firmware leaves the bootstrap processor: enabled, LINT0 from the PIC, LINT1 an NMI. */
  setVirtualWire(): void {
    this.regs[APIC.svr] = 0x1ff;
    this.regs[APIC.lvtLint0] = DELIVERY.extInt << 8;
    this.regs[APIC.lvtLint1] = DELIVERY.nmi << 8;
  }

  /** Into x2APIC mode: everything stays but the destination of the last command. */
  enterX2apic(): void {
    this.regs[APIC.icrHigh] = 0;
  }

  get softwareEnabled(): boolean {
    return (this.regs[APIC.svr] & 0x100) !== 0;
  }

  // Interrupts from here and elsewhere

  /** True if the PIC's request reaches the processor through LINT0, or an ExtINT message has come. */
  get passesExtInt(): boolean {
    const lint0 = this.regs[APIC.lvtLint0];
    if (this.hidden[1] !== 0) return true;
    return (lint0 & LVT_MASKED) === 0 && ((lint0 >> 8) & 7) === DELIVERY.extInt;
  }

  /** The PIC has been asked for its vector. */
  acknowledgeExtInt(): void {
    this.hidden[1] = 0;
  }

  /** A rising edge at LINT0 that is not an ExtINT. */
  lint0Edge(): void {
    if (((this.regs[APIC.lvtLint0] >> 8) & 7) !== DELIVERY.extInt) this.local(APIC.lvtLint0);
  }

  /** A performance counter has overflowed; delivering that masks its LVT entry. */
  performanceInterrupt(): void {
    if (this.regs[APIC.lvtPerformance] & LVT_MASKED) return;
    this.local(APIC.lvtPerformance);
    this.regs[APIC.lvtPerformance] |= LVT_MASKED;
  }

  /** Delivers what an LVT entry says, unless it is masked. */
  private local(register: number): void {
    const lvt = this.regs[register];
    if (lvt & LVT_MASKED) return;
    const vector = lvt & 0xff;
    // The timer's and the error entry have no delivery mode.
    const delivery = register === APIC.lvtTimer || register === APIC.lvtError ? DELIVERY.fixed : (lvt >> 8) & 7;
    if (delivery === DELIVERY.fixed) this.accept(vector, false);
    else if (delivery === DELIVERY.nmi || delivery === DELIVERY.init) this.outputs.signal(delivery, vector);
  }

  /** A message addressed to this APIC. Returns false if it does not take it. */
  receive(delivery: number, vector: number, level: boolean): boolean {
    switch (delivery) {
      case DELIVERY.fixed:
      case DELIVERY.lowest:
        // Software-disabled, it answers to nothing but INIT, NMI, SMI and start-up messages.
        if (!this.softwareEnabled) return false;
        this.accept(vector, level);
        return true;
      case DELIVERY.nmi:
      case DELIVERY.init:
      case DELIVERY.startup:
        this.outputs.signal(delivery, vector);
        return true;
      case DELIVERY.extInt:
        this.hidden[1] = 1;
        this.outputs.changed();
        return true;
      default:
        return true;
    }
  }

  /** Requests a fixed interrupt. */
  private accept(vector: number, level: boolean): void {
    if (vector < 16) {
      this.error(ERROR.receivedIllegalVector);
      return;
    }
    const bit = 1 << (vector & 31);
    this.regs[APIC.irr + (vector >> 5)] |= bit;
    if (level) this.regs[APIC.tmr + (vector >> 5)] |= bit;
    else this.regs[APIC.tmr + (vector >> 5)] &= ~bit;
    this.outputs.changed();
  }

  private error(bit: number): void {
    this.hidden[0] |= bit;
    const vector = this.regs[APIC.lvtError] & 0xff;
    if (vector >= 16) this.local(APIC.lvtError);
    else if ((this.regs[APIC.lvtError] & LVT_MASKED) === 0) this.hidden[0] |= ERROR.receivedIllegalVector;
  }

  /** True if a message's destination names this APIC. */
  isDestination(destination: number, logical: boolean, x2apic: boolean): boolean {
    if (destination === BROADCAST) return true;
    if (!logical) return destination === this.id;
    if (x2apic) {
      const own = this.x2apicLdr;
      return destination >>> 16 === own >>> 16 && (destination & own & 0xffff) !== 0;
    }
    if (destination > 0xff) return false;
    const own = this.regs[APIC.ldr] >>> 24;
    // DFR 31:28: all ones is the flat model, zero the cluster model.
    if (this.regs[APIC.dfr] >>> 28 === 0xf) return (own & destination) !== 0;
    const inCluster = own >> 4 === destination >> 4 || destination >> 4 === 15;
    return inCluster && (own & destination & 15) !== 0;
  }

  /** In x2APIC mode the logical ID follows from the ID: cluster, and one bit within it. */
  private get x2apicLdr(): number {
    return (((this.id >> 4) << 16) | (1 << (this.id & 15))) >>> 0;
  }

  // Priorities

  private highest(bank: number): number {
    for (let word = 7; word >= 0; word--) {
      const bits = this.regs[bank + word];
      if (bits !== 0) return word * 32 + 31 - Math.clz32(bits);
    }
    return -1;
  }

  /** Task-priority register, 8 bits; CR8 is its upper half. */
  get tpr(): number {
    return this.regs[APIC.tpr];
  }
  set tpr(value: number) {
    this.regs[APIC.tpr] = value & 0xff;
    this.outputs.changed();
  }

  get ppr(): number {
    const tpr = this.regs[APIC.tpr];
    const inService = Math.max(this.highest(APIC.isr), 0);
    return (tpr & 0xf0) >= (inService & 0xf0) ? tpr : inService & 0xf0;
  }

  /** Arbitration priority: what lowest-priority messages compare. */
  get apr(): number {
    const tpr = this.regs[APIC.tpr];
    const requested = Math.max(this.highest(APIC.irr), 0) >> 4;
    const inService = Math.max(this.highest(APIC.isr), 0) >> 4;
    if (tpr >> 4 >= requested && tpr >> 4 > inService) return tpr;
    return Math.max((tpr >> 4) & inService, requested) << 4;
  }

  /** Vector to be delivered now, or -1. */
  request(): number {
    if (!this.softwareEnabled) return -1;
    const vector = this.highest(APIC.irr);
    return vector >= 0 && (vector & 0xf0) > (this.ppr & 0xf0) ? vector : -1;
  }

  /** Moves the vector `request` gave in service. */
  acknowledge(vector: number): void {
    const bit = 1 << (vector & 31);
    this.regs[APIC.irr + (vector >> 5)] &= ~bit;
    this.regs[APIC.isr + (vector >> 5)] |= bit;
    this.outputs.changed();
  }

  private endOfInterrupt(): void {
    const vector = this.highest(APIC.isr);
    if (vector < 0) return;
    const [word, bit] = [vector >> 5, 1 << (vector & 31)];
    this.regs[APIC.isr + word] &= ~bit;
    if (this.regs[APIC.tmr + word] & bit) this.outputs.endOfInterrupt(vector);
  }

  // Registers

  /** @param register index in the xAPIC page; @param x2apic the access came through an MSR */
  read(register: number, time: bigint, x2apic: boolean): number {
    switch (register) {
      case APIC.id:
        return x2apic ? this.id : (this.id << 24) >>> 0;
      case APIC.version:
        return VERSION;
      case APIC.apr:
        return this.apr;
      case APIC.ppr:
        return this.ppr;
      case APIC.eoi:
      case APIC.remoteRead:
        return 0;
      case APIC.ldr:
        return x2apic ? this.x2apicLdr : this.regs[APIC.ldr];
      case APIC.currentCount:
        return this.timer.currentCount(time);
      default:
        return isRegister(register) ? this.regs[register] : (this.error(ERROR.illegalRegister), 0);
    }
  }

  write(register: number, value: number, time: bigint, x2apic: boolean): void {
    const { regs } = this;
    switch (register) {
      case APIC.tpr:
        regs[register] = value & 0xff;
        break;
      case APIC.eoi:
        this.endOfInterrupt();
        break;
      case APIC.ldr:
        regs[register] = value & 0xff00_0000;
        break;
      case APIC.dfr:
        regs[register] = value | 0x0fff_ffff;
        break;
      case APIC.svr:
        regs[register] = value & 0x3ff;
        if (!this.softwareEnabled) for (const lvt of LVTS) regs[lvt] |= LVT_MASKED;
        break;
      case APIC.esr:
        regs[register] = this.hidden[0];
        this.hidden[0] = 0;
        break;
      case APIC.icrHigh:
        regs[register] = value & 0xff00_0000;
        break;
      case APIC.icrLow:
        regs[register] = value & ICR_WRITABLE;
        this.command(value, wideDestination(regs[APIC.icrHigh] >>> 24));
        break;
      case APIC.lvtTimer:
        this.timer.setMode(this.lvt(register, value), time);
        break;
      case APIC.lvtThermal:
      case APIC.lvtPerformance:
      case APIC.lvtLint0:
      case APIC.lvtLint1:
      case APIC.lvtError:
        regs[register] = this.lvt(register, value);
        break;
      case APIC.initialCount:
        this.timer.start(value, time);
        break;
      case APIC.divide:
        this.timer.setDivide(value & 0x0b, time);
        break;
      default:
        if (register === APIC.selfIpi && x2apic) this.command((SHORTHAND.self << 18) | (value & 0xff), 0);
        // Read-only registers ignore writes; the rest do not exist.
        else if (!isRegister(register)) this.error(ERROR.illegalRegister);
        break;
    }
    this.outputs.changed();
  }

  private lvt(register: number, value: number): number {
    const bits = value & LVT_WRITABLE[register];
    return this.softwareEnabled ? bits : bits | LVT_MASKED;
  }

  /** Carries out an interrupt command. */
  private command(low: number, destination: number): void {
    const delivery = (low >> 8) & 7;
    const vector = low & 0xff;
    const isFixed = delivery === DELIVERY.fixed || delivery === DELIVERY.lowest;
    if (isFixed && vector < 16) {
      this.error(ERROR.sendIllegalVector);
      return;
    }
    // Processors since the Pentium 4 do not know the INIT level de-assert.
    if (delivery === DELIVERY.init && (low & LEVEL_DEASSERT.mask) === LEVEL_DEASSERT.value) return;
    if (!isFixed && delivery !== DELIVERY.nmi && delivery !== DELIVERY.init && delivery !== DELIVERY.startup) return;
    this.outputs.send({ delivery, vector, destination, logical: (low & LOGICAL) !== 0, level: false }, (low >> 18) & 3);
  }

  /** Interrupt command register as x2APIC's one 64-bit register. */
  get commandRegister(): bigint {
    return (BigInt(this.regs[APIC.icrHigh]) << 32n) | BigInt(this.regs[APIC.icrLow]);
  }
  set commandRegister(value: bigint) {
    this.regs[APIC.icrLow] = Number(value & BigInt(ICR_WRITABLE));
    this.regs[APIC.icrHigh] = Number(value >> 32n);
    this.command(this.regs[APIC.icrLow], this.regs[APIC.icrHigh]);
    this.outputs.changed();
  }

  /** True if a timer expiry now would leave everything as it is: masked, or requested already. */
  get timerIsMoot(): boolean {
    const lvt = this.regs[APIC.lvtTimer];
    const vector = lvt & 0xff;
    return (lvt & LVT_MASKED) !== 0 || (this.regs[APIC.irr + (vector >> 5)] & (1 << (vector & 31))) !== 0;
  }
}

/** Registers of the xAPIC page that are there, be it for reading or writing. */
function isRegister(register: number): boolean {
  return (
    (register >= APIC.id && register <= APIC.version) ||
    (register >= APIC.tpr && register <= APIC.esr) ||
    (register >= APIC.icrLow && register <= APIC.currentCount) ||
    register === APIC.divide
  );
}
