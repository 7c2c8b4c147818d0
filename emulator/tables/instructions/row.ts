import type { CpuFeature } from '../cpuid-features';
import type { InstructionRow, ModeValidity, OperandSizeRule, Unit } from '../instruction-types';

/** What most rows leave at its default. */
export interface RowOptions {
  readonly lock?: boolean;
  readonly ends?: boolean;
  readonly mode?: ModeValidity;
  readonly unit?: Unit;
  readonly feature?: CpuFeature;
}

export const LOCK: RowOptions = { lock: true };
export const ENDS: RowOptions = { ends: true };
export const LEGACY: RowOptions = { mode: 'legacy' };
export const LONG: RowOptions = { mode: 'long' };
export const LEGACY_ENDS: RowOptions = { mode: 'legacy', ends: true };
export const LONG_ENDS: RowOptions = { mode: 'long', ends: true };

const row = (
  kind: 'hot' | 'warm' | 'cold',
  opcode: string,
  mnemonic: string,
  operands: string,
  size: OperandSizeRule,
  key: string,
  { lock = false, ends = false, mode = 'any', ...rest }: RowOptions = {},
): InstructionRow => ({
  opcode,
  mnemonic,
  operands: operands === '' ? [] : operands.split(' '),
  size,
  mode,
  lock,
  semantic: { kind, key },
  ends,
  ...rest,
});

/** A row with emitted semantics; `operands` are operand codes separated by spaces. */
export const hot = (
  opcode: string,
  mnemonic: string,
  operands: string,
  size: OperandSizeRule,
  key: string,
  options?: RowOptions,
): InstructionRow => row('hot', opcode, mnemonic, operands, size, key, options);

/** As `hot`, in a function of its own. */
export const warm = (
  opcode: string,
  mnemonic: string,
  operands: string,
  size: OperandSizeRule,
  key: string,
  options?: RowOptions,
): InstructionRow => row('warm', opcode, mnemonic, operands, size, key, options);

/** A row executed by a TypeScript function. */
export const cold = (
  opcode: string,
  mnemonic: string,
  operands: string,
  size: OperandSizeRule,
  key: string,
  options?: RowOptions,
): InstructionRow => row('cold', opcode, mnemonic, operands, size, key, options);

/** An opcode byte as the opcode column writes it. */
export const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, '0');

/** Condition suffixes in encoding order. */
export const CONDITIONS = [
  'O',
  'NO',
  'B',
  'AE',
  'E',
  'NE',
  'BE',
  'A',
  'S',
  'NS',
  'P',
  'NP',
  'L',
  'GE',
  'LE',
  'G',
] as const;
