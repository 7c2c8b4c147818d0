import { COLD, type ColdInstruction } from '../cpu/cold';
import { operandOffset } from '../cpu/operands';
import type { Processor } from '../cpu/processor';
import { raise, VECTOR } from '../cpu/faults';
import type { DecodedRecord } from '../decode/decoded-record';
import { GPR, X87 } from '../state/layout';

const RDI = GPR + 7 * 8;
/** Exception summary of the x87 status word. */
const X87_ERROR = 0x80;
const X87_TOP = 0x3800;

type ElementSize = 4 | 8;

const linearOf = (cpu: Processor, insn: DecodedRecord, offset: bigint, size: number, write: boolean): bigint =>
  cpu.mmu.linear(insn.segment, BigInt.asUintN(insn.addressSize * 8, offset), size, write, insn.addressSize);

/** VPMASKMOV and VMASKMOV from memory: elements whose mask is clear are not read and become 0. */
const maskedLoad =
  (size: ElementSize): ColdInstruction =>
  (cpu, insn) => {
    const { view, u8 } = cpu.memory;
    const offset = operandOffset(cpu, insn);
    const count = insn.vectorBytes / size;
    const values = Array.from({ length: count }, (_, i) => {
      if ((u8[insn.v + i * size + size - 1] & 0x80) === 0) return 0n;
      return cpu.mmu.read(linearOf(cpu, insn, offset + BigInt(i * size), size, false), size);
    });
    u8.fill(0, insn.d, insn.d + 32);
    values.forEach((value, i) => {
      if (size === 4) view.setUint32(insn.d + i * size, Number(value), true);
      else view.setBigUint64(insn.d + i * size, value, true);
    });
    return COLD.NEXT;
  };

/** To memory: elements whose mask is clear are not written, and raise no fault. */
const maskedStore =
  (size: ElementSize): ColdInstruction =>
  (cpu, insn) => {
    const { view, u8 } = cpu.memory;
    const offset = operandOffset(cpu, insn);
    const chosen = Array.from({ length: insn.vectorBytes / size }, (_, i) => i)
      .filter((i) => (u8[insn.v + i * size + size - 1] & 0x80) !== 0)
      .map((i) => ({ linear: linearOf(cpu, insn, offset + BigInt(i * size), size, true), at: insn.s + i * size }));
    for (const { linear } of chosen) cpu.mmu.probeWrite(linear, size);
    for (const { linear, at } of chosen) {
      cpu.mmu.write(linear, size, size === 4 ? BigInt(view.getUint32(at, true)) : view.getBigUint64(at, true));
    }
    return COLD.NEXT;
  };

/** MASKMOVQ and MASKMOVDQU: bytes to DS:rDI where the mask's byte has its top bit. */
const maskedBytes =
  (bytes: 8 | 16): ColdInstruction =>
  (cpu, insn) => {
    const { u8, view } = cpu.memory;
    if (bytes === 8 && (view.getUint16(X87.status, true) & X87_ERROR) !== 0) raise(VECTOR.MF);
    // The first operand is the one that is stored, the second the mask.
    const offset = view.getBigUint64(RDI, true);
    const chosen = Array.from({ length: bytes }, (_, i) => i)
      .filter((i) => (u8[insn.s + i] & 0x80) !== 0)
      .map((i) => ({ linear: linearOf(cpu, insn, offset + BigInt(i), 1, true), value: BigInt(u8[insn.d + i]) }));
    // Whether bytes fault that are not stored is the processor's choice; those at hand do.
    cpu.mmu.probeWrite(linearOf(cpu, insn, offset, bytes, true), bytes);
    for (const { linear } of chosen) cpu.mmu.probeWrite(linear, 1);
    for (const { linear, value } of chosen) cpu.mmu.write(linear, 1, value);
    if (bytes === 8) {
      view.setUint16(X87.status, view.getUint16(X87.status, true) & ~X87_TOP, true);
      view.setUint16(X87.tag, 0xff, true);
    }
    return COLD.NEXT;
  };

/**
 * VGATHER and VPGATHER: elements at base + index x scale where the mask's top bit is set; each that has been read clears its mask, so that
 * a fault in the middle leaves what is done.
 */
const gather =
  (element: ElementSize, index: ElementSize): ColdInstruction =>
  (cpu, insn) => {
    const { view, u8 } = cpu.memory;
    if (insn.d === insn.v || insn.d === insn.index || insn.v === insn.index) raise(VECTOR.UD);
    const count = insn.vectorBytes / Math.max(element, index);
    const base = view.getBigUint64(insn.base, true) + insn.disp;
    const whole = count * element;
    // Masks are copies of their top bit from the start, those of the whole vector's elements, and nothing is above them.
    for (let i = 0; i * element < insn.vectorBytes; i++) {
      const at = insn.v + i * element;
      u8.fill(u8[at + element - 1] & 0x80 ? 0xff : 0, at, at + element);
    }
    u8.fill(0, insn.v + insn.vectorBytes, insn.v + 32);
    for (let i = 0; i < count; i++) {
      const mask = insn.v + i * element;
      if (u8[mask] === 0) continue;
      const place = insn.index + i * index;
      const number = index === 4 ? BigInt(view.getInt32(place, true)) : view.getBigInt64(place, true);
      const offset = base + (number << BigInt(insn.scale));
      const value = cpu.mmu.read(linearOf(cpu, insn, offset, element, false), element);
      // What is above the vector goes with the first element that is written.
      u8.fill(0, insn.d + insn.vectorBytes, insn.d + 32);
      if (element === 4) view.setUint32(insn.d + i * element, Number(value), true);
      else view.setBigUint64(insn.d + i * element, value, true);
      u8.fill(0, mask, mask + element);
    }
    u8.fill(0, insn.d + whole, insn.d + 32);
    u8.fill(0, insn.v, insn.v + 32);
    return COLD.NEXT;
  };

/** Vector instructions that touch memory element by element. */
export const MASKED_ACCESS_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  vmaskload4: maskedLoad(4),
  vmaskload8: maskedLoad(8),
  vmaskstore4: maskedStore(4),
  vmaskstore8: maskedStore(8),
  maskmovq: maskedBytes(8),
  maskmovdqu: maskedBytes(16),
  vgather44: gather(4, 4),
  vgather84: gather(8, 4),
  vgather48: gather(4, 8),
  vgather88: gather(8, 8),
};
