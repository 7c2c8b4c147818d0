import { type Expr, extendU, i32, i64, ltU, ltU32, select, shl, shrS, shrU, wrap } from '../codegen/expr';
import { simd, simdLane, type SimdName, V128_ZERO } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import { IOTA } from './lanes';
import type { Shape } from './shape';
import { firstVector, halvesOf, sourceVector, writeVector } from './vectors';

/** A shift of all lanes by one count. */
interface LaneShift {
  readonly name: SimdName;
  /** Bits of a lane. */
  readonly bits: 16 | 32 | 64;
  /** A count of all bits or more gives copies of the sign instead of zeros. */
  readonly arithmetic: boolean;
}

/** Each half shifted by `count` (i64, held). */
const shifted = ({ name, bits, arithmetic }: LaneShift, value: Expr, count: Expr): Expr => {
  const fits = ltU(count, i64(bits));
  if (arithmetic) return simd(name, value, wrap(select(count, i64(bits - 1), fits)));
  return select(simd(name, value, wrap(count)), V128_ZERO, fits);
};

/** By the low quadword of the source, which is 128 bits long whatever the vector is. */
const byVector =
  (shift: LaneShift): WarmSemantic =>
  (context, shape) => {
    const [source] = sourceVector(context, shape.vector === 32 ? { ...shape, vector: 16 } : shape);
    const count = context.hold(simdLane('i64x2.extract_lane', 0, source));
    const values = firstVector(context, shape).map((half) => context.holdAs('v128', shifted(shift, half, count)));
    writeVector(context, shape, values);
  };

/** The register an immediate shift works on: the destination is VEX.vvvv in the VEX forms. */
const shiftedRegister = (context: OperandContext, shape: Shape): readonly Expr[] => {
  if (shape.vector === 8) {
    context.checkMmx();
    return [simd('i64x2.splat', context.reg('d', 8, false))];
  }
  return halvesOf(shape).map((half) => context.vector('s', half));
};
const writeShifted = (context: OperandContext, shape: Shape, values: readonly Expr[]): void => {
  if (!shape.vex) {
    writeVector(context, shape, values);
    return;
  }
  const held = values.map((value) => context.holdAs('v128', value));
  context.setVector('v', 0, held[0]);
  context.setVector('v', 1, shape.vector === 32 ? held[1] : V128_ZERO);
};

const byImmediate =
  (shift: LaneShift): WarmSemantic =>
  (context, shape) => {
    const count = context.hold(extendU(context.imm8()));
    writeShifted(
      context,
      shape,
      shiftedRegister(context, shape).map((half) => shifted(shift, half, count)),
    );
  };

/** Whole 128-bit lanes by bytes: a swizzle whose indices run out of range where zeros come in. */
const byBytes =
  (direction: 'left' | 'right'): WarmSemantic =>
  (context, shape) => {
    const amount = context.hold32(select(context.imm8(), i32(16), ltU32(context.imm8(), i32(16))));
    const offset = simd('i8x16.splat', amount);
    const indices = context.holdAs('v128', simd(direction === 'left' ? 'i8x16.sub' : 'i8x16.add', IOTA, offset));
    writeShifted(
      context,
      shape,
      shiftedRegister(context, shape).map((half) => simd('i8x16.swizzle', half, indices)),
    );
  };

/** Each lane by the count in the same lane of the source. */
const byLanes =
  (size: 4 | 8, operation: 'left' | 'right' | 'arithmetic'): WarmSemantic =>
  (context, shape) => {
    const counts = sourceVector(context, shape);
    const values = firstVector(context, shape).map((half) => context.holdAs('v128', half));
    const bits = size * 8;
    const lane = (of: Expr, index: number): Expr =>
      size === 8 ? simdLane('i64x2.extract_lane', index, of) : extendU(simdLane('i32x4.extract_lane', index, of));
    const one = (value: Expr, count: Expr): Expr => {
      const fits = ltU(count, i64(bits));
      if (operation === 'left') return select(shl(value, count), i64(0), fits);
      if (operation === 'right') return select(shrU(value, count), i64(0), fits);
      return shrS(shrS(shl(value, i64(64 - bits)), i64(64 - bits)), select(count, i64(bits - 1), fits));
    };
    const results = values.map((value, half) => {
      let result: Expr = value;
      for (let index = 0; index < 16 / size; index++) {
        const moved = one(lane(value, index), context.hold(lane(counts[half], index)));
        result =
          size === 8
            ? simdLane('i64x2.replace_lane', index, result, moved)
            : simdLane('i32x4.replace_lane', index, result, wrap(moved));
      }
      return context.holdAs('v128', result);
    });
    writeVector(context, shape, results);
  };

/** PALIGNR: the destination above the source, shifted right by bytes; each 128-bit lane for itself. */
const align: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const width = shape.vector === 8 ? 8 : 16;
  const clamped = select(context.imm8(), i32(2 * width), ltU32(context.imm8(), i32(2 * width)));
  const amount = context.hold32(clamped);
  const fromSource = context.holdAs('v128', simd('i8x16.add', IOTA, simd('i8x16.splat', amount)));
  if (shape.vector === 8) {
    const [first] = firstVector(context, shape);
    const both = simdLane('i64x2.replace_lane', 1, source[0], simdLane('i64x2.extract_lane', 0, first));
    writeVector(context, shape, [simd('i8x16.swizzle', both, fromSource)]);
    return;
  }
  const fromFirst = context.holdAs('v128', simd('i8x16.sub', fromSource, simd('i8x16.splat', i32(16))));
  const first = firstVector(context, shape);
  const values = source.map((half, i) =>
    context.holdAs(
      'v128',
      simd('v128.or', simd('i8x16.swizzle', half, fromSource), simd('i8x16.swizzle', first[i], fromFirst)),
    ),
  );
  writeVector(context, shape, values);
};

const SHIFTS: Readonly<Record<string, LaneShift>> = {
  psllw: { name: 'i16x8.shl', bits: 16, arithmetic: false },
  pslld: { name: 'i32x4.shl', bits: 32, arithmetic: false },
  psllq: { name: 'i64x2.shl', bits: 64, arithmetic: false },
  psrlw: { name: 'i16x8.shr_u', bits: 16, arithmetic: false },
  psrld: { name: 'i32x4.shr_u', bits: 32, arithmetic: false },
  psrlq: { name: 'i64x2.shr_u', bits: 64, arithmetic: false },
  psraw: { name: 'i16x8.shr_s', bits: 16, arithmetic: true },
  psrad: { name: 'i32x4.shr_s', bits: 32, arithmetic: true },
};

/** Shifts of packed integers: by a vector's count, by an immediate ('_imm'), by bytes, lane by lane. */
export const PACKED_SHIFT_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  ...Object.fromEntries(Object.entries(SHIFTS).map(([key, shift]) => [key, byVector(shift)])),
  ...Object.fromEntries(Object.entries(SHIFTS).map(([key, shift]) => [`${key}_imm`, byImmediate(shift)])),
  pslldq: byBytes('left'),
  psrldq: byBytes('right'),
  vpsllvd: byLanes(4, 'left'),
  vpsllvq: byLanes(8, 'left'),
  vpsrlvd: byLanes(4, 'right'),
  vpsrlvq: byLanes(8, 'right'),
  vpsravd: byLanes(4, 'arithmetic'),
  palignr: align,
};
