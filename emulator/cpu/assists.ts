import type { ColdInstruction } from './cold';
import { PACKED_SEARCH_ASSISTS } from '../vector/packed-search';
import { STRING_COMPARE_ASSISTS } from '../vector/string-compare';
import { AES_ASSISTS } from '../vector/aes';
import { CARRYLESS_ASSISTS } from '../vector/carryless';
import { SHA_ASSISTS } from '../vector/sha';
import { FLAG_ASSISTS } from './flag-instructions';
import { FLOAT_ASSISTS } from '../vector';

/**
 * What emitted instructions leave to TypeScript, by their key: the rare cases of vector arithmetic. The source operand is at
 * SCRATCH.source; nothing has changed yet.
 */
export const ASSISTS: Readonly<Record<string, ColdInstruction>> = {
  ...FLAG_ASSISTS,
  ...AES_ASSISTS,
  ...CARRYLESS_ASSISTS,
  ...SHA_ASSISTS,
  ...PACKED_SEARCH_ASSISTS,
  ...STRING_COMPARE_ASSISTS,
  ...FLOAT_ASSISTS,
};
