import type { ColdInstruction } from './cold';
import { FLAG_ASSISTS } from './flag-instructions';
import { FLOAT_ASSISTS } from '../vector';

/**
 * What emitted instructions leave to TypeScript, by their key: the rare cases of vector arithmetic. The source operand is at
 * SCRATCH.source; nothing has changed yet.
 */
export const ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  ...FLAG_ASSISTS,
  ...FLOAT_ASSISTS,
};
