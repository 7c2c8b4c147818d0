import { COLD, type ColdInstruction } from '../cpu/cold';
import type { Processor } from '../cpu/processor';
import type { DecodedRecord } from '../decode/decoded-record';
import { AF, CF, OF, PF, SF, ZF, writeArithmeticFlags } from '../semantics/flags';
import { GPR, SCRATCH, YMM } from '../state/layout';

/** Fields of the control byte, SDM "Imm8 Control Byte Operation for PCMPESTRI / PCMPESTRM / PCMPISTRI / PCMPISTRM". */
const CONTROL = {
  WORDS: 1,
  SIGNED: 2,
  AGGREGATION_SHIFT: 2,
  NEGATIVE: 0x10,
  MASKED: 0x20,
  UNIT_OR_MOST: 0x40,
} as const;
const AGGREGATION = { EQUAL_ANY: 0, RANGES: 1, EQUAL_EACH: 2, EQUAL_ORDERED: 3 } as const;

const RAX = GPR;
const RCX = GPR + 8;
const RDX = GPR + 16;

/** One operand: its elements, and how many of them count. */
interface Text {
  readonly elements: readonly number[];
  readonly length: number;
}

const elementsAt = ({ view }: Processor['memory'], address: number, control: number): readonly number[] => {
  const words = (control & CONTROL.WORDS) !== 0;
  const signed = (control & CONTROL.SIGNED) !== 0;
  return Array.from({ length: words ? 8 : 16 }, (_, i) => {
    if (words) return signed ? view.getInt16(address + 2 * i, true) : view.getUint16(address + 2 * i, true);
    return signed ? view.getInt8(address + i) : view.getUint8(address + i);
  });
};

const implicit = (elements: readonly number[]): Text => {
  const end = elements.indexOf(0);
  return { elements, length: end < 0 ? elements.length : end };
};

/** Length in a register, whose absolute value is cut to the number of elements. */
const explicit = (cpu: Processor, elements: readonly number[], register: number, wide: boolean): Text => {
  const value = wide ? cpu.memory.view.getBigInt64(register, true) : BigInt(cpu.memory.view.getInt32(register, true));
  const absolute = value < 0n ? -value : value;
  return { elements, length: absolute > BigInt(elements.length) ? elements.length : Number(absolute) };
};

/** Whether element `i` of the first text and `j` of the second compare true, SDM "Valid/Invalid Override of Comparisons". */
const override = (a: Text, i: number, b: Text, j: number, aggregation: number, compare: boolean): boolean => {
  const first = i < a.length;
  const second = j < b.length;
  if (first && second) return compare;
  if (aggregation === AGGREGATION.EQUAL_EACH) return !first && !second;
  return aggregation === AGGREGATION.EQUAL_ORDERED && !first;
};

/** IntRes1: a bit for each element of the second text. */
function aggregate(a: Text, b: Text, aggregation: number): number {
  const count = b.elements.length;
  const equal = (i: number, j: number): boolean => override(a, i, b, j, aggregation, a.elements[i] === b.elements[j]);
  const indices = Array.from({ length: count }, (_, i) => i);
  const holds = (j: number): boolean => {
    switch (aggregation) {
      case AGGREGATION.EQUAL_ANY:
        return indices.some((i) => equal(i, j));
      case AGGREGATION.RANGES:
        return indices.some(
          (i) =>
            i % 2 === 0 &&
            override(a, i, b, j, aggregation, b.elements[j] >= a.elements[i]) &&
            override(a, i + 1, b, j, aggregation, b.elements[j] <= a.elements[i + 1]),
        );
      case AGGREGATION.EQUAL_EACH:
        return equal(j, j);
      default:
        return indices.every((i) => i + j >= count || equal(i, i + j));
    }
  };
  return indices.reduce((bits, j) => bits | (holds(j) ? 1 << j : 0), 0);
}

/** IntRes2, and the flags. */
function compare(cpu: Processor, a: Text, b: Text, control: number): number {
  const count = b.elements.length;
  const all = (1 << count) - 1;
  let bits = aggregate(a, b, (control >> CONTROL.AGGREGATION_SHIFT) & 3);
  if ((control & CONTROL.NEGATIVE) !== 0) bits ^= (control & CONTROL.MASKED) !== 0 ? (1 << b.length) - 1 : all;
  const flags =
    (bits !== 0 ? CF : 0) | (b.length < count ? ZF : 0) | (a.length < count ? SF : 0) | ((bits & 1) !== 0 ? OF : 0);
  writeArithmeticFlags(cpu.memory, flags & ~(AF | PF));
  return bits;
}

const toIndex = (cpu: Processor, bits: number, control: number, count: number): void => {
  const most = (control & CONTROL.UNIT_OR_MOST) !== 0;
  const index = bits === 0 ? count : most ? 31 - Math.clz32(bits) : 31 - Math.clz32(bits & -bits);
  cpu.memory.view.setBigUint64(RCX, BigInt(index), true);
};

const toMask = (cpu: Processor, insn: DecodedRecord, bits: number, control: number): void => {
  const { u8, view } = cpu.memory;
  const bytes = (control & CONTROL.WORDS) !== 0 ? 2 : 1;
  u8.fill(0, YMM, YMM + (insn.isVex ? 32 : 16));
  if ((control & CONTROL.UNIT_OR_MOST) === 0) view.setUint16(YMM, bits, true);
  else for (let i = 0; i < 16; i++) u8[YMM + i] = (bits >> Math.floor(i / bytes)) & 1 ? 0xff : 0;
};

const stringCompare =
  (lengths: 'explicit' | 'implicit', result: 'index' | 'mask'): ColdInstruction =>
  (cpu, insn) => {
    const control = insn.imm8;
    const wide = insn.size === 8;
    const first = elementsAt(cpu.memory, insn.d, control);
    const second = elementsAt(cpu.memory, SCRATCH.source, control);
    const a = lengths === 'implicit' ? implicit(first) : explicit(cpu, first, RAX, wide);
    const b = lengths === 'implicit' ? implicit(second) : explicit(cpu, second, RDX, wide);
    const bits = compare(cpu, a, b, control);
    if (result === 'index') toIndex(cpu, bits, control, second.length);
    else toMask(cpu, insn, bits, control);
    return COLD.NEXT;
  };

/** SSE4.2's comparisons of packed strings. */
export const STRING_COMPARE_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  pcmpestrm: stringCompare('explicit', 'mask'),
  pcmpestri: stringCompare('explicit', 'index'),
  pcmpistrm: stringCompare('implicit', 'mask'),
  pcmpistri: stringCompare('implicit', 'index'),
};
