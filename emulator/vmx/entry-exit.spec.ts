import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SEG } from '../cpu/processor';
import { BOUNDARY, CONTROL, MSRS, SEGMENT_ORDER, VMX } from '../state/layout';
import { HOST_SEGMENT, TRANSITION_ELEMENTS } from '../tables/transition-elements';
import { slotOf } from '../tables/vmcs-fields';
import { EVENT_TYPE } from '../tables/interruption-info';
import { REFUSED_MSR, TestMachine } from './test-machine.fixture';

const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

function stateOf({ memory }: TestMachine, { address, width }: (typeof TRANSITION_ELEMENTS)[number]): bigint {
  return WIDTH[width] === 8
    ? memory.u64[address >> 3]
    : BigInt(WIDTH[width] === 4 ? memory.u32[address >> 2] : memory.u16[address >> 1]);
}
function slotValue({ memory }: TestMachine, encoding: number): bigint {
  return memory.u64[(0x2000 + slotOf(encoding)) >> 3];
}

function exitByCpuid(machine: TestMachine, length = 2): string {
  const insn = machine.record({ length });
  return machine.outcome(() => {
    machine.cpu.vmx.plain('CPUID', insn);
    return 'executed';
  });
}

test('a 64-bit guest is launched, exits with CPUID and is resumed', () => {
  const machine = new TestMachine();
  assert.equal(machine.launch(), 'jumped');
  assert.equal(machine.vmx.log.last?.kind, 'entry');
  assert.equal(machine.inGuest, true);
  assert.equal(machine.cpu.rip, 0x20_0000n);
  assert.equal(exitByCpuid(machine), 'exit');
  assert.equal(machine.cpu.rip, 0x11_0000n);
  assert.equal(machine.field('VM_EXIT_REASON'), 10n);
  assert.equal(machine.field('VM_EXIT_INSTRUCTION_LEN'), 2n);
  machine.setField('GUEST_RIP', 0x20_0002);
  assert.equal(machine.execute('vmresume'), 'jumped');
  assert.equal(machine.cpu.rip, 0x20_0002n);
});

test('VM entry copies every element the table says is copied', () => {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.setField('GUEST_FS_BASE', 0x7777_0000n);
    machine.setField('GUEST_SYSENTER_EIP', 0x5555_0000n);
    machine.setField('GUEST_IDTR_LIMIT', 0xabc);
    machine.setField('GUEST_GDTR_BASE', 0x9_9000n);
  });
  for (const element of TRANSITION_ELEMENTS) {
    if (element.entry.kind !== 'copy' || element.guestField === undefined) continue;
    const mask = (1n << BigInt(WIDTH[element.width] * 8)) - 1n;
    assert.equal(stateOf(machine, element), slotValue(machine, element.guestField) & mask, element.name);
  }
});

test('VM exit saves every element the table says is copied, then loads host values and constants', () => {
  const machine = new TestMachine();
  machine.launch();
  const { cpu, memory } = machine;
  // What the guest changed: every plain element gets a value of its own.
  const written = new Map<string, bigint>();
  TRANSITION_ELEMENTS.forEach((element, index) => {
    if (element.exitSave.kind !== 'copy' || /CR|access|EFER/.test(element.name)) return;
    const value = BigInt(0x1000 + index * 16) & ((1n << BigInt(WIDTH[element.width] * 8)) - 1n);
    if (WIDTH[element.width] === 8) memory.u64[element.address >> 3] = value;
    else if (WIDTH[element.width] === 4) memory.u32[element.address >> 2] = Number(value);
    else memory.u16[element.address >> 1] = Number(value);
    written.set(element.name, value);
  });
  cpu.rip = 0x20_0400n;
  written.set('RIP', cpu.rip);
  assert.equal(exitByCpuid(machine), 'exit');
  for (const element of TRANSITION_ELEMENTS) {
    const saved = written.get(element.name);
    if (saved !== undefined && element.guestField !== undefined) {
      assert.equal(slotValue(machine, element.guestField), saved, `${element.name} saved`);
    }
    const { exitLoad } = element;
    if (exitLoad.kind === 'constant')
      assert.equal(stateOf(machine, element), exitLoad.value, `${element.name} constant`);
    if (exitLoad.kind === 'copy' && element.hostField !== undefined) {
      assert.equal(stateOf(machine, element), slotValue(machine, element.hostField), `${element.name} loaded`);
    }
  }
  assert.equal(cpu.rflags, 2);
  assert.equal(cpu.access(SEG.CS), HOST_SEGMENT.codeAccess64);
  // Host selectors of ES, SS, DS, FS and GS are 0: unusable, SS with DPL 0.
  for (const index of [SEG.ES, SEG.SS, SEG.DS, SEG.FS, SEG.GS]) {
    assert.equal(cpu.access(index) & 0x1_0000, 0x1_0000, SEGMENT_ORDER[index]);
  }
  assert.equal(cpu.cpl, 0);
});

test('a host data segment with a selector is flat and usable', () => {
  const machine = new TestMachine();
  machine.launch(() => machine.setField('HOST_DS_SELECTOR', 0x10));
  exitByCpuid(machine);
  assert.equal(machine.cpu.access(SEG.DS), HOST_SEGMENT.dataAccess);
  assert.equal(machine.cpu.limit(SEG.DS), 0xffff_ffff);
});

test('transitions leave CR0.CD, NW and ET alone', () => {
  const machine = new TestMachine();
  machine.start();
  machine.cpu.setField(CONTROL.cr0, 0xe000_0031n);
  machine.launch(() => machine.setField('GUEST_CR0', 0x8000_0021n));
  assert.equal(machine.cpu.cr0, 0xe000_0031n);
  exitByCpuid(machine);
  assert.equal(machine.cpu.cr0, 0xe000_0031n);
});

test('debug controls are loaded and saved only where the controls say so', () => {
  for (const on of [false, true]) {
    const machine = new TestMachine();
    machine.start();
    machine.cpu.setField(CONTROL.dr + 56, 0x401n);
    machine.launch(() => {
      machine.control('entry.LOAD_DEBUG_CONTROLS', on);
      machine.control('exit.SAVE_DEBUG_CONTROLS', on);
      machine.setField('GUEST_DR7', 0x402n);
      machine.setField('GUEST_IA32_DEBUGCTL', 1n);
    });
    assert.equal(machine.cpu.field(CONTROL.dr + 56), on ? 0x402n : 0x401n);
    assert.equal(machine.cpu.field(MSRS.debugctl), on ? 1n : 0n);
    machine.cpu.setField(CONTROL.dr + 56, 0x403n);
    exitByCpuid(machine);
    assert.equal(machine.field('GUEST_DR7'), on ? 0x403n : 0x402n);
    assert.equal(machine.cpu.field(CONTROL.dr + 56), 0x400n);
    assert.equal(machine.cpu.field(MSRS.debugctl), 0n);
  }
});

test('without "load IA32_EFER" LMA and LME follow the mode controls', () => {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.control('entry.LOAD_IA32_EFER', false);
    machine.control('exit.LOAD_IA32_EFER', false);
    machine.setField('GUEST_IA32_EFER', 0);
  });
  assert.equal(machine.cpu.efer & 0x500n, 0x500n);
  exitByCpuid(machine);
  assert.equal(machine.cpu.efer & 0x500n, 0x500n);
});

test('the TSC offset is in force in the guest alone', () => {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.control('primary.USE_TSC_OFFSETTING');
    machine.setField('TSC_OFFSET', 0x1234n);
  });
  assert.equal(machine.cpu.field(VMX.tscOffset), 0x1234n);
  exitByCpuid(machine);
  assert.equal(machine.cpu.field(VMX.tscOffset), 0n);
});

test('arithmetic and system flags cross both ways; an instruction that exits saves RF = 0', () => {
  const machine = new TestMachine();
  machine.launch(() => machine.setField('GUEST_RFLAGS', 0x1_0ad7));
  assert.equal(machine.cpu.rflags, 0x1_0ad7);
  exitByCpuid(machine);
  assert.equal(machine.field('GUEST_RFLAGS'), 0xad7n);
});

test('without VPID both transitions flush VPID 0, with VPID neither does', () => {
  const machine = new TestMachine();
  machine.launch();
  exitByCpuid(machine);
  assert.deepEqual(machine.flushes, ['vpid 0', 'vpid 0']);
  const tagged = new TestMachine();
  tagged.launch(() => {
    tagged.control('secondary.ENABLE_VPID');
    tagged.setField('VPID', 7);
  });
  assert.equal(tagged.cpu.vmx.vpid, 7);
  exitByCpuid(tagged);
  assert.equal(tagged.cpu.vmx.vpid, 0);
  assert.deepEqual(tagged.flushes, []);
});

test('a bad guest state fails the entry with reason 33, loads the host state and saves nothing', () => {
  const machine = new TestMachine();
  assert.equal(
    machine.launch(() => machine.setField('GUEST_RFLAGS', 0)),
    'jumped',
  );
  assert.equal(machine.inGuest, false);
  assert.equal(machine.cpu.rip, 0x11_0000n);
  assert.equal(machine.field('VM_EXIT_REASON'), 0x8000_0021n);
  const failed = machine.vmx.log.last;
  assert.equal(failed?.kind, 'entry-failure');
  assert.equal(failed?.reason, 33);
  assert.ok(failed?.failures[0].fields.some(({ name }) => name === 'GUEST_RFLAGS'));
  // The launch state is still clear.
  assert.equal(machine.launch(), 'jumped');
  assert.equal(machine.inGuest, true);
});

test('a VMCS link pointer that is none of ours fails with qualification 4', () => {
  const machine = new TestMachine();
  machine.launch(() => machine.setField('VMCS_LINK_POINTER', 1));
  assert.equal(machine.field('VM_EXIT_REASON'), 0x8000_0021n);
  assert.equal(machine.field('EXIT_QUALIFICATION'), 4n);
});

function msrList(machine: TestMachine, at: number, entries: readonly (readonly [number, bigint])[]): bigint {
  entries.forEach(([index, value], i) => {
    machine.memory.write64(at + i * 16, BigInt(index));
    machine.memory.write64(at + i * 16 + 8, value);
  });
  return BigInt(at);
}

test('MSR lists are loaded at entry, stored and loaded at exit, in order', () => {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.setField(
      'VM_ENTRY_MSR_LOAD_ADDR',
      msrList(machine, 0x9000, [
        [0xc000_0081, 1n],
        [0xc000_0082, 2n],
      ]),
    );
    machine.setField('VM_ENTRY_MSR_LOAD_COUNT', 2);
    machine.setField('VM_EXIT_MSR_STORE_ADDR', msrList(machine, 0x9100, [[0xc000_0081, 0n]]));
    machine.setField('VM_EXIT_MSR_STORE_COUNT', 1);
    machine.setField('VM_EXIT_MSR_LOAD_ADDR', msrList(machine, 0x9200, [[0xc000_0081, 9n]]));
    machine.setField('VM_EXIT_MSR_LOAD_COUNT', 1);
  });
  assert.equal(machine.msrs.get(0xc000_0082), 2n);
  machine.msrs.set(0xc000_0081, 5n);
  exitByCpuid(machine);
  assert.equal(machine.memory.read64(0x9108), 5n);
  assert.equal(machine.msrs.get(0xc000_0081), 9n);
});

test('an MSR that cannot be loaded at entry is reason 34 with the number of its entry', () => {
  for (const bad of [REFUSED_MSR, 0xc000_0100, 0xc000_0101, 0x802, 0x9b]) {
    const machine = new TestMachine();
    machine.launch(() => {
      machine.setField(
        'VM_ENTRY_MSR_LOAD_ADDR',
        msrList(machine, 0x9000, [
          [0xc000_0081, 1n],
          [bad, 2n],
        ]),
      );
      machine.setField('VM_ENTRY_MSR_LOAD_COUNT', 2);
    });
    assert.equal(machine.field('VM_EXIT_REASON'), 0x8000_0022n, bad.toString(16));
    assert.equal(machine.field('EXIT_QUALIFICATION'), 2n);
    assert.equal(machine.cpu.rip, 0x11_0000n);
  }
});

test('a list longer than IA32_VMX_MISC recommends ends at its first entry too many', () => {
  const entries = Array.from({ length: 513 }, (_, i) => [0xc000_0081, BigInt(i)] as const);
  const machine = new TestMachine();
  machine.launch(() => {
    machine.setField('VM_ENTRY_MSR_LOAD_ADDR', msrList(machine, 0x10_0000, entries));
    machine.setField('VM_ENTRY_MSR_LOAD_COUNT', 513);
  });
  assert.equal(machine.field('VM_EXIT_REASON'), 0x8000_0022n);
  assert.equal(machine.field('EXIT_QUALIFICATION'), 513n);
  assert.equal(machine.msrs.get(0xc000_0081), 511n);
});

test('failing to load a host MSR is a VMX abort: indicator 4 in the region, shutdown', () => {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.setField('VM_EXIT_MSR_LOAD_ADDR', msrList(machine, 0x9200, [[REFUSED_MSR, 9n]]));
    machine.setField('VM_EXIT_MSR_LOAD_COUNT', 1);
  });
  exitByCpuid(machine);
  assert.equal(machine.memory.read32(0x6004), 4);
  assert.equal(machine.cpu.field32(BOUNDARY.activity), 2);
  assert.equal(machine.vmx.log.last?.kind, 'abort');
  assert.equal(machine.vmx.log.last?.reason, 4);
  assert.equal(machine.vmx.aborted, true);
});

test('an exit clears the valid bit of the VM-entry interruption information', () => {
  const machine = new TestMachine();
  machine.launch();
  machine.setField('VM_ENTRY_INTR_INFO', 0x8000_0020);
  exitByCpuid(machine);
  assert.equal(machine.field('VM_ENTRY_INTR_INFO'), 0x20n);
});

test('an exit during delivery records the event as IDT-vectoring information', () => {
  const machine = new TestMachine();
  machine.launch(() => {
    machine.control('secondary.ENABLE_EPT', false);
    machine.setField('EXCEPTION_BITMAP', 1 << 13);
  });
  machine.cpu.delivering = {
    type: EVENT_TYPE.SOFTWARE_INTERRUPT,
    vector: 0x80,
    errorCode: undefined,
    instructionLength: 2,
  };
  assert.equal(machine.cpu.vmx.exception(13, 0x402, 0n, false, 0), true);
  assert.equal(machine.field('IDT_VECTORING_INFO'), 0x8000_0480n);
  assert.equal(machine.field('VM_EXIT_INTR_INFO'), 0x8000_0b0dn);
  assert.equal(machine.field('VM_EXIT_INTR_ERROR_CODE'), 0x402n);
  assert.equal(machine.field('VM_EXIT_INSTRUCTION_LEN'), 2n);
  assert.equal(machine.cpu.delivering, undefined);
});

test('a guest entered in HLT stays there; STI blocking is loaded and an exit ends it', () => {
  const machine = new TestMachine();
  machine.launch(() => machine.setField('GUEST_ACTIVITY_STATE', 1));
  assert.equal(machine.cpu.field32(BOUNDARY.activity), 1);
  const blocked = new TestMachine();
  blocked.launch(() => {
    blocked.setField('GUEST_RFLAGS', 0x202);
    blocked.setField('GUEST_INTERRUPTIBILITY_STATE', 1);
  });
  assert.equal(blocked.interruptibility, 1);
  exitByCpuid(blocked);
  assert.equal(blocked.interruptibility, 0);
  assert.equal(blocked.field('GUEST_INTERRUPTIBILITY_STATE'), 1n);
});

test('an entry to a guest with PAE paging fails where its PDPTEs are not in RAM: they read as all ones', () => {
  for (const [cr3, reason] of [
    [0xffff_0000, 0x8000_0021n],
    [0x7000, undefined],
  ] as const) {
    const machine = new TestMachine();
    machine.launch(() => {
      machine.control('entry.IA32E_MODE_GUEST', false);
      machine.setField('GUEST_IA32_EFER', 0);
      machine.setField('GUEST_CS_AR', 0xc09b);
      machine.setField('GUEST_CR3', cr3);
    });
    assert.equal(machine.inGuest, reason === undefined);
    if (reason === undefined) continue;
    assert.equal(machine.field('VM_EXIT_REASON'), reason);
    assert.equal(machine.field('EXIT_QUALIFICATION'), 2n);
  }
});
