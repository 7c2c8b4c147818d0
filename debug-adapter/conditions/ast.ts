/** Parsed expressions of the condition language. Every name is resolved; parentheses are gone, for the tree has their meaning. */
import type { RegisterReference } from './registers';

export type BinaryOperator =
  '||' | '&&' | '|' | '^' | '&' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '<<' | '>>' | '+' | '-' | '*' | '/' | '%';

export type UnaryOperator = '!' | '~' | '-';

/** Whose addresses a memory operand is in: the layer's linear, the layer's physical, or the machine's physical ones. */
export type AddressSpace = 'gva' | 'gpa' | 'hpa';

/** What stands for itself: its value is asked of the environment. */
export type Subject = 'exit' | 'entry' | 'error' | 'qual' | 'gpa' | 'gla' | 'layer' | 'vmcs' | 'time';

export type Expression =
  | { readonly kind: 'number'; readonly value: bigint }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'register'; readonly name: string; readonly register: RegisterReference }
  | { readonly kind: 'subject'; readonly subject: Subject }
  /** Part of an exit qualification by name; which bits depends on the exit. */
  | { readonly kind: 'qualification'; readonly part: string }
  | { readonly kind: 'field'; readonly name: string; readonly encoding: number }
  /** Named bits of a register or VMCS field. */
  | {
      readonly kind: 'bits';
      readonly of: Extract<Expression, { kind: 'register' | 'field' }>;
      readonly name: string;
      readonly low: number;
      readonly high: number;
    }
  /** An exit reason by name, beside `exit` or `error`. */
  | { readonly kind: 'reason'; readonly name: string; readonly number: number }
  /** Exits so far: of one reason, or all. */
  | { readonly kind: 'count'; readonly reason: { readonly name: string; readonly number: number } | undefined }
  | { readonly kind: 'memory'; readonly space: AddressSpace; readonly address: Expression; readonly size: MemorySize }
  /** Address of a symbol; as a boolean: RIP is within it. `quoted` when written symbol("name"). */
  | { readonly kind: 'symbol'; readonly name: string; readonly quoted: boolean }
  | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Expression }
  | {
      readonly kind: 'binary';
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'in'; readonly value: Expression; readonly members: readonly Member[] };

export type MemorySize = 1 | 2 | 4 | 8;

/** One of the things `in` compares with. */
export type Member =
  | { readonly kind: 'value'; readonly value: Expression }
  /** Both ends included. */
  | { readonly kind: 'range'; readonly low: Expression; readonly high: Expression };

export type ExpressionType = 'boolean' | 'number';

/** Numbers serve as booleans (not 0), booleans never as numbers. */
export function typeOf(expression: Expression): ExpressionType {
  switch (expression.kind) {
    case 'boolean':
    case 'in':
      return 'boolean';
    case 'subject':
      return expression.subject === 'entry' ? 'boolean' : 'number';
    case 'unary':
      return expression.operator === '!' ? 'boolean' : 'number';
    case 'binary':
      return isBooleanOperator(expression.operator) ? 'boolean' : 'number';
    default:
      return 'number';
  }
}

export function isComparison(operator: BinaryOperator): boolean {
  return BINDING_POWER[operator] === 6 || BINDING_POWER[operator] === 7;
}

function isBooleanOperator(operator: BinaryOperator): boolean {
  return operator === '&&' || operator === '||' || isComparison(operator);
}

/** How tightly binary operators bind, as in C; all associate to the left. */
export const BINDING_POWER: Readonly<Record<BinaryOperator, number>> = {
  '||': 1,
  '&&': 2,
  '|': 3,
  '^': 4,
  '&': 5,
  '==': 6,
  '!=': 6,
  '<': 7,
  '<=': 7,
  '>': 7,
  '>=': 7,
  '<<': 8,
  '>>': 8,
  '+': 9,
  '-': 9,
  '*': 10,
  '/': 10,
  '%': 10,
};

/** `in` compares, so it binds as `<` does; ends of a range bind tighter. */
export const IN_POWER = 7;
export const RANGE_END_POWER = 8;
export const PREFIX_POWER = 11;
