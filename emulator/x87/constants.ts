import type { ColdInstruction } from '../cpu/cold';
import { ROUNDING } from '../float/environment';
import { waiting } from './operands';

/** Significand rounded down, exponent field, and whether rounding to nearest goes up. */
interface Constant {
  readonly down: bigint;
  readonly exponent: number;
  readonly exact: boolean;
  readonly nearestIsUp: boolean;
}

const exact = (down: bigint, exponent: number): Constant => ({ down, exponent, exact: true, nearestIsUp: false });
const rounded = (down: bigint, exponent: number, nearestIsUp: boolean): Constant => ({
  down,
  exponent,
  exact: false,
  nearestIsUp,
});

/** SDM "FLD1/FLDL2T/FLDL2E/FLDPI/FLDLG2/FLDLN2/FLDZ - Load Constant". */
const CONSTANTS: Readonly<Record<string, Constant>> = {
  fld1: exact(0x8000_0000_0000_0000n, 0x3fff),
  fldl2t: rounded(0xd49a_784b_cd1b_8afen, 0x4000, false),
  fldl2e: rounded(0xb8aa_3b29_5c17_f0bbn, 0x3fff, true),
  fldpi: rounded(0xc90f_daa2_2168_c234n, 0x4000, true),
  fldlg2: rounded(0x9a20_9a84_fbcf_f798n, 0x3ffd, true),
  fldln2: rounded(0xb172_17f7_d1cf_79abn, 0x3ffe, true),
  fldz: exact(0n, 0),
};

const bitsOf = ({ down, exponent, exact: isExact, nearestIsUp }: Constant, rounding: number): bigint => {
  const up = !isExact && (rounding === ROUNDING.UP || (rounding === ROUNDING.NEAREST && nearestIsUp));
  return (BigInt(exponent) << 64n) | (up ? down + 1n : down);
};

export const X87_CONSTANTS: Readonly<Record<string, ColdInstruction>> = Object.fromEntries(
  Object.entries(CONSTANTS).map(([key, constant]) => [
    key,
    waiting((fpu) => {
      fpu.begin();
      fpu.load(bitsOf(constant, fpu.env.rounding));
    }),
  ]),
);
