import { ACCESS, EXIT } from './exits';
import {
  add,
  add32,
  and,
  and32,
  call,
  callIndirect,
  eq,
  eq32,
  extendU,
  geS32,
  get,
  geU,
  i32,
  i64,
  load16U,
  load32U,
  load64,
  loadI32,
  loadI32From16U,
  ltS32,
  ltU,
  mul32,
  ne,
  ne32,
  or32,
  select,
  shl32,
  sub,
  sub32,
  wrap,
} from './expr';
import { HANDLER } from './handlers';
import { InterpreterContext, type InterpreterFrame } from './interpreter-context';
import { ModuleBuilder } from './module-builder';
import { BUDGET_BORROW, type HandlerFrame, type InterpreterCalls, RecordContext } from './record-context';
import { RECORD, RECORD_SIZE } from '../decode/record';
import { emitConditionFunction } from '../semantics/flag-emitters';
import type { Semantic, WarmSemantic } from '../semantics/context';
import type { Shape } from '../semantics/shape';
import { FLAGS, INLINE, PSEUDO, RIP, SCRATCH, SEGMENT, SEGMENTS, SEGMENT_SIZE } from '../state/layout';
import { RFLAGS } from '../tables/control-registers';
import type { MachineMemory } from '../state/memory';

/** What generated code calls in the host. Linear addresses and values arrive as BigInt. */
export interface InterpreterHost {
  slowLoad(linear: bigint, meta: number): number;
  slowStore(linear: bigint, value: bigint, meta: number): number;
  slowModify(linear: bigint, meta: number): number;
  commitModify(): number;
  linear(segment: number, offset: bigint, meta: number, addressSize: number): bigint;
  cold(record: number): number;
  fault(record: number): number;
  crossing(record: number): number;
}

/** Iterations of REP instructions in one run before it yields, so that no guest can hold the machine. */
const REPEATS_PER_RUN = 1 << 14;

/** What a warm handler returns besides an EXIT: the next record is due; so is a look at the boundary; the instruction did not retire. */
const WARM = { NEXT: 0, BORROW: -1, FAULT: -2 } as const;

/** What the interpreter is generated from. */
export interface InterpreterSource {
  readonly shapes: readonly Shape[];
  /** Index of the first shape whose handler is a function of its own. */
  readonly firstWarm: number;
  readonly hot: Readonly<Record<string, Semantic>>;
  readonly warm: Readonly<Record<string, WarmSemantic | undefined>>;
}

/** Generates the interpreter module: handler `HANDLER.FIRST + i` is shape i. */
export function generateInterpreter({ shapes, firstWarm, hot, warm }: InterpreterSource): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const imports = {
    slowLoad: module.importFunction('slowLoad', { params: ['i64', 'i32'], result: 'i32' }),
    slowStore: module.importFunction('slowStore', { params: ['i64', 'i64', 'i32'], result: 'i32' }),
    slowModify: module.importFunction('slowModify', { params: ['i64', 'i32'], result: 'i32' }),
    commitModify: module.importFunction('commitModify', { params: [], result: 'i32' }),
    linear: module.importFunction('linear', { params: ['i32', 'i64', 'i32', 'i32'], result: 'i64' }),
    cold: module.importFunction('cold', { params: ['i32'], result: 'i32' }),
    fault: module.importFunction('fault', { params: ['i32'], result: 'i32' }),
    crossing: module.importFunction('crossing', { params: ['i32'], result: 'i32' }),
  };
  const calls = addHelpers(module, imports);
  const { body: f } = module.addFunction({ params: ['i32', 'i32'], result: 'i32' }, 'run');

  const code = f.newLocal('i32');
  const target = f.newLocal('i64');
  const link = f.newLocal('i32');
  const repeats = f.newLocal('i32');
  // A single-step trap follows every iteration, a data breakpoint's trap the iteration that meets it.
  const trap = and32(loadI32(i32(0), FLAGS.system), i32(RFLAGS.TF));
  f.set(repeats, select(i32(1), i32(REPEATS_PER_RUN), or32(trap, loadI32(i32(0), SCRATCH.oneRepeat))));

  const exit = f.block();
  const dispatch = f.loop();
  const lookup = f.block();
  const resume = f.block();
  const left = f.block();
  const fault = f.block();
  const labelled = { dispatch, lookup, resume, left, exit, fault };
  const frame: InterpreterFrame = { record: 0, budget: 1, code, target, link, repeats, ...labelled };
  const context = new InterpreterContext(f, calls, frame);

  const count = HANDLER.FIRST + firstWarm;
  const outOfLine = f.block();
  const labels = Array.from({ length: count }, () => f.block()).reverse();
  f.brTable(labels, outOfLine, loadI32From16U(get(frame.record), RECORD.handler));
  for (let handler = 0; handler < count; handler++) {
    f.end();
    if (handler < HANDLER.FIRST) {
      emitMark(context, handler);
    } else {
      const shape = shapes[handler - HANDLER.FIRST];
      context.begin(shape);
      if (shape.semantic === 'ea') context.effectiveAddress();
      else if (shape.semantic === 'cold') context.cold();
      else hot[shape.semantic](context, shape);
      context.finish();
    }
  }
  f.end(); // outOfLine
  emitWarmCall(module, context, frame, count);
  f.end(); // fault
  // Whoever came here has published where: what has been made of RIP since, by a VM exit, stands.
  f.set(code, call(calls.fault, get(frame.record)));
  f.set(frame.budget, loadI32(i32(0), SCRATCH.budget));
  f.end(); // left
  f.brIf(exit, ne32(get(code), i32(EXIT.RESUME)));
  f.end(); // resume
  f.set(target, load64(i32(0), RIP));
  f.set(link, i32(0));
  f.end(); // lookup
  emitLookup(context, frame);
  f.end(); // dispatch
  f.end(); // exit
  f.storeI32(i32(0), get(frame.budget), SCRATCH.budget);
  f.emit(get(code));
  for (const shape of shapes.slice(firstWarm)) module.addElement(addWarmHandler(module, calls, shape, warm));
  return module.encode();
}

const WARM_SIGNATURE = { params: ['i32', 'i32'], result: 'i32' } as const;

/** A warm shape's handler: (record, budget) -> WARM or EXIT. */
function addWarmHandler(
  module: ModuleBuilder,
  calls: InterpreterCalls,
  shape: Shape,
  warm: Readonly<Record<string, WarmSemantic | undefined>>,
): number {
  const { index, body: f } = module.addFunction(WARM_SIGNATURE);
  const code = f.newLocal('i32');
  const fault = f.block();
  const exit = f.block();
  const frame: HandlerFrame = { record: 0, budget: 1, code, exit, left: exit, fault };
  const context = new RecordContext(f, calls, frame);
  context.begin(shape);
  const semantic = warm[shape.semantic];
  if (semantic === undefined) throw new Error(`no warm semantics '${shape.semantic}'`);
  semantic(context, shape);
  // A slow store has borrowed from the copy of the budget here.
  f.set(code, select(i32(WARM.BORROW), i32(WARM.NEXT), ltS32(get(frame.budget), i32(0))));
  f.end(); // exit
  f.emit(get(code));
  f.return();
  f.end(); // fault
  f.emit(i32(WARM.FAULT));
  return index;
}

/** Calls the handler of a warm shape, and does in the dispatching function what it returns. */
function emitWarmCall(
  module: ModuleBuilder,
  context: InterpreterContext,
  frame: InterpreterFrame,
  first: number,
): void {
  const { f } = context;
  context.begin(NO_SHAPE);
  const handler = sub32(loadI32From16U(get(frame.record), RECORD.handler), i32(first));
  f.set(frame.code, callIndirect(module.type(WARM_SIGNATURE), handler, get(frame.record), get(frame.budget)));
  f.if(get(frame.code));
  f.brIf(frame.fault, eq32(get(frame.code), i32(WARM.FAULT)));
  f.if(ne32(get(frame.code), i32(WARM.BORROW)));
  f.set(frame.budget, loadI32(i32(0), SCRATCH.budget));
  f.br(frame.left);
  f.end();
  f.if(geS32(get(frame.budget), i32(0)));
  f.set(frame.budget, sub32(get(frame.budget), i32(BUDGET_BORROW)));
  f.end();
  f.end();
  f.set(frame.record, add32(get(frame.record), i32(RECORD_SIZE)));
  f.br(frame.dispatch);
}

const NO_SHAPE: Shape = {
  semantic: '',
  form: '-',
  size: 8,
  sourceSize: 0,
  condition: 0,
  address: 0,
  repeat: '',
  segmented: false,
  indexed: false,
  vector: 0,
  vex: false,
};

function emitMark(context: InterpreterContext, handler: number): void {
  context.begin(NO_SHAPE);
  switch (handler) {
    case HANDLER.STALE:
      context.mark(EXIT.STALE);
      break;
    case HANDLER.BREAK:
      context.mark(EXIT.BREAK);
      break;
    case HANDLER.STOP:
      context.mark(EXIT.STEPPED);
      break;
    case HANDLER.LEAVE:
      context.mark(EXIT.EVENT);
      break;
    case HANDLER.LIMIT:
      context.limitFault();
      break;
    case HANDLER.UNAVAILABLE:
      context.unavailableFault();
      break;
    case HANDLER.END:
      context.endOfBlock();
      break;
    case HANDLER.RESUME:
      context.resume();
      break;
    default:
      context.crossing();
  }
  context.finish();
}

/** Goes to RIP = target: through the inline code map to the page's table of blocks, or out to have it decoded. */
function emitLookup(context: InterpreterContext, frame: InterpreterFrame): void {
  const { f } = context;
  context.begin(NO_SHAPE);
  const rip = get(frame.target);
  const linear = context.hold(and(add(rip, load64(i32(0), SCRATCH.codeBase)), load64(i32(0), SCRATCH.ripMask)));
  const page = context.hold(and(linear, i64(-4096n)));
  const entry = context.variable32();
  f.set(entry, add32(context.inlineOffset(linear), loadI32(i32(0), SCRATCH.bank)));
  f.if(eq(page, load64(get(entry), INLINE.code)));
  f.set(entry, loadI32(add32(loadI32(get(entry), INLINE.code + 8), shl32(and32(wrap(linear), i32(4095)), i32(2)))));
  f.if(get(entry));
  // A branch within the page always comes back to the same block: link it. Across pages translation decides each time.
  f.if(get(frame.link));
  f.if(ltU(sub(rip, load64(i32(0), PSEUDO.RIP_PAGE)), i64(4096)));
  f.storeI32(get(frame.link), get(entry));
  f.end();
  f.end();
  f.store(8, i32(0), sub(page, load64(i32(0), SCRATCH.codeBase)), PSEUDO.RIP_PAGE);
  f.set(frame.record, get(entry));
  context.enterBlock();
  f.end();
  f.end();
  f.store(8, i32(0), rip, RIP);
  f.set(frame.code, i32(EXIT.LOOKUP));
  f.br(frame.exit);
}

/** Functions shared by all handlers: publish the position, then call the host. */
function addHelpers(module: ModuleBuilder, imports: Record<keyof InterpreterHost, number>): InterpreterCalls {
  const publish = module.addFunction({ params: ['i32', 'i32'], result: 'i32' });
  {
    const f = publish.body;
    const rip = add(load64(i32(0), PSEUDO.RIP_PAGE), load16U(get(0), RECORD.offset));
    f.store(8, i32(0), and(rip, load64(i32(0), SCRATCH.ripMask)), RIP);
    f.storeI32(i32(0), get(0), SCRATCH.record);
    f.storeI32(i32(0), get(1), SCRATCH.budget);
    f.emit(i32(0));
  }
  /** (parameters of the import..., record, budget): publishes, then calls the import. */
  const wrapper = (
    callee: number,
    params: readonly ('i32' | 'i64')[],
    result: 'i32' | 'i64',
    passRecord = false,
  ): number => {
    const { index, body } = module.addFunction({ params: [...params, 'i32', 'i32'], result });
    const record = params.length;
    body.drop({ kind: 'call', callee: publish.index, args: [get(record), get(record + 1)] });
    const args = params.map((_, i) => get(i));
    body.emit({ kind: 'call', callee, args: passRecord ? [get(record)] : args });
    return index;
  };
  const slowLinear = wrapper(imports.linear, ['i32', 'i64', 'i32', 'i32'], 'i64');
  const condition = module.addFunction({ params: ['i32', 'i32', 'i64', 'i64', 'i64'], result: 'i32' });
  emitConditionFunction(condition.body);
  return {
    publish: publish.index,
    condition: condition.index,
    slowLoad: wrapper(imports.slowLoad, ['i64', 'i32'], 'i32'),
    slowStore: wrapper(imports.slowStore, ['i64', 'i64', 'i32'], 'i32'),
    slowModify: wrapper(imports.slowModify, ['i64', 'i32'], 'i32'),
    commitModify: wrapper(imports.commitModify, [], 'i32'),
    linear: addLinear(module, slowLinear),
    cold: wrapper(imports.cold, [], 'i32', true),
    fault: imports.fault,
    crossing: wrapper(imports.crossing, [], 'i32', true),
  };
}

/** Segment attributes: S, code, expand-down and unusable; ordinary data has only the first. */
const ORDINARY_DATA = { mask: 0x1_001c, value: 0x10, writableShift: 1 } as const;

/**
 * The linear address of an operand in an ordinary data segment, which covers most of what 16- and 32-bit code does; the host sees to the
 * others and to faults. Same parameters as the host's.
 */
function addLinear(module: ModuleBuilder, slow: number): number {
  const { index, body: f } = module.addFunction({
    params: ['i32', 'i64', 'i32', 'i32', 'i32', 'i32'],
    result: 'i64',
  });
  const [segment, offset, meta] = [get(0), get(1), get(2)];
  const at = f.local('i32', mul32(segment, i32(SEGMENT_SIZE)));
  const writable = f.local(
    'i32',
    shl32(ne32(and32(meta, i32(ACCESS.WRITE)), i32(0)), i32(ORDINARY_DATA.writableShift)),
  );
  const attributes = and32(loadI32(at, SEGMENTS + SEGMENT.access), or32(i32(ORDINARY_DATA.mask), writable));
  const last = add(offset, sub(extendU(and32(meta, i32(ACCESS.SIZE_MASK))), i64(1)));
  f.if(
    and32(
      and32(
        eq32(attributes, or32(i32(ORDINARY_DATA.value), writable)),
        geU(load32U(at, SEGMENTS + SEGMENT.limit), last),
      ),
      ne(load64(i32(0), SCRATCH.ripMask), i64(-1)),
    ),
  );
  f.storeI32(i32(0), i32(0), SCRATCH.status);
  f.emit(and(add(load64(at, SEGMENTS + SEGMENT.base), offset), i64(0xffff_ffffn)));
  f.return();
  f.end();
  f.emit(call(slow, ...[0, 1, 2, 3, 4, 5].map(get)));
  return index;
}

/** Runs decoded records from `record` for at most `budget` instructions; returns an EXIT. */
export type RunFunction = (record: number, budget: number) => number;

export function instantiateInterpreter(
  module: WebAssembly.Module,
  memory: MachineMemory,
  host: InterpreterHost,
): RunFunction {
  const instance = new WebAssembly.Instance(module, {
    env: {
      memory: memory.wasm,
      slowLoad: (linear: bigint, meta: number) => host.slowLoad(linear, meta),
      slowStore: (linear: bigint, value: bigint, meta: number) => host.slowStore(linear, value, meta),
      slowModify: (linear: bigint, meta: number) => host.slowModify(linear, meta),
      commitModify: () => host.commitModify(),
      linear: (segment: number, offset: bigint, meta: number, size: number) => host.linear(segment, offset, meta, size),
      cold: (record: number) => host.cold(record),
      fault: (record: number) => host.fault(record),
      crossing: (record: number) => host.crossing(record),
    },
  });
  return instance.exports.run;
}
