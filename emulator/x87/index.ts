import type { ColdInstruction } from '../cpu/cold';
import { X87_ARITHMETIC } from './arithmetic';
import { X87_COMPARISON } from './compare';
import { X87_CONSTANTS } from './constants';
import { X87_CONTROL } from './control';
import { STATE_SAVING } from './fxsave';
import { X87_SCALING } from './scaling';
import { X87_TRANSCENDENTAL } from './transcendental';
import { X87_TRANSFER } from './transfer';
import { XSAVE_INSTRUCTIONS } from './xsave';

/** The x87 instructions, and those that save and restore state, by their key in the instruction table. */
export const X87_INSTRUCTIONS: Readonly<Record<string, ColdInstruction>> = {
  ...X87_TRANSFER,
  ...X87_ARITHMETIC,
  ...X87_COMPARISON,
  ...X87_CONSTANTS,
  ...X87_SCALING,
  ...X87_TRANSCENDENTAL,
  ...X87_CONTROL,
  ...STATE_SAVING,
  ...XSAVE_INSTRUCTIONS,
};
