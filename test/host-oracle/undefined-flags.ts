/**
 * What the SDM leaves undefined, by the key of the instruction's semantics; see the "Flags Affected" paragraphs of the
 * instruction reference.
 */
import { AF, CF, OF, PF, SF, ZF } from '../../emulator/semantics/flags';

const ALL = CF | PF | AF | ZF | SF | OF;

/** Undefined whatever the operands. */
export const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {
  and: AF,
  or: AF,
  xor: AF,
  test: AF,
  mul: SF | ZF | AF | PF,
  imul1: SF | ZF | AF | PF,
  imul2: SF | ZF | AF | PF,
  imul3: SF | ZF | AF | PF,
  div: ALL,
  idiv: ALL,
  bt: OF | SF | AF | PF,
  bts: OF | SF | AF | PF,
  btr: OF | SF | AF | PF,
  btc: OF | SF | AF | PF,
  bsf: CF | OF | SF | AF | PF,
  bsr: CF | OF | SF | AF | PF,
  tzcnt: OF | SF | AF | PF,
  lzcnt: OF | SF | AF | PF,
  andn: AF | PF,
  bextr: AF | SF | PF,
  blsi: AF | PF,
  blsmsk: AF | PF,
  blsr: AF | PF,
  bzhi: AF | PF,
};

/** Undefined by the masked count of a shift or rotate of an operand of `bits` bits. */
export function undefinedByCount(key: string, count: number, bits: number): number {
  if (count === 0) return 0;
  const overflow = count === 1 ? 0 : OF;
  switch (key) {
    case 'rol':
    case 'ror':
    case 'rcl':
    case 'rcr':
      return overflow;
    case 'shl':
    case 'shr':
      return AF | overflow | (count >= bits ? CF : 0);
    case 'sar':
      return AF | overflow;
    case 'shld':
    case 'shrd':
      return count > bits ? ALL : AF | overflow;
    default:
      return 0;
  }
}

/** Whether the result itself is undefined: a double shift by more than the operand has bits. */
export const isResultUndefined = (key: string, count: number, bits: number): boolean =>
  (key === 'shld' || key === 'shrd') && count > bits;
