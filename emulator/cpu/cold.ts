import type { Processor } from './processor';
import type { DecodedRecord } from '../decode/decoded-record';

/** How a cold instruction ended, when it did not throw a `GuestFault` or `TRANSITION_MADE`. */
export const COLD = {
  /** Retired; go on with the next record of the block. */
  NEXT: 0,
  /** Retired; leave the interpreter at the next instruction, because boundary conditions may have changed. */
  LEAVE: 1,
  /** Retired; RIP has been set. */
  JUMPED: 2,
  /** Did one share of iterations; RIP stays, nothing retires (REP INS and OUTS). */
  REPEAT: 3,
  /** Abandoned: a VM exit has been made in its place. The same as throwing `TRANSITION_MADE`, but fast. */
  EXITED: 4,
} as const;
export type ColdResult = (typeof COLD)[keyof typeof COLD];

/** A rare instruction, as a TypeScript function over the active processor. */
export type ColdInstruction = (cpu: Processor, insn: DecodedRecord) => ColdResult;
