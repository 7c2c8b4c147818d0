import { ByteBuffer } from './bytes';
import { type Expr, type ValueType, get } from './expr';

/** Encodings of WebAssembly's value and block types. */
export const TYPE_CODE: Readonly<Record<ValueType, number>> = {
  i32: 0x7f,
  i64: 0x7e,
  f32: 0x7d,
  f64: 0x7c,
  v128: 0x7b,
};
const EMPTY_BLOCK = 0x40;

/** A label names an open block; branches compute their relative depth from it. */
export type Label = number;

/** Emits the body of one WebAssembly function. Statements are emitted in the order of the calls. */
export class FunctionBuilder {
  readonly code = new ByteBuffer();
  readonly locals: ValueType[] = [];
  private depth = 0;

  constructor(private readonly parameterCount: number) {}

  newLocal(type: ValueType): number {
    this.locals.push(type);
    return this.parameterCount + this.locals.length - 1;
  }

  /** Emits `value` as it is: its result stays on the stack. */
  emit(value: Expr): void {
    switch (value.kind) {
      case 'const':
        this.code.byte(value.type === 'i32' ? 0x41 : 0x42);
        this.code.signed(value.value);
        return;
      case 'get':
        this.code.byte(0x20);
        this.code.unsigned(value.local);
        return;
      case 'op':
        for (const arg of value.args) this.emit(arg);
        this.code.byte(value.opcode);
        return;
      case 'prefixed':
        for (const arg of value.args) this.emit(arg);
        this.code.byte(value.prefix);
        this.code.unsigned(value.opcode);
        this.code.bytes(value.immediates);
        return;
      case 'load':
        this.emit(value.address);
        if (value.prefix === undefined) this.code.byte(value.opcode);
        else {
          this.code.byte(value.prefix);
          this.code.unsigned(value.opcode);
        }
        this.code.unsigned(0);
        this.code.unsigned(value.offset);
        return;
      case 'call':
        for (const arg of value.args) this.emit(arg);
        this.code.byte(0x10);
        this.code.unsigned(value.callee);
        return;
      case 'call-indirect':
        for (const arg of value.args) this.emit(arg);
        this.emit(value.index);
        this.code.byte(0x11);
        this.code.unsigned(value.type);
        this.code.unsigned(0);
        return;
    }
  }

  set(local: number, value: Expr): void {
    this.emit(value);
    this.code.byte(0x21);
    this.code.unsigned(local);
  }

  /** Computes `value` once into a new local. */
  local(type: ValueType, value: Expr): Expr {
    const local = this.newLocal(type);
    this.set(local, value);
    return get(local);
  }

  drop(value: Expr): void {
    this.emit(value);
    this.code.byte(0x1a);
  }

  private storeOp(opcode: number, address: Expr, value: Expr, offset: number): void {
    this.emit(address);
    this.emit(value);
    this.code.byte(opcode);
    this.code.unsigned(0);
    this.code.unsigned(offset);
  }

  /** Stores the low `size` bytes of an i64. */
  store(size: number, address: Expr, value: Expr, offset = 0): void {
    this.storeOp(size === 8 ? 0x37 : size === 4 ? 0x3e : size === 2 ? 0x3d : 0x3c, address, value, offset);
  }

  /** Stores an i32. */
  storeI32(address: Expr, value: Expr, offset = 0): void {
    this.storeOp(0x36, address, value, offset);
  }

  storeI32As16(address: Expr, value: Expr, offset = 0): void {
    this.storeOp(0x3b, address, value, offset);
  }

  /** Stores the 16 bytes of a vector. */
  storeV128(address: Expr, value: Expr, offset = 0): void {
    this.emit(address);
    this.emit(value);
    this.code.bytes([0xfd, 11, 0]);
    this.code.unsigned(offset);
  }

  block(): Label {
    this.code.byte(0x02);
    this.code.byte(EMPTY_BLOCK);
    return ++this.depth;
  }

  loop(): Label {
    this.code.byte(0x03);
    this.code.byte(EMPTY_BLOCK);
    return ++this.depth;
  }

  /** Opens an `if` on an i32 condition. */
  if(condition: Expr): Label {
    this.emit(condition);
    this.code.byte(0x04);
    this.code.byte(EMPTY_BLOCK);
    return ++this.depth;
  }

  else(): void {
    this.code.byte(0x05);
  }

  end(): void {
    this.code.byte(0x0b);
    this.depth--;
  }

  br(label: Label): void {
    this.code.byte(0x0c);
    this.code.unsigned(this.depth - label);
  }

  brIf(label: Label, condition: Expr): void {
    this.emit(condition);
    this.code.byte(0x0d);
    this.code.unsigned(this.depth - label);
  }

  brTable(labels: readonly Label[], otherwise: Label, index: Expr): void {
    this.emit(index);
    this.code.byte(0x0e);
    this.code.unsigned(labels.length);
    for (const label of labels) this.code.unsigned(this.depth - label);
    this.code.unsigned(this.depth - otherwise);
  }

  unreachable(): void {
    this.code.byte(0x00);
  }

  return(): void {
    this.code.byte(0x0f);
  }

  /** `memory.copy`: host addresses, i32 length. */
  copy(to: Expr, from: Expr, length: Expr): void {
    this.emit(to);
    this.emit(from);
    this.emit(length);
    this.code.bytes([0xfc, 0x0a, 0x00, 0x00]);
  }
}
