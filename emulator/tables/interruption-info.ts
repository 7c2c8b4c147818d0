import { bits, decodeBits, flag, GPR_NAMES, SEGMENT_NAMES } from './vmx/bit-layout';
import type { BitField, DecodedBits } from './vmx/bit-layout';
import { EXIT_REASON } from './exit-reasons';

/** Interruption types, the same in all three fields (5 and 7 only where noted). */
export const EVENT_TYPE = {
  EXTERNAL_INTERRUPT: 0,
  NMI: 2,
  HARDWARE_EXCEPTION: 3,
  SOFTWARE_INTERRUPT: 4,
  PRIVILEGED_SOFTWARE_EXCEPTION: 5,
  SOFTWARE_EXCEPTION: 6,
  OTHER_EVENT: 7,
} as const;

const TYPES: Readonly<Record<number, string>> = {
  0: 'external interrupt',
  2: 'non-maskable interrupt',
  3: 'hardware exception',
  4: 'software interrupt',
  5: 'privileged software exception',
  6: 'software exception',
};

/** SDM, "Information for VM Exits Due to Vectored Events". */
export const EXIT_INTERRUPTION_INFO: readonly BitField[] = [
  bits(7, 0, 'vector'),
  bits(10, 8, 'type', TYPES),
  flag(11, 'errorCodeValid'),
  flag(12, 'nmiUnblocking'),
  flag(31, 'valid'),
];

/** SDM, "Information for VM Exits That Occur During Event Delivery". */
export const IDT_VECTORING_INFO: readonly BitField[] = [
  bits(7, 0, 'vector'),
  bits(10, 8, 'type', TYPES),
  flag(11, 'errorCodeValid'),
  flag(31, 'valid'),
];

/** SDM, "VM-Entry Controls for Event Injection". */
export const ENTRY_INTERRUPTION_INFO: readonly BitField[] = [
  bits(7, 0, 'vector'),
  bits(10, 8, 'type', { ...TYPES, 7: 'other event' }),
  flag(11, 'deliverErrorCode'),
  flag(31, 'valid'),
];

const SCALE: Readonly<Record<number, string>> = { 0: '1', 1: '2', 2: '4', 3: '8' };
const ADDRESS_SIZE: Readonly<Record<number, string>> = { 0: '16-bit', 1: '32-bit', 2: '64-bit' };
const OPERAND: Readonly<Record<number, string>> = { 0: 'memory', 1: 'register' };

/** Base, index, segment and address size: the memory operand all layouts share. */
const MEMORY: readonly BitField[] = [
  bits(1, 0, 'scale', SCALE),
  bits(9, 7, 'addressSize', ADDRESS_SIZE),
  bits(17, 15, 'segment', SEGMENT_NAMES),
  bits(21, 18, 'index', GPR_NAMES),
  flag(22, 'indexInvalid'),
  bits(26, 23, 'base', GPR_NAMES),
  flag(27, 'baseInvalid'),
];

const STRING_IO: readonly BitField[] = [
  bits(9, 7, 'addressSize', ADDRESS_SIZE),
  bits(17, 15, 'segment', SEGMENT_NAMES),
];
const INVALIDATE: readonly BitField[] = [...MEMORY, bits(31, 28, 'register2', GPR_NAMES)];
const DESCRIPTOR_TABLE: readonly BitField[] = [
  ...MEMORY,
  flag(11, 'operandSize', { 0: '16-bit', 1: '32-bit' }),
  bits(29, 28, 'instruction', { 0: 'SGDT', 1: 'SIDT', 2: 'LGDT', 3: 'LIDT' }),
];
const LDT_TASK: readonly BitField[] = [
  ...MEMORY,
  bits(6, 3, 'register1', GPR_NAMES),
  flag(10, 'operand', OPERAND),
  bits(29, 28, 'instruction', { 0: 'SLDT', 1: 'STR', 2: 'LLDT', 3: 'LTR' }),
];
const RANDOM: readonly BitField[] = [
  bits(6, 3, 'destination', GPR_NAMES),
  bits(12, 11, 'operandSize', { 0: '16-bit', 1: '32-bit', 2: '64-bit' }),
];
const READ_WRITE: readonly BitField[] = [
  ...MEMORY,
  bits(6, 3, 'register1', GPR_NAMES),
  flag(10, 'operand', OPERAND),
  bits(31, 28, 'register2', GPR_NAMES),
];
const REGISTER: readonly BitField[] = [bits(6, 3, 'register1', GPR_NAMES)];

/** VM-exit instruction information by basic exit reason (SDM, "Information for VM Exits Due to Instruction Execution"). */
const INSTRUCTION_INFORMATION: ReadonlyMap<number, readonly BitField[]> = new Map<number, readonly BitField[]>([
  [EXIT_REASON.IO_INSTRUCTION, STRING_IO],
  [EXIT_REASON.INVEPT, INVALIDATE],
  [EXIT_REASON.INVVPID, INVALIDATE],
  [EXIT_REASON.INVPCID, INVALIDATE],
  [EXIT_REASON.GDTR_IDTR_ACCESS, DESCRIPTOR_TABLE],
  [EXIT_REASON.LDTR_TR_ACCESS, LDT_TASK],
  [EXIT_REASON.RDRAND, RANDOM],
  [EXIT_REASON.RDSEED, RANDOM],
  [EXIT_REASON.UMWAIT, REGISTER],
  [EXIT_REASON.TPAUSE, REGISTER],
  [EXIT_REASON.VMCLEAR, MEMORY],
  [EXIT_REASON.VMPTRLD, MEMORY],
  [EXIT_REASON.VMPTRST, MEMORY],
  [EXIT_REASON.VMXON, MEMORY],
  [EXIT_REASON.XSAVES, MEMORY],
  [EXIT_REASON.XRSTORS, MEMORY],
  [EXIT_REASON.VMREAD, READ_WRITE],
  [EXIT_REASON.VMWRITE, READ_WRITE],
]);

/** The instruction-information field taken apart; empty where the reason saves none. */
export function describeInstructionInformation(reason: number, value: number): readonly DecodedBits[] {
  return decodeBits(INSTRUCTION_INFORMATION.get(reason) ?? [], BigInt(value >>> 0));
}

/** An interruption-information value taken apart. */
export function describeInterruption(kind: 'exit' | 'entry' | 'vectoring', value: number): readonly DecodedBits[] {
  const layout = { exit: EXIT_INTERRUPTION_INFO, entry: ENTRY_INTERRUPTION_INFO, vectoring: IDT_VECTORING_INFO }[kind];
  return decodeBits(layout, BigInt(value >>> 0));
}

export interface Interruption {
  readonly valid: boolean;
  readonly vector: number;
  readonly type: number;
  readonly hasErrorCode: boolean;
}

/** The parts of an interruption-information value the processor acts on. */
export function decodeInterruption(value: number): Interruption {
  return {
    valid: value >>> 31 === 1,
    vector: value & 0xff,
    type: (value >>> 8) & 7,
    hasErrorCode: (value & 0x800) !== 0,
  };
}
