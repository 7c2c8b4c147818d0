import type { DecodeMode } from './decoded';
import { SLOT, type OpcodeMap, type Slot, vexOpcode } from './lookup';
import { UNIT_STATE, unitState } from './units';

/** Limit of an instruction's length; one byte more raises #GP(0). */
export const MAX_LENGTH = 15;

/** Bits of a REX prefix. */
export const REX = { W: 8, R: 4, X: 2, B: 1 } as const;

/** Results of reading prefixes and opcode that are no opcode: bytes are missing, or no instruction begins so. */
export const TOO_FEW = -1;
export const NO_OPCODE = -2;

/** Slots by VEX.pp. */
const VEX_SLOTS = [SLOT.NONE, SLOT.P66, SLOT.F3, SLOT.F2] as const;

/** The bytes of the instruction at hand, how far they are read, and the prefixes among them. */
export class InstructionBytes {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  start = 0;
  /** Next byte to look at. */
  at = 0;
  /** End of what may be looked at. */
  end = 0;
  mode: DecodeMode = { codeSize: 64, stackSize: 8, flat: true };

  /** As REX has them, W R X B; also those of a VEX prefix. */
  rex = 0;
  /** The slot a VEX prefix selects; -1 none. */
  vexSlot = -1;
  /** VEX.vvvv, not inverted. */
  vvvv = 0;
  operandOverride = false;
  addressOverride = false;
  lock = false;
  /** 0, 0xF2 or 0xF3: the last one. */
  repeat = 0;
  /** -1 none. */
  segment = -1;

  modrm = 0xc0;

  /** Starts at `bytes[at]`, of which `available` bytes may be looked at. */
  begin(bytes: Uint8Array, at: number, available: number, mode: DecodeMode): void {
    if (this.bytes !== bytes) {
      this.bytes = bytes;
      this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    }
    this.start = at;
    this.at = at;
    this.end = at + Math.min(available, MAX_LENGTH);
    this.mode = mode;
  }

  /** Bytes read so far. */
  get length(): number {
    return this.at - this.start;
  }

  /** Prefixes and opcode bytes: map << 8 | opcode, VEX opcodes as `vexOpcode` numbers them; TOO_FEW or NO_OPCODE. */
  readOpcode(): number {
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
    this.rex = (~second >> 5) & (short ? REX.R : REX.R | REX.X | REX.B);
    if (!short && (last & 0x80) !== 0) this.rex |= REX.W;
    this.vvvv = (~last >> 3) & 15;
    if (!long) this.rex &= REX.W;
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

  slot(): Slot {
    if (this.vexSlot >= 0) return this.vexSlot as Slot;
    if (this.repeat !== 0) return this.repeat === 0xf3 ? SLOT.F3 : SLOT.F2;
    return this.operandOverride ? SLOT.P66 : SLOT.NONE;
  }
}
