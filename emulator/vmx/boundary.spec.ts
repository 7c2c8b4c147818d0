import assert from 'node:assert/strict';
import { test } from 'node:test';
import { boundary as processorBoundary } from '../cpu/boundary';
import { BOUNDARY } from '../state/layout';
import { ACTIVITY } from '../tables/boundary-state';
import { TestMachine } from './test-machine.fixture';

interface Situation {
  readonly rflags?: number;
  readonly interruptibility?: number;
  readonly activity?: number;
  readonly windows?: boolean;
  readonly interruptExiting?: boolean;
  readonly nmiExiting?: boolean;
  readonly acknowledge?: boolean;
  readonly pending?: Partial<{ interrupt: boolean; nmi: boolean; init: boolean }>;
}

/** Basic exit reason of the boundary, or 'none'. */
function boundary(situation: Situation): { readonly reason: number | 'none'; readonly machine: TestMachine } {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.control('primary.INTERRUPT_WINDOW_EXITING', situation.windows ?? false);
    machine.control('pin.EXTERNAL_INTERRUPT_EXITING', situation.interruptExiting ?? false);
    machine.control('pin.NMI_EXITING', situation.nmiExiting ?? false);
    machine.control('exit.ACKNOWLEDGE_INTERRUPT_ON_EXIT', situation.acknowledge ?? false);
    machine.setField('GUEST_RFLAGS', situation.rflags ?? 0x202);
  });
  assert.equal(machine.inGuest, true);
  const { cpu } = machine;
  cpu.setField32(BOUNDARY.interruptibility, situation.interruptibility ?? 0);
  cpu.setField32(BOUNDARY.activity, situation.activity ?? 0);
  const { interrupt = false, nmi = false, init = false } = situation.pending ?? {};
  if (interrupt) machine.vectors.push(0x31);
  cpu.setField32(BOUNDARY.latched, (nmi ? 1 : 0) | (init ? 2 : 0));
  const exited = cpu.vmx.boundary({ interrupt, nmi, init });
  return { machine, reason: exited ? Number(machine.field('VM_EXIT_REASON')) : 'none' };
}

test('of INIT, NMI, window and interrupt the exit of highest priority is made', () => {
  const all = { windows: true, interruptExiting: true, nmiExiting: true } as const;
  assert.equal(boundary({ ...all, pending: { init: true, nmi: true, interrupt: true } }).reason, 3);
  assert.equal(boundary({ ...all, pending: { nmi: true, interrupt: true } }).reason, 0);
  assert.equal(boundary({ ...all, pending: { interrupt: true } }).reason, 7);
  assert.equal(boundary({ ...all, windows: false, pending: { interrupt: true } }).reason, 1);
  assert.equal(boundary({ ...all, windows: false }).reason, 'none');
});

test('the interrupt window is shut by IF = 0, STI and MOV SS, and by nothing else', () => {
  assert.equal(boundary({ windows: true }).reason, 7);
  assert.equal(boundary({ windows: true, rflags: 2 }).reason, 'none');
  assert.equal(boundary({ windows: true, interruptibility: 1 }).reason, 'none');
  assert.equal(boundary({ windows: true, interruptibility: 2 }).reason, 'none');
  assert.equal(boundary({ windows: true, interruptibility: 8 }).reason, 7);
  assert.equal(boundary({ windows: true, activity: 1 }).reason, 7);
});

test('an external interrupt that exits does not ask for IF', () => {
  const pending = { interrupt: true } as const;
  assert.equal(boundary({ interruptExiting: true, rflags: 2, pending }).reason, 1);
  assert.equal(boundary({ interruptExiting: true, interruptibility: 1, pending }).reason, 'none');
  assert.equal(boundary({ pending }).reason, 'none');
});

test('only "acknowledge interrupt on exit" takes the vector', () => {
  const pending = { interrupt: true } as const;
  const left = boundary({ interruptExiting: true, pending }).machine;
  assert.equal(left.field('VM_EXIT_INTR_INFO'), 0n);
  assert.deepEqual(left.vectors, [0x31]);
  const taken = boundary({ interruptExiting: true, acknowledge: true, pending }).machine;
  assert.equal(taken.field('VM_EXIT_INTR_INFO'), 0x8000_0031n);
  assert.deepEqual(taken.vectors, []);
});

test('an NMI exit takes the request and begins blocking by NMI; a blocked NMI waits', () => {
  const { machine, reason } = boundary({ nmiExiting: true, pending: { nmi: true } });
  assert.equal(reason, 0);
  assert.equal(machine.field('VM_EXIT_INTR_INFO'), 0x8000_0202n);
  assert.equal(machine.interruptibility, 8);
  assert.equal(machine.cpu.field32(BOUNDARY.latched), 0);
  assert.equal(machine.field('GUEST_INTERRUPTIBILITY_STATE'), 0n);
  assert.equal(boundary({ nmiExiting: true, interruptibility: 8, pending: { nmi: true } }).reason, 'none');
  assert.equal(boundary({ pending: { nmi: true } }).reason, 'none');
});

test('an exit out of HLT saves that state and leaves the host active', () => {
  const { machine } = boundary({ interruptExiting: true, activity: 1, pending: { interrupt: true } });
  assert.equal(machine.field('GUEST_ACTIVITY_STATE'), 1n);
  assert.equal(machine.cpu.field32(BOUNDARY.activity), 0);
});

test('a debug exception that exits out of HLT saves the HLT state, and leaves the host active', () => {
  const machine = new TestMachine();
  machine.launch(() => machine.setField('EXCEPTION_BITMAP', 2));
  const { cpu } = machine;
  cpu.setField32(BOUNDARY.activity, ACTIVITY.HLT);
  cpu.setField(BOUNDARY.pendingDebug, 0x4000n);
  assert.equal(processorBoundary(cpu), 'exited');
  assert.equal(machine.field('VM_EXIT_INTR_INFO'), 0x8000_0301n);
  assert.equal(machine.field('EXIT_QUALIFICATION'), 0x4000n);
  assert.equal(machine.field('GUEST_ACTIVITY_STATE'), BigInt(ACTIVITY.HLT));
  assert.equal(cpu.field32(BOUNDARY.activity), ACTIVITY.ACTIVE);
});
