import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestMachine } from './test-machine';

test('a 64-bit guest is launched, exits with CPUID and is resumed', () => {
  const machine = new TestMachine();
  assert.equal(machine.launch(), 'jumped');
  assert.deepEqual(machine.vmx.log.last?.failures, []);
  assert.equal(machine.vmx.log.last?.kind, 'entry');
  assert.equal(machine.inGuest, true);
  assert.equal(machine.cpu.rip, 0x20_0000n);
  const insn = machine.record({ length: 2 });
  assert.equal(
    machine.outcome(() => {
      machine.cpu.vmx.plain('CPUID', insn);
      return 'executed';
    }),
    'exit',
  );
  assert.equal(machine.cpu.rip, 0x11_0000n);
  assert.equal(machine.field('VM_EXIT_REASON'), 10n);
  assert.equal(machine.field('VM_EXIT_INSTRUCTION_LEN'), 2n);
  machine.setField('GUEST_RIP', 0x20_0002);
  assert.equal(machine.execute('vmresume'), 'jumped');
  assert.equal(machine.cpu.rip, 0x20_0002n);
});
