/** Results the SDM gives a bound for and no bits: where host and machine are both within it, they agree. */
import { FIELDS, STATE, viewOf } from './case';

/** How a result is bounded. */
type Bound = 'one unit in the last place' | '1.5 * 2^-12';

/** By the key of the instruction's semantics. */
const BOUNDS: readonly (readonly [RegExp, Bound])[] = [
  // SDM "Transcendental Instruction Accuracy".
  [/^(fsin|fcos|fsincos|fptan|fpatan|f2xm1|fyl2x|fyl2xp1)$/, 'one unit in the last place'],
  // RCPPS and RSQRTPS: "The relative error for this approximation is |Relative Error| <= 1.5 * 2^-12".
  [/^v?(rcp|rsqrt)[ps]s$/, '1.5 * 2^-12'],
];

const boundOf = (key: string): Bound | undefined => BOUNDS.find(([keys]) => keys.test(key))?.[1];

/** Whether an instruction's result is not determined to the bit. */
export const isApproximate = (key: string): boolean => boundOf(key) !== undefined;

/** Multi-part accesses: which of their faults comes first, so which address CR2 holds, is the processor's own. */
export const hasManyAccesses = (key: string): boolean => /^(f|x)([nx]?save|x?rstor|n?stenv|ldenv)/.test(key);

const C1 = 0x200;

const extendedBits = (view: DataView, at: number): bigint =>
  (BigInt(view.getUint16(at + 8, true)) << 64n) | view.getBigUint64(at, true);

const distance = (a: bigint, b: bigint): bigint => (a > b ? a - b : b - a);

/** Replaces in the machine's state what is within the bound of the host's. */
export function acceptApproximations(machine: Uint8Array, host: Uint8Array, key: string): void {
  const bound = boundOf(key);
  if (bound === undefined) return;
  const [ours, theirs] = [viewOf(machine), viewOf(host)];
  const accept = (offset: number, size: number): void => machine.set(host.subarray(offset, offset + size), offset);
  if (bound === '1.5 * 2^-12') {
    for (let at = STATE.ymm; at < STATE.ymm + 512; at += 4) {
      const [a, b] = [ours.getFloat32(at, true), theirs.getFloat32(at, true)];
      if (Math.abs(a - b) <= Math.abs(b) * 3 * 2 ** -12) accept(at, 4);
    }
    return;
  }
  for (const { name, offset } of FIELDS) {
    if (/^st\d$/.test(name) && distance(extendedBits(ours, offset), extendedBits(theirs, offset)) <= 1n)
      accept(offset, 10);
  }
  // Which way it was rounded goes with the last bit.
  const status = (ours.getUint16(STATE.fsw, true) & ~C1) | (theirs.getUint16(STATE.fsw, true) & C1);
  ours.setUint16(STATE.fsw, status, true);
}
