import { FLOAT_FLAG, type FloatEnvironment } from './environment';
import { defaultNaN, type Format } from './format';
import { isNaN, KIND, quiet, type Unpacked } from './unpack';

/** A masked invalid operation. */
export function invalid(target: Format, env: FloatEnvironment): bigint {
  env.raise(FLOAT_FLAG.IE);
  return defaultNaN(target);
}

/** Result of an operation on one NaN. */
export function propagateOne(target: Format, env: FloatEnvironment, a: Unpacked): bigint {
  if (a.kind === KIND.UNSUPPORTED) return invalid(target, env);
  if (a.kind === KIND.SNAN) env.raise(FLOAT_FLAG.IE);
  return quiet(target, a);
}

/** Result of an operation of which at least one operand is a NaN, SDM "Rules for Handling NaNs". */
export function propagate(target: Format, env: FloatEnvironment, a: Unpacked, b: Unpacked): bigint {
  if (a.kind === KIND.UNSUPPORTED || b.kind === KIND.UNSUPPORTED) return invalid(target, env);
  if (a.kind === KIND.SNAN || b.kind === KIND.SNAN) env.raise(FLOAT_FLAG.IE);
  if (!isNaN(b)) return quiet(target, a);
  if (!isNaN(a)) return quiet(target, b);
  if (!env.x87) return quiet(target, a);
  if (a.kind !== b.kind) return quiet(target, a.kind === KIND.QNAN ? a : b);
  if (a.significand !== b.significand) return quiet(target, a.significand > b.significand ? a : b);
  return quiet(target, a.negative ? b : a);
}

/** Reports a denormal operand; true if that is unmasked, so that the operation ends with it. */
export function denormalTraps(env: FloatEnvironment, a: Unpacked, b: Unpacked = a): boolean {
  if (!a.denormal && !b.denormal) return false;
  env.raise(FLOAT_FLAG.DE);
  return (env.masks & FLOAT_FLAG.DE) === 0;
}
