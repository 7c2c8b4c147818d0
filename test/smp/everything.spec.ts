/** A run of processors with all devices and events at work is the same, however it is cut, stepped, looked at or taken up from a snapshot. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadFlat } from '../../emulator/boot/flat';
import { createMachine, type LoadableMachine } from '../../emulator/machine/machine';
import { Random } from '../host-oracle/random';

const MEMORY = 2 << 20;
const LOAD_AT = 0x8000;
const SEED = 31;
const END = 120_000n;
const PART = 8000n;

function assemble(): Uint8Array {
  const folder = mkdtempSync(join(tmpdir(), 'strata-'));
  try {
    const image = join(folder, 'guest.bin');
    execFileSync('nasm', ['-f', 'bin', '-o', image, join(__dirname, 'everything.asm')]);
    return readFileSync(image);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const CODE = assemble();

function boot(processors: number, turn: number): LoadableMachine {
  const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: BigInt(SEED), processors, turn });
  const loaded = loadFlat(CODE, { name: 'guest', memory: MEMORY, loadAddress: LOAD_AT, mode: 16 });
  assert.ok(loaded.ok);
  machine.load(loaded.image);
  return machine;
}

function runTo(machine: LoadableMachine, time: bigint, slice: () => number): void {
  while (machine.time < time) {
    const { kind } = machine.run(Math.min(Number(time - machine.time), slice()));
    assert.ok(kind === 'limit' || kind === 'breakpoint', kind);
  }
}

/** Ways to get on by about a part of the run. */
const WAYS: Readonly<Record<string, (machine: LoadableMachine, time: bigint, random: Random) => void>> = {
  'in slices': (machine, time, random) => runTo(machine, time, () => 1 + random.below(random.oneIn(3) ? 5 : 3000)),
  'by instructions': (machine, time) => runTo(machine, time, () => 1),
  'with steps and looks': (machine, time, random) => {
    while (machine.time < time) {
      const [layer] = machine.layers.slice(random.below(machine.layers.length));
      if (random.oneIn(3)) machine.step(random.oneIn(2) ? undefined : layer.processor);
      else machine.run(1 + random.below(50));
      const state = machine.state(layer);
      state.control('CR3');
      state.unit('ST0');
      state.peek(BigInt(LOAD_AT), 32);
    }
    machine.run(40);
  },
  'from a snapshot': (machine, time) => {
    const snapshot = machine.snapshot();
    runTo(machine, time, () => 700);
    machine.restore(snapshot);
    runTo(machine, time, () => 1300);
  },
  'with breakpoints': (machine, time, random) => {
    machine.setBreakpoints(
      Array.from({ length: 20 }, () => ({ linear: BigInt(LOAD_AT + random.below(0x600)), layer: undefined })),
    );
    runTo(machine, time, () => 2000);
    machine.setBreakpoints([]);
  },
};

for (const [processors, turn] of [
  [1, 5000],
  [2, 1],
  [4, 777],
  [8, 100],
] as const) {
  test(`${processors} processors with turns of ${turn} do the same, however they are run (seed ${SEED})`, () => {
    const random = new Random(SEED + processors);
    const whole = boot(processors, turn);
    const other = boot(processors, turn);
    const ways = Object.entries(WAYS);
    for (let part = 0; whole.time < END; part++) {
      const [name, go] = ways[part % ways.length];
      go(other, other.time + PART, random);
      runTo(whole, other.time, () => 1_000_000);
      assert.equal(whole.time, other.time, name);
      assert.equal(whole.stateHash(), other.stateHash(), `${name}, at time ${whole.time}`);
    }
  });
}
