import { convert, pack } from './convert';
import { FLOAT_FLAG, type FloatEnvironment } from './environment';
import { BINARY16, BINARY32 } from './format';
import { unpack } from './unpack';

/** VCVTPH2PS of one element: exact, whatever MXCSR says of denormals, which are not reported. */
export function fromBinary16(env: FloatEnvironment, bits: bigint): bigint {
  return pack(BINARY32, env, unpack(BINARY16, bits));
}

/** VCVTPS2PH of one element, rounded as `env` says; results are never flushed to zero. `env.flushToZero` is left clear. */
export function toBinary16(env: FloatEnvironment, bits: bigint): bigint {
  env.flushToZero = false;
  const source = unpack(BINARY32, bits, env);
  const result = convert(BINARY16, env, source);
  // A denormal is far below the format: the processor rounds it as if underflow were masked, and says so.
  if (source.denormal && (env.flags & FLOAT_FLAG.UE) !== 0) env.raise(FLOAT_FLAG.PE);
  return result;
}
