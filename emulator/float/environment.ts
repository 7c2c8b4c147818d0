/** Exception flags, as bits of MXCSR, the x87 status word and, for masks, the x87 control word. */
export const FLOAT_FLAG = {
  /** Invalid operation. */
  IE: 1,
  /** Denormal operand. */
  DE: 2,
  /** Division by zero. */
  ZE: 4,
  /** Overflow. */
  OE: 8,
  /** Underflow. */
  UE: 0x10,
  /** Precision: the result is inexact. */
  PE: 0x20,
} as const;
export const ALL_FLAGS = 0x3f;
/** Exceptions found before the operation; unmasked ones leave the destination alone. */
export const BEFORE_FLAGS = FLOAT_FLAG.IE | FLOAT_FLAG.DE | FLOAT_FLAG.ZE;

/** Rounding-control encodings of MXCSR, the x87 control word and immediate operands. */
export const ROUNDING = { NEAREST: 0, DOWN: 1, UP: 2, ZERO: 3 } as const;

/**
 * What an operation works under, and what it reports: flags are ORed in, `roundedUp` is set where a result is larger in magnitude than
 * the exact one. One object is reused from operation to operation.
 */
export class FloatEnvironment {
  /** A value of ROUNDING. */
  rounding = 0;
  /** Bits a result is rounded to where that is less than its format's precision (x87 precision control); else 0. */
  precision = 0;
  /** FLOAT_FLAG bits of the masked exceptions. */
  masks = ALL_FLAGS;
  denormalsAreZeros = false;
  /** Acts only while underflow is masked. */
  flushToZero = false;
  /** x87 rules: of two NaNs the larger significand wins; unmasked overflow and underflow give a result with the exponent adjusted. */
  x87 = false;
  /** What the operations so far have met. */
  flags = 0;
  /** C1 of the x87 status word after an inexact result. */
  roundedUp = false;

  raise(flags: number): void {
    this.flags |= flags;
  }

  /** FLOAT_FLAG bits met that are not masked. */
  get unmasked(): number {
    return this.flags & ~this.masks & ALL_FLAGS;
  }

  /** Takes up MXCSR and clears what is reported. */
  loadMxcsr(mxcsr: number): this {
    this.rounding = (mxcsr >>> 13) & 3;
    this.precision = 0;
    this.masks = (mxcsr >>> 7) & ALL_FLAGS;
    this.denormalsAreZeros = (mxcsr & 0x40) !== 0;
    this.flushToZero = (mxcsr & 0x8000) !== 0;
    this.x87 = false;
    this.flags = 0;
    this.roundedUp = false;
    return this;
  }

  /** Takes up the x87 control word, precision control included, and clears what is reported. */
  loadControlWord(fcw: number): this {
    this.rounding = (fcw >>> 10) & 3;
    this.precision = CONTROLLED_PRECISION[(fcw >>> 8) & 3];
    this.masks = fcw & ALL_FLAGS;
    this.denormalsAreZeros = false;
    this.flushToZero = false;
    this.x87 = true;
    this.flags = 0;
    this.roundedUp = false;
    return this;
  }
}

/** Precision control; the reserved encoding acts as extended. */
const CONTROLLED_PRECISION = [24, 0, 53, 0] as const;
