import type { ColdInstruction } from './cold';
import { CONTROL_INSTRUCTIONS } from './control';
import { DECIMAL_INSTRUCTIONS } from './decimal';
import { TRANSFER_INSTRUCTIONS } from './far-transfers';
import { PORT_INSTRUCTIONS } from './port-io';
import { SEGMENT_INSTRUCTIONS } from './segments';
import { SYSTEM_INSTRUCTIONS } from './system';

/** Cold instructions by their key in the instruction table; VMX adds its own. */
export const COLD: Readonly<Record<string, ColdInstruction>> = {
  ...SYSTEM_INSTRUCTIONS,
  ...CONTROL_INSTRUCTIONS,
  ...SEGMENT_INSTRUCTIONS,
  ...TRANSFER_INSTRUCTIONS,
  ...PORT_INSTRUCTIONS,
  ...DECIMAL_INSTRUCTIONS,
};
