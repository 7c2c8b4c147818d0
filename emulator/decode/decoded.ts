import type { Shape } from '../semantics/shape';
import type { CodeSize } from './operand-size';

/** What decoding depends on besides the bytes. */
export interface DecodeMode {
  readonly codeSize: CodeSize;
  /** Width of the stack pointer in bytes: 8 in 64-bit mode, else by SS.B. */
  readonly stackSize: 2 | 4 | 8;
  /** CS, DS, ES and SS have base 0 and limit 4 GiB; true in 64-bit mode, where only FS and GS have bases. */
  readonly flat: boolean;
  /** Which units are on, see `units.ts`; absent: all. */
  readonly units?: number;
}

/** One decoded instruction; the decoder fills the same object again and again. */
export interface Decoded {
  /** Row of the instruction table. */
  readonly row: number;
  /** Bytes; of an undefined instruction, as far as it was looked at. */
  readonly length: number;
  readonly shape: Shape;
  /** Index in SHAPES. */
  readonly shapeIndex: number;
  /** The address computation that has to come before, or undefined. */
  readonly ea: Shape | undefined;
  /** Index in SHAPES of `ea`, or -1. */
  readonly eaIndex: number;
  /** What the `ea` record carries as immediate: size of the access and ACCESS.WRITE. */
  readonly access: number;
  /** State addresses of registers; PSEUDO.ZERO for none. */
  readonly d: number;
  readonly s: number;
  readonly base: number;
  readonly index: number;
  /** Shift count of the index. */
  readonly scale: number;
  readonly disp: bigint;
  readonly imm: bigint;
  /** SEGMENT_ORDER index of the memory operand's segment. */
  readonly segment: number;
  /** PREFIX bits. */
  readonly prefixes: number;
  /** `disp` is relative to the next instruction. */
  readonly ripRelative: boolean;
}

export type DecodeResult =
  | { readonly kind: 'ok' }
  /** At least `needed` bytes are needed. */
  | { readonly kind: 'truncated'; readonly needed: number }
  /** #NM: the unit it needs is not available. */
  | { readonly kind: 'unavailable' }
  /** #UD: the decoded row is that of UD2. */
  | { readonly kind: 'undefined' }
  /** #GP(0): more than 15 bytes. */
  | { readonly kind: 'too-long' };
