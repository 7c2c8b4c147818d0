/**
 * Lazy arithmetic flags.
 *
 * The last flag-setting instruction leaves what it computed rather than six bits:
 *
 *     CF = a < b (unsigned)     ZF = (r == 0)     SF = (r < 0)     PF = even parity of r's low byte
 *
 * where all values are sign-extended from the operand size. OF and AF depend on `kind`. For flag images that no result can
 * stand for (POPF with ZF and SF both set), the upper bits of `kind` correct SF and PF:
 *
 *     kind  7:0 one of KIND   8 invert SF   9 invert PF   10 OF (EXPLICIT)   11 AF (EXPLICIT)
 */
import type { MachineMemory } from '../state/memory';
import { FLAGS } from '../state/layout';

export const KIND = {
  /** OF and AF are bits 10 and 11 of the kind. */
  EXPLICIT: 0,
  /** a - b = r. */
  SUB: 1,
  /** r = b + x, with a = r: CF = r < b. One kind a size, because OF needs x = r - b at its size. */
  ADD8: 2,
  ADD16: 3,
  ADD32: 4,
  ADD64: 5,
  /** r = old + 1; a and b (CF) are kept from before. */
  INC8: 6,
  INC16: 7,
  INC32: 8,
  INC64: 9,
  DEC8: 10,
  DEC16: 11,
  DEC32: 12,
  DEC64: 13,
} as const;

export const KIND_BIT = { INVERT_SF: 0x100, INVERT_PF: 0x200, OF: 0x400, AF: 0x800 } as const;

/** RFLAGS bits. */
export const CF = 0x1;
export const PF = 0x4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const OF = 0x800;

const SIZE_BITS = [8, 16, 32, 64] as const;

function parity(byte: number): boolean {
  let x = byte & 0xff;
  x ^= x >> 4;
  x ^= x >> 2;
  x ^= x >> 1;
  return (x & 1) === 0;
}

/** OF and AF for the kinds that derive them from a, b and r; of each value the low word, and the high one as a signed number. */
function overflowAndAdjust(
  kind: number,
  aLow: number,
  aHigh: number,
  bLow: number,
  bHigh: number,
  rLow: number,
  rHigh: number,
): number {
  if (kind === KIND.SUB) {
    return (((aHigh ^ bHigh) & (aHigh ^ rHigh)) < 0 ? OF : 0) | ((aLow ^ bLow ^ rLow) & AF);
  }
  if (kind >= KIND.ADD8 && kind <= KIND.ADD64) {
    const xLow = (rLow - bLow) >>> 0;
    // The sign of x at its size.
    const unused = 32 - SIZE_BITS[kind - KIND.ADD8];
    const x = unused < 0 ? rHigh - bHigh - (rLow < bLow ? 1 : 0) : xLow << unused;
    return (((bHigh ^ rHigh) & (x ^ rHigh)) < 0 ? OF : 0) | ((bLow ^ xLow ^ rLow) & AF);
  }
  if (kind >= KIND.INC8 && kind <= KIND.INC64) {
    return (isLeast(rLow, rHigh, SIZE_BITS[kind - KIND.INC8]) ? OF : 0) | ((rLow & 0xf) === 0 ? AF : 0);
  }
  // The greatest value is the complement of the least.
  return (isLeast(~rLow >>> 0, ~rHigh, SIZE_BITS[kind - KIND.DEC8]) ? OF : 0) | ((rLow & 0xf) === 0xf ? AF : 0);
}

/** Whether a sign-extended value is the least of its size. */
function isLeast(low: number, high: number, bits: number): boolean {
  return bits === 64 ? low === 0 && high === -0x8000_0000 : high === -1 && low === (-1 << (bits - 1)) >>> 0;
}

/** CF, PF, AF, ZF, SF and OF at their places in RFLAGS. */
export function readArithmeticFlags({ u32, i32 }: MachineMemory): number {
  const word = u32[FLAGS.kind >> 2];
  const kind = word & 0xff;
  const aLow = u32[FLAGS.a >> 2];
  const aHigh = i32[(FLAGS.a >> 2) + 1];
  const bLow = u32[FLAGS.b >> 2];
  const bHigh = i32[(FLAGS.b >> 2) + 1];
  const rLow = u32[FLAGS.r >> 2];
  const rHigh = i32[(FLAGS.r >> 2) + 1];
  let flags = aHigh === bHigh ? (aLow < bLow ? CF : 0) : aHigh >>> 0 < bHigh >>> 0 ? CF : 0;
  if (rLow === 0 && rHigh === 0) flags |= ZF;
  if (rHigh < 0 !== ((word & KIND_BIT.INVERT_SF) !== 0)) flags |= SF;
  if (parity(rLow) !== ((word & KIND_BIT.INVERT_PF) !== 0)) flags |= PF;
  if (kind === KIND.EXPLICIT) return flags | (word & KIND_BIT.OF ? OF : 0) | (word & KIND_BIT.AF ? AF : 0);
  return flags | overflowAndAdjust(kind, aLow, aHigh, bLow, bHigh, rLow, rHigh);
}

/** Sets the six arithmetic flags from an RFLAGS image. */
export function writeArithmeticFlags({ u32 }: MachineMemory, image: number): void {
  const zero = (image & ZF) !== 0;
  const even = (image & PF) !== 0;
  u32[FLAGS.kind >> 2] =
    KIND.EXPLICIT |
    (image & SF ? KIND_BIT.INVERT_SF : 0) |
    (zero && !even ? KIND_BIT.INVERT_PF : 0) |
    (image & OF ? KIND_BIT.OF : 0) |
    (image & AF ? KIND_BIT.AF : 0);
  setWide(u32, FLAGS.a, 0);
  setWide(u32, FLAGS.b, image & CF ? 1 : 0);
  // 0 has even parity; 1 is odd and 3 is even, both positive.
  setWide(u32, FLAGS.r, zero ? 0 : even ? 3 : 1);
}

function setWide(u32: Uint32Array, at: number, value: number): void {
  u32[at >> 2] = value;
  u32[(at >> 2) + 1] = 0;
}
