import type { CpuFeature } from './cpuid-features';

/**
 * The schema of the instruction table. Rows use the SDM's own notations: the opcode column of the instruction reference,
 * operand codes of the opcode map (Appendix "Key to Abbreviations").
 */

/** Where an instruction is valid. */
export type ModeValidity = 'any' | 'legacy' | 'long';

/**
 * How the operand size is found: 'v' 16, 32 or 64 by prefix, REX.W and mode; 'f64' as v but 64 in 64-bit mode even without REX.W (66H gives 16);
 * 'd64' near branches: always 64 in 64-bit mode; 'b' byte; 'y' 32 or 64 (66H ignored); 'z' 16 or 32; 'n' 64 in 64-bit mode, else 32, whatever the
 * prefixes; '-' none.
 */
export type OperandSizeRule = 'b' | 'w' | 'd' | 'q' | 'v' | 'y' | 'z' | 'f64' | 'd64' | 'n' | '-';

/**
 * Operand codes of the SDM's opcode map: E G I J M O X Y Z (opcode register) R (ModRM.rm as a register whatever mod is) S C D (segment, control and
 * debug register) A (far pointer), each with its type letter; fixed registers; or 1. Immediates are sign-extended, with a leading u
 * zero-extended; 'level' is the second immediate of ENTER. X and Y are implied by the string instructions and not listed.
 * Vectors: V W U (ymm or xmm), H (by VEX.vvvv), L (by bits 7:4 of the immediate byte) or XMM0 in its place, P Q N (mmx), B (general register by VEX.vvvv); the types x, ps, pd are as
 * long as the vector, y is 4 or 8 bytes by VEX.W or REX.W; 'Rd/Mb' is a whole register or a byte of memory; 'vm32x' a vector of indices. x87: 'STi'.
 */
export type OperandCode = string;

/**
 * The unit an instruction needs. Decoding depends on it: #UD or #NM where the control registers have it off (SDM "Exception Conditions of
 * Legacy SIMD Instructions", "VEX-Encoded GPR Instructions", "Floating-Point Error Conditions"). 'wait' is FWAIT: #NM by CR0.MP and TS alone.
 * 'vex' asks only for protected mode.
 */
export type Unit = 'x87' | 'wait' | 'mmx' | 'sse' | 'avx' | 'vex';

export interface InstructionRow {
  /**
   * SDM opcode column: '01 /r', '83 /0 ib', '0F A2', '0F C7 /1', 'F3 0F B8 /r', 'B8+r'. Group digit and mod constraints included
   * ('0F 01 C1', '/6 mem', '/6 reg', 'D8 C0+i'). A leading 66, F2 or F3 selects the row, NP demands that none of them is there, NFx that neither F2 nor F3 is; without either the row
   * ignores them. 'REX.W' selects by REX.W, 'REX.W0' by its absence. Immediates are told by the operand codes.
   * VEX: 'VEX.128.66.0F38.W0 58 /r': length 128, 256, LZ or LIG; prefix NP, 66, F3, F2; map 0F, 0F38, 0F3A; W0, W1 or WIG.
   */
  readonly opcode: string;
  readonly mnemonic: string;
  readonly operands: readonly OperandCode[];
  readonly size: OperandSizeRule;
  readonly mode: ModeValidity;
  /** LOCK is legal when the destination is memory. */
  readonly lock: boolean;
  /**
   * Hot: emitted semantics of this key. Warm: the same, in a function of its own that the interpreter calls, because the instruction is
   * not worth room in the dispatching one. Cold: a TypeScript function of this key, called with the record.
   */
  readonly semantic: { readonly kind: 'hot' | 'warm' | 'cold'; readonly key: string };
  /** Ends a decoded block (branches; cold instructions after which mode, translation or interrupts may differ). */
  readonly ends: boolean;
  readonly unit?: Unit;
  /** CPUID feature without which the encoding is undefined; absent: every processor has it. */
  readonly feature?: CpuFeature;
}
