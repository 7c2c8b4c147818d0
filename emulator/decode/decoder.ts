import { ACCESS } from '../codegen/exits';
import { GPR, PSEUDO, X87, X87_REGISTER_SIZE, YMM, YMM_SIZE } from '../state/layout';
import type { CpuFeature } from '../tables/cpuid-features';
import { UNDEFINED_ROW } from '../tables/instructions';
import {
  COMPILED_ROWS,
  ROLE,
  type CompiledRow,
  type ExtraRegister,
  type ImmediateKind,
  type RegisterClass,
  type Role,
} from './compiled-row';
import type { Decoded, DecodeMode, DecodeResult } from './decoded';
import { Lookup, SLOT, type OpcodeMap, type Slot, vexOpcode } from './lookup';
import { addressSizeLog, operandSizeLog } from './operand-size';
import { PREFIX } from './record';
import {
  COLD_SHAPE,
  eaIndex,
  implicitAddress,
  implicitSegmented,
  isAddressedRaw,
  repeatOf,
  SHAPES,
  variantIndex,
} from './shapes';
import { UNIT_STATE, unitState } from './units';

export type { Decoded, DecodeMode, DecodeResult } from './decoded';

/** Limit of an instruction's length; one byte more raises #GP(0). */
const MAX_LENGTH = 15;

const CS = 1;
const SS = 2;
const DS = 3;
const FS = 4;
const REX_W = 8;
const REX_R = 4;
const REX_X = 2;
const REX_B = 1;
const RSP = GPR + 4 * 8;
const RBP = GPR + 5 * 8;

/** Base and index registers of 16-bit addressing by ModRM.rm; -1 none. */
const BASE_16 = [3, 3, 5, 5, 6, 7, 5, 3] as const;
const INDEX_16 = [6, 7, 6, 7, -1, -1, -1, -1] as const;

const OK: DecodeResult = { kind: 'ok' };
const UNDEFINED: DecodeResult = { kind: 'undefined' };
const UNAVAILABLE: DecodeResult = { kind: 'unavailable' };
const TOO_LONG: DecodeResult = { kind: 'too-long' };
const TRUNCATED: readonly DecodeResult[] = Array.from({ length: MAX_LENGTH + 1 }, (_, needed) => ({
  kind: 'truncated',
  needed,
}));

/** Control registers that exist. */
const CONTROL_REGISTERS = new Set([0, 2, 3, 4, 8]);

/** Results of reading prefixes and opcode that are no opcode: bytes are missing, or no instruction begins so. */
const TOO_FEW = -1;
const NO_OPCODE = -2;
/** Slots by VEX.pp. */
const VEX_SLOTS = [SLOT.NONE, SLOT.P66, SLOT.F3, SLOT.F2] as const;

const gpr = (number: number): number => GPR + number * 8;
const ymm = (number: number): number => YMM + number * YMM_SIZE;
const extra = (kind: ExtraRegister, number: number): number =>
  kind === 'none' ? 0 : kind === 'general' ? gpr(number) : ymm(kind === 'vector' ? number : 0);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Turns bytes into decoded instructions by the instruction table. */
export class Decoder {
  private readonly lookup: Lookup;
  private readonly out: Mutable<Decoded> = {
    row: UNDEFINED_ROW,
    length: 0,
    shape: SHAPES[COLD_SHAPE],
    shapeIndex: COLD_SHAPE,
    ea: undefined,
    eaIndex: -1,
    access: 0,
    d: PSEUDO.ZERO,
    s: PSEUDO.ZERO,
    base: PSEUDO.ZERO,
    index: PSEUDO.ZERO,
    scale: 0,
    disp: 0n,
    imm: 0n,
    segment: DS,
    prefixes: 0,
    ripRelative: false,
  };
  /** The instruction of the last call that gave 'ok' or 'undefined'. */
  readonly decoded: Decoded = this.out;

  private bytes: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(this.bytes.buffer);
  private start = 0;
  /** Next byte to look at. */
  private at = 0;
  /** End of what may be looked at. */
  private end = 0;
  private mode: DecodeMode = { codeSize: 64, stackSize: 8, flat: true };

  /** @param has whether the processor has a CPUID feature; the instructions of those it lacks are undefined */
  constructor(has: (feature: CpuFeature) => boolean = () => true) {
    this.lookup = new Lookup(has);
  }

  // Prefixes of the instruction at hand.
  /** As REX has them, W R X B; also those of a VEX prefix. */
  private rex = 0;
  /** The slot a VEX prefix selects; -1 none. */
  private vexSlot = -1;
  /** VEX.vvvv, not inverted. */
  private vvvv = 0;
  private operandOverride = false;
  private addressOverride = false;
  private lock = false;
  /** 0, 0xF2 or 0xF3: the last one. */
  private repeat = 0;
  /** -1 none. */
  private segment = -1;
  private modrm = 0xc0;
  private hasSib = false;
  private sibIndex = 0;
  private sibScale = 0;

  /**
   * Decodes the instruction at `bytes[at]`, of which `available` bytes may be looked at, into `decoded`.
   */
  decode(bytes: Uint8Array, at: number, available: number, mode: DecodeMode): DecodeResult {
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.start = at;
    this.at = at;
    this.end = at + Math.min(available, MAX_LENGTH);
    this.mode = mode;
    const opcode = this.readOpcode();
    if (opcode === TOO_FEW) return this.short(1);
    if (opcode === NO_OPCODE) return this.undefined();
    if (!this.lookup.defines(opcode)) return this.undefined();
    this.modrm = 0xc0;
    if (this.lookup.hasModrm(opcode)) {
      if (this.at >= this.end) return this.short(1);
      this.modrm = this.bytes[this.at++];
    }
    const long = mode.codeSize === 64;
    let index = this.lookup.find(opcode, this.modrm, this.slot(), long, (this.rex & REX_W) !== 0);
    // 90 is XCHG of the opcode's register like its neighbours once REX.B makes that R8; PAUSE stays PAUSE.
    if (opcode === 0x90 && (this.rex & REX_B) !== 0 && this.repeat !== 0xf3)
      index = this.lookup.find(0x91, 0, SLOT.NONE, long, false);
    if (index < 0) return this.undefined();
    return this.operands(COMPILED_ROWS[index], opcode);
  }

  /** Result for `count` more bytes than there are. */
  private short(count: number): DecodeResult {
    const needed = this.at - this.start + count;
    return needed > MAX_LENGTH ? TOO_LONG : TRUNCATED[needed];
  }

  private undefined(): DecodeResult {
    const { out } = this;
    out.row = UNDEFINED_ROW;
    out.length = this.at - this.start;
    out.shape = SHAPES[COLD_SHAPE];
    out.shapeIndex = COLD_SHAPE;
    this.clearOperands();
    out.prefixes = (3 << PREFIX.SIZE_SHIFT) | (3 << PREFIX.ADDRESS_SHIFT);
    return UNDEFINED;
  }

  private clearOperands(): void {
    const { out } = this;
    out.ea = undefined;
    out.eaIndex = -1;
    out.access = 0;
    out.d = PSEUDO.ZERO;
    out.s = PSEUDO.ZERO;
    out.base = PSEUDO.ZERO;
    out.index = PSEUDO.ZERO;
    out.scale = 0;
    out.disp = 0n;
    out.imm = 0n;
    out.segment = DS;
    out.ripRelative = false;
  }

  /** Prefixes and opcode bytes: map << 8 | opcode, VEX opcodes as `vexOpcode` numbers them; TOO_FEW or NO_OPCODE. */
  private readOpcode(): number {
    const { bytes, end } = this;
    const long = this.mode.codeSize === 64;
    this.rex = 0;
    this.vexSlot = -1;
    this.vvvv = 0;
    this.operandOverride = false;
    this.addressOverride = false;
    this.lock = false;
    this.repeat = 0;
    this.segment = -1;
    while (this.at < end) {
      const byte = bytes[this.at++];
      if (long && (byte & 0xf0) === 0x40) {
        this.rex = byte;
        continue;
      }
      if (!this.readPrefix(byte, long)) {
        if (byte === 0x0f) return this.readTwoByteOpcode();
        return (byte & 0xfe) === 0xc4 ? this.readVexOpcode(byte, long) : byte;
      }
      // A REX prefix counts only directly before the opcode.
      this.rex = 0;
    }
    return TOO_FEW;
  }

  /** C4 and C5: a VEX prefix with its opcode, or LES and LDS, which outside 64-bit mode have memory operands only. */
  private readVexOpcode(first: number, long: boolean): number {
    const { bytes, at } = this;
    if (at >= this.end) return TOO_FEW;
    const second = bytes[at];
    const noVex = unitState(this.mode.units ?? 0, 'vex') === UNIT_STATE.UNDEFINED;
    if (!long && (second < 0xc0 || noVex)) return first;
    if (this.rex !== 0 || this.operandOverride || this.repeat !== 0 || this.lock) return NO_OPCODE;
    const short = first === 0xc5;
    if (at + (short ? 1 : 2) >= this.end) {
      this.at = this.end;
      return TOO_FEW;
    }
    const last = short ? second : bytes[at + 1];
    const map = short ? 1 : second & 31;
    if (map < 1 || map > 3) return NO_OPCODE;
    // Inverted: R in bit 7 of the second byte, and in the longer form X and B behind it.
    this.rex = (~second >> 5) & (short ? REX_R : REX_R | REX_X | REX_B);
    if (!short && (last & 0x80) !== 0) this.rex |= REX_W;
    this.vvvv = (~last >> 3) & 15;
    if (!long) this.rex &= REX_W;
    this.vexSlot = VEX_SLOTS[last & 3];
    this.at = at + (short ? 2 : 3);
    return vexOpcode(map, (last >> 2) & 1, bytes[this.at - 1]);
  }

  private readPrefix(byte: number, long: boolean): boolean {
    switch (byte) {
      case 0x26:
      case 0x2e:
      case 0x36:
      case 0x3e:
        if (!long) this.segment = (byte >> 3) & 3;
        return true;
      case 0x64:
      case 0x65:
        this.segment = byte & 7;
        return true;
      case 0x66:
        this.operandOverride = true;
        return true;
      case 0x67:
        this.addressOverride = true;
        return true;
      case 0xf0:
        this.lock = true;
        return true;
      case 0xf2:
      case 0xf3:
        this.repeat = byte;
        return true;
      default:
        return false;
    }
  }

  private readTwoByteOpcode(): number {
    if (this.at >= this.end) return TOO_FEW;
    const second = this.bytes[this.at++];
    const map: OpcodeMap = second === 0x38 ? 2 : second === 0x3a ? 3 : 1;
    if (map === 1) return 0x100 | second;
    if (this.at >= this.end) return TOO_FEW;
    return (map << 8) | this.bytes[this.at++];
  }

  private slot(): Slot {
    if (this.vexSlot >= 0) return this.vexSlot as Slot;
    if (this.repeat !== 0) return this.repeat === 0xf3 ? SLOT.F3 : SLOT.F2;
    return this.operandOverride ? SLOT.P66 : SLOT.NONE;
  }

  /** Everything after the row is known. */
  private operands(row: CompiledRow, opcode: number): DecodeResult {
    const { out, mode } = this;
    this.clearOperands();
    const register = row.registerOnly || this.modrm >= 0xc0;
    const memory = row.moffs || !register;
    const address = addressSizeLog(mode.codeSize, this.addressOverride);
    // Outside 64-bit mode VEX.W is part of the opcode and nothing more.
    const whole = mode.codeSize === 64 && (this.rex & REX_W) !== 0;
    const size = operandSizeLog(row.size, mode.codeSize, this.operandOverride, whole);
    if (row.moffs) {
      if (!this.readOffset(address)) return this.short(1 << address);
    } else if (!register) {
      const missing = this.readMemoryOperand(address);
      if (missing > 0) return this.short(missing);
      if (row.vsib && !this.vectorIndex()) return this.undefined();
    }
    out.imm = row.impliedImmediate === 0 ? 0n : BigInt(row.impliedImmediate);
    for (const kind of row.immediates) {
      const missing = this.readImmediate(kind, size);
      if (missing > 0) return this.short(missing);
    }
    if (this.lock && !(row.row.lock && memory)) return this.undefined();
    if (!this.specialRegister(row)) return this.undefined();
    if (!this.extraRegisters(row)) return this.undefined();
    if (row.unit !== undefined) {
      const state = unitState(mode.units ?? 0, row.unit);
      if (state === UNIT_STATE.UNDEFINED) return this.undefined();
      if (state === UNIT_STATE.NOT_AVAILABLE) return UNAVAILABLE;
    }
    out.row = row.index;
    out.length = this.at - this.start;
    out.d = this.registerOf(row.d, row.dClass, opcode, memory);
    out.s = this.registerOf(row.s, row.sClass, opcode, memory);
    out.prefixes =
      (this.lock ? PREFIX.LOCK : 0) |
      (this.repeat === 0xf2 ? PREFIX.REPNE : this.repeat === 0xf3 ? PREFIX.REP : 0) |
      (memory ? 0 : PREFIX.REGISTER) |
      (size << PREFIX.SIZE_SHIFT) |
      (address << PREFIX.ADDRESS_SHIFT);
    this.chooseShape(row, memory, size, address);
    return OK;
  }

  private chooseShape(row: CompiledRow, memory: boolean, size: number, address: number): void {
    const { out, mode } = this;
    if (this.segment >= 0) out.segment = this.segment;
    else if (out.base === RSP || out.base === RBP) out.segment = SS;
    // CS cannot be written and need not be readable, however flat; 64-bit mode ignores its prefix.
    const based = this.segment >= FS || this.segment === CS;
    const indexed = memory && out.index !== PSEUDO.ZERO;
    const direct = mode.codeSize === 64 && address === 3 && !based;
    if (memory && row.accesses) {
      // POP to memory addresses with RSP after its own increment; its semantics and `ea` see RSP before it.
      if (row.key === 'pop' && out.base === RSP) out.disp += BigInt(1 << size);
      if (!direct) {
        out.eaIndex = eaIndex(address, based || !mode.flat, indexed);
        out.ea = SHAPES[out.eaIndex];
        const bytes =
          row.accessSize !== 0
            ? row.accessSize
            : row.sourceSize !== 0
              ? Math.min(row.sourceSize, 1 << size)
              : 1 << size;
        out.access = bytes | (row.writesMemory ? ACCESS.WRITE : 0);
      }
    }
    out.shapeIndex = row.hot
      ? variantIndex(row, {
          memory,
          size,
          address: implicitAddress(row, address, this.mode.stackSize === 8 ? 3 : this.mode.stackSize >> 1),
          repeat: repeatOf(row, this.repeat),
          segmented: implicitSegmented(row, mode.flat, based),
          indexed: row.warm ? memory : indexed && (isAddressedRaw(row) || (row.accesses && direct)),
        })
      : COLD_SHAPE;
    out.shape = SHAPES[out.shapeIndex];
  }

  private registerOf(role: Role, registers: RegisterClass, opcode: number, memory: boolean): number {
    switch (role) {
      case ROLE.NONE:
        return PSEUDO.ZERO;
      case ROLE.ACCUMULATOR:
        return GPR;
      case ROLE.RM:
        return memory ? PSEUDO.ZERO : this.named(this.modrm & 7, REX_B, registers);
      case ROLE.REG:
        return this.named((this.modrm >> 3) & 7, REX_R, registers);
      case ROLE.OPCODE:
        return this.named(opcode & 7, REX_B, registers);
    }
  }

  /** State address of a register by its three bits and the REX bit that extends them. */
  private named(number: number, extension: number, registers: RegisterClass): number {
    const whole = (this.rex & extension) !== 0 ? number + 8 : number;
    switch (registers) {
      case 'general':
        return gpr(whole);
      case 'byte':
        return this.rex === 0 && number >= 4 ? gpr(number - 4) + 1 : gpr(whole);
      case 'vector':
        return ymm(whole);
      case 'mmx':
        return X87.registers + number * X87_REGISTER_SIZE;
    }
  }

  /** The index of the memory operand is a vector register; false where there is no SIB byte. */
  private vectorIndex(): boolean {
    if (!this.hasSib) return false;
    this.out.index = ymm(this.sibIndex);
    this.out.scale = this.sibScale;
    return true;
  }

  /** Puts the registers of VEX.vvvv and of the immediate's high half above the immediate; false where vvvv names one and must not. */
  private extraRegisters({ vex, v, w }: CompiledRow): boolean {
    if (vex && v === 'none' && this.vvvv !== 0) return false;
    if (v === 'none' && w === 'none') return true;
    const { out } = this;
    const low = BigInt.asUintN(32, out.imm);
    // Outside 64-bit mode the highest bit of either is ignored, but of a vvvv that names nothing.
    const high = this.mode.codeSize === 64 ? 15 : 7;
    const inImmediate = ymm(vex ? (Number(low) >> 4) & high : 0);
    out.imm =
      low | (BigInt(extra(v, this.vvvv & high)) << 32n) | (BigInt(w === 'vector' ? inImmediate : extra(w, 0)) << 48n);
    return true;
  }

  /** Puts the number of a segment, control or debug register in the immediate; false where there is no such register. */
  private specialRegister(row: CompiledRow): boolean {
    if (row.stackRegister) this.out.imm = BigInt(this.modrm);
    if (row.special === 'none') return true;
    const low = (this.modrm >> 3) & 7;
    const number = (this.rex & REX_R) !== 0 ? low + 8 : low;
    this.out.imm = BigInt(row.special === 'segment' ? low : number);
    switch (row.special) {
      case 'segment':
        return low < 6 && !(row.key === 'mov_to_sreg' && low === 1);
      case 'control':
        return CONTROL_REGISTERS.has(number);
      case 'debug':
        return number < 8;
    }
  }

  /** The address of a MOV that has it in the instruction. */
  private readOffset(address: number): boolean {
    const { out, view, at } = this;
    if (at + (1 << address) > this.end) return false;
    out.disp =
      address === 3
        ? view.getBigInt64(at, true)
        : BigInt(address === 2 ? view.getUint32(at, true) : view.getUint16(at, true));
    this.at = at + (1 << address);
    return true;
  }

  /** What ModRM with mod below 3 addresses; returns how many bytes are missing. */
  private readMemoryOperand(address: number): number {
    return address === 1 ? this.readMemory16() : this.readMemory32();
  }

  private readMemory16(): number {
    const { out, modrm } = this;
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
    const { out, modrm, rex } = this;
    const mod = modrm >> 6;
    let rm = modrm & 7;
    this.hasSib = rm === 4;
    if (rm === 4) {
      if (this.at >= this.end) return 1;
      const sib = this.bytes[this.at++];
      const index = ((sib >> 3) & 7) | ((rex & REX_X) !== 0 ? 8 : 0);
      this.sibIndex = index;
      this.sibScale = sib >> 6;
      if (index !== 4) {
        out.index = gpr(index);
        out.scale = sib >> 6;
      }
      rm = sib & 7;
      if (mod === 0 && rm === 5) return this.readDisplacement(4);
    } else if (mod === 0 && rm === 5) {
      if (this.mode.codeSize === 64) {
        out.ripRelative = true;
        out.base = PSEUDO.RIP_PAGE;
      }
      return this.readDisplacement(4);
    }
    out.base = gpr((rex & REX_B) !== 0 ? rm + 8 : rm);
    return mod === 0 ? 0 : this.readDisplacement(mod === 1 ? 1 : 4);
  }

  private readDisplacement(size: number): number {
    const { view, at } = this;
    if (at + size > this.end) return size;
    const value = size === 1 ? view.getInt8(at) : size === 2 ? view.getInt16(at, true) : view.getInt32(at, true);
    this.out.disp = BigInt(value);
    this.at = at + size;
    return 0;
  }

  /** Adds one immediate; returns how many bytes are missing. `size` is log2 of the operand size. */
  private readImmediate(kind: ImmediateKind, size: number): number {
    const { out, view, at } = this;
    const count = immediateBytes(kind, size);
    if (at + count > this.end) return count;
    this.at = at + count;
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
