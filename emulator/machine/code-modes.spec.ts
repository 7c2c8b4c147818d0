import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareProcessor } from '../cpu/processor.fixture';
import { SEG } from '../cpu/processor';
import { CodeModes } from './code-modes';

const CODE = 0x409b;

test('a code mode keeps its number while it is in use, and no other mode ever has it', () => {
  const { cpu } = bareProcessor();
  const modes = new CodeModes();
  const seen = new Set<number>();
  for (let base = 0; base < 5000; base++) {
    cpu.setSegment(SEG.CS, 8, BigInt(base), 0xffff, CODE);
    const { index, csBase } = modes.current(cpu);
    assert.equal(csBase, BigInt(base));
    assert.equal(modes.current(cpu).index, index);
    assert.ok(!seen.has(index));
    seen.add(index);
  }
});

test('a guest that loads ever new code segments does not fill the host', () => {
  const { cpu } = bareProcessor();
  const modes = new CodeModes();
  cpu.setSegment(SEG.CS, 8, 0n, 0xffff, CODE);
  const first = modes.current(cpu);
  for (let base = 1; base < 5000; base++) {
    cpu.setSegment(SEG.CS, 8, BigInt(base), 0xffff, CODE);
    modes.current(cpu);
  }
  cpu.setSegment(SEG.CS, 8, 0n, 0xffff, CODE);
  assert.notEqual(modes.current(cpu).index, first.index, 'forgotten long ago');
});
