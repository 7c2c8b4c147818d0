import type { EmitContext, FlagSlot, Operand, RaisedVector } from '../semantics/context';
import type { Shape, Size } from '../semantics/shape';
import { inlineCondition } from '../semantics/flag-emitters';
import { RECORD, RECORD_SIZE } from '../decode/record';
import { FLAGS, GPR, INLINE, PSEUDO, RAM_BASE, SCRATCH, SEGMENT, SEGMENTS, SEGMENT_SIZE } from '../state/layout';
import { PENDING, RIP } from '../state/layout';
import { PENDING_KIND, VECTOR } from '../cpu/faults';
import { ACCESS, EXIT } from './exits';
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
  type Expr,
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
  gtU,
  ltS32,
  ltU32,
  mul32,
  ne,
  select,
  shl,
  shrS,
  shrU,
  sub32,
  wrap,
} from './expr';
import type { FunctionBuilder, Label } from './function-builder';

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
  /** (segment i32, offset i64, meta i32, addressSize i32, record i32, budget i32) -> linear address; status in SCRATCH.status. */
  readonly linear: number;
  /** (record i32, budget i32): RIP, budget and record to memory. */
  readonly publish: number;
  /** (cc, kind, a, b, r) -> i32. */
  readonly condition: number;
  /** (record i32, budget i32) -> EXIT. */
  readonly crossing: number;
}

/** Labels and locals of the interpreter's one function. */
export interface InterpreterFrame {
  readonly record: number;
  readonly budget: number;
  readonly code: number;
  /** RIP to look up (i64) and the link word to patch (i32), for the shared look-up. */
  readonly target: number;
  readonly link: number;
  readonly repeats: number;
  readonly dispatch: Label;
  readonly lookup: Label;
  /** Leaves with `code`. */
  readonly exit: Label;
  /** The instruction did not retire and PENDING is set. */
  readonly fault: Label;
}

/** Subtracted (once) from the budget to make the next block's entry fail: a slow store asked for the boundary to be looked at. */
export const BUDGET_BORROW = 0x4000_0000;

const PAGE_MASK = -4096n;
/** SEGMENT_ORDER index of CS. */
const CS = 1;

const MEMORY_OPERATORS: Readonly<Record<Size, { readonly s: typeof load64; readonly u: typeof load64 }>> = {
  1: { s: load8S, u: load8U },
  2: { s: load16S, u: load16U },
  4: { s: load32S, u: load32U },
  8: { s: load64, u: load64 },
};

/** Clears what lies above `size` bytes. */
const truncate = (value: Expr, size: Size): Expr =>
  size === 8 ? value : size === 4 ? extendU(wrap(value)) : and(value, i64(size === 2 ? 0xffff : 0xff));

/** Operands come from the decoded record: the same code serves every instruction of a shape. */
export class InterpreterContext implements EmitContext {
  readonly needFlags = true;
  private readonly pool64: number[] = [];
  private readonly pool32: number[] = [];
  private used64 = 0;
  private used32 = 0;
  private shape!: Shape;
  private ended = false;

  constructor(
    readonly f: FunctionBuilder,
    private readonly calls: InterpreterCalls,
    private readonly frame: InterpreterFrame,
  ) {}

  /** Starts a handler: locals are free again. */
  begin(shape: Shape): void {
    this.shape = shape;
    this.used64 = 0;
    this.used32 = 0;
    this.ended = false;
  }

  /** Ends a handler that has not left by itself: on to the next record. */
  finish(): void {
    if (this.ended) return;
    this.f.set(this.frame.record, add32(this.rp, i32(RECORD_SIZE)));
    this.f.br(this.frame.dispatch);
  }

  private get rp(): Expr {
    return get(this.frame.record);
  }
  private get budget(): Expr {
    return get(this.frame.budget);
  }
  private field16(offset: number): Expr {
    return loadI32From16U(this.rp, offset);
  }

  variable(): number {
    if (this.used64 === this.pool64.length) this.pool64.push(this.f.newLocal('i64'));
    return this.pool64[this.used64++];
  }
  variable32(): number {
    if (this.used32 === this.pool32.length) this.pool32.push(this.f.newLocal('i32'));
    return this.pool32[this.used32++];
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
  private host(linear: Expr, size: Size, map: number, slow: (linear: Expr) => Expr): Expr {
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
  private entryOf(address: Expr): Expr {
    const index = and32(wrap(shrU(address, i64(8))), i32((INLINE.entries - 1) * INLINE.entrySize));
    return add32(index, loadI32(i32(0), SCRATCH.bank));
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

  // Control
  private ripAt(offset: number): Expr {
    return and(add(load64(i32(0), PSEUDO.RIP_PAGE), load16U(this.rp, offset)), load64(i32(0), SCRATCH.ripMask));
  }
  nextRip(size: 2 | 4 | 8): Expr {
    return truncate(this.ripAt(RECORD.next), size);
  }
  /** The whole block has retired. */
  private countBlock(): void {
    this.f.set(this.frame.budget, sub32(this.budget, this.field16(RECORD.count)));
  }
  branch(condition: Expr | null, size: 2 | 4 | 8): void {
    const { f, frame } = this;
    const slot = this.variable32();
    f.set(
      slot,
      condition === null
        ? add32(this.rp, i32(RECORD.taken))
        : add32(this.rp, select(i32(RECORD.taken), i32(RECORD.fallthrough), condition)),
    );
    const next = this.hold32(loadI32(get(slot)));
    this.countBlock();
    f.if(eqz32(next));
    const fallthrough = this.nextRip(size);
    const taken = truncate(add(this.ripAt(RECORD.next), this.imm()), size);
    f.set(
      frame.target,
      condition === null ? taken : select(taken, fallthrough, eq32(get(slot), add32(this.rp, i32(RECORD.taken)))),
    );
    f.set(frame.link, get(slot));
    f.br(frame.lookup);
    f.end();
    f.set(frame.record, next);
    this.enterBlock();
  }
  /** Enters the block whose first record is current, if the budget allows all of it. */
  enterBlock(): void {
    const { f, frame } = this;
    f.if(ltS32(this.budget, this.field16(RECORD.count)));
    f.store(8, i32(0), this.ripAt(RECORD.offset), RIP);
    f.set(frame.code, i32(EXIT.BUDGET));
    f.br(frame.exit);
    f.end();
    f.br(frame.dispatch);
    this.ended = true;
  }
  checkTarget(target: Expr): void {
    const { f } = this;
    // Near transfers have operand size 8 in 64-bit mode and only there.
    const bad =
      this.shape.size === 8
        ? ne(shrS(shl(target, i64(16)), i64(16)), target)
        : gtU(target, load32U(i32(0), SEGMENTS + CS * SEGMENT_SIZE + SEGMENT.limit));
    f.if(bad);
    this.raiseWith(VECTOR.GP, 0);
    f.end();
  }
  jump(target: Expr): void {
    const { f, frame } = this;
    const held = this.hold(target);
    this.checkTarget(held);
    this.countBlock();
    f.set(frame.target, held);
    f.set(frame.link, i32(0));
    f.br(frame.lookup);
    this.ended = true;
  }
  raise(vector: RaisedVector): void {
    this.raiseWith(vector, vector === VECTOR.GP ? 0 : undefined);
  }
  private raiseWith(vector: number, errorCode?: number): void {
    const { f } = this;
    f.storeI32(i32(0), i32(PENDING_KIND.EXCEPTION), PENDING.kind);
    f.storeI32(i32(0), i32(vector), PENDING.vector);
    f.storeI32(i32(0), i32(errorCode === undefined ? 0 : 1), PENDING.hasErrorCode);
    f.storeI32(i32(0), i32(errorCode ?? 0), PENDING.errorCode);
    f.drop(call(this.calls.publish, this.rp, this.budget));
    f.br(this.frame.fault);
  }
  repeatYield(): void {
    const { f, frame } = this;
    f.set(frame.repeats, sub32(get(frame.repeats), i32(1)));
    f.if(eqz32(get(frame.repeats)));
    f.set(frame.code, i32(EXIT.REPEAT));
    this.leaveBefore(RECORD.offset);
    f.end();
  }
  cold(): void {
    const { f, frame } = this;
    f.set(frame.code, call(this.calls.cold, this.rp, this.budget));
    f.if(get(frame.code));
    f.set(frame.budget, loadI32(i32(0), SCRATCH.budget));
    f.br(frame.exit);
    f.end();
  }

  // The engine's own pseudo-instructions

  /** Leaves before the instruction of this record, with RIP at it and `code` set. */
  private leaveBefore(offset: number): void {
    const { f, frame } = this;
    f.store(8, i32(0), this.ripAt(offset), RIP);
    f.storeI32(i32(0), this.rp, SCRATCH.record);
    f.set(frame.budget, sub32(this.budget, this.field16(RECORD.before)));
    f.br(frame.exit);
  }
  /** A mark in front of an instruction (or behind the last one): leave with `code`. */
  mark(code: number): void {
    this.f.set(this.frame.code, i32(code));
    this.leaveBefore(RECORD.offset);
    this.ended = true;
  }
  /** The instruction cannot be fetched whole. */
  limitFault(): void {
    this.raiseWith(VECTOR.GP, 0);
    this.ended = true;
  }
  /** The block goes on at this record's offset in another block. */
  endOfBlock(): void {
    const { f, frame } = this;
    const next = this.hold32(loadI32(this.rp, RECORD.fallthrough));
    f.set(frame.budget, sub32(this.budget, this.field16(RECORD.before)));
    f.if(eqz32(next));
    f.set(frame.target, this.ripAt(RECORD.offset));
    f.set(frame.link, add32(this.rp, i32(RECORD.fallthrough)));
    f.br(frame.lookup);
    f.end();
    f.set(frame.record, next);
    this.enterBlock();
  }
  /** Computes the linear address of the next record's operand into PSEUDO.EA. */
  effectiveAddress(): void {
    const { f } = this;
    const address = this.shape.address === 0 ? 8 : this.shape.address;
    const offset = truncate(this.offset(), address);
    if (!this.shape.segmented) {
      f.store(8, i32(0), offset, PSEUDO.EA);
      return;
    }
    // In 64-bit mode segmentation is FS's or GS's base and nothing else.
    const segment = this.hold32(loadI32From8U(this.rp, RECORD.segment));
    f.if(eq(load64(i32(0), SCRATCH.ripMask), i64(-1)));
    f.store(8, i32(0), add(offset, load64(mul32(segment, i32(SEGMENT_SIZE)), SEGMENTS + SEGMENT.base)), PSEUDO.EA);
    f.else();
    const linear = this.hold(
      call(this.calls.linear, segment, offset, wrap(this.imm()), i32(address), this.rp, this.budget),
    );
    f.brIf(this.frame.fault, loadI32(i32(0), SCRATCH.status));
    f.store(8, i32(0), linear, PSEUDO.EA);
    f.end();
  }
  /** Checks that the second page of the instruction behind this record is still what was decoded. */
  crossing(): void {
    const { f, frame } = this;
    f.set(frame.code, call(this.calls.crossing, this.rp, this.budget));
    f.if(get(frame.code));
    f.set(frame.budget, loadI32(i32(0), SCRATCH.budget));
    f.br(frame.exit);
    f.end();
  }
}
