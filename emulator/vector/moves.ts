import { COLD, type ColdInstruction } from '../cpu/cold';
import { YMM, YMM_SIZE } from '../state/layout';
import { clearAbove } from './registers';

/** Registers that only 64-bit mode has are left alone outside of it. */
const zeroRegisters =
  (from: 0 | 16): ColdInstruction =>
  (cpu) => {
    const count = cpu.is64Bit ? 16 : 8;
    for (let register = 0; register < count; register++) clearAbove(cpu, YMM + register * YMM_SIZE, from);
    return COLD.NEXT;
  };

export const VECTOR_MOVE_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  vzeroupper: zeroRegisters(16),
  vzeroall: zeroRegisters(0),
};
