import type { ColdInstruction } from '../cpu/cold';
import { FLOAT_ARITHMETIC_ASSISTS } from './float-arithmetic';
import { FLOAT_COMPARE_ASSISTS } from './float-compare';
import { FLOAT_CONVERSION_ASSISTS, FLOAT_CONVERSION_INSTRUCTIONS } from './float-conversions';
import { DOT_PRODUCT_ASSISTS } from './float-dot-product';

/** Vector instructions that are TypeScript altogether, by their key. */
export const FLOAT_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = FLOAT_CONVERSION_INSTRUCTIONS;

/** What emitted floating-point instructions leave to soft floats, by their key. */
export const FLOAT_ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  ...FLOAT_ARITHMETIC_ASSISTS,
  ...FLOAT_COMPARE_ASSISTS,
  ...FLOAT_CONVERSION_ASSISTS,
  ...DOT_PRODUCT_ASSISTS,
};
