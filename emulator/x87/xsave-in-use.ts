import type { Processor } from '../cpu/processor';
import { PKRU, X87, X87_REGISTER_SIZE, YMM, YMM_SIZE } from '../state/layout';
import { INITIAL_CONTROL } from './fpu';

/** State components by their bits in XCR0. */
export const BIT = { X87: 0, SSE: 1, AVX: 2, PKRU: 9 } as const;

const anySet = (cpu: Processor, address: number, length: number): boolean => {
  for (let i = 0; i < length; i += 8) if (cpu.memory.u64[(address + i) >> 3] !== 0n) return true;
  return false;
};

/** Whether any of the XMM registers the mode has, or of their upper halves, is not 0. */
const vectorsUsed = (cpu: Processor, half: 0 | 16): boolean => {
  const count = cpu.is64Bit ? 16 : 8;
  for (let i = 0; i < count; i++) if (anySet(cpu, YMM + i * YMM_SIZE + half, 16)) return true;
  return false;
};

function x87Used(cpu: Processor): boolean {
  const { view } = cpu.memory;
  if (view.getUint16(X87.control, true) !== INITIAL_CONTROL) return true;
  const words = [X87.status, X87.tag, X87.opcode, X87.instructionSelector, X87.dataSelector];
  if (words.some((at) => view.getUint16(at, true) !== 0)) return true;
  return (
    anySet(cpu, X87.instructionPointer, 8) ||
    anySet(cpu, X87.dataPointer, 8) ||
    anySet(cpu, X87.registers, 8 * X87_REGISTER_SIZE)
  );
}

/** XINUSE: the components that are not in their initial configuration. MXCSR has no part in it. */
export function inUse(cpu: Processor): number {
  return (
    (x87Used(cpu) ? 1 << BIT.X87 : 0) |
    (vectorsUsed(cpu, 0) ? 1 << BIT.SSE : 0) |
    (vectorsUsed(cpu, 16) ? 1 << BIT.AVX : 0) |
    (cpu.field32(PKRU) !== 0 ? 1 << BIT.PKRU : 0)
  );
}
