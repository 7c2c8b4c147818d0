import type { ValueFormat } from '../format';

/** One entry of the Variables view. Everything below it is computed only when it is opened. */
export interface VariableNode {
  readonly name: string;
  readonly value: (format: ValueFormat) => string;
  readonly type?: string;
  /** Expression that gives the same value in watches. */
  readonly evaluateName?: string;
  /** Address the value is, for the memory view. */
  readonly address?: bigint;
  readonly children?: () => readonly VariableNode[];
  /** Writes a value; returns a sentence saying why not, or undefined. Absent: read-only. */
  readonly assign?: (value: bigint) => string | undefined;
  /** The value that a text means here, where it is not an expression of at most 64 bits; undefined: let it be read as one. */
  readonly read?: (text: string) => bigint | undefined;
}

export function text(name: string, value: string): VariableNode {
  return { name, value: () => value };
}

export function group(name: string, summary: string, children: () => readonly VariableNode[]): VariableNode {
  return { name, value: () => summary, children };
}
