import type { InstructionRow } from '../instruction-types';
import { FLOAT_ARITHMETIC_ROWS, FUSED_MULTIPLY_ADD_ROWS } from './float-arithmetic';
import { FLOAT_CONVERSION_ROWS } from './float-conversions';
import { FLOAT_MOVE_ROWS } from './float-moves';

/** All instructions on vectors of floating-point numbers. */
export const FLOATING_POINT_ROWS: readonly InstructionRow[] = [
  ...FLOAT_MOVE_ROWS,
  ...FLOAT_ARITHMETIC_ROWS,
  ...FLOAT_CONVERSION_ROWS,
  ...FUSED_MULTIPLY_ADD_ROWS,
];
