import type { Processor } from '../cpu/processor';
import { BOUNDARY, CONTROL, DESCRIPTOR_TABLES, SEGMENT_ORDER, type SegmentName } from '../state/layout';
import { BLOCKING } from '../tables/boundary-state';
import { FIELD, type VmcsFieldName } from '../tables/vmcs-fields';
import { type ControlKey, controlMask } from '../tables/vmx-controls';
import { preparePaging, refuseRip } from './register-rules';
import { readUnitRegister, writeUnitRegister, type UnitRegister } from './unit-registers';

/** Registers that are not general ones. */
export type ControlName =
  | 'RIP'
  | 'RFLAGS'
  | 'CR0'
  | 'CR2'
  | 'CR3'
  | 'CR4'
  | 'CR8'
  | 'EFER'
  | 'XCR0'
  | 'DR0'
  | 'DR1'
  | 'DR2'
  | 'DR3'
  | 'DR6'
  | 'DR7';
export type SegmentPart = 'selector' | 'base' | 'limit' | 'access';
export type TableName = 'GDTR' | 'IDTR';

/** Where a layer's registers are: in the processor, or, of a layer at rest, in its VMCS and the layer table. */
export interface RegisterImage {
  gpr(number: number): bigint;
  setGpr(number: number, value: bigint): void;
  /** 0 where the layer does not have the register now. */
  control(name: ControlName): bigint;
  /** @returns why the register cannot have this value in this layer now, in a sentence; undefined where it has been written */
  setControl(name: ControlName, value: bigint): string | undefined;
  segment(name: SegmentName, part: SegmentPart): bigint;
  /** As `setControl`. */
  setSegment(name: SegmentName, part: SegmentPart, value: bigint): string | undefined;
  table(name: TableName, part: 'base' | 'limit'): bigint;
  unit(register: UnitRegister): bigint;
  /** As `setControl`. */
  setUnit(register: UnitRegister, value: bigint): string | undefined;
  /** The guest's EPT pointer where EPT is on for it. */
  readonly eptp: bigint | undefined;
}

const RUNNING_CONTROL: Readonly<Partial<Record<ControlName, number>>> = {
  CR0: CONTROL.cr0,
  CR2: CONTROL.cr2,
  CR3: CONTROL.cr3,
  CR4: CONTROL.cr4,
  EFER: CONTROL.efer,
  XCR0: CONTROL.xcr0,
  DR0: CONTROL.dr,
  DR1: CONTROL.dr + 8,
  DR2: CONTROL.dr + 16,
  DR3: CONTROL.dr + 24,
  DR6: CONTROL.dr + 48,
  DR7: CONTROL.dr + 56,
};

/** Control registers that translation depends on; changing another one leaves the TLB, which is state, as it is. */
const TRANSLATION = { CR0: 'cr0', CR3: 'cr3', CR4: 'cr4', EFER: 'efer' } as const;
const isTranslation = (name: ControlName): name is keyof typeof TRANSLATION => name in TRANSLATION;

const notKept = (name: string): string =>
  `${name} of a layer at rest is not kept anywhere it could be changed; let the layer run first.`;

/** The layer that executes next: its registers are the processor's. */
export class RunningImage implements RegisterImage {
  constructor(private readonly cpu: Processor) {}

  gpr(number: number): bigint {
    return this.cpu.gpr(number);
  }
  setGpr(number: number, value: bigint): void {
    this.cpu.setGpr(number, value);
  }
  control(name: ControlName): bigint {
    if (name === 'RIP') return this.cpu.rip;
    if (name === 'RFLAGS') return BigInt(this.cpu.rflags);
    if (name === 'CR8') return BigInt(this.cpu.taskPriority.read());
    return this.cpu.field(RUNNING_CONTROL[name] ?? 0);
  }
  setControl(name: ControlName, value: bigint): string | undefined {
    const refused = this.prepare(name, value);
    if (refused !== undefined) return refused;
    if (name === 'RIP') {
      this.cpu.rip = value;
      // A shadow belonged to the instruction that would have come next.
      this.cpu.setField32(BOUNDARY.interruptibility, this.cpu.field32(BOUNDARY.interruptibility) & ~BLOCKING.SHADOW);
    } else if (name === 'RFLAGS') this.cpu.rflags = Number(value & 0x3f_7fd5n);
    else if (name === 'CR8') this.cpu.taskPriority.write(Number(value & 15n));
    else this.cpu.setField(RUNNING_CONTROL[name] ?? 0, value);
    if (isTranslation(name)) this.cpu.mmu.flush(true);
    this.cpu.mmu.contextChanged();
    return undefined;
  }
  private prepare(name: ControlName, value: bigint): string | undefined {
    if (name === 'RIP') return refuseRip(this.cpu, value);
    if (!isTranslation(name)) return undefined;
    const { cr0, cr3, cr4, efer } = this.cpu;
    return preparePaging(this.cpu, { cr0, cr3, cr4, efer, [TRANSLATION[name]]: value });
  }
  segment(name: SegmentName, part: SegmentPart): bigint {
    const index = SEGMENT_ORDER.indexOf(name);
    if (part === 'base') return this.cpu.base(index);
    return BigInt(this.cpu[part](index));
  }
  setSegment(name: SegmentName, part: SegmentPart, value: bigint): string | undefined {
    const index = SEGMENT_ORDER.indexOf(name);
    const now = { selector: 0n, base: 0n, limit: 0n, access: 0n };
    for (const each of SEGMENT_PARTS) now[each] = each === part ? value : this.segment(name, each);
    this.cpu.setSegment(
      index,
      Number(now.selector & 0xffffn),
      BigInt.asUintN(64, now.base),
      Number(now.limit & 0xffff_ffffn),
      Number(now.access & 0x1_ffffn),
    );
    this.cpu.mmu.contextChanged();
    return undefined;
  }
  table(name: TableName, part: 'base' | 'limit'): bigint {
    const lower = name === 'GDTR' ? 'gdtr' : 'idtr';
    if (part === 'base') return this.cpu.field(DESCRIPTOR_TABLES[`${lower}Base`]);
    return BigInt(this.cpu.field32(DESCRIPTOR_TABLES[`${lower}Limit`]));
  }
  unit(register: UnitRegister): bigint {
    return readUnitRegister(this.cpu, register);
  }
  setUnit(register: UnitRegister, value: bigint): string | undefined {
    return writeUnitRegister(this.cpu, register, value);
  }
  get eptp(): bigint | undefined {
    return this.cpu.vmx.ept ? this.cpu.vmx.eptp : undefined;
  }
}

const SEGMENT_PARTS: readonly SegmentPart[] = ['selector', 'base', 'limit', 'access'];

/** A VMCS as the debugger reads and writes it. */
export interface VmcsAccess {
  read(encoding: number): bigint;
  write(encoding: number, value: bigint): void;
}

/** General registers and CR2 of a layer at rest, by state address. */
export interface SavedRegisters {
  at(register: number | 'cr2'): number | undefined;
}

const GUEST_CONTROL: Readonly<Partial<Record<ControlName, VmcsFieldName>>> = {
  RIP: 'GUEST_RIP',
  RFLAGS: 'GUEST_RFLAGS',
  CR0: 'GUEST_CR0',
  CR3: 'GUEST_CR3',
  CR4: 'GUEST_CR4',
  EFER: 'GUEST_IA32_EFER',
  DR7: 'GUEST_DR7',
};
const HOST_CONTROL: Readonly<Partial<Record<ControlName, VmcsFieldName>>> = {
  RIP: 'HOST_RIP',
  CR0: 'HOST_CR0',
  CR3: 'HOST_CR3',
  CR4: 'HOST_CR4',
  EFER: 'HOST_IA32_EFER',
};

/** Which controls decide EFER when the layer runs again. */
interface EferControls {
  readonly word: number;
  readonly load: ControlKey;
  readonly mode: ControlKey;
}
/** LME and LMA. */
const LONG_MODE = 0x500n;
const SHARED: Readonly<Partial<Record<ControlName, number>>> = { XCR0: CONTROL.xcr0 };

const RSP = 4;
const GUEST_PART = { selector: 'SELECTOR', base: 'BASE', limit: 'LIMIT', access: 'AR' } as const;

/** What general registers a resting layer has: saved when it was left, but RSP is in the VMCS. */
abstract class RestingImage implements RegisterImage {
  constructor(
    protected readonly cpu: Processor,
    protected readonly vmcs: VmcsAccess,
    private readonly saved: SavedRegisters,
    private readonly stackPointer: number,
    private readonly controls: Readonly<Partial<Record<ControlName, VmcsFieldName>>>,
  ) {}

  gpr(number: number): bigint {
    if (number === RSP) return this.vmcs.read(this.stackPointer);
    const at = this.saved.at(number);
    return at === undefined ? 0n : this.cpu.field(at);
  }
  setGpr(number: number, value: bigint): void {
    const at = this.saved.at(number);
    if (number === RSP) this.vmcs.write(this.stackPointer, value);
    else if (at !== undefined) this.cpu.setField(at, value);
  }
  control(name: ControlName): bigint {
    if (name === 'CR2') {
      const at = this.saved.at('cr2');
      return at === undefined ? 0n : this.cpu.field(at);
    }
    // Registers a transition leaves alone are the same for all layers.
    const shared = SHARED[name];
    if (shared !== undefined) return this.cpu.field(shared);
    if (name === 'EFER') return this.efer();
    const field = this.controls[name];
    return field === undefined ? 0n : this.vmcs.read(FIELD[field]);
  }
  /** Loaded from its field if a control says so; otherwise only LMA and LME change, by the control that chooses the mode. */
  private efer(): bigint {
    const { word, load, mode } = this.eferControls;
    const controls = this.vmcs.read(word);
    const field = this.controls.EFER;
    if (field !== undefined && (controls & BigInt(controlMask(load))) !== 0n) return this.vmcs.read(FIELD[field]);
    const kept = this.cpu.field(CONTROL.efer) & ~LONG_MODE;
    return (controls & BigInt(controlMask(mode))) === 0n ? kept : kept | LONG_MODE;
  }
  protected abstract readonly eferControls: EferControls;
  setControl(name: ControlName, value: bigint): string | undefined {
    const field = this.controls[name];
    if (field === undefined) return notKept(name);
    this.vmcs.write(FIELD[field], value);
    return undefined;
  }
  unit(register: UnitRegister): bigint {
    return readUnitRegister(this.cpu, register);
  }
  setUnit(register: UnitRegister, value: bigint): string | undefined {
    return writeUnitRegister(this.cpu, register, value);
  }
  abstract segment(name: SegmentName, part: SegmentPart): bigint;
  abstract setSegment(name: SegmentName, part: SegmentPart, value: bigint): string | undefined;
  abstract table(name: TableName, part: 'base' | 'limit'): bigint;
  abstract readonly eptp: bigint | undefined;
}

/** A guest that is not running: its VMCS's guest-state area. */
export class RestingGuestImage extends RestingImage {
  constructor(cpu: Processor, vmcs: VmcsAccess, saved: SavedRegisters) {
    super(cpu, vmcs, saved, FIELD.GUEST_RSP, GUEST_CONTROL);
  }
  protected override readonly eferControls = {
    word: FIELD.VM_ENTRY_CONTROLS,
    load: 'entry.LOAD_IA32_EFER',
    mode: 'entry.IA32E_MODE_GUEST',
  } as const;

  get eptp(): bigint | undefined {
    const primary = this.vmcs.read(FIELD.CPU_BASED_VM_EXEC_CONTROL);
    const secondary = this.vmcs.read(FIELD.SECONDARY_VM_EXEC_CONTROL);
    const on = (word: bigint, key: ControlKey): boolean => (word & BigInt(controlMask(key))) !== 0n;
    if (!on(primary, 'primary.ACTIVATE_SECONDARY_CONTROLS') || !on(secondary, 'secondary.ENABLE_EPT')) return undefined;
    return this.vmcs.read(FIELD.EPT_POINTER);
  }

  private fieldOf(name: SegmentName, part: SegmentPart): number {
    return FIELD[`GUEST_${name}_${GUEST_PART[part]}`];
  }
  segment(name: SegmentName, part: SegmentPart): bigint {
    return this.vmcs.read(this.fieldOf(name, part));
  }
  setSegment(name: SegmentName, part: SegmentPart, value: bigint): string | undefined {
    this.vmcs.write(this.fieldOf(name, part), value);
    return undefined;
  }
  table(name: TableName, part: 'base' | 'limit'): bigint {
    return this.vmcs.read(FIELD[`GUEST_${name}_${part === 'base' ? 'BASE' : 'LIMIT'}`]);
  }
}

/** Access rights and limits a VM exit gives the host, whatever the VMCS says. */
const HOST_CODE = 0xa09bn;
const HOST_DATA = 0xc093n;
const HOST_TASK = 0x8bn;
const UNUSABLE = 0x1_0000n;
const HOST_TASK_LIMIT = 0x67n;
const HOST_TABLE_LIMIT = 0xffffn;

/** The root while its guest runs: the VMCS's host-state area is where the next VM exit will take it. */
export class RestingRootImage extends RestingImage {
  readonly eptp = undefined;

  constructor(cpu: Processor, vmcs: VmcsAccess, saved: SavedRegisters) {
    super(cpu, vmcs, saved, FIELD.HOST_RSP, HOST_CONTROL);
  }
  protected override readonly eferControls = {
    word: FIELD.VM_EXIT_CONTROLS,
    load: 'exit.LOAD_IA32_EFER',
    mode: 'exit.HOST_ADDRESS_SPACE_SIZE',
  } as const;

  override control(name: ControlName): bigint {
    return name === 'RFLAGS' ? 2n : super.control(name);
  }
  segment(name: SegmentName, part: SegmentPart): bigint {
    if (part === 'access') return this.accessOf(name);
    if (part === 'limit') return name === 'TR' ? HOST_TASK_LIMIT : 0xffff_ffffn;
    if (part === 'selector') return name === 'LDTR' ? 0n : this.vmcs.read(FIELD[`HOST_${name}_SELECTOR`]);
    if (name === 'FS' || name === 'GS' || name === 'TR') return this.vmcs.read(FIELD[`HOST_${name}_BASE`]);
    return 0n;
  }
  private accessOf(name: SegmentName): bigint {
    if (name === 'CS') return HOST_CODE;
    if (name === 'TR') return HOST_TASK;
    return name === 'LDTR' || this.segment(name, 'selector') === 0n ? UNUSABLE : HOST_DATA;
  }
  setSegment(name: SegmentName): string {
    return notKept(name);
  }
  table(name: TableName, part: 'base' | 'limit'): bigint {
    return part === 'limit' ? HOST_TABLE_LIMIT : this.vmcs.read(FIELD[`HOST_${name}_BASE`]);
  }
}
