import type { FloatEnvironment } from './environment';
import { zero, type Format } from './format';
import { denormalTraps, invalid, propagate } from './nan';
import { pack } from './convert';
import { roundAndPack } from './round';
import { isNaN, KIND, type Unpacked } from './unpack';

export interface PartialRemainder {
  readonly bits: bigint;
  /** Low three bits of the quotient; 0 while incomplete, undefined where there is none. */
  readonly quotient: number | undefined;
  /** C2 clear: the reduction is finished. */
  readonly complete: boolean;
}

const whole = (bits: bigint): PartialRemainder => ({ bits, quotient: 0, complete: true });
const none = (bits: bigint): PartialRemainder => ({ bits, quotient: undefined, complete: true });

/**
 * FPREM (`nearest` false: quotient truncated) and FPREM1 (true: rounded to nearest even). Exponents 64 or more apart are
 * brought closer by 32 to 63 and the reduction is incomplete.
 */
export function partialRemainder(
  target: Format,
  env: FloatEnvironment,
  a: Unpacked,
  b: Unpacked,
  nearest: boolean,
): PartialRemainder {
  if (isNaN(a) || isNaN(b)) return none(propagate(target, env, a, b));
  if (a.kind === KIND.INFINITY || b.kind === KIND.ZERO) return none(invalid(target, env));
  if (denormalTraps(env, a, b)) return none(0n);
  if (a.kind === KIND.ZERO || b.kind === KIND.INFINITY) return whole(pack(target, env, a));
  const distance = a.exponent - b.exponent;
  if (distance < -1 || (distance < 0 && !nearest)) return whole(pack(target, env, a));
  if (distance >= 64) {
    const reduction = (distance & 31) | 32;
    const rest = (a.significand << BigInt(reduction)) % b.significand;
    const bits = remainderBits(target, env, a.negative, rest, a.exponent - 63 - reduction);
    return { bits, quotient: 0, complete: false };
  }
  // Both as multiples of half of b's last bit, so that a distance of -1 has its place.
  const dividend = a.significand << BigInt(distance + 1);
  const divisor = b.significand << 1n;
  let quotient = dividend / divisor;
  let rest = dividend - quotient * divisor;
  let negative = a.negative;
  if (nearest && (rest > b.significand || (rest === b.significand && (quotient & 1n) === 1n))) {
    quotient++;
    rest = divisor - rest;
    negative = !negative;
  }
  const bits = rest === 0n ? zero(target, a.negative) : roundAndPack(target, env, negative, rest, b.exponent - 64, 64);
  return { bits, quotient: Number(quotient & 7n), complete: true };
}

function remainderBits(target: Format, env: FloatEnvironment, negative: boolean, rest: bigint, lowest: number): bigint {
  return rest === 0n ? zero(target, negative) : roundAndPack(target, env, negative, rest, lowest, 64);
}
