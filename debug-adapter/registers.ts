/** Names of registers and of the bits in them, and reading them from a layer. */
import type { LayerState } from '../emulator/api';
import { SEGMENT_ORDER } from '../emulator/state/layout';
import { REGISTER_BITS as TABLE } from '../emulator/tables/vmx/register-bits';

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

function masks(table: Readonly<Record<number, string>>): readonly NamedMask[] {
  return Object.entries(table)
    .filter(([, name]) => /^\w+$/.test(name))
    .map(([bit, name]) => maskOf(name, Number(bit), Number(bit)));
}

function maskOf(name: string, high: number, low: number): NamedMask {
  return { name, mask: ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low), shift: low };
}

/** Bits by register; the low ones first. */
export const REGISTER_BITS: Readonly<Record<string, readonly NamedMask[]>> = {
  RFLAGS: [...masks(TABLE.RFLAGS), maskOf('IOPL', 13, 12)].sort((a, b) => a.shift - b.shift),
  CR0: masks(TABLE.CR0),
  CR4: masks(TABLE.CR4),
  EFER: masks(TABLE.EFER),
  DR6: [
    ...[0, 1, 2, 3].map((n) => maskOf(`B${n}`, n, n)),
    maskOf('BD', 13, 13),
    maskOf('BS', 14, 14),
    maskOf('BT', 15, 15),
  ],
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
