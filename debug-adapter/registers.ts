/** Names of registers and of the bits in them, and reading them from a layer. */
import type { LayerState } from '../emulator/api';
import { CR0, CR4, EFER, RFLAGS } from '../emulator/tables/control-registers';
import { SEGMENT_ORDER, type SegmentName } from '../emulator/state/layout';

export const GPR64 = 'RAX RCX RDX RBX RSP RBP RSI RDI R8 R9 R10 R11 R12 R13 R14 R15'.split(' ');
const GPR32 = 'EAX ECX EDX EBX ESP EBP ESI EDI R8D R9D R10D R11D R12D R13D R14D R15D'.split(' ');
const GPR16 = 'AX CX DX BX SP BP SI DI R8W R9W R10W R11W R12W R13W R14W R15W'.split(' ');
const GPR8 = 'AL CL DL BL SPL BPL SIL DIL R8B R9B R10B R11B R12B R13B R14B R15B'.split(' ');
const HIGH8 = 'AH CH DH BH'.split(' ');

/** A part of a general register. */
export interface RegisterPart {
  readonly name: string;
  readonly bits: 8 | 16 | 32 | 64;
  readonly shift: 0 | 8;
  readonly gpr: number;
}

const PARTS: ReadonlyMap<string, RegisterPart> = new Map(
  [
    ...GPR64.map((name, gpr) => ({ name, bits: 64, shift: 0, gpr }) as const),
    ...GPR32.map((name, gpr) => ({ name, bits: 32, shift: 0, gpr }) as const),
    ...GPR16.map((name, gpr) => ({ name, bits: 16, shift: 0, gpr }) as const),
    ...GPR8.map((name, gpr) => ({ name, bits: 8, shift: 0, gpr }) as const),
    ...HIGH8.map((name, gpr) => ({ name, bits: 8, shift: 8, gpr }) as const),
  ].map((part) => [part.name, part]),
);

/** The parts of a general register, the whole of it first. */
export function partsOf(gpr: number): readonly RegisterPart[] {
  return [...PARTS.values()].filter((part) => part.gpr === gpr);
}

/** A named bit or run of bits. */
export interface NamedMask {
  readonly name: string;
  readonly mask: bigint;
  readonly shift: number;
  readonly description?: string;
}

function masks(table: Readonly<Record<string, number>>): readonly NamedMask[] {
  return Object.entries(table).map(([name, mask]) => ({ name, mask: BigInt(mask), shift: Math.log2(mask & -mask) >>> 0 }));
}

function maskOf(name: string, high: number, low: number): NamedMask {
  return { name, mask: ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low), shift: low };
}

/** Bits by register; the low ones first. */
export const REGISTER_BITS: Readonly<Record<string, readonly NamedMask[]>> = {
  RFLAGS: masks(RFLAGS).map((bit) => (bit.name === 'IOPL' ? maskOf('IOPL', 13, 12) : bit)),
  // PG is bit 31, where a JavaScript number's `&` gives a negative number.
  CR0: masks(CR0).map((bit) => (bit.name === 'PG' ? maskOf('PG', 31, 31) : bit)),
  CR4: masks(CR4),
  EFER: masks(EFER),
  DR6: [...[0, 1, 2, 3].map((n) => maskOf(`B${n}`, n, n)), maskOf('BD', 13, 13), maskOf('BS', 14, 14), maskOf('BT', 15, 15)],
  DR7: [
    ...[0, 1, 2, 3].flatMap((n) => [maskOf(`L${n}`, 2 * n, 2 * n), maskOf(`G${n}`, 2 * n + 1, 2 * n + 1)]),
    maskOf('GD', 13, 13),
    ...[0, 1, 2, 3].flatMap((n) => [
      maskOf(`R/W${n}`, 17 + 4 * n, 16 + 4 * n),
      maskOf(`LEN${n}`, 19 + 4 * n, 18 + 4 * n),
    ]),
  ],
};

/** VMCS access-rights format (SDM, "Guest Register State"). */
export const ACCESS_BITS: readonly NamedMask[] = [
  maskOf('type', 3, 0),
  maskOf('S', 4, 4),
  maskOf('DPL', 6, 5),
  maskOf('P', 7, 7),
  maskOf('AVL', 12, 12),
  maskOf('L', 13, 13),
  maskOf('D/B', 14, 14),
  maskOf('G', 15, 15),
  maskOf('unusable', 16, 16),
];

export function bitsOf(mask: NamedMask, value: bigint): bigint {
  return (value & mask.mask) >> BigInt(mask.shift);
}

/** The names of the bits that are set: "PE NE PG"; runs of several bits with their value. */
export function describeBits(names: readonly NamedMask[], value: bigint): string {
  return names
    .filter((name) => bitsOf(name, value) !== 0n)
    .map((name) => {
      const part = bitsOf(name, value);
      return name.mask >> BigInt(name.shift) === 1n ? name.name : `${name.name}=${part}`;
    })
    .join(' ');
}

export const CONTROL_REGISTERS = ['CR0', 'CR2', 'CR3', 'CR4', 'CR8', 'EFER', 'XCR0'] as const;
export const DEBUG_REGISTERS = ['DR0', 'DR1', 'DR2', 'DR3', 'DR6', 'DR7'] as const;
export const SEGMENTS = SEGMENT_ORDER;

/** Linear address of an instruction pointer: CS has a base outside 64-bit mode. */
export function linearRip(state: LayerState, rip: bigint = state.rip): bigint {
  return state.codeSize === 64 ? rip : BigInt.asUintN(32, state.segment('CS').base + rip);
}

/** Linear address of a stack pointer. */
export function linearStack(state: LayerState, rsp: bigint): bigint {
  return state.codeSize === 64 ? rsp : BigInt.asUintN(32, state.segment('SS').base + rsp);
}

/** A register by its SDM name, any case; undefined where there is none. `CS.base` and its kin are segments' parts. */
export function readRegister(state: LayerState, name: string): bigint | undefined {
  const upper = name.toUpperCase();
  const part = PARTS.get(upper);
  if (part !== undefined) return BigInt.asUintN(part.bits, state.gpr(part.gpr) >> BigInt(part.shift));
  switch (upper) {
    case 'RIP':
      return state.rip;
    case 'EIP':
      return BigInt.asUintN(32, state.rip);
    case 'IP':
      return BigInt.asUintN(16, state.rip);
    case 'RFLAGS':
      return state.rflags;
    case 'EFLAGS':
      return BigInt.asUintN(32, state.rflags);
    case 'GDTR.BASE':
      return state.gdtr.base;
    case 'GDTR.LIMIT':
      return BigInt(state.gdtr.limit);
    case 'IDTR.BASE':
      return state.idtr.base;
    case 'IDTR.LIMIT':
      return BigInt(state.idtr.limit);
  }
  const control = [...CONTROL_REGISTERS, ...DEBUG_REGISTERS].find((known) => known === upper);
  if (control !== undefined) return state.control(control);
  const [segment, member] = upper.split('.', 2);
  const segmentName = SEGMENTS.find((known) => known === segment) as SegmentName | undefined;
  if (segmentName === undefined) return undefined;
  const value = state.segment(segmentName);
  switch (member) {
    case undefined:
    case 'SELECTOR':
      return BigInt(value.selector);
    case 'BASE':
      return value.base;
    case 'LIMIT':
      return BigInt(value.limit >>> 0);
    case 'ACCESS':
      return BigInt(value.access >>> 0);
    default:
      return undefined;
  }
}
