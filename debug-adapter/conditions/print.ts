/** Expressions as text: the shortest that parses to the same tree. */
import { BINDING_POWER, IN_POWER, PREFIX_POWER, RANGE_END_POWER, type Expression, type Member } from './ast';

const ATOM = 12;

export function printExpression(expression: Expression): string {
  return print(expression, 0);
}

/** Parenthesised where the expression binds less tightly than `power`. */
function print(expression: Expression, power: number): string {
  const own = powerOf(expression);
  return own < power ? `(${bare(expression)})` : bare(expression);
}

function powerOf(expression: Expression): number {
  switch (expression.kind) {
    case 'binary':
      return BINDING_POWER[expression.operator];
    case 'in':
      return IN_POWER;
    case 'unary':
      return PREFIX_POWER;
    default:
      return ATOM;
  }
}

function bare(expression: Expression): string {
  switch (expression.kind) {
    case 'number':
      return printNumber(expression.value);
    case 'boolean':
      return String(expression.value);
    case 'register':
      return expression.name;
    case 'subject':
      return expression.subject;
    case 'qualification':
      return `qual.${expression.part}`;
    case 'field':
      return `vmcs.${expression.name}`;
    case 'bits':
      return `${bare(expression.of)}.${expression.name}`;
    case 'reason':
      return expression.name;
    case 'count':
      return expression.reason === undefined ? 'count(exit)' : `count(exit.${expression.reason.name})`;
    case 'memory':
      return `[${expression.space}:${print(expression.address, 0)}, ${expression.size}]`;
    case 'symbol':
      return expression.quoted ? `symbol("${expression.name.replace(/["\\]/g, '\\$&')}")` : expression.name;
    case 'unary':
      return `${expression.operator}${print(expression.operand, PREFIX_POWER)}`;
    case 'binary': {
      const power = BINDING_POWER[expression.operator];
      return `${print(expression.left, power)} ${expression.operator} ${print(expression.right, power + 1)}`;
    }
    case 'in': {
      const [first] = expression.members;
      const isRange = expression.members.length === 1 && first.kind === 'range';
      const members = isRange ? member(first) : `(${expression.members.map(member).join(', ')})`;
      return `${print(expression.value, IN_POWER)} in ${members}`;
    }
  }
}

function member(m: Member): string {
  return m.kind === 'value' ? print(m.value, 0) : `${print(m.low, RANGE_END_POWER)}..${print(m.high, RANGE_END_POWER)}`;
}

/** Small numbers in decimal, others in hexadecimal. */
export function printNumber(value: bigint): string {
  return value < 1024n ? value.toString() : `0x${value.toString(16)}`;
}
