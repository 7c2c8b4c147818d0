import { and32, type Expr, extendU, i32, shrU32 } from '../codegen/expr';
import { shuffle, simd, simdLane, type SimdName, v128, v128Of32, V128_ZERO } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import { LANES } from './lanes';
import type { Shape, Size } from './shape';
import { firstVector, halvesOf, sourceScalar, sourceVector, writeVector } from './vectors';

type Combination = (a: Expr, b: Expr) => Expr;

/** The low quadwords of two vectors, the first one low. */
const joined = (a: Expr, b: Expr): Expr => shuffle(a, b, [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23]);

/**
 * An instruction whose result takes its low part from the first source and its high part from the second, each lane of 128 bits for itself; of
 * MMX registers, which are half as long, both are in one vector.
 */
const gathered =
  (combine: Combination): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const first = firstVector(context, shape);
    if (shape.vector === 8) {
      const both = context.holdAs('v128', joined(first[0], source[0]));
      writeVector(context, shape, [combine(both, both)]);
      return;
    }
    const values = source.map((half, i) => context.holdAs('v128', combine(context.holdAs('v128', first[i]), half)));
    writeVector(context, shape, values);
  };

/** Bytes of element `index` of size `size`. */
const bytesOf = (index: number, size: number): readonly number[] =>
  Array.from({ length: size }, (_, i) => index * size + i);

/** Pairs of neighbours combined: the even elements with the odd ones. */
const horizontal = (size: 2 | 4, name: SimdName): WarmSemantic =>
  gathered((a, b) => {
    const pick = (odd: number): readonly number[] =>
      Array.from({ length: 16 / size }, (_, i) => bytesOf(2 * i + odd, size)).flat();
    return simd(name, shuffle(a, b, pick(0)), shuffle(a, b, pick(1)));
  });

/** Elements of both sources in turn. Of MMX registers the high form's result is the high half of what the low form has for 128 bits. */
const interleave =
  (size: Size, part: 'low' | 'high'): WarmSemantic =>
  (context, shape) => {
    const count = 16 / size;
    const from = part === 'low' || shape.vector === 8 ? 0 : count / 2;
    const order = Array.from({ length: count }, (_, i) => {
      const element = from + (i >> 1);
      return bytesOf(i % 2 === 0 ? element : element + count, size);
    }).flat();
    const source = unpackSource(context, shape, part);
    const values = firstVector(context, shape).map((half, i) =>
      context.holdAs('v128', shuffle(half, source[i], order)),
    );
    if (shape.vector === 8 && part === 'high') {
      writeVector(context, shape, [simd('i64x2.splat', simdLane('i64x2.extract_lane', 1, values[0]))]);
    } else writeVector(context, shape, values);
  };

/** The low forms on MMX registers read 4 bytes of memory. */
const unpackSource = (context: OperandContext, shape: Shape, part: 'low' | 'high'): readonly Expr[] => {
  if (shape.vector !== 8 || part === 'high' || shape.form !== 'RM') return sourceVector(context, shape);
  context.checkMmx();
  return [simd('i64x2.splat', sourceScalar(context, shape, 4))];
};

/** Byte indices of doublewords by four 2-bit numbers (i32). */
const doublewordIndices = (numbers: Expr): Expr => {
  const shifted = simd('i32x4.mul', simd('i32x4.splat', numbers), v128(0x0000_0010_0000_0040n, 0x0000_0001_0000_0004n));
  const lanes = simd('v128.and', simd('i32x4.shr_u', shifted, i32(6)), v128Of32(3));
  return simd('i32x4.add', simd('i32x4.mul', lanes, v128Of32(0x0404_0404)), v128Of32(0x0302_0100));
};

/** Byte indices of words: four by 2-bit numbers, the other four as they are. */
const wordIndices = (numbers: Expr, part: 'low' | 'high'): Expr => {
  const multipliers = 0x0001_0004_0010_0040n;
  const [low, high] = part === 'low' ? [multipliers, 0n] : [0n, multipliers];
  const shifted = simd('i16x8.mul', simd('i16x8.splat', numbers), v128(low, high));
  const lanes = simd(
    'v128.and',
    simd('i16x8.shr_u', shifted, i32(6)),
    v128(0x0003_0003_0003_0003n, 0x0003_0003_0003_0003n),
  );
  const offsets = simd('i16x8.mul', lanes, v128(0x0202_0202_0202_0202n, 0x0202_0202_0202_0202n));
  const identity = 0x0706_0504_0302_0100n;
  const bases =
    part === 'low' ? v128(0x0100_0100_0100_0100n, 0x0f0e_0d0c_0b0a_0908n) : v128(identity, 0x0908_0908_0908_0908n);
  return simd('i16x8.add', offsets, bases);
};

/** Elements of one source by the immediate. */
const byImmediate =
  (indices: (immediate: Expr) => Expr): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const order = context.holdAs('v128', indices(context.imm8()));
    writeVector(
      context,
      shape,
      source.map((half) => simd('i8x16.swizzle', half, order)),
    );
  };

/** PSHUFB: bit 7 of an index clears the byte; MMX has eight bytes. */
const byBytes: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const bits = v128Of32(shape.vector === 8 ? 0x8787_8787 : 0x8f8f_8f8f);
  writeVector(
    context,
    shape,
    firstVector(context, shape).map((half, i) => simd('i8x16.swizzle', half, simd('v128.and', source[i], bits))),
  );
};

/** Widening of the low elements of the source: how often, and how wide they are at first. */
const widen =
  (steps: readonly string[], sign: 's' | 'u', bytes: 2 | 4 | 8): WarmSemantic =>
  (context, shape) => {
    const wide = shape.vector === 32;
    const source =
      wide && bytes === 8
        ? wholeLow(context, shape)
        : context.holdAs('v128', partLow(context, shape, wide ? bytes * 2 : bytes));
    const step = (name: string, part: 'low' | 'high', value: Expr): Expr =>
      simd(`${name.replace('*', part)}_${sign}` as SimdName, value);
    const inner = steps.slice(0, -1).reduce((value, name) => step(name, 'low', value), source);
    const held = context.holdAs('v128', inner);
    const last = steps[steps.length - 1];
    const values = halvesOf(shape).map((half) => step(last, half === 0 ? 'low' : 'high', held));
    writeVector(context, shape, values);
  };
/** 16 bytes, of a 256-bit instruction. */
const wholeLow = (context: OperandContext, shape: Shape): Expr =>
  sourceVector(context, { ...shape, vector: 16 }, false)[0];
/** Fewer bytes, in the low end of a vector. */
const partLow = (context: OperandContext, shape: Shape, bytes: number): Expr =>
  simd('i64x2.splat', sourceScalar(context, shape, bytes as Size));

const WORDS = 'i16x8.extend_*_i8x16';
const DOUBLEWORDS = 'i32x4.extend_*_i16x8';
const QUADWORDS = 'i64x2.extend_*_i32x4';

const widenings = (sign: 's' | 'u', letter: 's' | 'z'): Readonly<Record<string, WarmSemantic>> => ({
  [`pmov${letter}xbw`]: widen([WORDS], sign, 8),
  [`pmov${letter}xbd`]: widen([WORDS, DOUBLEWORDS], sign, 4),
  [`pmov${letter}xbq`]: widen([WORDS, DOUBLEWORDS, QUADWORDS], sign, 2),
  [`pmov${letter}xwd`]: widen([DOUBLEWORDS], sign, 8),
  [`pmov${letter}xwq`]: widen([DOUBLEWORDS, QUADWORDS], sign, 4),
  [`pmov${letter}xdq`]: widen([QUADWORDS], sign, 8),
});

/** Elements of the source where the immediate has a bit; a 256-bit instruction's upper half goes on with `upper`. */
const blend =
  (size: 2 | 4, upper: 'same bits' | 'next bits'): WarmSemantic =>
  (context, shape) => {
    const lanes = LANES[size];
    const source = sourceVector(context, shape);
    const first = firstVector(context, shape);
    const bits =
      size === 2
        ? v128(0x0008_0004_0002_0001n, 0x0080_0040_0020_0010n)
        : v128(0x0000_0002_0000_0001n, 0x0000_0008_0000_0004n);
    const values = source.map((half, i) => {
      const immediate = i === 1 && upper === 'next bits' ? shrU32(context.imm8(), i32(4)) : context.imm8();
      const taken = lanes.equal(simd('v128.and', lanes.splat(immediate), bits), bits);
      return simd('v128.bitselect', half, first[i], taken);
    });
    writeVector(context, shape, values);
  };

/** PBLENDVB: bytes of the source where the mask in the register `w` has its top bit set. */
const blendByMask: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const first = firstVector(context, shape);
  const values = source.map((half, i) => {
    const mask = simd('i8x16.shr_s', context.vector('w', i === 0 ? 0 : 1), i32(7));
    return simd('v128.bitselect', half, first[i], mask);
  });
  writeVector(context, shape, values);
};

/** One element in every place. */
const broadcast =
  (size: Size): WarmSemantic =>
  (context, shape) => {
    const value = sourceScalar(context, shape, size);
    writeVector(
      context,
      shape,
      halvesOf(shape).map(() => LANES[size].splatValue(value)),
    );
  };

/** VPERMD, VPERMPS: doublewords across both halves by the indices in the first source. */
const permuteDoublewords: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const values = firstVector(context, shape).map((indices) => {
    const numbers = simd('v128.and', indices, v128Of32(7));
    const bytes = context.holdAs(
      'v128',
      simd('i32x4.add', simd('i32x4.mul', numbers, v128Of32(0x0404_0404)), v128Of32(0x0302_0100)),
    );
    return context.holdAs('v128', acrossHalves(source, bytes));
  });
  writeVector(context, shape, values);
};
/** Bytes 0 to 31 of two halves. */
const acrossHalves = ([low, high]: readonly Expr[], bytes: Expr): Expr =>
  simd(
    'v128.or',
    simd('i8x16.swizzle', low, bytes),
    simd('i8x16.swizzle', high, simd('i8x16.sub', bytes, v128Of32(0x1010_1010))),
  );

/** VPERMQ, VPERMPD: quadwords across both halves by the immediate. */
const permuteQuadwords: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const number = (index: number): Expr => extendU(and32(shrU32(context.imm8(), i32(2 * index)), i32(3)));
  const values = halvesOf(shape).map((half) => {
    const numbers = simdLane(
      'i64x2.replace_lane',
      1,
      simdLane('i64x2.replace_lane', 0, V128_ZERO, number(2 * half)),
      number(2 * half + 1),
    );
    const step = 0x0808_0808_0808_0808n;
    const start = 0x0706_0504_0302_0100n;
    const bytes = simd('i64x2.add', simd('i64x2.mul', numbers, v128(step, step)), v128(start, start));
    return context.holdAs('v128', acrossHalves(source, context.holdAs('v128', bytes)));
  });
  writeVector(context, shape, values);
};

/** Packed integers narrowed, interleaved, shuffled, widened, blended. */
export const PACKED_SHUFFLE_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  packsswb: gathered((a, b) => simd('i8x16.narrow_i16x8_s', a, b)),
  packuswb: gathered((a, b) => simd('i8x16.narrow_i16x8_u', a, b)),
  packssdw: gathered((a, b) => simd('i16x8.narrow_i32x4_s', a, b)),
  packusdw: gathered((a, b) => simd('i16x8.narrow_i32x4_u', a, b)),
  phaddw: horizontal(2, 'i16x8.add'),
  phaddd: horizontal(4, 'i32x4.add'),
  phaddsw: horizontal(2, 'i16x8.add_sat_s'),
  phsubw: horizontal(2, 'i16x8.sub'),
  phsubd: horizontal(4, 'i32x4.sub'),
  phsubsw: horizontal(2, 'i16x8.sub_sat_s'),
  punpcklbw: interleave(1, 'low'),
  punpcklwd: interleave(2, 'low'),
  punpckldq: interleave(4, 'low'),
  punpcklqdq: interleave(8, 'low'),
  punpckhbw: interleave(1, 'high'),
  punpckhwd: interleave(2, 'high'),
  punpckhdq: interleave(4, 'high'),
  punpckhqdq: interleave(8, 'high'),
  pshufd: byImmediate(doublewordIndices),
  pshuflw: byImmediate((immediate) => wordIndices(immediate, 'low')),
  pshufhw: byImmediate((immediate) => wordIndices(immediate, 'high')),
  pshufb: byBytes,
  ...widenings('s', 's'),
  ...widenings('u', 'z'),
  pblendw: blend(2, 'same bits'),
  vpblendd: blend(4, 'next bits'),
  pblendvb: blendByMask,
  vpbroadcastb: broadcast(1),
  vpbroadcastw: broadcast(2),
  vpbroadcastd: broadcast(4),
  vpbroadcastq: broadcast(8),
  vpermd: permuteDoublewords,
  vpermq: permuteQuadwords,
};
