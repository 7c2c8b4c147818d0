import type { OperandContext, FlagSlot, Operand, RaisedVector, VectorOperand } from '../semantics/context';
import type { Shape, Size } from '../semantics/shape';
import { inlineCondition } from '../semantics/flag-emitters';
import { RECORD } from '../decode/record';
import {
  FLAGS,
  GPR,
  INLINE,
  MXCSR,
  PENDING,
  PSEUDO,
  RAM_BASE,
  SCRATCH,
  SEGMENT,
  SEGMENTS,
  SEGMENT_SIZE,
  X87,
  YMM,
  YMM_SIZE,
} from '../state/layout';
import { PENDING_KIND, VECTOR } from '../cpu/faults';
import { ACCESS } from './exits';
import {
  add,
  add32,
  and,
  and32,
  call,
  eq,
  eq32,
  eqz32,
  extendU,
  get,
  i32,
  i64,
  load16S,
  load16U,
  load32S,
  load32U,
  load64,
  load8S,
  load8U,
  loadI32,
  loadI32From16U,
  loadI32From8U,
  geS32,
  geU32,
  ltU32,
  mul32,
  shl,
  shrU,
  sub32,
  wrap,
  type Expr,
  type ValueType,
} from './expr';
import type { FunctionBuilder, Label } from './function-builder';
import { loadV128, V128_ZERO } from './simd';

/** Function indices the interpreter calls. */
export interface InterpreterCalls {
  /** (linear i64, meta i32, record i32, budget i32) -> host address, 0 where it faulted. */
  readonly slowLoad: number;
  /** (linear i64, value i64, meta i32, record i32, budget i32) -> 0 done, 1 faulted, 2 done and the boundary must be looked at. */
  readonly slowStore: number;
  /** As slowLoad, for read and write. */
  readonly slowModify: number;
  /** (record i32, budget i32) -> as slowStore. */
  readonly commitModify: number;
  /** (record i32, budget i32) -> EXIT, NONE to go on. */
  readonly cold: number;
  /** (record i32, budget i32) -> EXIT: the instruction did not retire and PENDING is set; RESUME once that has been delivered. */
  readonly fault: number;
  /** (segment i32, offset i64, meta i32, addressSize i32, record i32, budget i32) -> linear address; status in SCRATCH.status. */
  readonly linear: number;
  /** (record i32, budget i32): RIP, budget and record to memory. */
  readonly publish: number;
  /** (cc, kind, a, b, r) -> i32. */
  readonly condition: number;
  /** (record i32, budget i32) -> EXIT. */
  readonly crossing: number;
}

/** Labels and locals that every handler needs. */
export interface HandlerFrame {
  readonly record: number;
  readonly budget: number;
  readonly code: number;
  /** Leaves with `code`. */
  readonly exit: Label;
  /** The same, if it is not RESUME. */
  readonly left: Label;
  /** The instruction did not retire and PENDING is set. */
  readonly fault: Label;
}

/** Subtracted (once) from the budget to make the next block's entry fail: a slow store asked for the boundary to be looked at. */
export const BUDGET_BORROW = 0x4000_0000;

const PAGE_MASK = -4096n;
const MEMORY_OPERATORS: Readonly<Record<Size, { readonly s: typeof load64; readonly u: typeof load64 }>> = {
  1: { s: load8S, u: load8U },
  2: { s: load16S, u: load16U },
  4: { s: load32S, u: load32U },
  8: { s: load64, u: load64 },
};

/** Clears what lies above `size` bytes. */
export const truncate = (value: Expr, size: Size): Expr =>
  size === 8 ? value : size === 4 ? extendU(wrap(value)) : and(value, i64(size === 2 ? 0xffff : 0xff));

const VALUE_TYPES: readonly ValueType[] = ['i32', 'i64', 'f32', 'f64', 'v128'];
/** Bits of the x87 status word: exception summary, top of stack. */
const X87_ERROR_SUMMARY = 0x80;
const X87_TOP = 0x3800;

/** Operands come from the decoded record: the same code serves every instruction of a shape. */
export class RecordContext implements OperandContext {
  readonly needFlags = true;
  /** Locals by type, and how many of them the handler at hand uses. */
  private readonly pools: Readonly<Record<ValueType, number[]>> = { i32: [], i64: [], f32: [], f64: [], v128: [] };
  private readonly used: Record<ValueType, number> = { i32: 0, i64: 0, f32: 0, f64: 0, v128: 0 };
  protected shape!: Shape;
  protected ended = false;

  constructor(
    readonly f: FunctionBuilder,
    protected readonly calls: InterpreterCalls,
    protected readonly frame: HandlerFrame,
  ) {}

  /** Starts a handler: locals are free again. */
  begin(shape: Shape): void {
    this.shape = shape;
    for (const type of VALUE_TYPES) this.used[type] = 0;
    this.ended = false;
  }

  protected get rp(): Expr {
    return get(this.frame.record);
  }
  protected get budget(): Expr {
    return get(this.frame.budget);
  }
  protected field16(offset: number): Expr {
    return loadI32From16U(this.rp, offset);
  }

  variableOf(type: ValueType): number {
    const pool = this.pools[type];
    if (this.used[type] === pool.length) pool.push(this.f.newLocal(type));
    return pool[this.used[type]++];
  }
  variable(): number {
    return this.variableOf('i64');
  }
  variable32(): number {
    return this.variableOf('i32');
  }
  hold(value: Expr): Expr {
    const local = this.variable();
    this.f.set(local, value);
    return get(local);
  }
  hold32(value: Expr): Expr {
    const local = this.variable32();
    this.f.set(local, value);
    return get(local);
  }

  // Operands
  reg(operand: Operand, size: Size, signed: boolean): Expr {
    const at = this.field16(operand === 'd' ? RECORD.d : RECORD.s);
    return MEMORY_OPERATORS[size][signed ? 's' : 'u'](at);
  }
  setReg(operand: Operand, size: Size, value: Expr): void {
    const at = this.field16(operand === 'd' ? RECORD.d : RECORD.s);
    if (size === 4) this.f.store(8, at, truncate(value, 4));
    else this.f.store(size, at, value);
  }
  gpr(number: number, size: Size, signed: boolean): Expr {
    return MEMORY_OPERATORS[size][signed ? 's' : 'u'](i32(0), GPR + number * 8);
  }
  setGpr(number: number, size: Size, value: Expr): void {
    if (size === 4) this.f.store(8, i32(0), truncate(value, 4), GPR + number * 8);
    else this.f.store(size, i32(0), value, GPR + number * 8);
  }
  ah(): Expr {
    return load8U(i32(0), GPR + 1);
  }
  setAh(value: Expr): void {
    this.f.store(1, i32(0), value, GPR + 1);
  }
  imm(): Expr {
    return load64(this.rp, RECORD.imm);
  }
  offset(): Expr {
    const base = add(load64(this.field16(RECORD.base)), load64(this.rp, RECORD.disp));
    if (!this.shape.indexed) return base;
    return add(base, shl(load64(this.field16(RECORD.index)), load8U(this.rp, RECORD.scale)));
  }
  ea(): Expr {
    return this.offset();
  }

  linear(segment: 'ES' | 'SS' | 'record', offset: Expr, address: 2 | 4 | 8, segmented: boolean, access: number): Expr {
    if (!segmented) {
      // In 64-bit mode a string source may still be in FS or GS, whose bases are not 0.
      const flat = truncate(offset, address);
      return segment === 'record' && address !== 2 ? add(flat, this.sourceBase()) : flat;
    }
    const index =
      segment === 'record' ? loadI32From8U(this.rp, RECORD.segment) : i32(segment === 'ES' ? 0 : /* SS */ 2);
    const result = this.hold(
      call(this.calls.linear, index, truncate(offset, address), i32(access), i32(address), this.rp, this.budget),
    );
    this.f.brIf(this.frame.fault, loadI32(i32(0), SCRATCH.status));
    return result;
  }

  /** Base of the record's segment where it counts although segments are flat: FS and GS. */
  private sourceBase(): Expr {
    const segment = loadI32From8U(this.rp, RECORD.segment);
    const inFsGs = this.hold32(segment);
    const base = this.variable();
    this.f.set(base, i64(0));
    this.f.if(geU32(inFsGs, i32(4)));
    this.f.set(base, load64(mul32(inFsGs, i32(SEGMENT_SIZE)), SEGMENTS + SEGMENT.base));
    this.f.end();
    return get(base);
  }

  // Memory
  /** Host address of an access; the inline map decides, else `slow` does. */
  private host(linear: Expr, size: Size | 16 | 32, map: number, slow: (linear: Expr) => Expr): Expr {
    const { f } = this;
    const address = this.hold(linear);
    const entry = this.hold32(this.entryOf(address));
    const last = size === 1 ? address : add(address, i64(size - 1));
    f.if(eq(and(last, i64(PAGE_MASK)), load64(entry, map)));
    // `entry` is dead after its word has been read: it carries the host address out of both arms.
    const local = (entry as { local: number }).local;
    f.set(local, add32(wrap(address), loadI32(entry, map + 8)));
    f.else();
    f.set(local, slow(address));
    f.brIf(this.frame.fault, eqz32(entry));
    f.end();
    return entry;
  }
  /** As `inlineOffset` of the layout computes it. */
  inlineOffset(address: Expr): Expr {
    return and32(wrap(shrU(address, i64(8))), i32((INLINE.entries - 1) * INLINE.entrySize));
  }
  private entryOf(address: Expr): Expr {
    return add32(this.inlineOffset(address), loadI32(i32(0), SCRATCH.bank));
  }

  load(size: Size, signed: boolean, linear: Expr, access = 0): Expr {
    const host = this.host(linear, size, INLINE.load, (address) =>
      call(this.calls.slowLoad, address, i32(access | size), this.rp, this.budget),
    );
    return this.hold(MEMORY_OPERATORS[size][signed ? 's' : 'u'](host));
  }

  store(size: Size, linear: Expr, value: Expr, access = 0): void {
    const { f } = this;
    const held = this.hold(value);
    const address = this.hold(linear);
    const entry = this.hold32(this.entryOf(address));
    const last = size === 1 ? address : add(address, i64(size - 1));
    f.if(eq(and(last, i64(PAGE_MASK)), load64(entry, INLINE.store)));
    f.store(size, add32(wrap(address), loadI32(entry, INLINE.store + 8)), held);
    f.else();
    this.afterSlow(call(this.calls.slowStore, address, held, i32(access | ACCESS.WRITE | size), this.rp, this.budget));
    f.end();
  }

  /** Acts on the status of a slow store: see `InterpreterCalls.slowStore`. */
  private afterSlow(status: Expr): void {
    const { f } = this;
    const held = this.hold32(status);
    f.if(held);
    f.brIf(this.frame.fault, eq32(held, i32(1)));
    f.if(geS32(this.budget, i32(0)));
    f.set(this.frame.budget, sub32(this.budget, i32(BUDGET_BORROW)));
    f.end();
    f.end();
  }

  modify(size: Size, signed: boolean, linear: Expr, compute: (old: Expr) => Expr): void {
    const { old, commit } = this.modifyBegin(size, signed, linear);
    commit(compute(old));
  }

  modifyBegin(size: Size, signed: boolean, linear: Expr): { readonly old: Expr; commit(value: Expr): void } {
    const { f } = this;
    const host = this.host(linear, size, INLINE.store, (address) =>
      call(this.calls.slowModify, address, i32(ACCESS.WRITE | size), this.rp, this.budget),
    );
    const old = this.hold(MEMORY_OPERATORS[size][signed ? 's' : 'u'](host));
    return {
      old,
      commit: (value) => {
        f.store(size, host, value);
        // The bounce buffer lies below RAM, which may reach above 2^31: unsigned.
        f.if(ltU32(host, i32(RAM_BASE)));
        this.afterSlow(call(this.calls.commitModify, this.rp, this.budget));
        f.end();
      },
    };
  }

  // Flags
  flag(slot: FlagSlot): Expr {
    return slot === 'kind' ? loadI32(i32(0), FLAGS.kind) : load64(i32(0), FLAGS[slot]);
  }
  setFlag(slot: FlagSlot, value: Expr): void {
    if (slot === 'kind') this.f.storeI32(i32(0), value, FLAGS.kind);
    else this.f.store(8, i32(0), value, FLAGS[slot]);
  }
  condition(cc: number): Expr {
    const [kind, a, b, r] = [this.flag('kind'), this.flag('a'), this.flag('b'), this.flag('r')];
    return inlineCondition(cc, kind, a, b, r) ?? call(this.calls.condition, i32(cc), kind, a, b, r);
  }
  systemFlags(): Expr {
    return loadI32(i32(0), FLAGS.system);
  }
  setSystemFlags(value: Expr): void {
    this.f.storeI32(i32(0), value, FLAGS.system);
  }

  // Position and exceptions
  protected ripAt(offset: number): Expr {
    return and(add(load64(i32(0), PSEUDO.RIP_PAGE), load16U(this.rp, offset)), load64(i32(0), SCRATCH.ripMask));
  }
  nextRip(size: 2 | 4 | 8): Expr {
    return truncate(this.ripAt(RECORD.next), size);
  }
  raise(vector: RaisedVector): void {
    this.raiseWith(vector, vector === VECTOR.GP ? 0 : undefined);
  }
  protected raiseWith(vector: number, errorCode?: number): void {
    const { f } = this;
    f.storeI32(i32(0), i32(PENDING_KIND.EXCEPTION), PENDING.kind);
    f.storeI32(i32(0), i32(vector), PENDING.vector);
    f.storeI32(i32(0), i32(errorCode === undefined ? 0 : 1), PENDING.hasErrorCode);
    f.storeI32(i32(0), i32(errorCode ?? 0), PENDING.errorCode);
    f.drop(call(this.calls.publish, this.rp, this.budget));
    f.br(this.frame.fault);
  }
  cold(): void {
    const { f, frame } = this;
    f.set(frame.code, call(this.calls.cold, this.rp, this.budget));
    f.if(get(frame.code));
    f.set(frame.budget, loadI32(i32(0), SCRATCH.budget));
    f.br(frame.left);
    f.end();
  }

  // Vectors
  holdAs(type: ValueType, value: Expr): Expr {
    const local = this.variableOf(type);
    this.f.set(local, value);
    return get(local);
  }
  imm8(): Expr {
    return loadI32From8U(this.rp, RECORD.imm);
  }
  /** State address of a register operand. */
  private registerAt(operand: VectorOperand): Expr {
    return this.field16(RECORD[operand]);
  }
  vector(operand: VectorOperand, half: 0 | 1 = 0): Expr {
    return loadV128(this.registerAt(operand), half * 16);
  }
  setVector(operand: 'd' | 'v', half: 0 | 1, value: Expr): void {
    this.f.storeV128(this.registerAt(operand), value, half * 16);
  }
  lane(operand: VectorOperand, size: Size, index: number, signed = false): Expr {
    return MEMORY_OPERATORS[size][signed ? 's' : 'u'](this.registerAt(operand), size * index);
  }
  setLane(operand: 'd' | 'v', size: Size, index: number, value: Expr): void {
    this.f.store(size, this.registerAt(operand), value, size * index);
  }
  setMmx(operand: 'd' | 's', value: Expr): void {
    const at = this.hold32(this.registerAt(operand));
    this.f.store(8, at, value);
    this.f.store(2, at, i64(0xffff), 8);
  }
  checkMmx(): void {
    const { f } = this;
    f.if(and32(loadI32From16U(i32(0), X87.status), i32(X87_ERROR_SUMMARY)));
    this.raiseWith(VECTOR.MF);
    f.end();
  }
  enterMmx(): void {
    const { f } = this;
    this.checkMmx();
    this.resetTop();
    f.storeI32As16(i32(0), i32(0xff), X87.tag);
  }
  beginMmxStore(): void {
    this.checkMmx();
    this.resetTop();
  }
  private resetTop(): void {
    const { f } = this;
    f.storeI32As16(i32(0), and32(loadI32From16U(i32(0), X87.status), i32(~X87_TOP)), X87.status);
  }
  generalRegister(operand: 'v', size: 4 | 8): Expr {
    return MEMORY_OPERATORS[size].u(this.registerAt(operand));
  }
  setGeneralRegister(operand: 'v', size: 4 | 8, value: Expr): void {
    this.f.store(8, this.registerAt(operand), truncate(value, size));
  }
  private checkAligned(address: Expr, bytes: number): void {
    this.f.if(and32(wrap(address), i32(bytes - 1)));
    this.raise(VECTOR.GP);
    this.f.end();
  }
  loadVector(bytes: 16 | 32, linear: Expr, aligned: boolean): readonly Expr[] {
    const address = this.hold(linear);
    if (aligned) this.checkAligned(address, bytes);
    const host = this.host(address, bytes, INLINE.load, (at) =>
      call(this.calls.slowLoad, at, i32(bytes), this.rp, this.budget),
    );
    const low = this.holdAs('v128', loadV128(host));
    return bytes === 16 ? [low] : [low, this.holdAs('v128', loadV128(host, 16))];
  }
  storeVector(bytes: 16 | 32, linear: Expr, values: readonly Expr[], aligned: boolean): void {
    const { f } = this;
    const held = values.map((value) => this.holdAs('v128', value));
    const address = this.hold(linear);
    if (aligned) this.checkAligned(address, bytes);
    const host = this.host(address, bytes, INLINE.store, (at) =>
      call(this.calls.slowModify, at, i32(ACCESS.WRITE | ACCESS.BLIND | bytes), this.rp, this.budget),
    );
    held.forEach((value, half) => {
      f.storeV128(host, value, half * 16);
    });
    f.if(ltU32(host, i32(RAM_BASE)));
    this.afterSlow(call(this.calls.commitModify, this.rp, this.budget));
    f.end();
  }
  clearVectors(part: 'whole' | 'above XMM'): void {
    const { f } = this;
    const clear = (first: number): void => {
      for (let register = first; register < first + 8; register++) {
        const at = YMM + register * YMM_SIZE;
        if (part === 'whole') f.storeV128(i32(0), V128_ZERO, at);
        f.storeV128(i32(0), V128_ZERO, at + 16);
      }
    };
    clear(0);
    f.if(eq(load64(i32(0), SCRATCH.ripMask), i64(-1)));
    clear(8);
    f.end();
  }
  mxcsr(): Expr {
    return loadI32(i32(0), MXCSR);
  }
  setMxcsr(value: Expr): void {
    this.f.storeI32(i32(0), value, MXCSR);
  }
  noteSource(values: readonly Expr[]): void {
    values.forEach((value, half) => {
      this.f.storeV128(i32(0), value, SCRATCH.source + half * 16);
    });
  }
  noteSourceLane(size: Size, value: Expr): void {
    this.f.store(8, i32(0), truncate(value, size), SCRATCH.source);
  }
}
