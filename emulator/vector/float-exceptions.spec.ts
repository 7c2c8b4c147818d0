import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GuestFault, VECTOR } from '../cpu/faults';
import { longMode } from '../cpu/processor.fixture';
import type { Processor } from '../cpu/processor';
import { divide } from '../float/arithmetic';
import { BINARY32 } from '../float/format';
import { unpack } from '../float/unpack';
import { CONTROL, MXCSR } from '../state/layout';
import { CR4 } from '../tables/control-registers';
import { computeElements } from './float-elements';

const ALL_MASKED = 0x1f80;
/** Flags of MXCSR, and 7 places above them their masks. */
const ZERO_DIVIDE = 4;
const UNDERFLOW = 0x10;
const PRECISION = 0x20;
const mask = (flag: number): number => flag << 7;

const ONE = 0x3f80_0000n;
const THREE = 0x4040_0000n;
const SMALLEST_NORMAL = 0x0080_0000n;
const ZERO = 0n;

/** The exception of quotients, element by element; undefined where there is none. */
function divideAll(cpu: Processor, quotients: readonly (readonly [bigint, bigint])[]): number | undefined {
  try {
    computeElements(cpu, quotients.length, (env, i) => {
      const [a, b] = quotients[i].map((bits) => unpack(BINARY32, bits, env));
      return divide(BINARY32, env, a, b);
    });
    return undefined;
  } catch (thrown) {
    assert.ok(thrown instanceof GuestFault);
    return thrown.vector;
  }
}

function processor(mxcsr: number): Processor {
  const { cpu } = longMode();
  cpu.setField(CONTROL.cr4, cpu.field(CONTROL.cr4) | BigInt(CR4.OSXMMEXCPT));
  cpu.setField32(MXCSR, mxcsr);
  return cpu;
}

test('flags of all elements meet in MXCSR while their exceptions are masked', () => {
  const cpu = processor(ALL_MASKED);
  const quotients = [
    [ONE, ZERO],
    [ONE, THREE],
    [SMALLEST_NORMAL, THREE],
  ] as const;
  assert.equal(divideAll(cpu, quotients), undefined);
  assert.equal(cpu.field32(MXCSR), ALL_MASKED | ZERO_DIVIDE | UNDERFLOW | PRECISION);
});

test('an unmasked exception found before the computation keeps those found after it, of other elements, out of MXCSR', () => {
  const mxcsr = ALL_MASKED & ~mask(ZERO_DIVIDE);
  const cpu = processor(mxcsr);
  assert.equal(
    divideAll(cpu, [
      [ONE, THREE],
      [ONE, ZERO],
    ]),
    VECTOR.XM,
  );
  assert.equal(cpu.field32(MXCSR), mxcsr | ZERO_DIVIDE);
});

test('an unmasked exception found after the computation is reported with the others', () => {
  const mxcsr = ALL_MASKED & ~mask(PRECISION);
  const cpu = processor(mxcsr);
  assert.equal(
    divideAll(cpu, [
      [ONE, THREE],
      [ONE, ZERO],
    ]),
    VECTOR.XM,
  );
  assert.equal(cpu.field32(MXCSR), mxcsr | ZERO_DIVIDE | PRECISION);
});

test('where CR4.OSXMMEXCPT is clear an unmasked floating-point exception is #UD', () => {
  const cpu = processor(ALL_MASKED & ~mask(ZERO_DIVIDE));
  cpu.setField(CONTROL.cr4, cpu.field(CONTROL.cr4) & ~BigInt(CR4.OSXMMEXCPT));
  assert.equal(divideAll(cpu, [[ONE, ZERO]]), VECTOR.UD);
});
