import type { DeviceState } from './device-state';
import { ApicTimer } from './apic-timer';

/** Register offsets of the xAPIC page, divided by 16: also x2APIC MSR index less 0x800. */
export const APIC = {
  id: 0x02,
  version: 0x03,
  tpr: 0x08,
  apr: 0x09,
  ppr: 0x0a,
  eoi: 0x0b,
  ldr: 0x0d,
  dfr: 0x0e,
  svr: 0x0f,
  isr: 0x10,
  tmr: 0x18,
  irr: 0x20,
  esr: 0x28,
  icrLow: 0x30,
  icrHigh: 0x31,
  lvtTimer: 0x32,
  lvtThermal: 0x33,
  lvtPerformance: 0x34,
  lvtLint0: 0x35,
  lvtLint1: 0x36,
  lvtError: 0x37,
  initialCount: 0x38,
  currentCount: 0x39,
  divide: 0x3e,
  /** x2APIC only. */
  selfIpi: 0x3f,
} as const;

/** 6 LVT entries, integrated APIC. */
const VERSION = 0x0005_0014;
const LVT_MASKED = 0x1_0000;
/** Delivery mode of an interrupt command or LVT entry. */
export const DELIVERY = { fixed: 0, lowest: 1, smi: 2, nmi: 4, init: 5, startup: 6, extInt: 7 } as const;
const ERROR = { sendIllegalVector: 0x20, receivedIllegalVector: 0x40, illegalRegister: 0x80 } as const;

/** Writable bits of the LVT registers from `lvtTimer` on. */
const LVT_WRITABLE = [0x7_00ff, 0x1_07ff, 0x1_07ff, 0x1_a7ff, 0x1_a7ff, 0x1_00ff] as const;

/** What an interrupt command asks for, to be carried to its destination. */
export interface Ipi {
  readonly delivery: number;
  readonly vector: number;
}

/** How a local APIC reaches the rest of the machine. */
export interface ApicOutputs {
  /** Called when what the APIC requests, or the time of its next event, may have changed. */
  changed(): void;
  /** NMI, INIT or start-up IPI to the APIC's own processor. */
  signal(ipi: Ipi): void;
  /** TSC less machine time: what the TSC deadline is measured against. */
  tscOffset(): bigint;
}

/** One processor's local APIC: register file of the xAPIC page, addressed by APIC register index. */
export class LocalApic {
  private readonly regs: Uint32Array;
  /** Errors not yet latched into ESR by a write to it. */
  private readonly errors: Uint32Array;
  readonly timer: ApicTimer;

  constructor(
    state: DeviceState,
    private readonly apicId: number,
    private readonly outputs: ApicOutputs,
  ) {
    this.regs = state.words(0x40);
    this.errors = state.words(1);
    this.timer = new ApicTimer(state, this.regs, (vector) => this.accept(vector), outputs.tscOffset);
  }

  /** SDM "Local APIC State After Power-Up or Reset". */
  reset(): void {
    this.regs.fill(0);
    this.errors[0] = 0;
    this.regs[APIC.dfr] = 0xffff_ffff;
    this.regs[APIC.svr] = 0xff;
    for (let i = 0; i < LVT_WRITABLE.length; i++) this.regs[APIC.lvtTimer + i] = LVT_MASKED;
    this.timer.reset();
    this.outputs.changed();
  }

  /** Virtual-wire mode, as firmware leaves the bootstrap processor: enabled, LINT0 from the PIC, LINT1 an NMI. */
  setVirtualWire(): void {
    this.regs[APIC.svr] = 0x1ff;
    this.regs[APIC.lvtLint0] = DELIVERY.extInt << 8;
    this.regs[APIC.lvtLint1] = DELIVERY.nmi << 8;
  }

  get softwareEnabled(): boolean {
    return (this.regs[APIC.svr] & 0x100) !== 0;
  }

  /** True if the PIC's request reaches the processor through LINT0. */
  get passesExtInt(): boolean {
    const lint0 = this.regs[APIC.lvtLint0];
    return (lint0 & LVT_MASKED) === 0 && ((lint0 >> 8) & 7) === DELIVERY.extInt;
  }

  /** A rising edge at LINT0 that is not an ExtINT. */
  lint0Edge(): void {
    const lint0 = this.regs[APIC.lvtLint0];
    if (lint0 & LVT_MASKED) return;
    const delivery = (lint0 >> 8) & 7;
    if (delivery === DELIVERY.fixed) this.accept(lint0 & 0xff);
    else if (delivery === DELIVERY.nmi) this.outputs.signal({ delivery, vector: 0 });
  }

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

  private get ppr(): number {
    const tpr = this.regs[APIC.tpr];
    const inService = Math.max(this.highest(APIC.isr), 0);
    return (tpr & 0xf0) >= (inService & 0xf0) ? tpr : inService & 0xf0;
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

  /** Requests an edge-triggered fixed interrupt. */
  accept(vector: number): void {
    if (vector < 16) {
      this.error(ERROR.receivedIllegalVector);
      return;
    }
    const bit = 1 << (vector & 31);
    this.regs[APIC.irr + (vector >> 5)] |= bit;
    this.regs[APIC.tmr + (vector >> 5)] &= ~bit;
    this.outputs.changed();
  }

  private error(bit: number): void {
    this.errors[0] |= bit;
    const lvt = this.regs[APIC.lvtError];
    if (!(lvt & LVT_MASKED) && (lvt & 0xff) >= 16) this.accept(lvt & 0xff);
  }

  endOfInterrupt(): void {
    const vector = this.highest(APIC.isr);
    if (vector >= 0) this.regs[APIC.isr + (vector >> 5)] &= ~(1 << (vector & 31));
    this.outputs.changed();
  }

  /** @param register index in the xAPIC page; @param x2apic the access came through an MSR */
  read(register: number, time: bigint, x2apic: boolean): number {
    switch (register) {
      case APIC.id:
        return x2apic ? this.apicId : ((this.apicId << 24) | this.regs[APIC.id]) >>> 0;
      case APIC.version:
        return VERSION;
      case APIC.ppr:
        return this.ppr;
      case APIC.ldr:
        // In x2APIC mode the logical ID follows from the ID: cluster, and one bit within it.
        return x2apic ? (((this.apicId >> 4) << 16) | (1 << (this.apicId & 15))) >>> 0 : this.regs[APIC.ldr];
      case APIC.currentCount:
        return this.timer.currentCount(time);
      default:
        return isRegister(register) ? this.regs[register] : (this.illegal(), 0);
    }
  }

  private illegal(): void {
    this.error(ERROR.illegalRegister);
  }

  write(register: number, value: number, time: bigint): void {
    const { regs } = this;
    switch (register) {
      case APIC.tpr:
        this.tpr = value;
        return;
      case APIC.eoi:
        this.endOfInterrupt();
        return;
      case APIC.ldr:
        regs[register] = value & 0xff00_0000;
        return;
      case APIC.dfr:
        regs[register] = value | 0x0fff_ffff;
        return;
      case APIC.svr:
        regs[register] = value & 0x3ff;
        if (!this.softwareEnabled) {
          for (let i = 0; i < LVT_WRITABLE.length; i++) regs[APIC.lvtTimer + i] |= LVT_MASKED;
        }
        break;
      case APIC.esr:
        regs[register] = this.errors[0];
        this.errors[0] = 0;
        return;
      case APIC.icrHigh:
        regs[register] = value & 0xff00_0000;
        return;
      case APIC.icrLow:
        regs[register] = value & 0x000c_cfff;
        this.command(value, regs[APIC.icrHigh] >>> 24, false);
        return;
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
      case APIC.selfIpi:
        this.illegal();
        return;
      default:
        // Read-only registers ignore writes; the rest do not exist.
        if (!isRegister(register)) this.illegal();
        return;
    }
    this.outputs.changed();
  }

  private lvt(register: number, value: number): number {
    const bits = value & LVT_WRITABLE[register - APIC.lvtTimer];
    return this.softwareEnabled ? bits : bits | LVT_MASKED;
  }

  /**
   * Carries out an interrupt command as far as it concerns this processor, which is the only one.
   * @param x2apic the destination is 32 bits wide and logical IDs have the x2APIC form
   */
  command(low: number, destination: number, x2apic: boolean): void {
    const delivery = (low >> 8) & 7;
    const vector = low & 0xff;
    const shorthand = (low >> 18) & 3;
    const forSelf =
      shorthand === 1 || shorthand === 2 || (shorthand === 0 && this.isDestination(low, destination, x2apic));
    if (delivery === DELIVERY.fixed || delivery === DELIVERY.lowest) {
      if (vector < 16) this.error(ERROR.sendIllegalVector);
      else if (forSelf) this.accept(vector);
      return;
    }
    // An INIT level de-assert is not supported by processors since the Pentium 4: no effect.
    if (delivery === DELIVERY.init && (low & 0xc000) === 0x8000) return;
    if (forSelf) this.outputs.signal({ delivery, vector });
  }

  private isDestination(low: number, destination: number, x2apic: boolean): boolean {
    const broadcast = x2apic ? 0xffff_ffff : 0xff;
    if (destination === broadcast) return true;
    if (!(low & 0x800)) return destination === this.apicId;
    if (x2apic) {
      return destination >>> 16 === this.apicId >> 4 && (destination & (1 << (this.apicId & 15))) !== 0;
    }
    const logical = this.regs[APIC.ldr] >>> 24;
    // DFR 31:28: all ones is the flat model, zero the cluster model.
    if (this.regs[APIC.dfr] >>> 28 === 0xf) return (logical & destination) !== 0;
    return logical >> 4 === destination >> 4 && (logical & destination & 15) !== 0;
  }

  /** Interrupt command register as x2APIC's one 64-bit register. */
  get commandRegister(): bigint {
    return (BigInt(this.regs[APIC.icrHigh]) << 32n) | BigInt(this.regs[APIC.icrLow]);
  }
  set commandRegister(value: bigint) {
    this.regs[APIC.icrLow] = Number(value & 0x000c_cfffn);
    this.regs[APIC.icrHigh] = Number(value >> 32n);
    this.command(this.regs[APIC.icrLow], this.regs[APIC.icrHigh], true);
  }

  /** True if a timer expiry now would leave everything as it is: masked, or requested already. */
  get timerIsMoot(): boolean {
    const lvt = this.regs[APIC.lvtTimer];
    const vector = lvt & 0xff;
    return (lvt & LVT_MASKED) !== 0 || (this.regs[APIC.irr + (vector >> 5)] & (1 << (vector & 31))) !== 0;
  }
}

function isRegister(register: number): boolean {
  return (
    (register >= APIC.id && register <= APIC.version) ||
    (register >= APIC.tpr && register <= APIC.irr + 8 && register !== 0x0c) ||
    (register >= APIC.icrLow && register <= APIC.currentCount) ||
    register === APIC.divide
  );
}
