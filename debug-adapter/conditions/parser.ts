/**
 * The one parser of the condition language (a Pratt parser: every binary operator has a binding power).
 *
 *     condition  := expression
 *     expression := prefix { operator expression | 'in' members }
 *     prefix     := ('!' | '~' | '-') expression | number | name { '.' name } | '(' expression ')'
 *                 | '[' [ ('gva' | 'gpa' | 'hpa') ':' ] expression [ ',' size ] ']'
 *                 | 'count' '(' 'exit' [ '.' reason ] ')' | 'symbol' '(' string ')'
 *     members    := member | '(' member { ',' member } ')'
 *     member     := expression [ '..' expression ]
 */
import { exitReasonByName } from '../../emulator/tables/exit-reasons';
import {
  BINDING_POWER,
  IN_POWER,
  isComparison,
  PREFIX_POWER,
  RANGE_END_POWER,
  typeOf,
  type AddressSpace,
  type BinaryOperator,
  type Expression,
  type Member,
  type MemorySize,
} from './ast';
import { tokenize, type Token } from './lexer';
import { NO_SYMBOLS, type NameSource } from './names';
import { ParseFailure, type ParseResult } from './parse-error';
import { registerByName } from './registers';
import { resolveName, resolvePart, resolveReason, SUBJECTS, unknownName } from './resolve';

const MAXIMUM_DEPTH = 100;
const SPACES: readonly AddressSpace[] = ['gva', 'gpa', 'hpa'];
const SIZES: readonly MemorySize[] = [1, 2, 4, 8];

/** Parses a whole text. */
export function parseExpression(text: string, names: NameSource = NO_SYMBOLS): ParseResult<Expression> {
  try {
    return { ok: true, value: new Parser(tokenize(text), names).whole() };
  } catch (failure) {
    if (failure instanceof ParseFailure) return { ok: false, error: failure.error };
    throw failure;
  }
}

class Parser {
  #position = 0;
  #depth = 0;
  /** Set while parsing what `exit` or `error` is compared with: exit reasons may stand there by name. */
  #reasons = false;

  constructor(
    private readonly tokens: readonly Token[],
    private readonly names: NameSource,
  ) {}

  get #token(): Token {
    return this.tokens[this.#position];
  }

  #next(): Token {
    const token = this.#token;
    if (token.kind !== 'end') this.#position++;
    return token;
  }

  #is(text: string): boolean {
    return this.#token.kind === 'operator' && this.#token.text === text;
  }

  #accept(text: string): boolean {
    const found = this.#is(text);
    if (found) this.#position++;
    return found;
  }

  #expect(text: string, expected = `'${text}'`): void {
    if (!this.#accept(text)) throw this.#unexpected(expected);
  }

  #unexpected(expected: string): ParseFailure {
    const { kind, offset, text } = this.#token;
    return new ParseFailure(
      offset,
      expected,
      kind === 'end' ? 'the expression ends here' : `'${text}' cannot stand here`,
    );
  }

  whole(): Expression {
    const expression = this.#expression(0);
    if (this.#token.kind !== 'end') throw this.#unexpected('an operator or the end');
    return expression;
  }

  #expression(power: number): Expression {
    if (++this.#depth > MAXIMUM_DEPTH) {
      throw new ParseFailure(this.#token.offset, 'fewer parentheses', 'the expression is nested too deeply');
    }
    const start = this.#token.offset;
    const expression = this.#continue(this.#prefix(), start, power);
    this.#depth--;
    return expression;
  }

  /** Takes what follows a complete operand, as far as it binds tighter than `power`. */
  #continue(operand: Expression, start: number, power: number): Expression {
    let left = operand;
    for (;;) {
      const token = this.#token;
      if (token.kind === 'name' && token.text === 'in') {
        if (IN_POWER <= power) return left;
        this.#position++;
        requireNumber(left, start, "the left of 'in'");
        left = { kind: 'in', value: left, members: this.#withReasons(comparesReasons(left), () => this.#members()) };
        continue;
      }
      const operator = token.kind === 'operator' ? binaryOperator(token.text) : undefined;
      if (operator === undefined || BINDING_POWER[operator] <= power) return left;
      this.#position++;
      const rightStart = this.#token.offset;
      const inherits = this.#reasons && !isComparison(operator);
      const reasons = (isComparison(operator) && comparesReasons(left)) || inherits;
      const right = this.#withReasons(reasons, () => this.#expression(BINDING_POWER[operator]));
      checkOperands(operator, left, right, token.offset, start, rightStart);
      left = { kind: 'binary', operator, left, right };
    }
  }

  #withReasons<T>(reasons: boolean, parse: () => T): T {
    const outer = this.#reasons;
    this.#reasons = reasons;
    const result = parse();
    this.#reasons = outer;
    return result;
  }

  #prefix(): Expression {
    const token = this.#token;
    switch (token.kind) {
      case 'number':
        this.#position++;
        return { kind: 'number', value: token.value };
      case 'name':
        this.#position++;
        return this.#parts(this.#named(token));
      case 'operator':
        break;
      case 'string':
        throw new ParseFailure(token.offset, `symbol(${token.text})`, 'a string is a value only as a symbol name');
      case 'end':
        throw this.#unexpected('a value');
    }
    switch (token.text) {
      case '(': {
        this.#position++;
        const inner = this.#expression(0);
        this.#expect(')', "')' or an operator");
        return inner;
      }
      case '[':
        this.#position++;
        return this.#withReasons(false, () => this.#memory());
      case '!':
      case '~':
      case '-': {
        this.#position++;
        const start = this.#token.offset;
        const operand = this.#expression(PREFIX_POWER);
        if (token.text !== '!') requireNumber(operand, start, `the operand of '${token.text}'`);
        return { kind: 'unary', operator: token.text, operand };
      }
      default:
        throw this.#unexpected('a value');
    }
  }

  #named(token: Token): Expression {
    const { text } = token;
    if (text === 'count' && this.#is('(')) return this.#count();
    if (text === 'symbol' && this.#is('(')) return this.#symbol();
    if (text === 'true' || text === 'false') return { kind: 'boolean', value: text === 'true' };
    if (text === 'in') throw new ParseFailure(token.offset, 'a value', "'in' needs a value before it");
    const subject = SUBJECTS.find((known) => known === text);
    if (subject !== undefined) return { kind: 'subject', subject };
    const isReason = this.#reasons && registerByName(text) === undefined && !this.#isOnlySymbol(text);
    return isReason ? { kind: 'reason', ...resolveReason(token) } : resolveName(token, this.names);
  }

  #isOnlySymbol(name: string): boolean {
    return this.names.isSymbol(name) && exitReasonByName(name) === undefined;
  }

  #parts(base: Expression): Expression {
    let expression = base;
    while (this.#accept('.')) {
      const part = this.#next();
      if (part.kind !== 'name') throw new ParseFailure(part.offset, 'a name', "'.' needs a name after it");
      expression = resolvePart(expression, part);
    }
    return expression;
  }

  #count(): Expression {
    this.#expect('(');
    const what = this.#next();
    if (what.kind !== 'name' || what.text !== 'exit') {
      throw new ParseFailure(what.offset, 'exit or exit.REASON', 'only exits are counted');
    }
    if (!this.#accept('.')) {
      this.#expect(')', "'.' and an exit reason, or ')'");
      return { kind: 'count', reason: undefined };
    }
    const name = this.#next();
    if (name.kind !== 'name') throw new ParseFailure(name.offset, 'an exit reason', "'.' needs a name after it");
    const reason = resolveReason(name);
    this.#expect(')');
    return { kind: 'count', reason };
  }

  #symbol(): Expression {
    this.#expect('(');
    const name = this.#next();
    if (name.kind !== 'string') throw new ParseFailure(name.offset, 'a symbol name in quotes', 'this is not a string');
    const isKnown = this.names.isSymbol(name.value);
    if (!isKnown) throw unknownName({ text: name.value, offset: name.offset }, 'a symbol', this.names.symbolNames());
    this.#expect(')');
    return { kind: 'symbol', name: name.value, quoted: true };
  }

  #memory(): Expression {
    let space: AddressSpace = 'gva';
    const first = this.#token;
    const second = this.tokens[this.#position + 1];
    if (first.kind === 'name' && second?.text === ':' && second.kind === 'operator') {
      const known = SPACES.find((name) => name === first.text);
      if (known === undefined) throw unknownName(first, 'an address space (gva, gpa, hpa)', SPACES);
      space = known;
      this.#position += 2;
    }
    const start = this.#token.offset;
    const address = this.#expression(0);
    requireNumber(address, start, 'an address');
    let size: MemorySize = 8;
    if (this.#accept(',')) {
      const token = this.#next();
      const known = SIZES.find((n) => token.kind === 'number' && token.value === BigInt(n));
      if (known === undefined) throw new ParseFailure(token.offset, '1, 2, 4 or 8', 'this is not a size in bytes');
      size = known;
    }
    this.#expect(']', "']'");
    return { kind: 'memory', space, address, size };
  }

  #members(): readonly Member[] {
    const start = this.#token.offset;
    if (!this.#accept('(')) {
      const member = this.#member(this.#expression(RANGE_END_POWER - 1), start);
      if (member.kind === 'value') throw this.#unexpected("'..' and the end of the range, or a list in parentheses");
      return [member];
    }
    const first = this.#listed();
    // (a + b)..c and (a) * 2..c: the parenthesis belonged to the start of a range.
    if (first.kind === 'value' && this.#is(')')) {
      this.#position++;
      const operator = this.#token.kind === 'operator' ? binaryOperator(this.#token.text) : undefined;
      if (!this.#is('..') && (operator === undefined || BINDING_POWER[operator] < RANGE_END_POWER)) return [first];
      const member = this.#member(this.#continue(first.value, start, RANGE_END_POWER - 1), start);
      if (member.kind === 'value') throw this.#unexpected("'..' and the end of the range");
      return [member];
    }
    const members: Member[] = [first];
    while (this.#accept(',')) members.push(this.#listed());
    this.#expect(')', "',' or ')'");
    return members;
  }

  #listed(): Member {
    const start = this.#token.offset;
    return this.#member(this.#expression(0), start);
  }

  #member(low: Expression, start: number): Member {
    requireNumber(low, start, "what 'in' compares with");
    if (!this.#accept('..')) return { kind: 'value', value: low };
    const highStart = this.#token.offset;
    const high = this.#expression(RANGE_END_POWER - 1);
    requireNumber(high, highStart, 'the end of a range');
    if (low.kind === 'number' && high.kind === 'number' && low.value > high.value) {
      throw new ParseFailure(highStart, `at least 0x${low.value.toString(16)}`, 'the range ends before it begins');
    }
    return { kind: 'range', low, high };
  }
}

function binaryOperator(text: string): BinaryOperator | undefined {
  return Object.hasOwn(BINDING_POWER, text) ? (text as BinaryOperator) : undefined;
}

function comparesReasons(expression: Expression): boolean {
  return expression.kind === 'subject' && (expression.subject === 'exit' || expression.subject === 'error');
}

function requireNumber(expression: Expression, offset: number, place: string): void {
  if (typeOf(expression) === 'boolean') {
    throw new ParseFailure(offset, 'a number', `${place} is a boolean (parentheses may be missing)`);
  }
}

function checkOperands(
  operator: BinaryOperator,
  left: Expression,
  right: Expression,
  operatorOffset: number,
  leftOffset: number,
  rightOffset: number,
): void {
  if (operator === '&&' || operator === '||') return;
  if (operator === '==' || operator === '!=') {
    if (typeOf(left) === typeOf(right)) return;
    const problem = `'${operator}' compares a ${typeOf(left)} with a ${typeOf(right)} (parentheses may be missing)`;
    throw new ParseFailure(operatorOffset, 'operands of the same kind', problem);
  }
  requireNumber(left, leftOffset, `the left of '${operator}'`);
  requireNumber(right, rightOffset, `the right of '${operator}'`);
}
