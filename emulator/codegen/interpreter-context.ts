import type { EmitContext } from '../semantics/context';
import { RECORD, RECORD_SIZE } from '../decode/record';
import { CONTROL, PSEUDO, RIP, SCRATCH, SEGMENT, SEGMENTS, SEGMENT_SIZE } from '../state/layout';
import { VECTOR } from '../cpu/faults';
import { CR4 } from '../tables/control-registers';
import { EXIT } from './exits';
import {
  add,
  add32,
  and32,
  call,
  eq,
  eq32,
  eqz32,
  get,
  i32,
  i64,
  load32U,
  load64,
  loadI32,
  loadI32From8U,
  gtU,
  ltS32,
  mul32,
  ne,
  select,
  shl,
  shrS,
  sub32,
  wrap,
  type Expr,
} from './expr';
import type { FunctionBuilder, Label } from './function-builder';
import { type HandlerFrame, type InterpreterCalls, RecordContext, truncate } from './record-context';

/** Labels and locals of the interpreter's dispatching function. */
export interface InterpreterFrame extends HandlerFrame {
  /** RIP to look up (i64) and the link word to patch (i32), for the shared look-up. */
  readonly target: number;
  readonly link: number;
  readonly repeats: number;
  readonly dispatch: Label;
  readonly lookup: Label;
  /** Looks up RIP. */
  readonly resume: Label;
}

/** SEGMENT_ORDER index of CS. */
const CS = 1;

/** A handler inside the interpreter's dispatching function: it may also end the block. */
export class InterpreterContext extends RecordContext implements EmitContext {
  constructor(
    f: FunctionBuilder,
    calls: InterpreterCalls,
    protected override readonly frame: InterpreterFrame,
  ) {
    super(f, calls, frame);
  }

  /** Ends a handler that has not left by itself: on to the next record. */
  finish(): void {
    if (this.ended) return;
    this.f.set(this.frame.record, add32(this.rp, i32(RECORD_SIZE)));
    this.f.br(this.frame.dispatch);
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
    const long = this.shape.size === 8;
    const beyond = (width: Expr): Expr => ne(shrS(shl(target, width), width), target);
    f.if(long ? beyond(i64(64 - 48)) : gtU(target, load32U(i32(0), SEGMENTS + CS * SEGMENT_SIZE + SEGMENT.limit)));
    // Few targets are beyond 48 bits: only for them is it asked whether linear addresses have 57.
    if (long) f.if(beyond(select(i64(64 - 57), i64(64 - 48), and32(loadI32(i32(0), CONTROL.cr4), i32(CR4.LA57)))));
    this.raiseWith(VECTOR.GP, 0);
    if (long) f.end();
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
  repeatYield(): void {
    const { f, frame } = this;
    f.set(frame.repeats, sub32(get(frame.repeats), i32(1)));
    f.if(eqz32(get(frame.repeats)));
    f.set(frame.code, i32(EXIT.REPEAT));
    this.leaveBefore(RECORD.offset);
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
  /** Goes on at RIP. */
  resume(): void {
    this.f.br(this.frame.resume);
    this.ended = true;
  }
  /** The instruction cannot be fetched whole. */
  limitFault(): void {
    this.raiseWith(VECTOR.GP, 0);
    this.ended = true;
  }
  /** The unit the instruction needs is not available. */
  unavailableFault(): void {
    this.raiseWith(VECTOR.NM);
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
