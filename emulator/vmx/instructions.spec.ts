import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SEG } from '../cpu/processor';
import { BOUNDARY, CONTROL, MSRS, VMX } from '../state/layout';
import { FIELD } from '../tables/vmcs-fields';
import { VMCS_REVISION } from '../tables/vmx-capabilities';
import { VMX_COLD } from './instructions';
import { TestMachine } from './test-machine.fixture';

const CPL3_DATA = 0xc0f3;
/** Everything that needs VMX operation, with an operand where it takes one. */
const IN_OPERATION = [
  'vmxoff',
  'vmclear',
  'vmptrld',
  'vmptrst',
  'vmread',
  'vmwrite',
  'vmlaunch',
  'vmresume',
  'invept',
  'invvpid',
];

function pointer(machine: TestMachine, value: bigint): { memory: number } {
  machine.memory.write64(0x4010, value);
  return { memory: 0x4010 };
}

function started(): TestMachine {
  const machine = new TestMachine();
  machine.start();
  return machine;
}

test('outside VMX operation every VMX instruction but VMXON is #UD', () => {
  const machine = new TestMachine();
  for (const key of [...IN_OPERATION, 'vmcall', 'vmfunc'])
    assert.equal(machine.execute(key, { memory: 0x4000 }), '#6', key);
});

test('VMXON wants CR4.VMXE, CPL 0, feature control and a region with the revision identifier', () => {
  const machine = new TestMachine();
  machine.memory.write32(0x5000, VMCS_REVISION);
  machine.cpu.setField(CONTROL.cr4, 0x20n);
  assert.equal(machine.execute('vmxon', pointer(machine, 0x5000n)), '#6');
  machine.cpu.setField(CONTROL.cr4, 0x2020n);
  machine.cpu.setField(MSRS.featureControl, 1n);
  assert.equal(machine.execute('vmxon', pointer(machine, 0x5000n)), '#13(0)');
  machine.cpu.setField(MSRS.featureControl, 5n);
  machine.cpu.setField(CONTROL.cr0, 0x8000_0011n);
  assert.equal(machine.execute('vmxon', pointer(machine, 0x5000n)), '#13(0)', 'CR0.NE = 0');
  machine.cpu.setField(CONTROL.cr0, 0x8000_0031n);
  for (const bad of [0x5008n, 0x5001n, 1n << 40n, 0x8000_0000n, 0x7000n]) {
    assert.equal(machine.execute('vmxon', pointer(machine, bad)), 'VMfailInvalid', bad.toString(16));
  }
  assert.equal(machine.execute('vmxon', pointer(machine, 0x5000n)), 'VMsucceed');
  assert.equal(
    machine.execute('vmxon', pointer(machine, 0x5000n)),
    'VMfailInvalid',
    'no current VMCS to hold error 15',
  );
});

test('at CPL 3 VMX instructions of root operation are #GP(0)', () => {
  const machine = started();
  machine.cpu.setSegment(SEG.SS, 0x13, 0n, 0xffff_ffff, CPL3_DATA);
  for (const key of [...IN_OPERATION, 'vmcall', 'vmxon']) {
    assert.equal(machine.execute(key, { memory: 0x4000 }), '#13(0)', key);
  }
});

test('in compatibility mode VMX instructions are #UD', () => {
  const machine = started();
  machine.cpu.setSegment(SEG.CS, 8, 0n, 0xffff_ffff, 0xc09b);
  for (const key of IN_OPERATION) assert.equal(machine.execute(key, { memory: 0x4000 }), '#6', key);
});

test('VMfail carries the error numbers of the SDM', () => {
  const machine = started();
  const fail = (key: string, options: Parameters<TestMachine['execute']>[1]): string => machine.execute(key, options);
  assert.equal(fail('vmcall', {}), 'VMfailValid 1');
  assert.equal(fail('vmclear', pointer(machine, 0x6001n)), 'VMfailValid 2');
  assert.equal(fail('vmclear', pointer(machine, 1n << 40n)), 'VMfailValid 2');
  assert.equal(fail('vmclear', pointer(machine, 0x5000n)), 'VMfailValid 3');
  assert.equal(fail('vmresume', {}), 'VMfailValid 5');
  assert.equal(fail('vmptrld', pointer(machine, 0x6008n)), 'VMfailValid 9');
  assert.equal(fail('vmptrld', pointer(machine, 0x5000n)), 'VMfailValid 10');
  assert.equal(fail('vmptrld', pointer(machine, 0x7000n)), 'VMfailValid 11');
  machine.memory.write32(0x7000, (VMCS_REVISION | 0x8000_0000) >>> 0);
  assert.equal(fail('vmptrld', pointer(machine, 0x7000n)), 'VMfailValid 11', 'a shadow VMCS');
  assert.equal(fail('vmxon', pointer(machine, 0x5000n)), 'VMfailValid 15');
  machine.cpu.setField32(BOUNDARY.interruptibility, 2);
  assert.equal(fail('vmlaunch', {}), 'VMfailValid 26');
  machine.cpu.setField32(BOUNDARY.interruptibility, 0);
  assert.equal(fail('vmlaunch', {}), 'VMfailValid 7', 'all controls 0');
});

test('VMLAUNCH of a launched VMCS is error 4, of one with a bad host state error 8', () => {
  const machine = started();
  machine.prepareGuest();
  machine.setField('HOST_RIP', 1n << 60n);
  assert.equal(machine.execute('vmlaunch'), 'VMfailValid 8');
  assert.equal(machine.vmx.log.last?.kind, 'vmfail');
  assert.equal(machine.vmx.log.last?.reason, 8);
  assert.ok(machine.vmx.log.last?.failures.some(({ fields }) => fields.some(({ name }) => name === 'HOST_RIP')));
  assert.equal(machine.launch(), 'jumped');
  machine.outcome(() => {
    machine.cpu.vmx.plain('CPUID', machine.record({}));
    return '';
  });
  assert.equal(machine.execute('vmlaunch'), 'VMfailValid 4');
});

test('without a current VMCS failures are VMfailInvalid', () => {
  const machine = started();
  machine.execute('vmclear', pointer(machine, 0x6000n));
  assert.equal(machine.cpu.field(VMX.currentVmcs), 0xffff_ffff_ffff_ffffn);
  for (const key of ['vmread', 'vmwrite', 'vmlaunch', 'vmresume', 'vmcall']) {
    assert.equal(machine.execute(key), 'VMfailInvalid', key);
  }
  assert.equal(machine.execute('vmptrld', pointer(machine, 0x5000n)), 'VMfailInvalid');
});

test('VMPTRST stores the current-VMCS pointer, all ones where there is none', () => {
  const machine = started();
  machine.execute('vmptrst', { memory: 0x4100 });
  assert.equal(machine.memory.read64(0x4100), 0x6000n);
  machine.execute('vmclear', pointer(machine, 0x6000n));
  machine.execute('vmptrst', { memory: 0x4100 });
  assert.equal(machine.memory.read64(0x4100), 0xffff_ffff_ffff_ffffn);
});

function vmwrite(machine: TestMachine, encoding: number, value: bigint): string {
  machine.cpu.setGpr(1, BigInt(encoding));
  machine.cpu.setGpr(2, value);
  return machine.execute('vmwrite', { d: 1, s: 2 });
}
function vmread(machine: TestMachine, encoding: number): bigint | string {
  machine.cpu.setGpr(1, BigInt(encoding));
  machine.cpu.setGpr(3, 0xdead_beef_dead_beefn);
  const result = machine.execute('vmread', { d: 3, s: 1 });
  return result === 'VMsucceed' ? machine.cpu.gpr(3) : result;
}

test('VMREAD returns what VMWRITE wrote, as wide as the field', () => {
  const machine = started();
  const value = 0x1122_3344_5566_7788n;
  for (const [encoding, expected] of [
    [FIELD.GUEST_ES_SELECTOR, 0x7788n],
    [FIELD.EXCEPTION_BITMAP, 0x5566_7788n],
    [FIELD.TSC_OFFSET, value],
    [FIELD.GUEST_RIP, value],
  ] as const) {
    assert.equal(vmwrite(machine, encoding, value), 'VMsucceed');
    assert.equal(vmread(machine, encoding), expected, encoding.toString(16));
  }
  assert.equal(vmread(machine, FIELD.TSC_OFFSET + 1), 0x1122_3344n);
  assert.equal(vmwrite(machine, FIELD.TSC_OFFSET + 1, 0xaabb_ccddn), 'VMsucceed');
  assert.equal(vmread(machine, FIELD.TSC_OFFSET), 0xaabb_ccdd_5566_7788n);
});

test('components that do not exist are error 12, read-only ones error 13', () => {
  const machine = started();
  // Not defined; high access of a 32-bit field; bit 12 set; beyond 15 bits; a field whose control is not implemented.
  for (const encoding of [0x0040, FIELD.EXCEPTION_BITMAP + 1, 0x7802, 0x10000, 0xffff_ffff, FIELD.PML_ADDRESS]) {
    assert.equal(vmread(machine, encoding), 'VMfailValid 12', encoding.toString(16));
    assert.equal(vmwrite(machine, encoding, 0n), 'VMfailValid 12', encoding.toString(16));
  }
  assert.equal(vmwrite(machine, FIELD.VM_EXIT_REASON, 0n), 'VMfailValid 13');
});

test('a VMCS keeps its data and launch state in its region while another is current', () => {
  const machine = started();
  vmwrite(machine, FIELD.GUEST_RIP, 0x1234n);
  machine.memory.write32(0x8000, VMCS_REVISION);
  machine.execute('vmclear', pointer(machine, 0x8000n));
  machine.execute('vmptrld', pointer(machine, 0x8000n));
  assert.notEqual(vmread(machine, FIELD.GUEST_RIP), 0x1234n);
  assert.equal(machine.vmx.readVmcs(0x6000n, FIELD.GUEST_RIP), 0x1234n, 'at rest in memory');
  machine.execute('vmptrld', pointer(machine, 0x6000n));
  assert.equal(vmread(machine, FIELD.GUEST_RIP), 0x1234n);
});

test('VMXOFF leaves VMX operation and loses no data', () => {
  const machine = started();
  vmwrite(machine, FIELD.GUEST_RIP, 0x4321n);
  assert.equal(machine.execute('vmxoff'), 'VMsucceed');
  assert.equal(machine.execute('vmread'), '#6');
  assert.equal(machine.vmx.readVmcs(0x6000n, FIELD.GUEST_RIP), 0x4321n);
});

test('INVEPT and INVVPID check type and descriptor, error 28', () => {
  const machine = started();
  const run = (key: string, type: bigint, low: bigint, high = 0n): string => {
    machine.flushes.length = 0;
    machine.memory.write64(0x4200, low);
    machine.memory.write64(0x4208, high);
    machine.cpu.setGpr(1, type);
    return machine.execute(key, { d: 1, memory: 0x4200 });
  };
  const eptp = 0x3_001en;
  assert.equal(run('invept', 1n, eptp), 'VMsucceed');
  assert.deepEqual(machine.flushes, ['ept 3001e']);
  assert.equal(run('invept', 2n, 0n), 'VMsucceed');
  assert.deepEqual(machine.flushes, ['ept all']);
  for (const bad of [0x3_0000n, 0x3_001fn, 0x3_0026n, 0x3_009en, (1n << 41n) | eptp]) {
    assert.equal(run('invept', 1n, bad), 'VMfailValid 28', bad.toString(16));
  }
  assert.equal(run('invept', 0n, eptp), 'VMfailValid 28');
  assert.equal(run('invept', 3n, eptp), 'VMfailValid 28');
  assert.equal(run('invvpid', 1n, 5n), 'VMsucceed');
  assert.deepEqual(machine.flushes, ['vpid 5']);
  assert.equal(run('invvpid', 2n, 0n), 'VMsucceed');
  assert.deepEqual(machine.flushes, ['vpid all']);
  assert.equal(run('invvpid', 0n, 5n, 0x1000n), 'VMsucceed');
  assert.equal(run('invvpid', 0n, 5n, 1n << 60n), 'VMfailValid 28', 'not canonical');
  assert.equal(run('invvpid', 1n, 0n), 'VMfailValid 28', 'VPID 0');
  assert.equal(run('invvpid', 1n, 0x1_0005n), 'VMfailValid 28', 'reserved bits');
  assert.equal(run('invvpid', 4n, 5n), 'VMfailValid 28');
});

test('in the guest every VMX instruction exits with its reason and instruction information', () => {
  // RBX + RSI * 4 + 0x40 in DS, 64-bit addresses.
  const memory = { memory: 0x40, base: 3, index: 6, scale: 2, length: 5 };
  const operand = 2 | (2 << 7) | (3 << 15) | (6 << 18) | (3 << 23);
  const register = (second: number): number => (second << 28) >>> 0;
  const cases: readonly [string, number, object, number, number][] = [
    ['vmcall', 18, { length: 5 }, 0, 0],
    ['vmclear', 19, memory, operand, 0x40],
    ['vmlaunch', 20, { length: 5 }, 0, 0],
    ['vmptrld', 21, memory, operand, 0x40],
    ['vmptrst', 22, memory, operand, 0x40],
    ['vmread', 23, { d: 9, s: 10, length: 5 }, (9 << 3) | (1 << 10) | register(10), 0],
    ['vmread', 23, { ...memory, s: 10 }, operand + register(10), 0x40],
    ['vmresume', 24, { length: 5 }, 0, 0],
    ['vmwrite', 25, { d: 9, s: 10, length: 5 }, (10 << 3) | (1 << 10) | register(9), 0],
    ['vmxoff', 26, { length: 5 }, 0, 0],
    ['vmxon', 27, memory, operand, 0x40],
    ['invept', 50, { ...memory, d: 11 }, operand + register(11), 0x40],
    ['invvpid', 53, { ...memory, d: 11 }, operand + register(11), 0x40],
  ];
  for (const [key, reason, options, information, qualification] of cases) {
    const machine = new TestMachine();
    machine.launch();
    assert.equal(machine.execute(key, options), 'exit', key);
    assert.equal(machine.field('VM_EXIT_REASON'), BigInt(reason), key);
    assert.equal(machine.field('VM_EXIT_INSTRUCTION_LEN'), 5n, key);
    assert.equal(machine.field('VMX_INSTRUCTION_INFO'), BigInt(information >>> 0), key);
    assert.equal(machine.field('EXIT_QUALIFICATION'), BigInt(qualification), key);
    assert.equal(machine.cpu.rip, 0x11_0000n, key);
  }
});

test('every VMX instruction of the table has an implementation', () => {
  assert.deepEqual(Object.keys(VMX_COLD).sort(), [...IN_OPERATION, 'getsec', 'vmcall', 'vmfunc', 'vmxon'].sort());
});
