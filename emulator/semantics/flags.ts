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

/** OF and AF for the kinds that derive them from a, b and r. */
function overflowAndAdjust(kind: number, a: bigint, b: bigint, r: bigint): number {
  if (kind === KIND.SUB) {
    return (((a ^ b) & (a ^ r)) < 0n ? OF : 0) | ((a ^ b ^ r) & 0x10n ? AF : 0);
  }
  if (kind >= KIND.ADD8 && kind <= KIND.ADD64) {
    const x = BigInt.asIntN(SIZE_BITS[kind - KIND.ADD8], r - b);
    return (((b ^ r) & (x ^ r)) < 0n ? OF : 0) | ((b ^ x ^ r) & 0x10n ? AF : 0);
  }
  if (kind >= KIND.INC8 && kind <= KIND.INC64) {
    const min = -(1n << BigInt(SIZE_BITS[kind - KIND.INC8] - 1));
    return (r === min ? OF : 0) | ((r & 0xfn) === 0n ? AF : 0);
  }
  const max = (1n << BigInt(SIZE_BITS[kind - KIND.DEC8] - 1)) - 1n;
  return (r === max ? OF : 0) | ((r & 0xfn) === 0xfn ? AF : 0);
}

/** CF, PF, AF, ZF, SF and OF at their places in RFLAGS. */
export function readArithmeticFlags(memory: MachineMemory): number {
  const { view } = memory;
  const word = view.getUint32(FLAGS.kind, true);
  const kind = word & 0xff;
  const a = view.getBigInt64(FLAGS.a, true);
  const b = view.getBigInt64(FLAGS.b, true);
  const r = view.getBigInt64(FLAGS.r, true);
  let flags = BigInt.asUintN(64, a) < BigInt.asUintN(64, b) ? CF : 0;
  if (r === 0n) flags |= ZF;
  if (r < 0n !== ((word & KIND_BIT.INVERT_SF) !== 0)) flags |= SF;
  if (parity(Number(r & 0xffn)) !== ((word & KIND_BIT.INVERT_PF) !== 0)) flags |= PF;
  if (kind === KIND.EXPLICIT) return flags | (word & KIND_BIT.OF ? OF : 0) | (word & KIND_BIT.AF ? AF : 0);
  return flags | overflowAndAdjust(kind, a, b, r);
}

/** Sets the six arithmetic flags from an RFLAGS image. */
export function writeArithmeticFlags(memory: MachineMemory, image: number): void {
  const { view } = memory;
  const zero = (image & ZF) !== 0;
  const even = (image & PF) !== 0;
  // r: 0 has even parity; 1 is odd and 3 is even, both positive.
  const r = zero ? 0n : even ? 3n : 1n;
  const kind =
    KIND.EXPLICIT |
    (image & SF ? KIND_BIT.INVERT_SF : 0) |
    (zero && !even ? KIND_BIT.INVERT_PF : 0) |
    (image & OF ? KIND_BIT.OF : 0) |
    (image & AF ? KIND_BIT.AF : 0);
  view.setUint32(FLAGS.kind, kind, true);
  view.setBigUint64(FLAGS.a, 0n, true);
  view.setBigUint64(FLAGS.b, image & CF ? 1n : 0n, true);
  view.setBigInt64(FLAGS.r, r, true);
}
