import { COMPILED_ROWS } from './compiled-row';
import { PREFIX, RECORD } from './record';

/** Reads one decoded record for cold code. One object is reused: move it with `at`. */
export class DecodedRecord {
  private address = 0;

  constructor(private readonly view: DataView) {}

  at(address: number): this {
    this.address = address;
    return this;
  }

  private u8(offset: number): number {
    return this.view.getUint8(this.address + offset);
  }

  private u16(offset: number): number {
    return this.view.getUint16(this.address + offset, true);
  }

  /** Address of the record itself. */
  get host(): number {
    return this.address;
  }
  get length(): number {
    return this.u8(RECORD.length);
  }
  /** SEGMENT_ORDER index of the memory operand's segment. */
  get segment(): number {
    return this.u8(RECORD.segment);
  }
  /** State address of the destination register. */
  get d(): number {
    return this.u16(RECORD.d);
  }
  /** State address of the source register. */
  get s(): number {
    return this.u16(RECORD.s);
  }
  get base(): number {
    return this.u16(RECORD.base);
  }
  get index(): number {
    return this.u16(RECORD.index);
  }
  get scale(): number {
    return this.u8(RECORD.scale);
  }
  get disp(): bigint {
    return this.view.getBigInt64(this.address + RECORD.disp, true);
  }
  /** Immediate, sign-extended. */
  get imm(): bigint {
    return this.view.getBigInt64(this.address + RECORD.imm, true);
  }
  /** The immediate byte. */
  get imm8(): number {
    return this.u8(RECORD.imm);
  }
  /** State address of the register of VEX.vvvv. */
  get v(): number {
    return this.u16(RECORD.v);
  }
  /** State address of the register that bits 7:4 of the immediate byte name. */
  get w(): number {
    return this.u16(RECORD.w);
  }
  /** In-page offset of the instruction. */
  get offset(): number {
    return this.u16(RECORD.offset);
  }
  /** In-page offset of the next instruction. */
  get next(): number {
    return this.u16(RECORD.next);
  }
  /** Instructions of the block before this one. */
  get before(): number {
    return this.u16(RECORD.before);
  }
  /** Row of the instruction table. */
  get operation(): number {
    return this.u16(RECORD.operation);
  }
  /** VEX-encoded: the destination's bits above the vector are cleared. */
  get isVex(): boolean {
    return COMPILED_ROWS[this.operation].vex;
  }
  /** Bytes of the vector registers the instruction works on. */
  get vectorBytes(): 0 | 8 | 16 | 32 {
    return COMPILED_ROWS[this.operation].vector;
  }
  private get prefixes(): number {
    return this.u8(RECORD.prefixes);
  }
  get lock(): boolean {
    return (this.prefixes & PREFIX.LOCK) !== 0;
  }
  get rep(): boolean {
    return (this.prefixes & (PREFIX.REP | PREFIX.REPNE)) !== 0;
  }
  /** The ModRM operand is a register (its state address is in `d`, or `s` where it is the source). */
  get isRegister(): boolean {
    return (this.prefixes & PREFIX.REGISTER) !== 0;
  }
  /** Effective operand size in bytes. */
  get size(): 1 | 2 | 4 | 8 {
    return (1 << ((this.prefixes >> PREFIX.SIZE_SHIFT) & 3)) as 1 | 2 | 4 | 8;
  }
  /** Effective address size in bytes. */
  get addressSize(): 2 | 4 | 8 {
    return (1 << ((this.prefixes >> PREFIX.ADDRESS_SHIFT) & 3)) as 2 | 4 | 8;
  }
}
