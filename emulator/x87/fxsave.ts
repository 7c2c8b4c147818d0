import { COLD, type ColdInstruction } from '../cpu/cold';
import { raise, VECTOR } from '../cpu/faults';
import { operandLinear } from '../cpu/operands';
import { CONTROL, MXCSR } from '../state/layout';
import { CR4 } from '../tables/control-registers';
import { IMAGE, loadX87, loadXmm, MXCSR_MASK, readMxcsr, SaveArea, storeMxcsr, storeX87, storeXmm } from './save-image';

/** SDM "FXSAVE" and "FXRSTOR"; without CR4.OSFXSR they leave XMM registers and MXCSR alone. LDMXCSR and STMXCSR. */
export const STATE_SAVING: Readonly<Record<string, ColdInstruction>> = {
  fxsave: (cpu, insn) => {
    const area = new SaveArea(cpu, insn, IMAGE.size, 16, true);
    storeX87(cpu, area);
    storeMxcsr(cpu, area);
    if ((cpu.field32(CONTROL.cr4) & CR4.OSFXSR) !== 0) storeXmm(cpu, area);
    return COLD.NEXT;
  },
  fxrstor: (cpu, insn) => {
    const area = new SaveArea(cpu, insn, IMAGE.size, 16, false);
    area.touch(0, IMAGE.size);
    const vectors = (cpu.field32(CONTROL.cr4) & CR4.OSFXSR) !== 0;
    const mxcsr = vectors ? readMxcsr(area) : cpu.field32(MXCSR);
    loadX87(cpu, area);
    cpu.setField32(MXCSR, mxcsr);
    if (vectors) loadXmm(cpu, area);
    return COLD.NEXT;
  },
  ldmxcsr: (cpu, insn) => {
    const value = Number(cpu.mmu.read(operandLinear(cpu, insn, 4, false), 4));
    if ((value & ~MXCSR_MASK) !== 0) raise(VECTOR.GP, 0);
    cpu.setField32(MXCSR, value);
    return COLD.NEXT;
  },
  stmxcsr: (cpu, insn) => {
    cpu.mmu.write(operandLinear(cpu, insn, 4, true), 4, BigInt(cpu.field32(MXCSR)));
    return COLD.NEXT;
  },
};
