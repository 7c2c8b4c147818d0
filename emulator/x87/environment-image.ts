import { isProtected } from '../cpu/modes';
import type { Processor } from '../cpu/processor';
import { EXTENDED } from '../float/format';
import { KIND, unpack } from '../float/unpack';
import { X87, X87_REGISTER_SIZE } from '../state/layout';
import type { Fpu } from './fpu';
import { address, later } from './operands';

/**
 * The environment in memory, SDM "x87 FPU Instruction and Operand (Data) Pointers": control, status and tag word, then pointers. Protected
 * mode keeps selectors and offsets, real and virtual-8086 mode linear addresses; each has a 16-bit and a 32-bit format.
 */
interface Environment {
  readonly control: number;
  readonly status: number;
  /** Two bits a physical register. */
  readonly tags: number;
  readonly opcode: number;
  readonly instruction: { readonly selector: number; readonly offset: number };
  readonly data: { readonly selector: number; readonly offset: number };
}

const TAG = { VALID: 0, ZERO: 1, SPECIAL: 2, EMPTY: 3 } as const;

/** Tag of physical register `number` by its content. */
function tagOf({ cpu, tags }: Fpu, number: number): number {
  if ((tags & (1 << number)) === 0) return TAG.EMPTY;
  const { view } = cpu.memory;
  const at = X87.registers + number * X87_REGISTER_SIZE;
  const { kind, denormal } = unpack(
    EXTENDED,
    view.getBigUint64(at, true) | (BigInt(view.getUint16(at + 8, true)) << 64n),
  );
  if (kind === KIND.ZERO) return TAG.ZERO;
  return kind === KIND.FINITE && !denormal ? TAG.VALID : TAG.SPECIAL;
}

function current(fpu: Fpu): Environment {
  const { view } = fpu.cpu.memory;
  let tags = 0;
  for (let number = 0; number < 8; number++) tags |= tagOf(fpu, number) << (number * 2);
  return {
    control: fpu.control,
    status: fpu.status,
    tags,
    opcode: view.getUint16(X87.opcode, true),
    instruction: {
      selector: view.getUint16(X87.instructionSelector, true),
      offset: view.getUint32(X87.instructionPointer, true),
    },
    data: { selector: view.getUint16(X87.dataSelector, true), offset: view.getUint32(X87.dataPointer, true) },
  };
}

/** The seven fields of the image, without what fills up 32-bit ones. */
function fieldsOf(
  cpu: Processor,
  { control, status, tags, opcode, instruction, data }: Environment,
): readonly number[] {
  if (isProtected(cpu))
    return [
      control,
      status,
      tags,
      instruction.offset,
      instruction.selector | (opcode << 16),
      data.offset,
      data.selector,
    ];
  const code = instruction.selector * 16 + instruction.offset;
  const operand = data.selector * 16 + data.offset;
  return [control, status, tags, code, ((code >>> 16) << 12) | opcode, operand, (operand >>> 16) << 12];
}

/** Bytes of the environment in the operand size of the instruction. */
export const environmentSize = ({ insn }: Fpu): 14 | 28 => (insn.size === 2 ? 14 : 28);

/** Stores the environment at a linear address. Reserved halves of 32-bit fields are ones. */
export function storeEnvironment(fpu: Fpu, linear: bigint): void {
  const { cpu, insn } = fpu;
  const narrow = insn.size === 2;
  const real = !isProtected(cpu);
  fieldsOf(cpu, current(fpu)).forEach((field, i) => {
    const halves = i < 3 || i === 6 || (real && (i === 3 || i === 5));
    if (narrow) cpu.mmu.write(later(cpu, linear, i * 2), 2, BigInt(field & 0xffff));
    else {
      const whole = real && i === 6 ? field >>> 0 : halves ? (0xffff_0000 | (field & 0xffff)) >>> 0 : field >>> 0;
      cpu.mmu.write(later(cpu, linear, i * 4), 4, BigInt(whole));
    }
  });
}

/** Loads the environment from a linear address. */
export function loadEnvironment(fpu: Fpu, linear: bigint): void {
  const { cpu, insn } = fpu;
  const step = insn.size === 2 ? 2 : 4;
  const fields = Array.from({ length: 7 }, (_, i) => Number(cpu.mmu.read(later(cpu, linear, i * step), step)));
  const [control, status, tags, ip, high, dp, dataHigh] = fields;
  const { view } = cpu.memory;
  const real = !isProtected(cpu);
  const linearOf = (low: number, upper: number): number => ((low & 0xffff) | ((upper & 0x0fff_f000) << 4)) >>> 0;
  view.setBigUint64(X87.instructionPointer, BigInt(real ? linearOf(ip, high) : ip), true);
  view.setBigUint64(X87.dataPointer, BigInt(real ? linearOf(dp, dataHigh) : dp), true);
  // Processors that no longer keep the selectors do not take them from memory either.
  const none = real || cpu.model.features.has('fcs_fds_deprecated');
  view.setUint16(X87.instructionSelector, none ? 0 : high & 0xffff, true);
  view.setUint16(X87.dataSelector, none ? 0 : dataHigh & 0xffff, true);
  // The 16-bit protected format has no opcode.
  view.setUint16(X87.opcode, real ? high & 0x7ff : step === 2 ? 0 : (high >>> 16) & 0x7ff, true);
  fpu.status = status;
  fpu.tags = abridged(tags);
  fpu.control = control;
}

/** The tag word with one bit a register. */
const abridged = (tags: number): number => {
  let bits = 0;
  for (let number = 0; number < 8; number++) if (((tags >> (number * 2)) & 3) !== TAG.EMPTY) bits |= 1 << number;
  return bits;
};

/** Linear address of the operand of FLDENV, FNSTENV, FRSTOR and FNSAVE. */
export const imageAddress = (fpu: Fpu, size: number, write: boolean): bigint => {
  const linear = address(fpu, size, write);
  if (write) fpu.cpu.mmu.probeWrite(linear, size);
  return linear;
};
