import { COLD, type ColdInstruction } from '../cpu/cold';
import { SCRATCH } from '../state/layout';

/** Computes 16 bytes of the destination from the first source (VEX.vvvv or the destination), the second and the immediate byte. */
type HalfOperation = (first: Uint8Array, second: Uint8Array, control: number) => Uint8Array;

/** The assist of an instruction that works on each 16 bytes alone. */
export const eachHalf =
  (operation: HalfOperation): ColdInstruction =>
  (cpu, insn) => {
    const { u8 } = cpu.memory;
    const first = insn.isVex ? insn.v : insn.d;
    const half = (register: number, offset: number): Uint8Array => u8.slice(register + offset, register + offset + 16);
    for (let offset = 0; offset < insn.vectorBytes; offset += 16) {
      u8.set(operation(half(first, offset), half(SCRATCH.source, offset), insn.imm8), insn.d + offset);
    }
    if (insn.isVex && insn.vectorBytes === 16) u8.fill(0, insn.d + 16, insn.d + 32);
    return COLD.NEXT;
  };
