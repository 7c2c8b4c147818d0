/** Exception vectors by their SDM mnemonics. */
export const VECTOR = {
  DE: 0,
  DB: 1,
  NMI: 2,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  DF: 8,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  MC: 18,
  XM: 19,
  VE: 20,
  CP: 21,
} as const;

/** Values of PENDING.kind. */
export const PENDING_KIND = { NONE: 0, EXCEPTION: 1, TRANSITION: 2, REDO: 3 } as const;

/**
 * Thrown by cold code to abandon the current instruction with an exception; caught where the interpreter called out.
 * One object is reused, so throwing is cheap and carries no stack.
 */
export class GuestFault {
  vector = 0;
  errorCode: number | undefined = undefined;
  /** CR2 for #PF. */
  address = 0n;
}

const shared = new GuestFault();

/** Abandons the instruction with an exception. */
export function raise(vector: number, errorCode?: number, address = 0n): never {
  shared.vector = vector;
  shared.errorCode = errorCode;
  shared.address = address;
  throw shared;
}

/**
 * Thrown by cold code after it has already made a transition (a VM exit) that replaces the instruction: nothing of it
 * remains to be done and it does not retire.
 */
export class TransitionMade {}
export const TRANSITION_MADE = new TransitionMade();

/** Thrown by an access before it is made: the instruction, of which nothing has been done yet, is to be executed again alone. */
export class RedoAlone {}
export const REDO_ALONE = new RedoAlone();
