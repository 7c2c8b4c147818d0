import { GPR, PSEUDO, YMM, YMM_SIZE } from '../state/layout';
import type { ImmediateKind } from './compiled-row';
import type { Decoded } from './decoded';
import { type InstructionBytes, REX } from './instruction-bytes';

/** Base and index registers of 16-bit addressing by ModRM.rm; -1 none. */
const BASE_16 = [3, 3, 5, 5, 6, 7, 5, 3] as const;
const INDEX_16 = [6, 7, 6, 7, -1, -1, -1, -1] as const;

/** State addresses of registers by their numbers. */
export const gpr = (number: number): number => GPR + number * 8;
export const ymm = (number: number): number => YMM + number * YMM_SIZE;

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads what comes behind the opcode: the memory operand and immediates, into the decoded instruction. */
export class OperandBytes {
  private hasSib = false;
  private sibIndex = 0;
  private sibScale = 0;

  constructor(
    private readonly input: InstructionBytes,
    private readonly out: Mutable<Decoded>,
  ) {}

  /** The address of a MOV that has it in the instruction. */
  readOffset(address: number): boolean {
    const { out, input } = this;
    const { view, at } = input;
    if (at + (1 << address) > input.end) return false;
    out.disp =
      address === 3
        ? view.getBigInt64(at, true)
        : BigInt(address === 2 ? view.getUint32(at, true) : view.getUint16(at, true));
    input.at = at + (1 << address);
    return true;
  }

  /** What ModRM with mod below 3 addresses; returns how many bytes are missing. */
  readMemoryOperand(address: number): number {
    return address === 1 ? this.readMemory16() : this.readMemory32();
  }

  private readMemory16(): number {
    const {
      out,
      input: { modrm },
    } = this;
    this.hasSib = false;
    const mod = modrm >> 6;
    const rm = modrm & 7;
    if (mod === 0 && rm === 6) return this.readDisplacement(2);
    out.base = gpr(BASE_16[rm]);
    const index = INDEX_16[rm];
    if (index >= 0) out.index = gpr(index);
    return mod === 0 ? 0 : this.readDisplacement(mod);
  }

  private readMemory32(): number {
    const { out, input } = this;
    const { modrm, rex } = input;
    const mod = modrm >> 6;
    let rm = modrm & 7;
    this.hasSib = rm === 4;
    if (rm === 4) {
      if (input.at >= input.end) return 1;
      const sib = input.bytes[input.at++];
      const index = ((sib >> 3) & 7) | ((rex & REX.X) !== 0 ? 8 : 0);
      this.sibIndex = index;
      this.sibScale = sib >> 6;
      if (index !== 4) {
        out.index = gpr(index);
        out.scale = sib >> 6;
      }
      rm = sib & 7;
      if (mod === 0 && rm === 5) return this.readDisplacement(4);
    } else if (mod === 0 && rm === 5) {
      if (input.mode.codeSize === 64) {
        out.ripRelative = true;
        out.base = PSEUDO.RIP_PAGE;
      }
      return this.readDisplacement(4);
    }
    out.base = gpr((rex & REX.B) !== 0 ? rm + 8 : rm);
    return mod === 0 ? 0 : this.readDisplacement(mod === 1 ? 1 : 4);
  }

  private readDisplacement(size: number): number {
    const { input } = this;
    const { view, at } = input;
    if (at + size > input.end) return size;
    const value = size === 1 ? view.getInt8(at) : size === 2 ? view.getInt16(at, true) : view.getInt32(at, true);
    this.out.disp = BigInt(value);
    input.at = at + size;
    return 0;
  }

  /** Adds one immediate; returns how many bytes are missing. `size` is log2 of the operand size. */
  readImmediate(kind: ImmediateKind, size: number): number {
    const { out, input } = this;
    const { view, at } = input;
    const count = immediateBytes(kind, size);
    if (at + count > input.end) return count;
    input.at = at + count;
    switch (kind) {
      case 'Ib':
      case 'Jb':
        out.imm = BigInt(view.getInt8(at));
        break;
      case 'uIb':
        out.imm = BigInt(view.getUint8(at));
        break;
      case 'level':
        out.imm |= BigInt(view.getUint8(at)) << 16n;
        break;
      case 'uIw':
        out.imm = BigInt(view.getUint16(at, true));
        break;
      case 'Iz':
      case 'Jz':
      case 'Iv':
        out.imm =
          count === 8
            ? view.getBigInt64(at, true)
            : BigInt(count === 2 ? view.getInt16(at, true) : view.getInt32(at, true));
        break;
      case 'Ap': {
        const offset = count === 4 ? view.getUint16(at, true) : view.getUint32(at, true);
        out.imm = BigInt(offset) | (BigInt(view.getUint16(at + count - 2, true)) << 32n);
        break;
      }
    }
    return 0;
  }

  /** The index of the memory operand is a vector register; false where there is no SIB byte. */
  vectorIndex(): boolean {
    if (!this.hasSib) return false;
    this.out.index = ymm(this.sibIndex);
    this.out.scale = this.sibScale;
    return true;
  }
}

const immediateBytes = (kind: ImmediateKind, size: number): number => {
  switch (kind) {
    case 'Ib':
    case 'uIb':
    case 'level':
    case 'Jb':
      return 1;
    case 'uIw':
      return 2;
    case 'Iz':
    case 'Jz':
      return size === 1 ? 2 : 4;
    case 'Iv':
      return 1 << size;
    case 'Ap':
      return size === 1 ? 4 : 6;
  }
};
