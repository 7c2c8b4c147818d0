import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Transition } from '../../emulator/api';
import { FIELD } from '../../emulator/tables/vmcs-fields';
import { evaluateCondition, parseCondition } from './condition';
import { evaluate, type ConditionEnvironment } from './evaluate';
import { formatValue } from './format-value';
import { hitConditionHolds, parseHitCondition } from './hit-condition';
import { formatLogMessage, parseLogMessage } from './log-message';
import { parseExpression } from './parser';

const names = { isSymbol: (name: string) => name === 'handle_exit', symbolNames: () => ['handle_exit'] };
const MASK = 0xffff_ffff_ffff_ffffn;

const exitOf = (reason: number, more: Partial<Transition> = {}): Transition => ({
  number: 48,
  time: 1000n,
  processor: 0,
  kind: 'exit',
  from: { level: 1, vmcs: 0x5000n },
  to: { level: 0, vmcs: null },
  vmcs: 0x5000n,
  reason,
  qualification: 0n,
  rip: 0x1000n,
  instructionLength: 2,
  instructionInfo: 0,
  guestPhysical: 0n,
  guestLinear: 0n,
  interruptionInfo: 0,
  interruptionErrorCode: 0,
  failures: [],
  ...more,
});

function environment(more: Partial<ConditionEnvironment> = {}): ConditionEnvironment {
  return {
    transition: undefined,
    layer: 0,
    time: 12345n,
    vmcs: 0x5000n,
    register: (register) => (register.kind === 'general' ? BigInt(register.number + 1) : 0x40_1000n),
    readVmcs: (encoding) => (encoding === FIELD.GUEST_CR0 ? 0x8000_0030n : BigInt(encoding)),
    readMemory: (_space, address, size) =>
      address < 0x1_0000n ? BigInt.asUintN(size * 8, 0x1122_3344_5566_7788n) : undefined,
    exitCount: (reason) => (reason === 12 ? 101n : reason === undefined ? 150n : 0n),
    symbolAddress: (name) => (name === 'handle_exit' ? 0x40_0ff0n : undefined),
    isInSymbol: (address) => address >= 0x40_0ff0n && address < 0x40_2000n,
    ...more,
  };
}

function holds(text: string, env: ConditionEnvironment): boolean {
  const parsed = parseCondition(text, names);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error.message);
  const outcome = evaluateCondition(parsed.condition, env);
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.message);
  return outcome.holds;
}

test('an EPT violation is told by reason, access and address', () => {
  const text = 'exit == EPT_VIOLATION && qual.write && gpa in 0xfee00000..0xfee00fff';
  const at = (qualification: bigint, guestPhysical: bigint): ConditionEnvironment =>
    environment({ transition: exitOf(48, { qualification, guestPhysical }) });
  assert.equal(holds(text, at(2n, 0xfee0_0000n)), true);
  assert.equal(holds(text, at(2n, 0xfee0_0fffn)), true);
  assert.equal(holds(text, at(2n, 0xfee0_1000n)), false);
  assert.equal(holds(text, at(1n, 0xfee0_0000n)), false);
  assert.equal(
    holds(text, environment({ transition: exitOf(49, { qualification: 2n, guestPhysical: 0xfee0_0000n }) })),
    false,
  );
});

test('what the last stop does not have makes comparisons false, not errors', () => {
  for (const text of [
    'exit == CPUID',
    'exit != CPUID',
    'qual.write',
    'gpa == 0',
    'gpa in 0..10',
    'exit in (HLT)',
    'exit',
    'entry',
    'error',
    'qual + 1 == 1',
  ]) {
    assert.equal(holds(text, environment()), false, text);
  }
  assert.equal(holds('qual.port == 0', environment({ transition: exitOf(10) })), false);
  assert.equal(holds('!exit', environment()), true);
});

test('entries, failures and VMfail are told apart', () => {
  const of = (kind: Transition['kind'], reason: number): ConditionEnvironment =>
    environment({ transition: exitOf(reason, { kind }) });
  assert.equal(holds('entry && !exit && !error', of('entry', 0)), true);
  assert.equal(
    holds('error && exit == INVALID_GUEST_STATE && error == INVALID_GUEST_STATE', of('entry-failure', 33)),
    true,
  );
  assert.equal(holds('error == 7 && !exit', of('vmfail', 7)), true);
  assert.equal(holds('!error && exit == 10', of('exit', 10)), true);
});

test('VMCS fields, their bits, counts, time and symbols have values', () => {
  const env = environment();
  assert.equal(holds('vmcs.GUEST_CR0.PE == 0 && count(exit.HLT) > 100', env), true);
  assert.equal(holds('vmcs.GUEST_CR0.PG && vmcs.GUEST_CR0.NE', env), true);
  assert.equal(holds('vmcs == 0x5000 && vmcs.GUEST_RIP == 0x681e && vmcs.EPTP == 0x201a', env), true);
  assert.equal(holds('count(exit) == 150 && time == 12345', env), true);
  assert.equal(holds('symbol("handle_exit") && handle_exit == 0x400ff0', env), true);
  assert.equal(holds('[0x1000] == 0x1122334455667788 && [gpa:rax, 2] == 0x7788 && [hpa:5, 1] == 0x88', env), true);
});

test('what cannot be read is an error with a sentence, not an exception', () => {
  const failing: readonly (readonly [string, RegExp, ConditionEnvironment])[] = [
    ['[gva:0x20000, 4] == 1', /The 4 bytes at gva 0x20000 cannot be read\./, environment()],
    ['vmcs.GUEST_RIP', /no current VMCS/, environment({ vmcs: undefined })],
    ['vmcs.GUEST_RIP == 1', /VMCS at 0x5000 has no field GUEST_RIP/, environment({ readVmcs: () => undefined })],
    ['1 / (rax - 1)', /divides by zero/, environment()],
  ];
  for (const [text, pattern, env] of failing) {
    const parsed = parseCondition(text, names);
    assert.ok(parsed.ok);
    const outcome = evaluateCondition(parsed.condition, env);
    assert.equal(outcome.ok, false);
    if (!outcome.ok) assert.match(outcome.error.message, pattern);
  }
  assert.equal(holds('rax == 2 && [0x20000] == 1', environment()), false);
});

/** A tree of arithmetic with its text, fully parenthesised, and its value by plain BigInt arithmetic. */
interface Sample {
  readonly text: string;
  readonly value: bigint;
}
const OPERATIONS: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '&': (a, b) => a & b,
  '|': (a, b) => a | b,
  '^': (a, b) => a ^ b,
  '<<': (a, b) => a * 2n ** (b & 63n),
  '>>': (a, b) => a / 2n ** (b & 63n),
};
const samples = fc.letrec<{ sample: Sample }>((tie) => ({
  sample: fc.oneof(
    { maxDepth: 6, withCrossShrink: true },
    fc.bigInt(0n, MASK).map((value) => ({ text: `0x${value.toString(16)}`, value })),
    fc.tuple(fc.constantFrom(...Object.keys(OPERATIONS)), tie('sample'), tie('sample')).map(([operator, a, b]) => {
      const shift = operator === '<<' || operator === '>>';
      const right = shift ? { text: `(${b.text} & 63)`, value: b.value & 63n } : b;
      return {
        text: `(${a.text} ${operator} ${right.text})`,
        value: OPERATIONS[operator](a.value, right.value) & MASK,
      };
    }),
    fc.tuple(fc.constantFrom('~', '-'), tie('sample')).map(([operator, a]) => ({
      text: `${operator}${a.text}`,
      value: (operator === '~' ? MASK - a.value : 2n ** 64n - a.value) & MASK,
    })),
  ),
})).sample;

test('arithmetic is that of unsigned 64-bit numbers', () => {
  fc.assert(
    fc.property(samples, samples, (a, b) => {
      fc.pre(a.text.length + b.text.length < 4000);
      const parsed = parseExpression(a.text);
      assert.ok(parsed.ok);
      const result = evaluate(parsed.value, environment());
      assert.ok(result.ok && result.value.kind === 'number');
      assert.equal(result.value.value, a.value, a.text);
      for (const [operator, expected] of [
        ['<', a.value < b.value],
        ['>=', a.value >= b.value],
        ['==', a.value === b.value],
        ['!=', a.value !== b.value],
      ] as const) {
        assert.equal(holds(`${a.text} ${operator} ${b.text}`, environment()), expected);
      }
    }),
    { seed: 20261122, numRuns: 1500, verbose: 1 },
  );
});

test('the longest expression evaluates', () => {
  const parsed = parseExpression('1' + '+1'.repeat(2047));
  assert.ok(parsed.ok);
  const result = evaluate(parsed.value, environment());
  assert.ok(result.ok && result.value.kind === 'number');
  assert.equal(result.value.value, 2048n);
});

test('hit conditions hold at the hits they name', () => {
  const hits = (text: string): number[] => {
    const parsed = parseHitCondition(text);
    assert.ok(parsed.ok, text);
    return [1, 2, 3, 4, 5, 6].filter((hit) => hitConditionHolds(parsed.value, hit));
  };
  assert.deepEqual(hits('5'), [5, 6]);
  assert.deepEqual(hits('== 5'), [5]);
  assert.deepEqual(hits('>= 4'), [4, 5, 6]);
  assert.deepEqual(hits('> 4'), [5, 6]);
  assert.deepEqual(hits('<3'), [1, 2]);
  assert.deepEqual(hits('<= 3'), [1, 2, 3]);
  assert.deepEqual(hits('% 3'), [3, 6]);
  for (const text of ['', 'x', '% 0', '-1', '5 5', '99999999999999999999'])
    assert.equal(parseHitCondition(text).ok, false, text);
});

test('log messages hold text, values, doubled braces and what failed', () => {
  const parsed = parseLogMessage('{{rax}} is {rax}, exit {exit}: {[0x20000]}', names);
  assert.ok(parsed.ok);
  const text = formatLogMessage(parsed.value, environment({ transition: exitOf(10) }));
  assert.equal(text, '{rax} is 1, exit CPUID (10): <The 8 bytes at gva 0x20000 cannot be read.>');
  const unclosed = parseLogMessage('rax {rax');
  assert.equal(!unclosed.ok && unclosed.error.column, 5);
  const wrong = parseLogMessage('abc {rxa}');
  assert.ok(!wrong.ok && wrong.error.column === 6 && wrong.error.message.startsWith('Column 6: '));
});

test('values print with their meaning', () => {
  const print = (text: string, env = environment()): string => {
    const parsed = parseExpression(text, names);
    assert.ok(parsed.ok);
    const result = evaluate(parsed.value, env);
    assert.ok(result.ok);
    return formatValue(result.value);
  };
  assert.equal(print('rip'), '0x401000');
  assert.equal(print('100'), '0x64 (100)');
  assert.equal(print('1 == 1'), 'true');
  assert.equal(print('exit', environment({ transition: exitOf(48) })), 'EPT_VIOLATION (48)');
  assert.equal(print('exit'), 'not available: no VM exit has just happened');
});
