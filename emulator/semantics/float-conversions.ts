import { type Expr, extendU, wrap } from '../codegen/expr';
import { float, truncateSaturating } from '../codegen/floats';
import { shuffle, simd, simdLane } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import { guarded, type Guard } from './float-guard';
import { fitsSingle, FLOAT_LANES, type FloatSize, packedOperands, sourceSplat, writeScalar } from './float-lanes';
import type { Shape } from './shape';
import { sourceScalar, sourceVector, writeVector } from './vectors';

const LOW_QUADWORDS = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23] as const;
const HIGH_QUADWORD = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15] as const;

const not = (mask: Expr): Expr => simd('v128.not', mask);

// Floats to integers

type Rounding = 'nearest' | 'trunc';

/** What a conversion to integers below 2^bits in magnitude asks; `rounded` are the operands made integral. All held. */
const toIntegers = (size: FloatSize, values: readonly Expr[], rounded: readonly Expr[], bits: number): Guard => {
  const { unary, op, constant, denormal } = FLOAT_LANES[size];
  return {
    unusual: rounded.map((value) => not(op('lt', unary('abs', value), constant(2 ** bits)))),
    rounds: true,
    inexact: () => ({
      inexact: values.map((value, i) => op('ne', rounded[i], value)),
      // With DAZ a denormal is exact.
      unsure: values.map(denormal),
    }),
  };
};

const roundAll = (
  context: OperandContext,
  size: FloatSize,
  rounding: Rounding,
  values: readonly Expr[],
): readonly Expr[] => values.map((value) => context.holdAs('v128', FLOAT_LANES[size].unary(rounding, value)));

const singlesToIntegers =
  (rounding: Rounding): WarmSemantic =>
  (context, shape) => {
    const { source, write } = packedOperands(context, shape, false);
    const rounded = roundAll(context, 4, rounding, source);
    guarded(context, toIntegers(4, source, rounded, 31), source, () => {
      write(rounded.map((value) => simd('i32x4.trunc_sat_f32x4_s', value)));
    });
  };

/** Two results of 64 bits each where there are two halves; zeros above. */
function writeNarrowed(context: OperandContext, shape: Shape, results: readonly Expr[]): void {
  const [low, high] = results;
  const narrow = results.length === 2 ? shuffle(low, high, LOW_QUADWORDS) : low;
  writeVector(context, { ...shape, vector: 16 }, [narrow]);
}

const doublesToIntegers =
  (rounding: Rounding): WarmSemantic =>
  (context, shape) => {
    const source = sourceVector(context, shape);
    const rounded = roundAll(context, 8, rounding, source);
    guarded(context, toIntegers(8, source, rounded, 31), source, () => {
      writeNarrowed(
        context,
        shape,
        rounded.map((value) => simd('i32x4.trunc_sat_f64x2_s_zero', value)),
      );
    });
  };

const scalarToInteger =
  (size: FloatSize, rounding: Rounding): WarmSemantic =>
  (context, shape) => {
    const source = sourceSplat(context, shape, size);
    const [rounded] = roundAll(context, size, rounding, [source]);
    const bits = shape.size === 8 ? 63 : 31;
    guarded(context, toIntegers(size, [source], [rounded], bits), [source], () => {
      const lowest =
        size === 4 ? simdLane('f32x4.extract_lane', 0, rounded) : simdLane('f64x2.extract_lane', 0, rounded);
      const type = size === 4 ? 'f32' : 'f64';
      const result =
        shape.size === 8
          ? truncateSaturating(`i64.trunc_sat_${type}_s`, lowest)
          : extendU(truncateSaturating(`i32.trunc_sat_${type}_s`, lowest));
      context.setReg('d', shape.size, result);
    });
  };

// Integers to floats

const integersToSingles: WarmSemantic = (context, shape) => {
  const { source, write } = packedOperands(context, shape, false);
  const results = source.map((half) => context.holdAs('v128', simd('f32x4.convert_i32x4_s', half)));
  const { op, constant } = FLOAT_LANES[4];
  const guard: Guard = {
    unusual: [],
    rounds: true,
    inexact: () => ({
      inexact: source.flatMap((half, i) => [
        simd('i32x4.ne', simd('i32x4.trunc_sat_f32x4_s', results[i]), half),
        op('eq', results[i], constant(2 ** 31)),
      ]),
      unsure: [],
    }),
  };
  guarded(context, guard, source, () => {
    write(results);
  });
};

/** The quadword that the 128-bit form widens, twice, or the 16 bytes of the 256-bit form; held. */
function narrowSource(context: OperandContext, shape: Shape): Expr {
  if (shape.vector === 32) return sourceVector(context, { ...shape, vector: 16 }, false)[0];
  return context.holdAs('v128', simd('i64x2.splat', sourceScalar(context, shape, 8)));
}

/** Each half of the destination from two elements of the source. */
const widened = (
  shape: Shape,
  source: Expr,
  name: 'f64x2.promote_low_f32x4' | 'f64x2.convert_low_i32x4_s',
): readonly Expr[] => {
  const halves = shape.vector === 32 ? [source, shuffle(source, source, HIGH_QUADWORD)] : [source];
  return halves.map((half) => simd(name, half));
};

const integersToDoubles: WarmSemantic = (context, shape) => {
  const source = narrowSource(context, shape);
  writeVector(context, shape, widened(shape, source, 'f64x2.convert_low_i32x4_s'));
};

const integerToScalar =
  (size: FloatSize): WarmSemantic =>
  (context, shape) => {
    const value = context.hold(
      shape.form.startsWith('RM') ? context.load(shape.size, true, context.ea()) : context.reg('s', shape.size, true),
    );
    const type = size === 4 ? 'f32' : 'f64';
    const converted =
      shape.size === 8 ? float(`${type}.convert_i64_s`, value) : float(`${type}.convert_i32_s`, wrap(value));
    const result = context.holdAs('v128', simd(size === 4 ? 'f32x4.splat' : 'f64x2.splat', converted));
    if (size === 8 && shape.size === 4) {
      writeScalar(context, shape, 8, result);
      return;
    }
    const source = simd('i64x2.splat', value);
    const { op, constant } = FLOAT_LANES[size];
    const back = truncateSaturating(
      `i64.trunc_sat_${type}_s`,
      size === 4 ? simdLane('f32x4.extract_lane', 0, result) : simdLane('f64x2.extract_lane', 0, result),
    );
    const guard: Guard = {
      unusual: [],
      rounds: true,
      inexact: () => ({
        // The greatest integers are rounded to 2^63, and come back saturated.
        inexact: [simd('i64x2.ne', simd('i64x2.splat', back), source), op('eq', result, constant(2 ** 63))],
        unsure: [],
      }),
    };
    guarded(context, guard, [source], () => {
      writeScalar(context, shape, size, result);
    });
  };

// Floats to floats

const widening = (source: Expr): Guard => {
  const { denormal, notANumber } = FLOAT_LANES[4];
  return { unusual: [denormal(source), notANumber(source)], rounds: false };
};

const narrowing = (source: readonly Expr[], results: readonly Expr[]): Guard => ({
  unusual: source.map((half) => not(fitsSingle(half))),
  rounds: true,
  inexact: () => ({
    inexact: source.map((half, i) => FLOAT_LANES[8].op('ne', simd('f64x2.promote_low_f32x4', results[i]), half)),
    unsure: [],
  }),
});

const demote = (context: OperandContext, value: Expr): Expr =>
  context.holdAs('v128', simd('f32x4.demote_f64x2_zero', value));

const singlesToDoubles: WarmSemantic = (context, shape) => {
  const source = narrowSource(context, shape);
  guarded(context, widening(source), [source], () => {
    writeVector(context, shape, widened(shape, source, 'f64x2.promote_low_f32x4'));
  });
};

const doublesToSingles: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const results = source.map((half) => demote(context, half));
  guarded(context, narrowing(source, results), source, () => {
    writeNarrowed(context, shape, results);
  });
};

const singleToDouble: WarmSemantic = (context, shape) => {
  const source = sourceSplat(context, shape, 4);
  guarded(context, widening(source), [source], () => {
    writeScalar(context, shape, 8, simd('f64x2.promote_low_f32x4', source));
  });
};

const doubleToSingle: WarmSemantic = (context, shape) => {
  const source = sourceSplat(context, shape, 8);
  const result = demote(context, source);
  guarded(context, narrowing([source], [result]), [source], () => {
    writeScalar(context, shape, 4, result);
  });
};

/** Conversions between floating-point formats and integers. */
export const FLOAT_CONVERSION_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  cvtdq2ps: integersToSingles,
  cvtps2dq: singlesToIntegers('nearest'),
  cvttps2dq: singlesToIntegers('trunc'),
  cvtpd2dq: doublesToIntegers('nearest'),
  cvttpd2dq: doublesToIntegers('trunc'),
  cvtdq2pd: integersToDoubles,
  cvtps2pd: singlesToDoubles,
  cvtpd2ps: doublesToSingles,
  cvtss2sd: singleToDouble,
  cvtsd2ss: doubleToSingle,
  cvtsi2ss: integerToScalar(4),
  cvtsi2sd: integerToScalar(8),
  cvtss2si: scalarToInteger(4, 'nearest'),
  cvtsd2si: scalarToInteger(8, 'nearest'),
  cvttss2si: scalarToInteger(4, 'trunc'),
  cvttsd2si: scalarToInteger(8, 'trunc'),
};
