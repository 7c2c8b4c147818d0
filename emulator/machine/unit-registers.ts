import type { Processor } from '../cpu/processor';
import { ALL_FLAGS } from '../float/environment';
import { STATUS } from '../x87/fpu';
import { MXCSR, X87, X87_REGISTER_SIZE, YMM, YMM_SIZE } from '../state/layout';

const PENDING = STATUS.ES | STATUS.B;

/** A register of the x87, MMX or vector units. Transitions leave them alone: the layers of a processor share them. */
export interface UnitRegister {
  readonly name: string;
  readonly bits: 8 | 16 | 32 | 64 | 80 | 128 | 256;
  /** State address; of ST(i) that of R0, TOP says the rest. */
  readonly at: number;
  /** i of ST(i). */
  readonly stack?: number;
  /** Bits that can be set; absent: all. */
  readonly mask?: bigint;
}

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** By groups of the debugger's view. FTW is the abridged tag word: a bit is set where the physical register is not empty. */
export const UNIT_REGISTERS = {
  FPU: [
    ...range(8).map((i): UnitRegister => ({ name: `ST${i}`, bits: 80, at: X87.registers, stack: i })),
    { name: 'FCW', bits: 16, at: X87.control, mask: 0x1f7fn },
    { name: 'FSW', bits: 16, at: X87.status },
    { name: 'FTW', bits: 8, at: X87.tag },
    { name: 'FIP', bits: 64, at: X87.instructionPointer },
    { name: 'FDP', bits: 64, at: X87.dataPointer },
    { name: 'FOP', bits: 16, at: X87.opcode, mask: 0x7ffn },
  ],
  MMX: range(8).map((i) => ({ name: `MM${i}`, bits: 64, at: X87.registers + i * X87_REGISTER_SIZE })),
  XMM: range(16).map((i) => ({ name: `XMM${i}`, bits: 128, at: YMM + i * YMM_SIZE })),
  YMM: range(16).map((i) => ({ name: `YMM${i}`, bits: 256, at: YMM + i * YMM_SIZE })),
  MXCSR: [{ name: 'MXCSR', bits: 32, at: MXCSR, mask: 0xffffn }],
} as const satisfies Readonly<Record<string, readonly UnitRegister[]>>;

const BY_NAME: ReadonlyMap<string, UnitRegister> = new Map(
  Object.values(UNIT_REGISTERS)
    .flat()
    .map((register) => [register.name, register]),
);

/** The register of a name in any case ('st0', 'XMM3', 'mxcsr'), or undefined. */
export const unitRegister = (name: string): UnitRegister | undefined => BY_NAME.get(name.toUpperCase());

/** ES and B say whether a flag is set that is not masked. */
function updatePending({ memory: { view } }: Processor): void {
  const status = view.getUint16(X87.status, true);
  const pending = (status & ~view.getUint16(X87.control, true) & ALL_FLAGS) !== 0;
  view.setUint16(X87.status, pending ? status | PENDING : status & ~PENDING, true);
}

const addressOf = (cpu: Processor, { at, stack }: UnitRegister): number => {
  if (stack === undefined) return at;
  const top = (cpu.memory.view.getUint16(X87.status, true) >> 11) & 7;
  return at + ((top + stack) & 7) * X87_REGISTER_SIZE;
};

export function readUnitRegister(cpu: Processor, register: UnitRegister): bigint {
  const at = addressOf(cpu, register);
  const { u8 } = cpu.memory;
  let value = 0n;
  for (let i = register.bits / 8 - 1; i >= 0; i--) value = (value << 8n) | BigInt(u8[at + i]);
  return value;
}

/** @returns why the register cannot have this value, in a sentence; undefined where it has been written */
export function writeUnitRegister(cpu: Processor, register: UnitRegister, value: bigint): string | undefined {
  const { mask, name } = register;
  if (mask !== undefined && (value & ~mask) !== 0n)
    return `${name} has no bits 0x${(value & ~mask).toString(16)}; those it has are 0x${mask.toString(16)}.`;
  const at = addressOf(cpu, register);
  const { u8 } = cpu.memory;
  for (let i = 0; i < register.bits / 8; i++) u8[at + i] = Number((value >> BigInt(i * 8)) & 0xffn);
  if (at === X87.control || at === X87.status) updatePending(cpu);
  return undefined;
}
