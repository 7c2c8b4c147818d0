import type { OperandSizeRule } from '../tables/instruction-types';

/** Width of code: 64 in 64-bit mode, else CS.D. */
export type CodeSize = 16 | 32 | 64;

/** log2 of the effective operand size in bytes. */
export const operandSizeLog = (rule: OperandSizeRule, code: CodeSize, override: boolean, rexW: boolean): number => {
  const plain = (code === 16) === override ? 2 : 1;
  switch (rule) {
    case 'b':
      return 0;
    case 'w':
      return 1;
    case 'd':
      return 2;
    case 'q':
    case '-':
      return 3;
    case 'v':
      return rexW ? 3 : plain;
    case 'z':
      return rexW ? 2 : plain;
    case 'y':
      return rexW ? 3 : 2;
    case 'f64':
      return code !== 64 ? plain : override && !rexW ? 1 : 3;
    case 'd64':
      return code === 64 ? 3 : plain;
    case 'n':
      return code === 64 ? 3 : 2;
  }
};

/** log2 of the effective address size in bytes. */
export const addressSizeLog = (code: CodeSize, override: boolean): number => {
  if (code === 64) return override ? 2 : 3;
  return (code === 16) === override ? 2 : 1;
};
