import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MACHINE } from '../state/layout';
import { TestMachine } from './test-machine.fixture';
import { LOG_CAPACITY } from './transitions';

function cpuid(machine: TestMachine): void {
  machine.outcome(() => {
    machine.cpu.vmx.plain('CPUID', machine.record({ length: 2 }));
    return '';
  });
}

test('each transition is logged with number, ends, reason and RIP', () => {
  const machine = new TestMachine();
  machine.launch();
  cpuid(machine);
  const [entry, exit] = machine.vmx.transitions;
  assert.deepEqual(
    [entry.number, entry.kind, entry.from, entry.to, entry.rip],
    [1, 'entry', { level: 0, vmcs: null }, { level: 1, vmcs: 0x6000n }, 0x20_0000n],
  );
  assert.deepEqual(
    [exit.number, exit.kind, exit.reason, exit.rip, exit.instructionLength],
    [2, 'exit', 10, 0x20_0000n, 2],
  );
});

test('an entry is logged with the event it injects', () => {
  const machine = new TestMachine();
  const generalProtection = 0x8000_0b0d;
  machine.launch(() => {
    machine.setField('VM_ENTRY_INTR_INFO', generalProtection);
    machine.setField('VM_ENTRY_EXCEPTION_ERROR_CODE', 0x18);
  });
  const [entry] = machine.vmx.transitions;
  assert.deepEqual(
    [entry.kind, entry.interruptionInfo, entry.interruptionErrorCode],
    ['entry', generalProtection, 0x18],
  );
});

test('the stop mask says which transitions ask for a stop', () => {
  const cases = [
    ['entry', 'entry'],
    ['exit', 'exit'],
    ['vmfail', 'vmfail'],
    ['entryFailure', 'entry-failure'],
    ['tripleFault', 'triple'],
  ] as const;
  for (const [key] of cases) {
    for (const [other, kind] of cases) {
      const machine = new TestMachine();
      machine.start();
      if (kind === 'exit' || kind === 'triple') machine.launch();
      machine.stopMask[key] = true;
      if (kind === 'entry') machine.launch();
      if (kind === 'exit') cpuid(machine);
      if (kind === 'triple') machine.cpu.vmx.tripleFault();
      if (kind === 'vmfail') machine.execute('vmcall');
      if (kind === 'entry-failure') machine.launch(() => machine.setField('GUEST_RFLAGS', 0));
      const expected = key === other || (key === 'exit' && kind === 'triple');
      assert.equal(machine.vmx.log.stopRequested, expected, `${key} at ${kind}`);
    }
  }
});

test('the log keeps the last transitions and forgets older ones', () => {
  const machine = new TestMachine();
  machine.launch();
  for (let n = 0; n < LOG_CAPACITY / 2 + 10; n++) {
    cpuid(machine);
    machine.execute('vmresume');
  }
  const all = machine.vmx.transitions;
  assert.equal(all.length, LOG_CAPACITY);
  assert.equal(all.at(-1)?.number, Number(machine.vmx.log.lastNumber));
  assert.equal(machine.vmx.log.at(1), undefined);
});

test('a machine put back to an earlier transition sees no later one', () => {
  const machine = new TestMachine();
  machine.launch(() => machine.setField('GUEST_RFLAGS', 0));
  assert.ok((machine.vmx.log.last?.failures.length ?? 0) > 0);
  machine.memory.u64[MACHINE.transitions >> 3] = 0n;
  assert.equal(machine.vmx.transitions.length, 0);
  machine.launch();
  assert.deepEqual(
    machine.vmx.transitions.map(({ kind, failures }) => [kind, failures.length]),
    [['entry', 0]],
  );
});
