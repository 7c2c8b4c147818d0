/** Widths in bytes. */
export type Size = 1 | 2 | 4 | 8;

/**
 * Where an instruction's operands are. First the destination (or only) operand, then the source:
 * R register, M memory, I immediate; '-' none or implicit. Three-operand IMUL is 'RRI' and 'RMI'; SHLD and SHRD add
 * I (imm) or C (CL).
 */
export type Form =
  '-' | 'R' | 'M' | 'I' | 'RR' | 'RM' | 'MR' | 'RI' | 'MI' | 'RC' | 'MC' | 'RRI' | 'RMI' | 'MRI' | 'RRC' | 'MRC';

/**
 * A shape is all that the interpreter specialises a handler on; the rest of an instruction is read from its record.
 * The translator specialises on everything, with the same semantics.
 */
export interface Shape {
  /** Key of the semantics table (`semantics/index.ts`). */
  readonly semantic: string;
  readonly form: Form;
  readonly size: Size;
  /** Width of the source where it differs (MOVZX, MOVSX, MOVSXD); else 0. */
  readonly sourceSize: 0 | Size;
  /** Condition code 0 to 15 of Jcc, SETcc, CMOVcc; else 0. */
  readonly condition: number;
  /** Width of the stack pointer for stack instructions, of RSI/RDI/RCX for string instructions, LOOP and JRCXZ; else 0. */
  readonly address: 0 | 2 | 4 | 8;
  /** Repeat prefix in force, string instructions only. */
  readonly repeat: '' | 'rep' | 'repe' | 'repne';
  /**
   * True where implicit memory operands (stack, string) go through segmentation, because the mode has segments that
   * are not flat. Explicit memory operands in such modes get an `ea` prefix record instead, so stay false.
   */
  readonly segmented: boolean;
  /** The explicit memory operand has an index register. */
  readonly indexed: boolean;
  /** Bytes of the vector registers the instruction works on; 0 where it has none. */
  readonly vector: 0 | 8 | 16 | 32;
  /** VEX-encoded: the first source is `v`, and the destination's bits above `vector` are cleared. */
  readonly vex: boolean;
}

/** A shape's identity; equal keys share a handler. */
export const shapeKey = (shape: Shape): string =>
  [
    shape.semantic,
    shape.form,
    shape.size,
    shape.sourceSize,
    shape.condition,
    shape.address,
    shape.repeat,
    shape.segmented ? 'seg' : '',
    shape.indexed ? 'x' : '',
    shape.vector,
    shape.vex ? 'vex' : '',
  ].join('.');
