import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EXIT_REASONS } from '../../emulator/tables/exit-reasons';
import { VMCS_FIELDS } from '../../emulator/tables/vmcs-fields';
import type { BinaryOperator, Expression, Member } from './ast';
import { fieldBitNames } from './bit-names';
import { parseCondition } from './condition';
import { parseExpression } from './parser';
import { printExpression } from './print';
import { REGISTER_NAMES, registerByName } from './registers';

const SYMBOLS = ['handle_exit', 'guest_main', 'strata', 'a "quoted" name'];
const names = { isSymbol: (name: string) => SYMBOLS.includes(name), symbolNames: () => SYMBOLS };
const SEED = 20261122;
const parameters = { seed: SEED, numRuns: 2000, verbose: 1 } as const;

function refusal(text: string): { column: number; expected: string; message: string } {
  const result = parseCondition(text, names);
  assert.equal(result.ok, false, `${text} should be refused`);
  return result.ok ? { column: 0, expected: '', message: '' } : result.error;
}

test('every condition of the product description parses', () => {
  const conditions = [
    'exit == EPT_VIOLATION && qual.write && gpa in 0xfee00000..0xfee00fff',
    'exit in (CPUID, RDMSR, WRMSR) && layer == 2 && rcx == 0x10',
    'vmcs.GUEST_CR0.PE == 0 && count(exit.HLT) > 100',
    'entry && vmcs.ENTRY_INTR_INFO.valid',
    '[gva:0xffff800000001000, 8] == 0x1234 && symbol("handle_exit")',
  ];
  for (const text of conditions) {
    const result = parseCondition(text, names);
    assert.ok(result.ok, result.ok ? '' : result.error.message);
  }
});

test('a refusal names column, expectation and the nearest known name', () => {
  const cases: readonly (readonly [text: string, column: number, near: RegExp])[] = [
    ['exit == EPT_VIOLATON', 9, /did you mean 'EPT_VIOLATION'\?$/],
    ['exit in (CPUID, RDMRS)', 17, /did you mean 'RDMSR'\?$/],
    ['vmcs.GUEST_RPI == 1', 6, /did you mean 'GUEST_RIP'\?$/],
    ['rxa == 1', 1, /did you mean 'rax'\?$/],
    ['rip == handle_exti', 8, /did you mean 'handle_exit'\?$/],
    ['qual.wirte', 6, /did you mean 'write'\?$/],
    ['vmcs.CPU_BASED_VM_EXEC_CONTROL.HLT_EXITNG', 32, /did you mean 'HLT_EXITING'\?$/],
    ['cr0.PEE', 5, /did you mean 'PE'\?$/],
    ['count(exit.HTL)', 12, /did you mean 'HLT'\?$/],
    ['GUEST_RIP == 0', 1, /expected vmcs\.GUEST_RIP\.$/],
    ['rax == CPUID', 8, /expected exit == CPUID\.$/],
    ['rax = 1', 5, /expected '=='\.$/],
    ['rax ==', 7, /ends here; expected a value\.$/],
    ['(rax', 5, /expected '\)' or an operator\.$/],
    ['rax rbx', 5, /expected an operator or the end\.$/],
    ['gpa in 5..3', 11, /the range ends before it begins/],
    ['[rsp, 3]', 7, /expected 1, 2, 4 or 8\.$/],
    ['[gav:rsp]', 2, /did you mean 'gva'\?$/],
    ['0x1_0000_0000_0000_0000', 1, /does not fit in 64 bits/],
    ['12ab', 1, /'12ab' is not a number/],
    ['"text', 1, /closing "/],
    ['', 1, /expected a value/],
  ];
  for (const [text, column, pattern] of cases) {
    const error = refusal(text);
    assert.equal(error.column, column, `${text}: ${error.message}`);
    assert.match(error.message, pattern);
    assert.ok(error.message.startsWith(`Column ${column}: `));
  }
});

test('a boolean where a number must stand is refused when parsed', () => {
  for (const text of [
    'rax & 1 == 0',
    '1 < 2 < 3',
    '(rax == 1) + 1',
    '-(rax == 1)',
    '[rax == 1]',
    'rax == (rbx == 1)',
  ]) {
    refusal(text);
  }
});

test('operators bind as in C', () => {
  const same = (a: string, b: string): void => assert.deepEqual(parseExpression(a), parseExpression(b), `${a} as ${b}`);
  same('rax + rbx * 2 << 1', '(rax + (rbx * 2)) << 1');
  same('rax == 1 || rbx == 2 && rcx == 3', '(rax == 1) || ((rbx == 2) && (rcx == 3))');
  same('rax | rbx ^ rcx & rdx', 'rax | (rbx ^ (rcx & rdx))');
  same('rax - rbx - rcx', '(rax - rbx) - rcx');
  same('!exit == false', '(!exit) == false');
  same('-rax + ~rbx', '(-rax) + (~rbx)');
  same('rax in 1 + 2..3 << 4 && rbx', '(rax in (1 + 2)..(3 << 4)) && rbx');
  same('gpa in (1 + 2) * 4..99', 'gpa in ((1 + 2) * 4)..99');
  same('1_000 == 0x3e8', '1000 == 0b1111101000');
});

test('every register, exit reason, VMCS field and named bit of the tables can be written', () => {
  for (const name of REGISTER_NAMES) assert.ok(parseExpression(name).ok, name);
  for (const { name } of EXIT_REASONS)
    assert.ok(parseExpression(`exit == ${name} || count(exit.${name}) > 1`).ok, name);
  for (const { name, encoding } of VMCS_FIELDS) {
    assert.ok(parseExpression(`vmcs.${name}`).ok, name);
    for (const bit of fieldBitNames(encoding)) assert.ok(parseExpression(`vmcs.${name}.${bit.name}`).ok, bit.name);
  }
});

test('an expression of the greatest length or depth is parsed or refused, never a crash', () => {
  const long = '1' + '+1'.repeat(2047);
  const parsed = parseExpression(long);
  assert.ok(parsed.ok);
  if (parsed.ok) assert.equal(printExpression(parsed.value).replaceAll(' ', ''), long);
  assert.match(refusal('('.repeat(4000)).message, /nested too deeply/);
  assert.match(refusal('!'.repeat(4000)).message, /nested too deeply/);
  assert.match(refusal('1 in ('.repeat(600)).message, /nested too deeply/);
  assert.match(refusal(' '.repeat(5000)).message, /longer than 4096/);
});

const binaryOperators = fc.constantFrom<BinaryOperator>('|', '^', '&', '<<', '>>', '+', '-', '*', '/', '%');
const comparisons = fc.constantFrom<BinaryOperator>('==', '!=', '<', '<=', '>', '>=');
const leaf: fc.Arbitrary<Expression> = fc.oneof(
  fc.bigInt(0n, 0xffff_ffff_ffff_ffffn).map((value): Expression => ({ kind: 'number', value })),
  fc.constantFrom(...REGISTER_NAMES).map((name): Expression => {
    const register = registerByName(name);
    return register === undefined ? { kind: 'number', value: 0n } : { kind: 'register', name, register };
  }),
  fc.constantFrom('exit', 'error', 'qual', 'gpa', 'gla', 'layer', 'vmcs', 'time').map((s): Expression => {
    const parsed = parseExpression(s);
    return parsed.ok ? parsed.value : { kind: 'number', value: 0n };
  }),
  fc.constantFrom(...VMCS_FIELDS).map(({ name, encoding }): Expression => ({ kind: 'field', name, encoding })),
  fc.constantFrom('write', 'port', 'linear').map((part): Expression => ({ kind: 'qualification', part })),
  fc
    .constantFrom(undefined, ...EXIT_REASONS)
    .map((r): Expression => ({ kind: 'count', reason: r && { name: r.name, number: r.number } })),
  fc.constantFrom(...SYMBOLS).map((name): Expression => ({ kind: 'symbol', name, quoted: true })),
  fc.constantFrom('guest_main', 'strata').map((name): Expression => ({ kind: 'symbol', name, quoted: false })),
);
/** Plain objects, as the parser makes them. */
const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
  fc.record<T>(model, { noNullPrototype: true });
const trees = fc.letrec<{ number: Expression; boolean: Expression; member: Member }>((tie) => ({
  number: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    leaf,
    record({ kind: fc.constant('binary'), operator: binaryOperators, left: tie('number'), right: tie('number') }),
    record({ kind: fc.constant('unary'), operator: fc.constantFrom('~', '-'), operand: tie('number') }),
    record({
      kind: fc.constant('memory'),
      space: fc.constantFrom('gva', 'gpa', 'hpa'),
      address: tie('number'),
      size: fc.constantFrom(1, 2, 4, 8),
    }),
  ),
  boolean: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    record({ kind: fc.constant('binary'), operator: comparisons, left: tie('number'), right: tie('number') }),
    record({
      kind: fc.constant('binary'),
      operator: fc.constantFrom('&&', '||', '==', '!='),
      left: tie('boolean'),
      right: tie('boolean'),
    }),
    record({ kind: fc.constant('unary'), operator: fc.constant('!'), operand: tie('boolean') }),
    record({
      kind: fc.constant('in'),
      value: tie('number'),
      members: fc.array(tie('member'), { minLength: 1, maxLength: 3 }),
    }),
  ),
  member: fc.oneof(
    record({ kind: fc.constant('value'), value: tie('number') }),
    fc.tuple(fc.bigInt(0n, 0xffffn), fc.bigInt(0x1_0000n, 0xffff_ffffn)).map(([low, high]) => ({
      kind: 'range',
      low: { kind: 'number', value: low },
      high: { kind: 'number', value: high },
    })),
  ) as fc.Arbitrary<Member>,
}));

test('printing an expression and parsing it again gives the same tree', () => {
  fc.assert(
    fc.property(fc.oneof(trees.boolean, trees.number), (tree) => {
      const text = printExpression(tree);
      fc.pre(text.length <= 4096);
      const parsed = parseExpression(text, names);
      assert.ok(parsed.ok, parsed.ok ? '' : `${text}: ${parsed.error.message}`);
      assert.deepEqual(parsed.value, tree, text);
    }),
    parameters,
  );
});

test('any text is parsed or refused with a column inside it', () => {
  const words = [
    'exit',
    'in',
    '(',
    ')',
    '[',
    ']',
    '..',
    '.',
    'vmcs',
    'GUEST_RIP',
    '==',
    '&&',
    '1',
    'rax',
    '"',
    ',',
    ':',
    '-',
    'count',
    'CPUID',
    ' ',
  ];
  const texts = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.array(fc.constantFrom(...words), { maxLength: 20 }).map((w) => w.join('')),
    fc.array(fc.constantFrom(...words), { maxLength: 20 }).map((w) => w.join(' ')),
  );
  fc.assert(
    fc.property(texts, (text) => {
      const result = parseExpression(text, names);
      if (!result.ok) assert.ok(result.error.column >= 1 && result.error.column <= text.length + 1);
    }),
    { ...parameters, numRuns: 5000 },
  );
});
