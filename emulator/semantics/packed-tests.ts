import { eqz32, or32, shl32, i32 } from '../codegen/expr';
import { simd } from '../codegen/simd';
import type { WarmSemantic } from './context';
import { setImage } from './flag-emitters';
import { assisted, sourceVector } from './vectors';

/** PTEST: ZF where no bit is in both operands, CF where the source has no bit that the destination lacks. */
const test: WarmSemantic = (context, shape) => {
  const source = sourceVector(context, shape);
  const first = source.map((_, half) => context.vector('d', half === 0 ? 0 : 1));
  const any = (operation: 'v128.and' | 'v128.andnot') =>
    source.map((half, i) => simd('v128.any_true', simd(operation, half, first[i]))).reduce((a, b) => or32(a, b));
  const zero = shl32(eqz32(any('v128.and')), i32(6));
  setImage(context, context.hold32(or32(zero, eqz32(any('v128.andnot')))));
};

/** Tests and searches of packed integers. */
export const PACKED_TEST_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  ptest: test,
  pcmpestrm: assisted(false),
  pcmpestri: assisted(false),
  pcmpistrm: assisted(false),
  pcmpistri: assisted(false),
  phminposuw: assisted(),
  mpsadbw: assisted(),
};
