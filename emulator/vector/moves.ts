import { COLD, type ColdInstruction } from '../cpu/cold';
import { operandLinear } from '../cpu/operands';
import { YMM, YMM_SIZE } from '../state/layout';
import { clearAbove, element, encodingOf, setElement } from './registers';

const isSelected = (mask: bigint, size: 4 | 8): boolean => mask >> BigInt(size * 8 - 1) !== 0n;

/** Masked load: elements that are not selected are not accessed, and become zero. */
const maskedLoad =
  (size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const { bytes } = encodingOf(insn);
    const values: bigint[] = [];
    for (let i = 0; i < bytes / size; i++) {
      const selected = isSelected(element(cpu, insn.v, size, i), size);
      values.push(selected ? cpu.mmu.read(operandLinear(cpu, insn, size, false, BigInt(i * size)), size) : 0n);
    }
    values.forEach((value, i) => {
      setElement(cpu, insn.d, size, i, value);
    });
    clearAbove(cpu, insn.d, bytes);
    return COLD.NEXT;
  };

/** Masked store: all selected elements are found writable before the first is written. */
const maskedStore =
  (size: 4 | 8): ColdInstruction =>
  (cpu, insn) => {
    const { bytes } = encodingOf(insn);
    const places: { readonly linear: bigint; readonly value: bigint }[] = [];
    for (let i = 0; i < bytes / size; i++) {
      if (!isSelected(element(cpu, insn.v, size, i), size)) continue;
      const linear = operandLinear(cpu, insn, size, true, BigInt(i * size));
      cpu.mmu.probeWrite(linear, size);
      places.push({ linear, value: element(cpu, insn.s, size, i) });
    }
    for (const { linear, value } of places) cpu.mmu.write(linear, size, value);
    return COLD.NEXT;
  };

/** Registers outside 64-bit mode that exist there only are left alone. */
const zeroRegisters =
  (from: 0 | 16): ColdInstruction =>
  (cpu) => {
    const count = cpu.is64Bit ? 16 : 8;
    for (let register = 0; register < count; register++) clearAbove(cpu, YMM + register * YMM_SIZE, from);
    return COLD.NEXT;
  };

export const VECTOR_MOVE_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  vmaskmovps: maskedLoad(4),
  vmaskmovpd: maskedLoad(8),
  vmaskmovps_store: maskedStore(4),
  vmaskmovpd_store: maskedStore(8),
  vzeroupper: zeroRegisters(16),
  vzeroall: zeroRegisters(0),
};
