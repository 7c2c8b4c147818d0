import type {
  EptTranslation,
  GuestOptional,
  GuestPhysicalAccess,
  Intercepts,
  IoAccess,
  PlainIntercept,
} from '../cpu/intercepts';
import { TRANSITION_MADE, VECTOR } from '../cpu/faults';
import type { DecodedRecord } from '../decode/decoded-record';
import { BOUNDARY, VMX } from '../state/layout';
import { EVENT_TYPE } from '../tables/interruption-info';
import { EXIT_REASON } from '../tables/exit-reasons';
import { ioBitmapExits, msrBitmapExits } from './bitmaps';
import { boundaryExit } from './boundary';
import type { PendingEvents } from './boundary';
import { VIOLATION, walkEpt } from './ept';
import { interruptionInformation, unblockedNmis, vmExit } from './exit';
import type { ExitInformation } from './exit';
import { plainExit, requireEnabled } from './plain-intercepts';
import { AT, VMX_MODE } from './vmcs';
import type { FixedBits, VmxContext } from './vmx-context';

const CR0_TS = 8n;
const CR0_PE_AND_PG = 0x8000_0001n;
const EPTP_ACCESSED_DIRTY = 0x40n;
/** CR-access qualification: bits 5:4. */
const ACCESS = { TO: 0, FROM: 1, CLTS: 2, LMSW: 3 } as const;
const TASK_SWITCH_SOURCE = { call: 0, iret: 1, jmp: 2, gate: 3 } as const;

const NO_INFORMATION: ExitInformation = {};

/** Exceptions whose saved RFLAGS image has RF = 0 because they are no faults. */
const NOT_FAULTS: readonly number[] = [VECTOR.DB, VECTOR.BP, VECTOR.OF, VECTOR.DF, VECTOR.MC];

/** The processor's questions about VM exits, answered from the current VMCS. */
export class VmxIntercepts implements Intercepts {
  constructor(readonly context: VmxContext) {}

  get inGuest(): boolean {
    return this.context.cpu.field32(VMX.mode) === VMX_MODE.NON_ROOT;
  }
  get opensWindow(): boolean {
    const { vmcs } = this.context;
    if (!this.inGuest) return false;
    return vmcs.on('primary.NMI_WINDOW_EXITING') || vmcs.on('primary.INTERRUPT_WINDOW_EXITING');
  }
  get inOperation(): boolean {
    return this.context.cpu.field32(VMX.mode) !== VMX_MODE.OFF;
  }

  get contextLoads(): number {
    return this.context.log.contextLoads;
  }

  /** Exits because of an instruction and abandons it. */
  private exit(reason: number, insn: DecodedRecord, info: ExitInformation = {}): never {
    vmExit(this.context, reason, { instructionLength: insn.length, resume: false, ...info });
    throw TRANSITION_MADE;
  }

  requireEnabled(instruction: GuestOptional): void {
    if (this.inGuest) requireEnabled(this.context, instruction);
  }

  plain(instruction: PlainIntercept, insn: DecodedRecord): void {
    if (this.plainExits(instruction, insn)) throw TRANSITION_MADE;
  }

  plainExits(instruction: PlainIntercept, insn: DecodedRecord): boolean {
    if (!this.inGuest) return false;
    const found = plainExit(this.context, instruction, insn);
    if (found === undefined) return false;
    const { qualification, instructionInformation } = found.info ?? NO_INFORMATION;
    vmExit(this.context, found.reason, {
      qualification,
      instructionLength: insn.length,
      instructionInformation,
      resume: false,
    });
    return true;
  }

  invlpg(linear: bigint, insn: DecodedRecord): void {
    if (!this.inGuest || !this.context.vmcs.on('primary.INVLPG_EXITING')) return;
    this.exit(EXIT_REASON.INVLPG, insn, { qualification: linear });
  }

  private controlAccess(register: number, access: number, gpr: number, insn: DecodedRecord): never {
    this.exit(EXIT_REASON.CR_ACCESS, insn, { qualification: BigInt(register | (access << 4) | (gpr << 8)) });
  }

  controlRead(register: 3 | 8, gpr: number, insn: DecodedRecord): void {
    if (!this.inGuest) return;
    const control = register === 3 ? 'primary.CR3_STORE_EXITING' : 'primary.CR8_STORE_EXITING';
    if (this.context.vmcs.on(control)) this.controlAccess(register, ACCESS.FROM, gpr, insn);
  }

  controlWrite(register: 0 | 3 | 4 | 8, gpr: number, value: bigint, insn: DecodedRecord): void {
    if (this.inGuest && this.writeExits(register, value)) this.controlAccess(register, ACCESS.TO, gpr, insn);
  }
  private writeExits(register: 0 | 3 | 4 | 8, value: bigint): boolean {
    const { vmcs } = this.context;
    switch (register) {
      case 3:
        return vmcs.on('primary.CR3_LOAD_EXITING') && !this.isCr3Target(value);
      case 8:
        return vmcs.on('primary.CR8_LOAD_EXITING');
      default:
        return ((value ^ this.shadow(register)) & this.mask(register)) !== 0n;
    }
  }
  private isCr3Target(value: bigint): boolean {
    const { vmcs } = this.context;
    const targets = [AT.CR3_TARGET_VALUE0, AT.CR3_TARGET_VALUE1, AT.CR3_TARGET_VALUE2, AT.CR3_TARGET_VALUE3];
    return targets.slice(0, vmcs.get32(AT.CR3_TARGET_COUNT)).some((at) => vmcs.get(at) === value);
  }
  private mask(register: 0 | 4): bigint {
    return this.context.vmcs.get(register === 0 ? AT.CR0_GUEST_HOST_MASK : AT.CR4_GUEST_HOST_MASK);
  }
  private shadow(register: 0 | 4): bigint {
    return this.context.vmcs.get(register === 0 ? AT.CR0_READ_SHADOW : AT.CR4_READ_SHADOW);
  }

  clts(insn: DecodedRecord): 'execute' | 'ignore' {
    if (!this.inGuest || (this.mask(0) & CR0_TS) === 0n) return 'execute';
    if ((this.shadow(0) & CR0_TS) !== 0n) this.controlAccess(0, ACCESS.CLTS, 0, insn);
    return 'ignore';
  }

  lmsw(value: number, linear: bigint | undefined, insn: DecodedRecord): void {
    if (!this.inGuest) return;
    const mask = Number(this.mask(0) & 0xfn);
    const shadow = Number(this.shadow(0) & 0xfn);
    // LMSW cannot clear PE, so only an attempt to set it can differ.
    const setsPe = (mask & value & ~shadow & 1) !== 0;
    if (!setsPe && ((value ^ shadow) & mask & 0xe) === 0) return;
    const memory = linear === undefined ? 0 : 0x40;
    const qualification = BigInt((ACCESS.LMSW << 4) | memory) | (BigInt(value & 0xffff) << 16n);
    this.exit(EXIT_REASON.CR_ACCESS, insn, { qualification, guestLinear: linear });
  }

  readControl(register: 0 | 4, actual: bigint): bigint {
    if (!this.inGuest) return actual;
    const mask = this.mask(register);
    return (actual & ~mask) | (this.shadow(register) & mask);
  }

  mergeControl(register: 0 | 4, value: bigint, actual: bigint): bigint {
    if (!this.inGuest) return value;
    const mask = this.mask(register);
    return (value & ~mask) | (actual & mask);
  }

  debugRegister(register: number, gpr: number, read: boolean, insn: DecodedRecord): void {
    if (!this.inGuest || !this.context.vmcs.on('primary.MOV_DR_EXITING')) return;
    this.exit(EXIT_REASON.DR_ACCESS, insn, { qualification: BigInt(register | (read ? 0x10 : 0) | (gpr << 8)) });
  }

  io(access: IoAccess, insn: DecodedRecord): void {
    if (!this.inGuest || !ioBitmapExits(this.context, access.port, access.size)) return;
    const { size, input, string, rep, immediate, port } = access;
    const qualification =
      (size - 1) | (input ? 8 : 0) | (string ? 0x10 : 0) | (rep ? 0x20 : 0) | (immediate ? 0x40 : 0) | (port << 16);
    const addressSize = access.addressSize ?? 0;
    const instructionInformation = string ? ((addressSize >> 2) << 7) | ((access.segment ?? 0) << 15) : 0;
    this.exit(EXIT_REASON.IO_INSTRUCTION, insn, {
      qualification: BigInt(qualification >>> 0),
      guestLinear: access.linear,
      instructionInformation,
    });
  }

  msr(index: number, write: boolean, insn: DecodedRecord): void {
    if (!this.inGuest || !msrBitmapExits(this.context, index, write)) return;
    this.exit(write ? EXIT_REASON.WRMSR : EXIT_REASON.RDMSR, insn);
  }

  fixedBits(register: 0 | 4): FixedBits | undefined {
    if (!this.inOperation) return undefined;
    const fixed = this.context.fixedBits[register];
    const unrestricted = register === 0 && this.inGuest && this.context.vmcs.on('secondary.UNRESTRICTED_GUEST');
    return unrestricted ? { ...fixed, mustBeOne: fixed.mustBeOne & ~CR0_PE_AND_PG } : fixed;
  }

  exception(
    vector: number,
    errorCode: number | undefined,
    address: bigint,
    software: boolean,
    insnLength: number,
  ): boolean {
    if (!this.inGuest || !this.exceptionExits(vector, errorCode)) return false;
    const { cpu } = this.context;
    const type = !software
      ? EVENT_TYPE.HARDWARE_EXCEPTION
      : vector === VECTOR.DB
        ? EVENT_TYPE.PRIVILEGED_SOFTWARE_EXCEPTION
        : EVENT_TYPE.SOFTWARE_EXCEPTION;
    // What the exception reports is no longer pending.
    if (vector === VECTOR.DB) cpu.setField(BOUNDARY.pendingDebug, 0n);
    vmExit(this.context, EXIT_REASON.EXCEPTION_OR_NMI, {
      qualification: vector === VECTOR.PF || vector === VECTOR.DB ? address : 0n,
      instructionLength: software ? insnLength : undefined,
      interruption: interruptionInformation(cpu, vector, type, errorCode),
      interruptionErrorCode: errorCode,
      // An event that led to a double fault is not reported with it.
      vectoring: vector === VECTOR.DF ? undefined : cpu.delivering,
      resume: software || NOT_FAULTS.includes(vector) ? undefined : true,
    });
    return true;
  }
  private exceptionExits(vector: number, errorCode: number | undefined): boolean {
    const { vmcs } = this.context;
    const bit = (vmcs.get32(AT.EXCEPTION_BITMAP) >>> vector) & 1;
    if (vector !== VECTOR.PF) return bit === 1;
    const matches =
      ((errorCode ?? 0) & vmcs.get32(AT.PAGE_FAULT_ERROR_CODE_MASK)) >>> 0 ===
      vmcs.get32(AT.PAGE_FAULT_ERROR_CODE_MATCH);
    return matches === (bit === 1);
  }

  tripleFault(): boolean {
    if (!this.inGuest) return false;
    vmExit(this.context, EXIT_REASON.TRIPLE_FAULT);
    return true;
  }

  taskSwitch(selector: number, source: 'call' | 'iret' | 'jmp' | 'gate', instructionLength = 0): void {
    if (!this.inGuest) return;
    vmExit(this.context, EXIT_REASON.TASK_SWITCH, {
      qualification: BigInt(selector) | (BigInt(TASK_SWITCH_SOURCE[source]) << 30n),
      vectoring: source === 'gate' ? this.context.cpu.delivering : undefined,
      instructionLength: source === 'gate' ? undefined : instructionLength,
    });
    throw TRANSITION_MADE;
  }

  get ept(): boolean {
    return this.inGuest && this.context.vmcs.on('secondary.ENABLE_EPT');
  }
  get vpid(): number {
    if (!this.inGuest || !this.context.vmcs.on('secondary.ENABLE_VPID')) return 0;
    return this.context.vmcs.get32(AT.VPID);
  }
  get eptp(): bigint {
    return this.ept ? this.context.vmcs.get(AT.EPT_POINTER) : 0n;
  }

  translate(guestPhysical: number, access: GuestPhysicalAccess): EptTranslation {
    const { cpu, vmcs } = this.context;
    const eptp = vmcs.get(AT.EPT_POINTER);
    // With EPT accessed and dirty flags, an access to a guest paging-structure entry counts as a write.
    const write = access.write || (access.pagingStructure && (eptp & EPTP_ACCESSED_DIRTY) !== 0n);
    const wanted = { read: access.read, write, fetch: access.fetch };
    const walk = walkEpt(cpu, eptp, guestPhysical, wanted, true);
    if (walk.kind === 'mapped') return walk.translation;
    const vectoring = cpu.delivering;
    // During a delivery RF is saved as the event's frame would have had it.
    const fault = vectoring?.type === EVENT_TYPE.HARDWARE_EXCEPTION && !NOT_FAULTS.includes(vectoring.vector);
    const common = {
      guestPhysical: BigInt(guestPhysical),
      vectoring,
      resume: vectoring === undefined || fault ? true : undefined,
    };
    if (walk.kind === 'misconfiguration') {
      vmExit(this.context, EXIT_REASON.EPT_MISCONFIGURATION, common);
      throw TRANSITION_MADE;
    }
    const linear =
      access.linear === undefined ? 0 : VIOLATION.LINEAR_VALID | (access.pagingStructure ? 0 : VIOLATION.FINAL);
    const qualification =
      (access.read ? VIOLATION.READ : 0) |
      (write ? VIOLATION.WRITE : 0) |
      (access.fetch ? VIOLATION.FETCH : 0) |
      (walk.granted << VIOLATION.GRANTED_SHIFT) |
      (vectoring === undefined && unblockedNmis(cpu) ? VIOLATION.NMI_UNBLOCKED : 0) |
      linear;
    vmExit(this.context, EXIT_REASON.EPT_VIOLATION, {
      ...common,
      qualification: BigInt(qualification),
      guestLinear: access.linear,
    });
    throw TRANSITION_MADE;
  }

  peekTranslate(guestPhysical: bigint, eptp: bigint): EptTranslation | undefined {
    const nothingWanted = { read: false, write: false, fetch: false };
    const walk = walkEpt(this.context.cpu, eptp, guestPhysical, nothingWanted, false);
    return walk.kind === 'mapped' ? walk.translation : undefined;
  }

  boundary(pending: PendingEvents): boolean {
    return this.inGuest && boundaryExit(this.context, pending);
  }
}
