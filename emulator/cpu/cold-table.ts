import type { ColdInstruction } from './cold';
import { CACHE_INSTRUCTIONS } from './cache-control';
import { CONTROL_INSTRUCTIONS } from './control';
import { DECIMAL_INSTRUCTIONS } from './decimal';
import { FAST_CALL_INSTRUCTIONS } from './fast-system-calls';
import { INTERRUPT_INSTRUCTIONS } from './interrupt-instructions';
import { TRANSFER_INSTRUCTIONS } from './far-transfers';
import { FLAG_INSTRUCTIONS } from './flag-instructions';
import { PORT_INSTRUCTIONS } from './port-io';
import { RANDOM_INSTRUCTIONS } from './random';
import { SEGMENT_INSTRUCTIONS } from './segments';
import { SYSTEM_INSTRUCTIONS } from './system';
import { TRANSLATION_INSTRUCTIONS } from './translation';
import { WAIT_INSTRUCTIONS } from './waits';
import { FLOAT_INSTRUCTIONS } from '../vector';
import { MASKED_ACCESS_INSTRUCTIONS } from '../vector/masked-access';
import { X87_INSTRUCTIONS } from '../x87';

/** Cold instructions by their key in the instruction table; VMX adds its own. */
export const COLD: Readonly<Record<string, ColdInstruction>> = {
  ...SYSTEM_INSTRUCTIONS,
  ...CONTROL_INSTRUCTIONS,
  ...SEGMENT_INSTRUCTIONS,
  ...TRANSFER_INSTRUCTIONS,
  ...INTERRUPT_INSTRUCTIONS,
  ...FAST_CALL_INSTRUCTIONS,
  ...FLAG_INSTRUCTIONS,
  ...PORT_INSTRUCTIONS,
  ...DECIMAL_INSTRUCTIONS,
  ...TRANSLATION_INSTRUCTIONS,
  ...CACHE_INSTRUCTIONS,
  ...RANDOM_INSTRUCTIONS,
  ...WAIT_INSTRUCTIONS,
  ...X87_INSTRUCTIONS,
  ...MASKED_ACCESS_INSTRUCTIONS,
  ...FLOAT_INSTRUCTIONS,
};
