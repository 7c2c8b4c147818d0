import { simd, type SimdName } from '../codegen/simd';
import type { WarmSemantic } from './context';
import { lanewise } from './vectors';

/** An instruction that is one of WebAssembly's on every lane. */
const plain = (name: SimdName): WarmSemantic => lanewise((a, b) => simd(name, a, b));

/** Packed integer arithmetic, comparison and logic that WebAssembly has as it is. MMX, SSE and AVX forms alike. */
export const PACKED_INTEGER_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  paddb: plain('i8x16.add'),
  paddw: plain('i16x8.add'),
  paddd: plain('i32x4.add'),
  paddq: plain('i64x2.add'),
  paddsb: plain('i8x16.add_sat_s'),
  paddsw: plain('i16x8.add_sat_s'),
  paddusb: plain('i8x16.add_sat_u'),
  paddusw: plain('i16x8.add_sat_u'),
  psubb: plain('i8x16.sub'),
  psubw: plain('i16x8.sub'),
  psubd: plain('i32x4.sub'),
  psubq: plain('i64x2.sub'),
  psubsb: plain('i8x16.sub_sat_s'),
  psubsw: plain('i16x8.sub_sat_s'),
  psubusb: plain('i8x16.sub_sat_u'),
  psubusw: plain('i16x8.sub_sat_u'),
  pand: plain('v128.and'),
  por: plain('v128.or'),
  pxor: plain('v128.xor'),
  pandn: lanewise((a, b) => simd('v128.andnot', b, a)),
  pcmpeqb: plain('i8x16.eq'),
  pcmpeqw: plain('i16x8.eq'),
  pcmpeqd: plain('i32x4.eq'),
  pcmpgtb: plain('i8x16.gt_s'),
  pcmpgtw: plain('i16x8.gt_s'),
  pcmpgtd: plain('i32x4.gt_s'),
};
