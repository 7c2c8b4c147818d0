import { raise, VECTOR } from '../cpu/faults';
import { operandOffset } from '../cpu/operands';
import type { Processor } from '../cpu/processor';
import type { DecodedRecord } from '../decode/decoded-record';
import { CONTROL, MXCSR, X87, X87_REGISTER_SIZE, YMM, YMM_SIZE } from '../state/layout';
import { CR0 } from '../tables/control-registers';
import { INITIAL_CONTROL, STATUS } from './fpu';
import { later } from './operands';

/** Bits of MXCSR there are. */
export const MXCSR_MASK = 0xffff;
export const MXCSR_INITIAL = 0x1f80;

/** Offsets in FXSAVE's image, which is also the legacy region of an XSAVE area. */
export const IMAGE = { mxcsr: 24, registers: 32, xmm: 160, size: 512 } as const;

/** A save area of an instruction, in the guest's memory. */
export class SaveArea {
  readonly linear: bigint;

  /** Raises #NM by CR0.TS, and #GP(0) where the operand is not aligned. */
  constructor(
    private readonly cpu: Processor,
    private readonly insn: DecodedRecord,
    size: number,
    alignment: number,
    write: boolean,
  ) {
    if ((cpu.field32(CONTROL.cr0) & CR0.TS) !== 0) raise(VECTOR.NM);
    this.linear = cpu.mmu.linear(insn.segment, operandOffset(cpu, insn), size, write, insn.addressSize);
    if ((this.linear & BigInt(alignment - 1)) !== 0n) raise(VECTOR.GP, 0);
    // Whatever is written is written whole: a fault comes before the first byte.
    if (write) for (let at = 0; at < size; at += 4096) this.probe(at, Math.min(size - at, 4096));
  }

  private probe(offset: number, length: number): void {
    this.cpu.mmu.probeWrite(later(this.cpu, this.linear, offset), length);
  }

  /** Copies guest memory to state, 8 bytes at a time. */
  load(offset: number, state: number, length: number): void {
    for (let i = 0; i < length; i += 8) this.cpu.memory.u64[(state + i) >> 3] = this.read(offset + i, 8);
  }
  /** Copies state to guest memory. */
  store(offset: number, state: number, length: number): void {
    for (let i = 0; i < length; i += 8) this.write(offset + i, 8, this.cpu.memory.u64[(state + i) >> 3]);
  }
  read(offset: number, size: 1 | 2 | 4 | 8): bigint {
    return this.cpu.mmu.read(later(this.cpu, this.linear, offset), size);
  }
  write(offset: number, size: 1 | 2 | 4 | 8, value: bigint): void {
    this.cpu.mmu.write(later(this.cpu, this.linear, offset), size, value);
  }
  /** Faults now if part of the area could not be read. */
  touch(offset: number, length: number): void {
    for (let at = offset; at < offset + length; at += 8) this.read(at, 8);
  }

  /** REX.W: instruction and data pointer have 64 bits and no selectors. */
  get wide(): boolean {
    return this.insn.size === 8;
  }
}

/** XMM registers that are there in the present mode. */
export const vectorCount = (cpu: Processor): 8 | 16 => (cpu.is64Bit ? 16 : 8);

const registerAt = (top: number, i: number): number => X87.registers + ((top + i) & 7) * X87_REGISTER_SIZE;

/** x87 state: the image's bytes up to MXCSR, and ST(0) to ST(7). */
export function storeX87(cpu: Processor, area: SaveArea): void {
  const { view, u64 } = cpu.memory;
  const status = view.getUint16(X87.status, true);
  const words = [X87.control, X87.status, X87.tag, X87.opcode].map((at) => view.getUint16(at, true));
  area.write(
    0,
    8,
    words.reduceRight((whole, word) => (whole << 16n) | BigInt(word), 0n),
  );
  const pointer = (at: number, selector: number): bigint =>
    area.wide
      ? view.getBigUint64(at, true)
      : BigInt(view.getUint32(at, true)) | (BigInt(view.getUint16(selector, true)) << 32n);
  area.write(8, 8, pointer(X87.instructionPointer, X87.instructionSelector));
  area.write(16, 8, pointer(X87.dataPointer, X87.dataSelector));
  for (let i = 0; i < 8; i++) {
    const at = registerAt(status >> STATUS.TOP_SHIFT, i);
    area.write(IMAGE.registers + i * 16, 8, u64[at >> 3]);
    area.write(IMAGE.registers + i * 16 + 8, 8, BigInt(view.getUint16(at + 8, true)));
  }
}

/** The caller has made sure that the image can be read. */
export function loadX87(cpu: Processor, area: SaveArea): void {
  const { view } = cpu.memory;
  const words = area.read(0, 8);
  const control = (Number(words & 0xffffn) & 0x1f3f) | 0x40;
  let status = Number((words >> 16n) & 0xffffn);
  // ES and B are what flags and masks make them.
  status = (status & ~control & 0x3f) !== 0 ? status | STATUS.ES | STATUS.B : status & ~(STATUS.ES | STATUS.B);
  view.setUint16(X87.control, control, true);
  view.setUint16(X87.status, status, true);
  view.setUint16(X87.tag, Number((words >> 32n) & 0xffn), true);
  view.setUint16(X87.opcode, Number((words >> 48n) & 0x7ffn), true);
  const selectors = !area.wide && !cpu.model.features.has('fcs_fds_deprecated');
  const pointer = (offset: number, at: number, selector: number): void => {
    const value = area.read(offset, 8);
    view.setBigUint64(at, area.wide ? value : value & 0xffff_ffffn, true);
    view.setUint16(selector, selectors ? Number((value >> 32n) & 0xffffn) : 0, true);
  };
  pointer(8, X87.instructionPointer, X87.instructionSelector);
  pointer(16, X87.dataPointer, X87.dataSelector);
  for (let i = 0; i < 8; i++) {
    const at = registerAt(status >> STATUS.TOP_SHIFT, i);
    view.setBigUint64(at, area.read(IMAGE.registers + i * 16, 8), true);
    view.setUint16(at + 8, Number(area.read(IMAGE.registers + i * 16 + 8, 2)), true);
  }
}

export function initializeX87(cpu: Processor): void {
  const { view, u8 } = cpu.memory;
  u8.fill(0, X87.registers, X87.registers + 8 * X87_REGISTER_SIZE);
  view.setUint16(X87.control, INITIAL_CONTROL, true);
  for (const at of [X87.status, X87.tag, X87.opcode, X87.instructionSelector, X87.dataSelector])
    view.setUint16(at, 0, true);
  view.setBigUint64(X87.instructionPointer, 0n, true);
  view.setBigUint64(X87.dataPointer, 0n, true);
}

export function storeMxcsr(cpu: Processor, area: SaveArea): void {
  area.write(IMAGE.mxcsr, 8, BigInt(cpu.field32(MXCSR)) | (BigInt(MXCSR_MASK) << 32n));
}

/** MXCSR as the image has it; raises #GP(0) for bits that are not there. */
export function readMxcsr(area: SaveArea): number {
  const value = Number(area.read(IMAGE.mxcsr, 4));
  if ((value & ~MXCSR_MASK) !== 0) raise(VECTOR.GP, 0);
  return value;
}

export function storeXmm(cpu: Processor, area: SaveArea): void {
  for (let i = 0; i < vectorCount(cpu); i++) area.store(IMAGE.xmm + i * 16, YMM + i * YMM_SIZE, 16);
}

export function loadXmm(cpu: Processor, area: SaveArea): void {
  for (let i = 0; i < vectorCount(cpu); i++) area.load(IMAGE.xmm + i * 16, YMM + i * YMM_SIZE, 16);
}
