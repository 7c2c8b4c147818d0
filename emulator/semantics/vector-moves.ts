import { and, and32, type Expr, extendU, i32, i64, mul32, or, shl } from '../codegen/expr';
import { simd, simdLane, v128, V128_ZERO } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import type { Shape, Size } from './shape';
import { IOTA, LANES } from './lanes';
import { firstVector, sourceScalar, sourceVector, writeVector } from './vectors';

const LOW_QUADWORD = v128(-1n, 0n);

const storesToMemory = (shape: Shape): boolean => shape.form.startsWith('M');

/** Writes a whole vector to the operand d, be it register or memory. */
function storeWhole(context: OperandContext, shape: Shape, values: readonly Expr[], aligned: boolean): void {
  if (!storesToMemory(shape)) writeVector(context, shape, values);
  else if (shape.vector === 8) {
    context.beginMmxStore();
    context.store(8, context.ea(), simdLane('i64x2.extract_lane', 0, values[0]));
    context.enterMmx();
  } else context.storeVector(shape.vector === 32 ? 32 : 16, context.ea(), values, aligned);
}

/** A whole vector from register or memory to register or memory. */
const move =
  (aligned: boolean): WarmSemantic =>
  (context, shape) => {
    const source = storesToMemory(shape)
      ? sourceVector(context, { ...shape, form: 'RR' })
      : sourceVector(context, shape, aligned);
    storeWhole(context, shape, source, aligned);
  };

/** The low `size` bytes of a source into the destination, zero above. */
const loadLow =
  (size: Size): WarmSemantic =>
  (context, shape) => {
    const value = sourceScalar(context, shape, size);
    writeVector(context, shape, [simdLane('i64x2.replace_lane', 0, V128_ZERO, value)]);
  };

/** MOVD and MOVQ from a general register or memory. */
const fromGeneral: WarmSemantic = (context, shape) => {
  if (shape.vector === 8) context.checkMmx();
  const value =
    shape.form === 'RM'
      ? context.load(shape.size, false, context.ea())
      : context.hold(context.reg('s', shape.size, false));
  writeVector(context, shape, [simdLane('i64x2.replace_lane', 0, V128_ZERO, value)]);
};

/** MOVD and MOVQ to a general register or memory. */
const toGeneral: WarmSemantic = (context, shape) => {
  if (shape.vector === 8) {
    if (storesToMemory(shape)) context.beginMmxStore();
    else context.checkMmx();
  }
  const value = context.hold(context.lane('s', shape.size, 0));
  if (shape.form === 'MR') context.store(shape.size, context.ea(), value);
  else context.setReg('d', shape.size, value);
  if (shape.vector === 8) context.enterMmx();
};

/** The low quadword to memory, or to a register with zeros above it. */
const storeLow: WarmSemantic = (context, shape) => {
  const value = context.hold(context.lane('s', 8, 0));
  if (storesToMemory(shape)) context.store(8, context.ea(), value);
  else writeVector(context, shape, [simdLane('i64x2.replace_lane', 0, V128_ZERO, value)]);
};

const fromMmx: WarmSemantic = (context, shape) => {
  const value = context.hold(context.reg('s', 8, false));
  context.enterMmx();
  writeVector(context, shape, [simdLane('i64x2.replace_lane', 0, V128_ZERO, value)]);
};

const toMmx: WarmSemantic = (context) => {
  const value = context.hold(context.lane('s', 8, 0));
  context.enterMmx();
  context.setMmx('d', value);
};

/** The most significant bit of each byte. */
const moveMask: WarmSemantic = (context, shape) => {
  const [low, high] = sourceVector(context, { ...shape, form: 'RR' });
  const bits = (half: Expr): Expr => extendU(simd('i8x16.bitmask', half));
  if (shape.vector === 8) {
    const mask = context.hold(extendU(simd('i8x16.bitmask', simd('v128.and', low, LOW_QUADWORD))));
    context.enterMmx();
    context.setReg('d', 4, mask);
  } else context.setReg('d', 4, shape.vector === 32 ? or(bits(low), shl(bits(high), i64(16))) : bits(low));
};

/** The immediate picks the lane that a general register or memory gives. */
const insert =
  (size: Size): WarmSemantic =>
  (context, shape) => {
    if (shape.vector === 8) context.checkMmx();
    const value = shape.form.startsWith('RM')
      ? context.load(size, false, context.ea())
      : context.hold(context.reg('s', size, false));
    const lanes = LANES[size];
    const picked = lanes.equal(
      lanes.numbers,
      lanes.splat(and32(context.imm8(), i32((shape.vector === 8 ? 8 : 16) / size - 1))),
    );
    const [first] = firstVector(context, shape);
    writeVector(context, shape, [simd('v128.bitselect', lanes.splatValue(value), first, picked)]);
  };

/** The lane that the immediate picks, to a general register or memory. */
const extract =
  (size: Size): WarmSemantic =>
  (context, shape) => {
    if (shape.vector === 8) context.checkMmx();
    const source = shape.vector === 8 ? simd('i64x2.splat', context.reg('s', 8, false)) : context.vector('s');
    const lane = and32(context.imm8(), i32((shape.vector === 8 ? 8 : 16) / size - 1));
    const moved = simd('i8x16.swizzle', source, simd('i8x16.add', IOTA, simd('i8x16.splat', mul32(lane, i32(size)))));
    const whole = context.hold(simdLane('i64x2.extract_lane', 0, moved));
    const mask = size === 8 ? -1n : (1n << BigInt(8 * size)) - 1n;
    if (storesToMemory(shape)) context.store(size, context.ea(), whole);
    else context.setReg('d', size === 8 ? 8 : 4, and(whole, i64(mask)));
    if (shape.vector === 8) context.enterMmx();
  };

/** Moves between vectors, MMX registers, general registers and memory. */
export const VECTOR_MOVE_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  mov_aligned: move(true),
  mov_unaligned: move(false),
  mov_low4: loadLow(4),
  mov_low8: loadLow(8),
  mov_from_general: fromGeneral,
  mov_to_general: toGeneral,
  mov_store_low8: storeLow,
  movq2dq: fromMmx,
  movdq2q: toMmx,
  pmovmskb: moveMask,
  pinsrb: insert(1),
  pinsrw: insert(2),
  pinsrd: insert(4),
  pinsrq: insert(8),
  pextrb: extract(1),
  pextrw: extract(2),
  pextrd: extract(4),
  pextrq: extract(8),
};
