/**
 * A decoded record: one instruction as the interpreter reads it, 48 bytes in the code cache.
 *
 *      0  u16 handler      index of the interpreter's handler (its shape)
 *      2  u8  length       bytes of the instruction
 *      3  u8  segment      segment of the memory operand (SEGMENT_ORDER index), for faults
 *      4  u16 d            address of the destination register, to the byte (AH is RAX + 1)
 *      6  u16 s            address of the source register
 *      8  u16 base         address of the base register or a pseudo register
 *     10  u16 index        address of the index register or PSEUDO.ZERO
 *     12  u8  scale        shift count of the index
 *     13  u8  prefixes     see PREFIX
 *     14  u16 before       instructions of the block before this one
 *     16  i64 disp         displacement (RIP-relative: base is PSEUDO.RIP_PAGE and the next offset is added in)
 *     24  i64 imm          immediate, sign-extended; for relative branches the displacement; where v or w is named: 32 bits, and
 *     28  u16 v            address of the register of VEX.vvvv
 *     30  u16 w            address of the register of the immediate byte's high half
 *     32  u16 offset       in-page offset of the instruction
 *     34  u16 next         in-page offset of the instruction after it (may be 4096 and more)
 *     36  u32 taken        record of the branch target, 0 until linked
 *     40  u32 fallthrough  record after a conditional branch, 0 until linked
 *     44  u16 count        instructions of the whole block
 *     46  u16 operation    row of the instruction table
 */
export const RECORD_SIZE = 48;

export const RECORD = {
  handler: 0,
  length: 2,
  segment: 3,
  d: 4,
  s: 6,
  base: 8,
  index: 10,
  scale: 12,
  prefixes: 13,
  before: 14,
  disp: 16,
  imm: 24,
  v: 28,
  w: 30,
  offset: 32,
  next: 34,
  taken: 36,
  fallthrough: 40,
  count: 44,
  operation: 46,
} as const;

/** Bits of the `prefixes` byte, for cold instructions. */
export const PREFIX = {
  LOCK: 1,
  REPNE: 2,
  REP: 4,
  /** Set when the operand is a register (ModRM.mod = 3). */
  REGISTER: 8,
  /** log2 of the effective operand size in bits 5:4. */
  SIZE_SHIFT: 4,
  /** log2 of the effective address size, in bits 7:6. */
  ADDRESS_SHIFT: 6,
} as const;
