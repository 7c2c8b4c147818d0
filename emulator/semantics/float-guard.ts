import { and32, type Expr, i32, ne32, or32, eqz32 } from '../codegen/expr';
import { simd } from '../codegen/simd';
import type { OperandContext } from './context';
import { anyOf } from './float-lanes';

/** MXCSR.PE, the masks of all exceptions, and rounding control. */
export const PRECISION = 0x20;
const ALL_MASKS = 0x1f80;
const ROUNDING = 0x6000;

/**
 * When WebAssembly's result is the processor's. Denormals never take part, so that DAZ and FTZ, set or not, change nothing.
 */
export interface Guard {
  /** Elements, as masks, that only the assist does right. */
  readonly unusual: readonly Expr[];
  /** The result is rounded: the guard asks for rounding to nearest, and for masked exceptions. */
  readonly rounds: boolean;
  /**
   * Asked only while the precision flag is not yet set: emits what finds out about it. Without this, the assist does.
   */
  readonly inexact?: () => Inexactness;
}

export interface Inexactness {
  /** Elements that are inexact, as masks. */
  readonly inexact: readonly Expr[];
  /** Elements of which `inexact` says nothing. */
  readonly unsure: readonly Expr[];
}

/**
 * The fast path of a floating-point instruction: `fast` where the guard allows, else the assist. `source` is what the assist needs of the source operand.
 */
export function guarded(context: OperandContext, guard: Guard, source: readonly Expr[], fast: () => void): void {
  const { f } = context;
  const unusual = context.hold32(simd('v128.any_true', anyOf(guard.unusual)));
  const done = f.block();
  const assist = f.block();
  if (guard.rounds) {
    const mxcsr = context.hold32(context.mxcsr());
    const ready = ALL_MASKS | PRECISION;
    const fine = f.block();
    f.brIf(fine, eqz32(or32(unusual, ne32(and32(mxcsr, i32(ready | ROUNDING)), i32(ready)))));
    if (guard.inexact === undefined) f.br(assist);
    else {
      f.brIf(assist, or32(unusual, ne32(and32(mxcsr, i32(ALL_MASKS | ROUNDING)), i32(ALL_MASKS))));
      const { inexact, unsure } = guard.inexact();
      if (unsure.length > 0) f.brIf(assist, simd('v128.any_true', anyOf(unsure)));
      f.if(simd('v128.any_true', anyOf(inexact)));
      context.setMxcsr(or32(mxcsr, i32(PRECISION)));
      f.end();
    }
    f.end(); // fine
  } else f.brIf(assist, unusual);
  fast();
  f.br(done);
  f.end(); // assist
  context.noteSource(source);
  context.cold();
  f.end(); // done
}
