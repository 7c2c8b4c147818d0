import { and32, eqz32, type Expr, extendU, get, i32, i64, ne32, select, shrU32, sub32, add32 } from '../codegen/expr';
import { simd } from '../codegen/simd';
import type { OperandContext, WarmSemantic } from './context';
import { KIND, KIND_BIT } from './flags';
import { guarded, PRECISION } from './float-guard';
import {
  FLOAT_LANES,
  type FloatLanes,
  type FloatOperands,
  type FloatSize,
  packedOperands,
  scalarOperands,
  sourceSplat,
  splatLowest,
} from './float-lanes';
import type { Shape } from './shape';

/** Elements a comparison reports: NaNs, of which the kind counts, and denormals. */
const reported = ({ denormal, notANumber }: FloatLanes, values: readonly Expr[]): readonly Expr[] =>
  values.flatMap((value) => [denormal(value), notANumber(value)]);

type Operands = (context: OperandContext, shape: Shape, binary: boolean) => FloatOperands;

const operandsOf = (size: FloatSize, packs: boolean): Operands =>
  packs ? packedOperands : (context, shape, binary) => scalarOperands(context, shape, size, binary);

/** Ones in all elements where an i32 is 1, zeros where it is 0. */
const whole = (bit: Expr): Expr => simd('i32x4.splat', sub32(i32(0), bit));

/**
 * CMP: of numbers, bits 1:0 of the predicate say equal, less, less or equal, never; bit 2 negates; the others are about NaNs.
 */
const comparison =
  (size: FloatSize, packs: boolean): WarmSemantic =>
  (context, shape) => {
    const lanes = FLOAT_LANES[size];
    const { first, source, write } = operandsOf(size, packs)(context, shape, true);
    guarded(context, { unusual: reported(lanes, [...first, ...source]), rounds: false }, source, () => {
      const predicate = context.hold32(context.imm8());
      const bit = (value: Expr, place: number): Expr => and32(shrU32(value, i32(place)), i32(1));
      const wantsEqual = context.holdAs('v128', whole(eqz32(bit(predicate, 0))));
      const wantsLess = context.holdAs('v128', whole(bit(add32(predicate, i32(1)), 1)));
      const negates = context.holdAs('v128', whole(bit(predicate, 2)));
      write(
        source.map((half, i) => {
          const equal = simd('v128.and', lanes.op('eq', first[i], half), wantsEqual);
          const less = simd('v128.and', lanes.op('lt', first[i], half), wantsLess);
          return simd('v128.xor', simd('v128.or', equal, less), negates);
        }),
      );
    });
  };

/** COMIS and UCOMIS: ZF equal, CF less; they differ in the NaNs they report. */
const ordered =
  (size: FloatSize): WarmSemantic =>
  (context, shape) => {
    const lanes = FLOAT_LANES[size];
    const source = sourceSplat(context, shape, size);
    const first = context.holdAs('v128', splatLowest(size, context.vector('d')));
    guarded(context, { unusual: reported(lanes, [first, source]), rounds: false }, [source], () => {
      if (!context.needFlags) return;
      const equal = context.hold32(simd('v128.any_true', lanes.op('eq', first, source)));
      const less = simd('v128.any_true', lanes.op('lt', first, source));
      // The result 1 has odd parity, 0 is even: that is taken back.
      context.setFlag('kind', select(i32(KIND.EXPLICIT | KIND_BIT.INVERT_PF), i32(KIND.EXPLICIT), equal));
      context.setFlag('a', i64(0));
      context.setFlag('b', extendU(less));
      context.setFlag('r', extendU(eqz32(equal)));
    });
  };

/** MXCSR: the precision flag, and its mask. */
const PRECISION_KNOWN = PRECISION | 0x1000;

/** ROUND: to an integral value, as the immediate byte says. */
const integral =
  (size: FloatSize, packs: boolean): WarmSemantic =>
  (context, shape) => {
    const { f } = context;
    const { unary, op, denormal, notANumber } = FLOAT_LANES[size];
    const { source, write } = operandsOf(size, packs)(context, shape, false);
    const imm8 = context.hold32(context.imm8());
    const mxcsr = context.hold32(context.mxcsr());
    const rounding = context.hold32(select(shrU32(mxcsr, i32(13)), imm8, and32(imm8, i32(4))));
    const results = source.map(() => context.variableOf('v128'));
    const setAll = (name: 'nearest' | 'floor' | 'ceil' | 'trunc'): void => {
      source.forEach((half, i) => {
        f.set(results[i], unary(name, half));
      });
    };
    f.if(and32(rounding, i32(2)));
    f.if(and32(rounding, i32(1)));
    setAll('trunc');
    f.else();
    setAll('ceil');
    f.end();
    f.else();
    f.if(and32(rounding, i32(1)));
    setAll('floor');
    f.else();
    setAll('nearest');
    f.end();
    f.end();
    const mayReport = and32(eqz32(and32(imm8, i32(8))), ne32(and32(mxcsr, i32(PRECISION_KNOWN)), i32(PRECISION_KNOWN)));
    const reports = context.holdAs('v128', whole(mayReport));
    const inexact = source.map((half, i) => simd('v128.and', op('ne', get(results[i]), half), reports));
    const unusual = [...source.flatMap((half) => [denormal(half), notANumber(half)]), ...inexact];
    guarded(context, { unusual, rounds: false }, source, () => {
      write(results.map(get));
    });
  };

/** Comparisons and roundings to integral values. */
export const FLOAT_COMPARE_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  cmpps: comparison(4, true),
  cmppd: comparison(8, true),
  cmpss: comparison(4, false),
  cmpsd: comparison(8, false),
  comiss: ordered(4),
  comisd: ordered(8),
  ucomiss: ordered(4),
  ucomisd: ordered(8),
  roundps: integral(4, true),
  roundpd: integral(8, true),
  roundss: integral(4, false),
  roundsd: integral(8, false),
};
