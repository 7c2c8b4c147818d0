import type { StopMask } from '../api';
import { COLD } from '../cpu/cold';
import type { ColdResult } from '../cpu/cold';
import { GuestFault, raise, TransitionMade, VECTOR } from '../cpu/faults';
import { Processor, SEG } from '../cpu/processor';
import { DecodedRecord } from '../decode/decoded-record';
import { PREFIX, RECORD } from '../decode/record';
import { BOUNDARY, CONTROL, GPR, MSRS, PSEUDO, SCRATCH, VMX } from '../state/layout';
import { MachineMemory } from '../state/memory';
import { CPU_MODELS } from '../tables/cpu-models';
import { FIELD, slotOf } from '../tables/vmcs-fields';
import type { VmcsFieldName } from '../tables/vmcs-fields';
import { VMCS_REVISION } from '../tables/vmx-capabilities';
import { controlMask, controlWord, CONTROL_WORDS } from '../tables/vmx-controls';
import type { ControlKey, ControlWord } from '../tables/vmx-controls';
import { VMX_COLD } from './instructions';
import { createVmx } from './vmx-unit';
import type { VmxUnit } from './vmx-unit';

/** An MSR that WRMSR refuses. */
export const REFUSED_MSR = 0x1234;

/** A processor with VMX and nothing else: linear addresses are physical, no devices, no instructions but the ones called. */
export class TestMachine {
  readonly memory = new MachineMemory(0x40_0000);
  readonly cpu = new Processor(this.memory, CPU_MODELS.strata);
  readonly stopMask: StopMask = { exit: false, entry: false, entryFailure: false, vmfail: false, tripleFault: false };
  readonly vmx: VmxUnit;
  readonly msrs = new Map<number, bigint>();
  /** Calls of the memory unit's invalidations, in words. */
  readonly flushes: string[] = [];
  /** Vectors the interrupt controller would give. */
  readonly vectors: number[] = [];
  private readonly insn = new DecodedRecord(this.memory.view);

  constructor() {
    const { cpu, memory } = this;
    cpu.mmu = {
      read: (linear, size) => {
        const bytes = memory.readBytes(Number(linear), size);
        return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
      },
      write: (linear, size, value) => {
        for (let i = 0; i < size; i++)
          memory.u8[memory.host(Number(linear)) + i] = Number((value >> BigInt(8 * i)) & 0xffn);
      },
      loadPhysical: (linear) => Number(linear),
      readSystem: (linear, size) => cpu.mmu.read(linear, size),
      writeSystem: (linear, size, value) => cpu.mmu.write(linear, size, value),
      probeWrite: () => undefined,
      probeWriteAs: () => undefined,
      loadSystem: (low) => memory.host(low),
      loadPage: (low) => memory.host(low),
      storePage: (low) => memory.host(low),
      linear: (segment, offset) => cpu.base(segment) + offset,
      invalidatePage: () => undefined,
      invalidatePcid: () => undefined,
      flush: () => undefined,
      flushVpid: (vpid) => void this.flushes.push(`vpid ${vpid ?? 'all'}`),
      flushEpt: (eptp) => void this.flushes.push(`ept ${eptp?.toString(16) ?? 'all'}`),
      contextChanged: () => undefined,
    };
    cpu.bus = { read: (_physical, size) => (1n << BigInt(size * 8)) - 1n, write: () => undefined, claims: () => false };
    cpu.interrupts = {
      interruptPending: () => this.vectors.length > 0,
      acknowledge: () => this.vectors.shift() ?? 0xff,
      initialize: () => undefined,
    };
    this.vmx = createVmx(cpu, this.stopMask, {
      read: (index) => this.msrs.get(index) ?? 0n,
      write: (index, value) => {
        if (index === REFUSED_MSR) raise(VECTOR.GP, 0);
        this.msrs.set(index, value);
      },
    });
    this.enterLongMode();
  }

  /** 64-bit root at CPL 0 with CR4.VMXE and feature control as firmware leaves it. */
  private enterLongMode(): void {
    const { cpu } = this;
    cpu.setField(CONTROL.cr0, 0x8000_0031n);
    cpu.setField(CONTROL.cr3, 0x1_0000n);
    cpu.setField(CONTROL.cr4, 0x2020n);
    cpu.setField(CONTROL.efer, 0x500n);
    cpu.setField(CONTROL.xcr0, 1n);
    cpu.setField(MSRS.featureControl, 5n);
    cpu.setField(MSRS.pat, 0x0007_0406_0007_0406n);
    cpu.rflags = 2;
    for (let index = 0; index < 6; index++) cpu.setSegment(index, 0x10, 0n, 0xffff_ffff, 0xc093);
    cpu.setSegment(SEG.CS, 0x08, 0n, 0xffff_ffff, 0xa09b);
    cpu.setSegment(SEG.TR, 0x18, 0x3000n, 0x67, 0x8b);
    cpu.setSegment(SEG.LDTR, 0, 0n, 0, 0x1_0000);
    cpu.rip = 0x10_0000n;
  }

  /** Prepares the record of an instruction. */
  record(options: {
    readonly length?: number;
    readonly d?: number;
    readonly s?: number;
    /** Memory operand at this address; without it, the operand is a register. */
    readonly memory?: number;
    readonly base?: number;
    readonly index?: number;
    readonly scale?: number;
    readonly size?: 2 | 4 | 8;
  }): DecodedRecord {
    const { view } = this.memory;
    const at = SCRATCH.single;
    for (let i = 0; i < 48; i++) view.setUint8(at + i, 0);
    this.cpu.setField(PSEUDO.RIP_PAGE, this.cpu.rip & ~0xfffn);
    const offset = Number(this.cpu.rip & 0xfffn);
    const length = options.length ?? 3;
    view.setUint8(at + RECORD.length, length);
    view.setUint8(at + RECORD.segment, SEG.DS);
    view.setUint16(at + RECORD.d, GPR + (options.d ?? 0) * 8, true);
    view.setUint16(at + RECORD.s, GPR + (options.s ?? 0) * 8, true);
    view.setUint16(at + RECORD.base, options.base === undefined ? PSEUDO.ZERO : GPR + options.base * 8, true);
    view.setUint16(at + RECORD.index, options.index === undefined ? PSEUDO.ZERO : GPR + options.index * 8, true);
    view.setUint8(at + RECORD.scale, options.scale ?? 0);
    const size = Math.log2(options.size ?? 8);
    const register = options.memory === undefined ? PREFIX.REGISTER : 0;
    view.setUint8(at + RECORD.prefixes, register | (size << PREFIX.SIZE_SHIFT) | (3 << PREFIX.ADDRESS_SHIFT));
    view.setBigInt64(at + RECORD.disp, BigInt(options.memory ?? 0), true);
    view.setUint16(at + RECORD.offset, offset, true);
    view.setUint16(at + RECORD.next, offset + length, true);
    return this.insn.at(at);
  }

  /** Executes a VMX instruction: how it ended, in words. */
  execute(key: string, options: Parameters<TestMachine['record']>[0] = {}): string {
    const insn = this.record(options);
    return this.outcome(() => {
      const result: ColdResult = VMX_COLD[key](this.cpu, insn);
      if (result === COLD.JUMPED) return 'jumped';
      if (result === COLD.EXITED) return 'exit';
      this.cpu.rip = this.cpu.nextRipOf(insn);
      const flags = this.cpu.rflags;
      if (flags & 1) return 'VMfailInvalid';
      if (flags & 0x40) return `VMfailValid ${this.field('VM_INSTRUCTION_ERROR')}`;
      return 'VMsucceed';
    });
  }

  /** Runs something of the processor: its words, or what it threw. */
  outcome(action: () => string): string {
    try {
      return action();
    } catch (thrown) {
      if (thrown instanceof TransitionMade) return 'exit';
      if (!(thrown instanceof GuestFault)) throw thrown;
      return thrown.errorCode === undefined ? `#${thrown.vector}` : `#${thrown.vector}(${thrown.errorCode})`;
    }
  }

  field(name: VmcsFieldName): bigint {
    return this.memory.u64[(0x2000 + slotOf(FIELD[name])) >> 3];
  }
  setField(name: VmcsFieldName, value: bigint | number): void {
    this.memory.u64[(0x2000 + slotOf(FIELD[name])) >> 3] = BigInt(value);
  }
  /** Sets or clears a control. */
  control(key: ControlKey, on = true): void {
    const word = key.slice(0, key.indexOf('.')) as ControlWord;
    const at = (0x2000 + slotOf(controlWord(word).encoding)) >> 2;
    const mask = controlMask(key);
    const old = this.memory.u32[at];
    this.memory.u32[at] = on ? (old | mask) >>> 0 : old & ~mask;
  }

  /** VMXON at 0x5000, an empty current VMCS at 0x6000. */
  start(): void {
    this.memory.write32(0x5000, VMCS_REVISION);
    this.memory.write32(0x6000, VMCS_REVISION);
    this.memory.write64(0x4000, 0x5000n);
    this.memory.write64(0x4008, 0x6000n);
    this.execute('vmxon', { memory: 0x4000 });
    this.execute('vmclear', { memory: 0x4008 });
    this.execute('vmptrld', { memory: 0x4008 });
  }

  /** A VMCS that enters a 64-bit guest; controls as few as the processor allows. */
  prepareGuest(): void {
    for (const { word, default1, width, encoding, mayBeZero } of CONTROL_WORDS) {
      if (width === 64 || word === 'secondary' || word === 'exceptions') continue;
      this.memory.u64[(0x2000 + slotOf(encoding)) >> 3] = BigInt((default1 & ~mayBeZero) >>> 0);
    }
    this.control('primary.ACTIVATE_SECONDARY_CONTROLS');
    this.control('exit.HOST_ADDRESS_SPACE_SIZE');
    this.control('exit.SAVE_IA32_EFER');
    this.control('exit.LOAD_IA32_EFER');
    this.control('entry.IA32E_MODE_GUEST');
    this.control('entry.LOAD_IA32_EFER');
    this.setField('VMCS_LINK_POINTER', 0xffff_ffff_ffff_ffffn);
    for (const side of ['GUEST', 'HOST'] as const) {
      this.setField(`${side}_CR0`, 0x8000_0031n);
      this.setField(`${side}_CR3`, side === 'GUEST' ? 0x2_0000n : 0x1_0000n);
      this.setField(`${side}_CR4`, 0x2020n);
      this.setField(`${side}_IA32_EFER`, 0x500n);
      this.setField(`${side}_CS_SELECTOR`, 8);
      this.setField(`${side}_TR_SELECTOR`, 0x18);
    }
    this.setField('HOST_RIP', 0x11_0000);
    this.setField('HOST_RSP', 0x12_0000);
    for (const segment of ['ES', 'SS', 'DS', 'FS', 'GS'] as const) {
      this.setField(`GUEST_${segment}_SELECTOR`, 0x10);
      this.setField(`GUEST_${segment}_LIMIT`, 0xffff_ffff);
      this.setField(`GUEST_${segment}_AR`, 0xc093);
    }
    this.setField('GUEST_CS_LIMIT', 0xffff_ffff);
    this.setField('GUEST_CS_AR', 0xa09b);
    this.setField('GUEST_TR_LIMIT', 0x67);
    this.setField('GUEST_TR_AR', 0x8b);
    this.setField('GUEST_LDTR_AR', 0x1_0000);
    this.setField('GUEST_RIP', 0x20_0000);
    this.setField('GUEST_RSP', 0x21_0000);
    this.setField('GUEST_RFLAGS', 2);
    this.setField('GUEST_DR7', 0x400);
  }

  /** Start, prepare, `change`, and VMLAUNCH. */
  launch(change: () => void = () => undefined): string {
    if (this.cpu.field32(VMX.mode) === 0) this.start();
    this.prepareGuest();
    change();
    return this.execute('vmlaunch');
  }

  get inGuest(): boolean {
    return this.vmx.intercepts.inGuest;
  }
  get interruptibility(): number {
    return this.cpu.field32(BOUNDARY.interruptibility);
  }
}
