import { ACCESS } from '../codegen/exits';
import { GPR, PSEUDO, X87, X87_REGISTER_SIZE } from '../state/layout';
import type { CpuFeature } from '../tables/cpuid-features';
import { UNDEFINED_ROW } from '../tables/instructions';
import {
  COMPILED_ROWS,
  ROLE,
  type CompiledRow,
  type ExtraRegister,
  type RegisterClass,
  type Role,
} from './compiled-row';
import type { Decoded, DecodeMode, DecodeResult } from './decoded';
import { InstructionBytes, MAX_LENGTH, NO_OPCODE, REX, TOO_FEW } from './instruction-bytes';
import { lookupOf, SLOT } from './lookup';
import { gpr, type Mutable, OperandBytes, ymm } from './operand-bytes';
import { addressSizeLog, operandSizeLog } from './operand-size';
import { PREFIX } from './record';
import {
  COLD_SHAPE,
  SHAPES,
  UNDEFINED_SHAPE,
  eaIndex,
  implicitAddress,
  implicitSegmented,
  isAddressedRaw,
  repeatOf,
  variantIndex,
} from './shapes';
import { UNIT_STATE, unitState } from './units';

export type { Decoded, DecodeMode, DecodeResult } from './decoded';

const CS = 1;
const SS = 2;
const DS = 3;
const FS = 4;
const RSP = GPR + 4 * 8;
const RBP = GPR + 5 * 8;

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

const extra = (kind: ExtraRegister, number: number): number =>
  kind === 'none' ? 0 : kind === 'general' ? gpr(number) : ymm(kind === 'vector' ? number : 0);

/** Turns bytes into decoded instructions by the instruction table. */
export class Decoder {
  private readonly lookup: ReturnType<typeof lookupOf>;
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

  private readonly input = new InstructionBytes();
  private readonly operandBytes = new OperandBytes(this.input, this.out);

  /** @param has whether the processor has a CPUID feature; the instructions of those it lacks are undefined */
  constructor(has: (feature: CpuFeature) => boolean = () => true) {
    this.lookup = lookupOf(has);
  }

  /**
   * Decodes the instruction at `bytes[at]`, of which `available` bytes may be looked at, into `decoded`.
   */
  decode(bytes: Uint8Array, at: number, available: number, mode: DecodeMode): DecodeResult {
    const { input } = this;
    input.begin(bytes, at, available, mode);
    const opcode = input.readOpcode();
    if (opcode === TOO_FEW) return this.short(1);
    if (opcode === NO_OPCODE) return this.undefined();
    if (!this.lookup.defines(opcode)) return this.undefined();
    this.input.modrm = 0xc0;
    if (this.lookup.hasModrm(opcode)) {
      if (this.input.at >= this.input.end) return this.short(1);
      this.input.modrm = this.input.bytes[this.input.at++];
    }
    const long = mode.codeSize === 64;
    let index = this.lookup.find(opcode, this.input.modrm, this.input.slot(), long, (this.input.rex & REX.W) !== 0);
    // 90 is XCHG of the opcode's register like its neighbours once REX.B makes that R8; PAUSE stays PAUSE.
    if (opcode === 0x90 && (this.input.rex & REX.B) !== 0 && this.input.repeat !== 0xf3)
      index = this.lookup.find(0x91, 0, SLOT.NONE, long, false);
    if (index < 0) return this.undefined();
    return this.operands(COMPILED_ROWS[index], opcode);
  }

  /** Result for `count` more bytes than there are. */
  private short(count: number): DecodeResult {
    const needed = this.input.length + count;
    return needed > MAX_LENGTH ? TOO_LONG : TRUNCATED[needed];
  }

  private undefined(): DecodeResult {
    const { out } = this;
    out.row = UNDEFINED_ROW;
    out.length = this.input.length;
    out.shape = SHAPES[UNDEFINED_SHAPE];
    out.shapeIndex = UNDEFINED_SHAPE;
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

  /** Everything after the row is known. */
  private operands(row: CompiledRow, opcode: number): DecodeResult {
    const {
      out,
      input: { mode },
    } = this;
    this.clearOperands();
    const register = row.registerOnly || this.input.modrm >= 0xc0;
    const memory = row.moffs || !register;
    const address = addressSizeLog(mode.codeSize, this.input.addressOverride);
    // Outside 64-bit mode VEX.W is part of the opcode and nothing more.
    const whole = mode.codeSize === 64 && (this.input.rex & REX.W) !== 0;
    const size = operandSizeLog(row.size, mode.codeSize, this.input.operandOverride, whole);
    if (row.moffs) {
      if (!this.operandBytes.readOffset(address)) return this.short(1 << address);
    } else if (!register) {
      const missing = this.operandBytes.readMemoryOperand(address);
      if (missing > 0) return this.short(missing);
      if (row.vsib && !this.operandBytes.vectorIndex()) return this.undefined();
    }
    out.imm = row.impliedImmediate === 0 ? 0n : BigInt(row.impliedImmediate);
    for (const kind of row.immediates) {
      const missing = this.operandBytes.readImmediate(kind, size);
      if (missing > 0) return this.short(missing);
    }
    if (this.input.lock && !(row.row.lock && memory)) return this.undefined();
    if (!this.specialRegister(row)) return this.undefined();
    if (!this.extraRegisters(row)) return this.undefined();
    if (row.unit !== undefined) {
      const state = unitState(mode.units ?? 0, row.unit);
      if (state === UNIT_STATE.UNDEFINED) return this.undefined();
      if (state === UNIT_STATE.NOT_AVAILABLE) return UNAVAILABLE;
    }
    out.row = row.index;
    out.length = this.input.length;
    out.d = this.registerOf(row.d, row.dClass, opcode, memory);
    out.s = this.registerOf(row.s, row.sClass, opcode, memory);
    out.prefixes =
      (this.input.lock ? PREFIX.LOCK : 0) |
      (this.input.repeat === 0xf2 ? PREFIX.REPNE : this.input.repeat === 0xf3 ? PREFIX.REP : 0) |
      (memory ? 0 : PREFIX.REGISTER) |
      (size << PREFIX.SIZE_SHIFT) |
      (address << PREFIX.ADDRESS_SHIFT);
    this.chooseShape(row, memory, size, address);
    return OK;
  }

  private chooseShape(row: CompiledRow, memory: boolean, size: number, address: number): void {
    const {
      out,
      input: { mode },
    } = this;
    if (this.input.segment >= 0) out.segment = this.input.segment;
    else if (out.base === RSP || out.base === RBP) out.segment = SS;
    // CS cannot be written and need not be readable, however flat; 64-bit mode ignores its prefix.
    const based = this.input.segment >= FS || this.input.segment === CS;
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
          address: implicitAddress(row, address, this.input.mode.stackSize === 8 ? 3 : this.input.mode.stackSize >> 1),
          repeat: repeatOf(row, this.input.repeat),
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
        return memory ? PSEUDO.ZERO : this.named(this.input.modrm & 7, REX.B, registers);
      case ROLE.REG:
        return this.named((this.input.modrm >> 3) & 7, REX.R, registers);
      case ROLE.OPCODE:
        return this.named(opcode & 7, REX.B, registers);
    }
  }

  /** State address of a register by its three bits and the REX bit that extends them. */
  private named(number: number, extension: number, registers: RegisterClass): number {
    const whole = (this.input.rex & extension) !== 0 ? number + 8 : number;
    switch (registers) {
      case 'general':
        return gpr(whole);
      case 'byte':
        return this.input.rex === 0 && number >= 4 ? gpr(number - 4) + 1 : gpr(whole);
      case 'vector':
        return ymm(whole);
      case 'mmx':
        return X87.registers + number * X87_REGISTER_SIZE;
    }
  }

  /** Puts the registers of VEX.vvvv and of the immediate's high half above the immediate; false where vvvv names one and must not. */
  private extraRegisters({ vex, v, w }: CompiledRow): boolean {
    if (vex && v === 'none' && this.input.vvvv !== 0) return false;
    if (v === 'none' && w === 'none') return true;
    const { out } = this;
    const low = BigInt.asUintN(32, out.imm);
    // Outside 64-bit mode the highest bit of either is ignored, but of a vvvv that names nothing.
    const high = this.input.mode.codeSize === 64 ? 15 : 7;
    const inImmediate = ymm(vex ? (Number(low) >> 4) & high : 0);
    out.imm =
      low |
      (BigInt(extra(v, this.input.vvvv & high)) << 32n) |
      (BigInt(w === 'vector' ? inImmediate : extra(w, 0)) << 48n);
    return true;
  }

  /** Puts the number of a segment, control or debug register in the immediate; false where there is no such register. */
  private specialRegister(row: CompiledRow): boolean {
    if (row.stackRegister) this.out.imm = BigInt(this.input.modrm);
    if (row.special === 'none') return true;
    const low = (this.input.modrm >> 3) & 7;
    const number = (this.input.rex & REX.R) !== 0 ? low + 8 : low;
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
}
