import { and32, eqz32, type Expr, extendU, i32, or32, shl32, shrU32, sub32, wrap } from '../codegen/expr';
import { shuffle, simd, simdLane, v128, v128Of32, V128_ZERO } from '../codegen/simd';
import { setImage } from './flag-emitters';
import type { OperandContext, WarmSemantic } from './context';
import type { Shape } from './shape';
import { firstVector, halvesOf, sourceScalar, sourceVector, writeVector } from './vectors';

const low4 = (value: Expr, into: Expr): Expr => simdLane('i32x4.replace_lane', 0, into, wrap(value));

/** The low element to memory. */
const storeLow =
  (size: 4 | 8): WarmSemantic =>
  (context) => {
    context.store(size, context.ea(), context.lane('s', size, 0));
  };

/** The low element of the source into that of the first source. */
const mergeLow =
  (size: 4 | 8): WarmSemantic =>
  (context, shape) => {
    const value = context.hold(context.lane('s', size, 0));
    const [first] = firstVector(context, shape);
    const merged = size === 4 ? low4(value, first) : simdLane('i64x2.replace_lane', 0, first, value);
    writeVector(context, shape, [context.holdAs('v128', merged)]);
  };

/** A quadword of memory into one half of the first source. */
const loadQuadword =
  (lane: 0 | 1): WarmSemantic =>
  (context, shape) => {
    const value = sourceScalar(context, shape, 8);
    const [first] = firstVector(context, shape);
    writeVector(context, shape, [simdLane('i64x2.replace_lane', lane, first, value)]);
  };

const bytesOfLanes = (size: 4 | 8, lanes: readonly number[]): readonly number[] =>
  lanes.flatMap((lane) => Array.from({ length: size }, (_, i) => lane * size + i));

/** A fixed choice of elements: numbers below the lane count are the first source's, the others the source's. */
const pick =
  (size: 4 | 8, ...lanes: readonly number[]): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const first = firstVector(context, shape);
    writeVector(
      context,
      shape,
      source.map((half, i) => shuffle(first[i], half, bytesOfLanes(size, lanes))),
    );
  };

/** A fixed choice of the source's own elements. */
const duplicate =
  (...lanes: readonly number[]): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    writeVector(
      context,
      shape,
      source.map((half) => shuffle(half, half, bytesOfLanes(4, lanes))),
    );
  };

/** MOVDDUP: the 128-bit form reads 8 bytes of memory, without alignment. */
const duplicateDoubles: WarmSemantic = (context, shape) => {
  if (shape.vector === 32) duplicate(0, 1, 0, 1)(context, shape);
  else writeVector(context, shape, [simd('i64x2.splat', sourceScalar(context, shape, 8))]);
};

const moveMask =
  (name: 'i32x4.bitmask' | 'i64x2.bitmask', bits: number): WarmSemantic =>
  (context, shape) => {
    const [low, high] = halvesOf(shape).map((half) => simd(name, context.vector('s', half)));
    const mask = shape.vector === 32 ? concatBits(low, high, bits) : low;
    context.setReg('d', 4, extendU(mask));
  };

const concatBits = (low: Expr, high: Expr, bits: number): Expr => or32(low, shl32(high, i32(bits)));

// Choices by the immediate byte

/** Bytes 0, 4, 8 and 12, four times each. */
const LOWEST_BYTES = [0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12] as const;

/** From the numbers of doublewords in four doublewords, those of their bytes. */
const byteNumbers = (doublewords: Expr): Expr =>
  simd('i8x16.add', shuffle(simd('i32x4.shl', doublewords, i32(2)), V128_ZERO, LOWEST_BYTES), v128Of32(0x0302_0100));

/** The four 2-bit fields of the immediate byte, a doubleword each. */
const fields = (context: OperandContext): Expr => {
  // Products shift the fields to the same place of words.
  const spread = simd(
    'i16x8.mul',
    simd('i32x4.splat', context.imm8()),
    v128(0x0000_0010_0000_0040n, 0x0000_0001_0000_0004n),
  );
  return simd('v128.and', simd('i32x4.shr_u', spread, i32(6)), v128Of32(3));
};

/** Swizzle pattern of the four doublewords that the immediate byte numbers; held. */
export const immediateDoublewords = (context: OperandContext): Expr =>
  context.holdAs('v128', byteNumbers(fields(context)));

const shuffleSingles: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const first = firstVector(context, shape);
  const numbers = immediateDoublewords(context);
  writeVector(
    context,
    shape,
    source.map((half, i) =>
      shuffle(simd('i8x16.swizzle', first[i], numbers), simd('i8x16.swizzle', half, numbers), bytesOfLanes(8, [0, 3])),
    ),
  );
};

/** All ones in lane i where bit `from + i` of the immediate byte is set. */
const immediateMask = (context: OperandContext, size: 4 | 8, from: number): Expr => {
  const bits = (i: number): bigint => 1n << BigInt(from + i);
  const each = size === 4 ? v128(bits(0) | (bits(1) << 32n), bits(2) | (bits(3) << 32n)) : v128(bits(0), bits(1));
  const byte = simd('i32x4.splat', context.imm8());
  return simd(size === 4 ? 'i32x4.eq' : 'i64x2.eq', simd('v128.and', byte, each), each);
};

const lowTwice = (value: Expr): Expr => shuffle(value, value, bytesOfLanes(8, [0, 0]));
const highTwice = (value: Expr): Expr => shuffle(value, value, bytesOfLanes(8, [1, 1]));

const shuffleDoubles: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const first = firstVector(context, shape);
  writeVector(
    context,
    shape,
    source.map((half, i) => {
      const low = shuffle(first[i], half, bytesOfLanes(8, [0, 2]));
      const high = shuffle(first[i], half, bytesOfLanes(8, [1, 3]));
      return simd('v128.bitselect', high, low, immediateMask(context, 8, 2 * i));
    }),
  );
};

const blend =
  (size: 4 | 8): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const first = firstVector(context, shape);
    writeVector(
      context,
      shape,
      source.map((half, i) => simd('v128.bitselect', half, first[i], immediateMask(context, size, (i * 16) / size))),
    );
  };

/** The sign bits of the fourth operand choose. */
const blendVariable =
  (name: 'i32x4.shr_s' | 'i64x2.shr_s', bits: number): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const first = firstVector(context, shape);
    const masks = halvesOf(shape).map((half) =>
      context.holdAs('v128', simd(name, context.vector('w', half), i32(bits - 1))),
    );
    writeVector(
      context,
      shape,
      source.map((half, i) => simd('v128.bitselect', half, first[i], masks[i])),
    );
  };

/** An element of the source, or of memory, into an element of the first source; then the immediate's low bits zero elements. */
const insertSingle: WarmSemantic = (context, shape) => {
  const value = shape.form.startsWith('RM')
    ? simd('i32x4.splat', wrap(sourceScalar(context, shape, 4)))
    : simd('i8x16.swizzle', context.vector('s'), byteNumbers(simd('i32x4.splat', shrU32(context.imm8(), i32(6)))));
  const place = and32(shrU32(context.imm8(), i32(4)), i32(3));
  const here = simd('i32x4.eq', v128(0x1_0000_0000n, 0x3_0000_0002n), simd('i32x4.splat', place));
  const [first] = firstVector(context, shape);
  const inserted = simd('v128.bitselect', value, first, here);
  writeVector(context, shape, [simd('v128.andnot', inserted, immediateMask(context, 4, 0))]);
};

// AVX

/** One value in all halves. */
function writeAlike(context: OperandContext, shape: Shape, value: Expr): void {
  const held = context.holdAs('v128', value);
  writeVector(
    context,
    shape,
    halvesOf(shape).map(() => held),
  );
}

const broadcast =
  (size: 4 | 8): WarmSemantic =>
  (context, shape) => {
    const value = sourceScalar(context, shape, size);
    writeAlike(context, shape, size === 4 ? simd('i32x4.splat', wrap(value)) : simd('i64x2.splat', value));
  };

const broadcastHalf: WarmSemantic = (context, shape) => {
  writeAlike(context, shape, context.loadVector(16, context.ea(), false)[0]);
};

const permuteSingles: WarmSemantic = (context, shape) => {
  const control = sourceVector(context, shape);
  const data = firstVector(context, shape);
  writeVector(
    context,
    shape,
    control.map((half, i) => simd('i8x16.swizzle', data[i], byteNumbers(simd('v128.and', half, v128Of32(3))))),
  );
};

const permuteSinglesByImmediate: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const numbers = immediateDoublewords(context);
  writeVector(
    context,
    shape,
    source.map((half) => simd('i8x16.swizzle', half, numbers)),
  );
};

const permuteDoubles: WarmSemantic = (context, shape) => {
  const control = sourceVector(context, shape);
  const data = firstVector(context, shape);
  const bit = v128(2n, 2n);
  writeVector(
    context,
    shape,
    control.map((half, i) =>
      simd('v128.bitselect', highTwice(data[i]), lowTwice(data[i]), simd('i64x2.eq', simd('v128.and', half, bit), bit)),
    ),
  );
};

const permuteDoublesByImmediate: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  writeVector(
    context,
    shape,
    source.map((half, i) => simd('v128.bitselect', highTwice(half), lowTwice(half), immediateMask(context, 8, 2 * i))),
  );
};

/** All ones where a bit of the immediate byte is set. */
const bitMask = (context: OperandContext, bit: number): Expr =>
  simd('i32x4.splat', sub32(i32(0), and32(shrU32(context.imm8(), i32(bit)), i32(1))));

/** Each half of the destination is one of four, or zero. */
const permuteHalves: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const first = firstVector(context, shape);
  const half = (from: number): Expr => {
    const chosen = [first, source].map(([low, high]) => simd('v128.bitselect', high, low, bitMask(context, from)));
    const one = simd('v128.bitselect', chosen[1], chosen[0], bitMask(context, from + 1));
    return context.holdAs('v128', simd('v128.andnot', one, bitMask(context, from + 3)));
  };
  writeVector(context, shape, [half(0), half(4)]);
};

const insertHalf: WarmSemantic = (context, shape) => {
  const [value] = sourceVector(context, { ...shape, vector: 16 });
  const first = firstVector(context, shape);
  const high = context.holdAs('v128', bitMask(context, 0));
  writeVector(context, shape, [
    simd('v128.bitselect', first[0], value, high),
    simd('v128.bitselect', value, first[1], high),
  ]);
};

const extractHalf: WarmSemantic = (context, shape) => {
  const value = context.holdAs(
    'v128',
    simd('v128.bitselect', context.vector('s', 1), context.vector('s', 0), bitMask(context, 0)),
  );
  if (shape.form.startsWith('M')) context.storeVector(16, context.ea(), [value], false);
  else writeVector(context, { ...shape, vector: 16 }, [value]);
};

/** ZF: no sign is set in both sources; CF: none in the source where the first has none. The other flags are clear. */
const testSigns =
  (signs: Expr): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const any = (combine: (first: Expr, half: Expr) => Expr): Expr =>
      source
        .map((half, i) => combine(context.vector('d', i === 0 ? 0 : 1), half))
        .reduce((a, b) => simd('v128.or', a, b));
    const isClear = (value: Expr): Expr => eqz32(simd('v128.any_true', simd('v128.and', value, signs)));
    const zero = isClear(any((first, half) => simd('v128.and', first, half)));
    const carry = isClear(any((first, half) => simd('v128.andnot', half, first)));
    setImage(context, context.hold32(or32(shl32(zero, i32(6)), carry)));
  };

/** Moves, shuffles, blends and broadcasts of floating-point elements: no value is looked at. */
export const FLOAT_MOVE_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  store_low4: storeLow(4),
  store_low8: storeLow(8),
  merge_low4: mergeLow(4),
  merge_low8: mergeLow(8),
  store_high8: (context) => {
    context.store(8, context.ea(), context.lane('s', 8, 1));
  },
  movlps: loadQuadword(0),
  movhps: loadQuadword(1),
  movhlps: pick(8, 3, 1),
  movlhps: pick(8, 0, 2),
  movddup: duplicateDoubles,
  movsldup: duplicate(0, 0, 2, 2),
  movshdup: duplicate(1, 1, 3, 3),
  movmskps: moveMask('i32x4.bitmask', 4),
  movmskpd: moveMask('i64x2.bitmask', 2),
  unpcklps: pick(4, 0, 4, 1, 5),
  unpckhps: pick(4, 2, 6, 3, 7),
  unpcklpd: pick(8, 0, 2),
  unpckhpd: pick(8, 1, 3),
  shufps: shuffleSingles,
  shufpd: shuffleDoubles,
  blendps: blend(4),
  blendpd: blend(8),
  blendvps: blendVariable('i32x4.shr_s', 32),
  blendvpd: blendVariable('i64x2.shr_s', 64),
  insertps: insertSingle,
  vbroadcastss: broadcast(4),
  vbroadcastsd: broadcast(8),
  vbroadcastf128: broadcastHalf,
  vpermilps: permuteSingles,
  vpermilps_imm: permuteSinglesByImmediate,
  vpermilpd: permuteDoubles,
  vpermilpd_imm: permuteDoublesByImmediate,
  vperm2f128: permuteHalves,
  vinsertf128: insertHalf,
  vextractf128: extractHalf,
  vzeroupper: (context) => {
    context.clearVectors('above XMM');
  },
  vzeroall: (context) => {
    context.clearVectors('whole');
  },
  vtestps: testSigns(v128Of32(0x8000_0000)),
  vtestpd: testSigns(v128(1n << 63n, 1n << 63n)),
};
