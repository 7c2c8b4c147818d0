import type { WarmSemantic } from './context';
import { FLOAT_ARITHMETIC_SEMANTICS } from './float-arithmetic';
import { FLOAT_COMPARE_SEMANTICS } from './float-compare';
import { FLOAT_CONVERSION_SEMANTICS } from './float-conversions';
import { FUSED_SEMANTICS } from './float-fused';
import { FLOAT_MOVE_SEMANTICS } from './float-moves';
import { assisted } from './vectors';

/** Every warm instruction on vectors of floating-point numbers, by its key. */
export const FLOATING_POINT_SEMANTICS: Readonly<Record<string, WarmSemantic>> = {
  ...FLOAT_MOVE_SEMANTICS,
  ...FLOAT_ARITHMETIC_SEMANTICS,
  ...FLOAT_COMPARE_SEMANTICS,
  ...FLOAT_CONVERSION_SEMANTICS,
  ...FUSED_SEMANTICS,
  dpps: assisted(),
  dppd: assisted(),
};
