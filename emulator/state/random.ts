import { MACHINE } from './layout';
import type { MachineMemory } from './memory';

const ALL = 0xffff_ffff_ffff_ffffn;
const GOLDEN = 0x9e37_79b9_7f4a_7c15n;

const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (64n - by))) & ALL;

/** Begins the machine's one random sequence: xoshiro256**, its state filled by SplitMix64 from the seed. */
export function seedRandom(memory: MachineMemory, seed: bigint): void {
  let state = BigInt.asUintN(64, seed);
  for (let i = 0; i < 4; i++) {
    state = (state + GOLDEN) & ALL;
    let mixed = ((state ^ (state >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & ALL;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d0_49bb_1331_11ebn) & ALL;
    memory.u64[(MACHINE.random >> 3) + i] = mixed ^ (mixed >> 31n);
  }
}

/** The next 64 bits of the sequence. */
export function nextRandom(memory: MachineMemory): bigint {
  const at = MACHINE.random >> 3;
  const [a, b, c, d] = memory.u64.subarray(at, at + 4);
  const result = (rotate((b * 5n) & ALL, 7n) * 9n) & ALL;
  const e = c ^ a;
  const f = d ^ b;
  memory.u64[at] = a ^ f;
  memory.u64[at + 1] = b ^ e;
  memory.u64[at + 2] = e ^ ((b << 17n) & ALL);
  memory.u64[at + 3] = rotate(f, 45n);
  return result;
}
