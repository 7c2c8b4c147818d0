import { COLD, type ColdInstruction } from '../cpu/cold';
import type { DecodedRecord } from '../decode/decoded-record';
import { SCRATCH } from '../state/layout';
import type { Processor } from '../cpu/processor';

const clearAbove = (cpu: Processor, insn: DecodedRecord): void => {
  if (insn.isVex && insn.vectorBytes === 16) cpu.memory.u8.fill(0, insn.d + 16, insn.d + 32);
};

/** PHMINPOSUW: the least of eight words, and its place. */
const minimumPosition: ColdInstruction = (cpu, insn) => {
  const { view, u8 } = cpu.memory;
  let least = 0;
  const word = (index: number): number => view.getUint16(SCRATCH.source + 2 * index, true);
  for (let i = 1; i < 8; i++) if (word(i) < word(least)) least = i;
  const value = word(least);
  u8.fill(0, insn.d, insn.d + 16);
  view.setUint16(insn.d, value, true);
  view.setUint16(insn.d + 2, least, true);
  clearAbove(cpu, insn);
  return COLD.NEXT;
};

/** MPSADBW: sums of absolute differences of a block of four bytes with eight others; the immediate chooses, three bits for each half. */
const multipleSums: ColdInstruction = (cpu, insn) => {
  const { u8, view } = cpu.memory;
  const first = insn.isVex ? insn.v : insn.d;
  const results: number[] = [];
  for (let half = 0; half * 16 < insn.vectorBytes; half++) {
    const control = insn.imm8 >> (3 * half);
    const block = SCRATCH.source + half * 16 + (control & 3) * 4;
    const start = first + half * 16 + (control & 4);
    for (let i = 0; i < 8; i++) {
      let sum = 0;
      for (let j = 0; j < 4; j++) sum += Math.abs(u8[start + i + j] - u8[block + j]);
      results.push(sum);
    }
  }
  results.forEach((sum, i) => {
    view.setUint16(insn.d + 2 * i, sum, true);
  });
  clearAbove(cpu, insn);
  return COLD.NEXT;
};

/** Searches in packed integers. */
export const PACKED_SEARCH_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  phminposuw: minimumPosition,
  mpsadbw: multipleSums,
};
