import type { DecodedRecord } from '../decode/decoded-record';

/** Instructions whose VM exit depends on nothing but a control (or on nothing at all). */
export type PlainIntercept =
  | 'CPUID'
  | 'GETSEC'
  | 'HLT'
  | 'INVD'
  | 'WBINVD'
  | 'RDPMC'
  | 'RDTSC'
  | 'RDTSCP'
  | 'RSM'
  | 'MWAIT'
  | 'MONITOR'
  | 'PAUSE'
  | 'XSETBV'
  | 'RDRAND'
  | 'RDSEED'
  | 'INVPCID'
  | 'LGDT'
  | 'LIDT'
  | 'SGDT'
  | 'SIDT'
  | 'LLDT'
  | 'LTR'
  | 'SLDT'
  | 'STR';

/** Instructions that raise #UD in the guest unless a control enables them. */
export type GuestOptional = 'RDTSCP' | 'INVPCID' | 'WAITPKG' | 'XSAVES';

export interface IoAccess {
  readonly port: number;
  readonly size: 1 | 2 | 4;
  readonly input: boolean;
  readonly string: boolean;
  readonly rep: boolean;
  /** Port given as an immediate. */
  readonly immediate: boolean;
  /** String forms: linear address of the memory operand, segment index, address size in bytes. */
  readonly linear?: bigint;
  readonly segment?: number;
  readonly addressSize?: 2 | 4 | 8;
}

/** How a guest-physical access came about, for EPT violations. */
export interface GuestPhysicalAccess {
  readonly read: boolean;
  readonly write: boolean;
  readonly fetch: boolean;
  /** The linear address being translated; undefined for PDPTE loads. */
  readonly linear: bigint | undefined;
  /** The access is to a paging-structure entry rather than to the final address. */
  readonly pagingStructure: boolean;
}

/** Result of an EPT walk: host-physical page and what it allows. */
export interface EptTranslation {
  readonly physical: number;
  readonly read: boolean;
  readonly write: boolean;
  readonly execute: boolean;
  /** log2 of the EPT leaf's page size. */
  readonly pageShift: number;
  /** Writing also needs the EPT dirty bit, which is not set yet. */
  readonly needsDirty: boolean;
}

/**
 * What the processor asks VMX at each place where an instruction or event may exit. Outside VMX non-root operation all of
 * them return at once. Methods that make a VM exit throw `TRANSITION_MADE`, except those that say they return a boolean.
 */
export interface Intercepts {
  /** True in VMX non-root operation. */
  readonly inGuest: boolean;
  /** Non-root operation with a control for the NMI or interrupt window: the next boundary may exit although nothing is pending. */
  readonly opensWindow: boolean;
  /** True in VMX operation (root or non-root). */
  readonly inOperation: boolean;
  /** Grows with each guest or host state that is loaded; comparable only across one instruction. */
  readonly contextLoads: number;

  /** Raises #UD where the guest may not have the instruction, which comes before its other faults. */
  requireEnabled(instruction: GuestOptional): void;
  plain(instruction: PlainIntercept, insn: DecodedRecord): void;
  /** The same without a throw; true: it made a VM exit, and the instruction ends with `COLD.EXITED`. */
  plainExits(instruction: PlainIntercept, insn: DecodedRecord): boolean;
  invlpg(linear: bigint, insn: DecodedRecord): void;
  /** MOV from CR3 or CR8 (others never exit on read; CR0 and CR4 reads pass through `readControl`). */
  controlRead(register: 3 | 8, gpr: number, insn: DecodedRecord): void;
  /** MOV to CR0, CR3, CR4 or CR8. */
  controlWrite(register: 0 | 3 | 4 | 8, gpr: number, value: bigint, insn: DecodedRecord): void;
  clts(insn: DecodedRecord): 'execute' | 'ignore';
  lmsw(value: number, linear: bigint | undefined, insn: DecodedRecord): void;
  /** CR0 or CR4 as software reads it: guest/host mask and read shadow applied. */
  readControl(register: 0 | 4, actual: bigint): bigint;
  /** CR0 or CR4 as it becomes when software writes `value`: host-owned bits keep their real value. */
  mergeControl(register: 0 | 4, value: bigint, actual: bigint): bigint;
  debugRegister(register: number, gpr: number, read: boolean, insn: DecodedRecord): void;
  io(access: IoAccess, insn: DecodedRecord): void;
  msr(index: number, write: boolean, insn: DecodedRecord): void;
  /** Bits that must be 1 and may be 1 in CR0 and CR4 in VMX operation (IA32_VMX_CRn_FIXEDn); undefined outside it. */
  fixedBits(register: 0 | 4): { readonly mustBeOne: bigint; readonly mayBeOne: bigint } | undefined;

  /** An exception about to be delivered; true: it caused a VM exit instead. `address` is CR2 (#PF) or DR6 bits (#DB). */
  exception(
    vector: number,
    errorCode: number | undefined,
    address: bigint,
    software: boolean,
    insnLength: number,
  ): boolean;
  /** A triple fault; true: it caused a VM exit. */
  tripleFault(): boolean;
  taskSwitch(selector: number, source: 'call' | 'iret' | 'jmp' | 'gate', instructionLength?: number): void;

  /** True while EPT is in use: page walks go through `translate`. */
  readonly ept: boolean;
  /** Tag of the translation context beyond CR3/PCID: VPID and EPTP, as small numbers. 0 and 0 outside non-root operation. */
  readonly vpid: number;
  readonly eptp: bigint;
  /** Guest-physical to physical. Makes the EPT violation or misconfiguration exit itself (throws). Sets EPT A/D bits. */
  translate(guestPhysical: number, access: GuestPhysicalAccess): EptTranslation;
  /** The same without side effects, for the debugger: undefined where nothing is mapped. */
  peekTranslate(guestPhysical: bigint, eptp: bigint): EptTranslation | undefined;

  /**
   * Called at each instruction boundary in non-root operation when one of these may be pending; true: it made a VM exit.
   * Order as the SDM: window exiting, then the external interrupt or NMI itself.
   */
  boundary(pending: { readonly interrupt: boolean; readonly nmi: boolean; readonly init: boolean }): boolean;
}
