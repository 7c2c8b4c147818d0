import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VMCS_REVISION } from '../tables/vmx-capabilities';
import { TestMachine } from './test-machine.fixture';

/** Makes the VMCS at a physical address current and able to enter. */
function select(machine: TestMachine, pointer: number): void {
  machine.memory.write32(pointer, VMCS_REVISION);
  machine.memory.write64(0x4010, BigInt(pointer));
  machine.execute('vmptrld', { memory: 0x4010 });
  if (machine.field('HOST_RIP') === 0n) machine.prepareGuest();
}
function enter(machine: TestMachine, pointer: number): void {
  select(machine, pointer);
  const launched = machine.vmx.context.vmcs.launched;
  assert.equal(machine.execute(launched ? 'vmresume' : 'vmlaunch'), 'jumped');
  assert.equal(machine.inGuest, true);
}
function leave(machine: TestMachine, how: 'CPUID' | 'vmlaunch' | 'vmresume'): void {
  if (how !== 'CPUID') assert.equal(machine.execute(how), 'exit');
  else {
    machine.outcome(() => {
      machine.cpu.vmx.plain('CPUID', machine.record({}));
      return '';
    });
  }
  assert.equal(machine.inGuest, false);
}
const levels = (machine: TestMachine): (readonly [bigint | undefined, number, number | undefined])[] =>
  machine.vmx.layers.entries(1).map(({ vmcs, level, parent }) => [vmcs, level, parent] as const);

test("a VMCS entered after another guest asked for an entry is that guest's child", () => {
  const machine = new TestMachine();
  machine.start();
  enter(machine, 0x6000);
  leave(machine, 'vmlaunch');
  enter(machine, 0x7000);
  leave(machine, 'CPUID');
  assert.deepEqual(levels(machine), [
    [undefined, 0, undefined],
    [0x6000n, 1, 1],
    [0x7000n, 2, 1000],
  ]);
  const last = machine.vmx.log.last;
  assert.deepEqual(last?.from, { level: 2, vmcs: 0x7000n });
  assert.deepEqual(last?.to, { level: 0, vmcs: null });
});

test('a VMCS that root entered on its own account is never a child', () => {
  const machine = new TestMachine();
  machine.start();
  enter(machine, 0x6000);
  leave(machine, 'CPUID');
  enter(machine, 0x7000);
  leave(machine, 'CPUID');
  enter(machine, 0x6000);
  leave(machine, 'vmresume');
  enter(machine, 0x7000);
  leave(machine, 'CPUID');
  assert.deepEqual(levels(machine).slice(1), [
    [0x6000n, 1, 1],
    [0x7000n, 1, 1],
  ]);
});

test('a guest that runs again after asking for an entry has no new child', () => {
  const machine = new TestMachine();
  machine.start();
  enter(machine, 0x6000);
  leave(machine, 'vmlaunch');
  enter(machine, 0x6000);
  leave(machine, 'CPUID');
  enter(machine, 0x7000);
  assert.deepEqual(levels(machine).slice(1), [
    [0x6000n, 1, 1],
    [0x7000n, 1, 1],
  ]);
  assert.equal(machine.vmx.layers.current().vmcs, 0x7000n);
});

test('a layer at rest keeps its general registers and the number of what left it', () => {
  const machine = new TestMachine();
  machine.start();
  machine.cpu.setGpr(0, 0x1111n);
  enter(machine, 0x6000);
  assert.equal(machine.memory.u64[(machine.vmx.layers.savedAt(1, 0) ?? 0) >> 3], 0x1111n);
  machine.cpu.setGpr(15, 0x2222n);
  leave(machine, 'CPUID');
  assert.equal(machine.memory.u64[(machine.vmx.layers.savedAt(1000, 15) ?? 0) >> 3], 0x2222n);
  const guest = machine.vmx.layers.entries(1)[1];
  assert.equal(guest.lastTransition, machine.vmx.log.last?.number);
  assert.deepEqual([...machine.vmx.exitCounts], [[10, 1]]);
});

test('more VMCSs than the table holds are taken without complaint; the last ones are known', () => {
  const machine = new TestMachine();
  machine.start();
  for (let n = 0; n < 400; n++) {
    enter(machine, 0x10_0000 + n * 0x1000);
    leave(machine, 'CPUID');
  }
  const entries = machine.vmx.layers.entries(1);
  assert.ok(entries.length > 200);
  assert.equal(entries.at(-1)?.vmcs, 0x10_0000n + 399n * 0x1000n);
});
