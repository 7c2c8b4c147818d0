import assert from 'node:assert/strict';
import { test } from 'node:test';
import { COLD } from '../cpu/cold-table';
import type { PlainIntercept } from '../cpu/intercepts';
import { SEG } from '../cpu/processor';
import { BOUNDARY, CONTROL } from '../state/layout';
import type { ControlKey } from '../tables/vmx-controls';
import { TestMachine } from './test-machine.fixture';

type Record = Parameters<TestMachine['record']>[0];

/** Launches with `change`, then asks `action` of the intercepts: 'exit', a fault, or 'executed'. */
function ask(
  change: (machine: TestMachine) => void,
  action: (machine: TestMachine, insn: ReturnType<TestMachine['record']>) => void,
  record: Record = { length: 3 },
): { readonly machine: TestMachine; readonly outcome: string } {
  const machine = new TestMachine();
  assert.equal(
    machine.launch(() => change(machine)),
    'jumped',
  );
  assert.equal(machine.inGuest, true, JSON.stringify(machine.vmx.log.last?.failures.map(({ id }) => id)));
  const insn = machine.record(record);
  const outcome = machine.outcome(() => {
    action(machine, insn);
    return 'executed';
  });
  return { machine, outcome };
}

const nothing = (): void => undefined;
function reports(machine: TestMachine, reason: number, qualification: bigint, length = 3n): void {
  assert.equal(machine.field('VM_EXIT_REASON'), BigInt(reason));
  assert.equal(machine.field('EXIT_QUALIFICATION'), qualification);
  assert.equal(machine.field('VM_EXIT_INSTRUCTION_LEN'), length);
}

test('instructions exit by their control, or always, with their reason', () => {
  const rules: readonly [PlainIntercept, number, ControlKey | undefined][] = [
    ['CPUID', 10, undefined],
    ['GETSEC', 11, undefined],
    ['INVD', 13, undefined],
    ['XSETBV', 55, undefined],
    ['HLT', 12, 'primary.HLT_EXITING'],
    ['RDPMC', 15, 'primary.RDPMC_EXITING'],
    ['RDTSC', 16, 'primary.RDTSC_EXITING'],
    ['MWAIT', 36, 'primary.MWAIT_EXITING'],
    ['MONITOR', 39, 'primary.MONITOR_EXITING'],
    ['PAUSE', 40, 'primary.PAUSE_EXITING'],
    ['WBINVD', 54, 'secondary.WBINVD_EXITING'],
  ];
  for (const [instruction, reason, control] of rules) {
    const run = (on: boolean): ReturnType<typeof ask> =>
      ask(
        (machine) => {
          if (control !== undefined && on) machine.control(control);
        },
        (machine, insn) => machine.cpu.vmx.plain(instruction, insn),
      );
    const on = run(true);
    assert.equal(on.outcome, 'exit', instruction);
    reports(on.machine, reason, 0n);
    if (control !== undefined) assert.equal(run(false).outcome, 'executed', instruction);
  }
});

test('RDTSCP is #UD without "enable RDTSCP", and exits with RDTSC exiting', () => {
  const rdtscp = (machine: TestMachine, insn: ReturnType<TestMachine['record']>): void =>
    void COLD.rdtscp(machine.cpu, insn);
  assert.equal(ask(nothing, rdtscp).outcome, '#6');
  assert.equal(ask((machine) => machine.control('secondary.ENABLE_RDTSCP'), rdtscp).outcome, 'executed');
  const exit = ask((machine) => {
    machine.control('secondary.ENABLE_RDTSCP');
    machine.control('primary.RDTSC_EXITING');
  }, rdtscp);
  reports(exit.machine, 51, 0n);
});

test('RDTSCP that is not enabled is #UD even where CR4.TSD forbids it', () => {
  const forbidden = (machine: TestMachine, insn: ReturnType<TestMachine['record']>): void => {
    const { cpu } = machine;
    cpu.setField(CONTROL.cr4, cpu.cr4 | 4n);
    cpu.setSegment(SEG.SS, 0x13, 0n, 0xffff_ffff, 0xc0f3);
    COLD.rdtscp(cpu, insn);
  };
  assert.equal(ask(nothing, forbidden).outcome, '#6');
  const enabled = (machine: TestMachine): void => {
    machine.control('secondary.ENABLE_RDTSCP');
    machine.control('primary.RDTSC_EXITING');
  };
  assert.equal(ask(enabled, forbidden).outcome, '#13(0)');
});

test('secondary controls are as if 0 while they are not activated', () => {
  const { outcome } = ask(
    (machine) => {
      machine.control('secondary.WBINVD_EXITING');
      machine.control('primary.ACTIVATE_SECONDARY_CONTROLS', false);
    },
    (machine, insn) => machine.cpu.vmx.plain('WBINVD', insn),
  );
  assert.equal(outcome, 'executed');
});

test('INVLPG reports the linear address', () => {
  const { machine } = ask(
    (m) => m.control('primary.INVLPG_EXITING'),
    (m, insn) => m.cpu.vmx.invlpg(0xffff_8000_1234_5000n, insn),
  );
  reports(machine, 14, 0xffff_8000_1234_5000n);
});

test('descriptor-table instructions report displacement, operand and identity', () => {
  const rows: readonly [PlainIntercept, number, number][] = [
    ['SGDT', 46, 0],
    ['SIDT', 46, 1],
    ['LGDT', 46, 2],
    ['LIDT', 46, 3],
    ['SLDT', 47, 0],
    ['STR', 47, 1],
    ['LLDT', 47, 2],
    ['LTR', 47, 3],
  ];
  for (const [instruction, reason, identity] of rows) {
    const { machine } = ask(
      (m) => m.control('secondary.DESCRIPTOR_TABLE_EXITING'),
      (m, insn) => m.cpu.vmx.plain(instruction, insn),
      { length: 3, memory: -8, base: 5 },
    );
    reports(machine, reason, 0xffff_ffff_ffff_fff8n);
    const size = reason === 46 ? 1 << 11 : 0;
    const operand = (2 << 7) | size | (3 << 15) | (1 << 22) | (5 << 23) | (identity << 28);
    assert.equal(machine.field('VMX_INSTRUCTION_INFO'), BigInt(operand >>> 0), instruction);
  }
  const register = ask(
    (m) => m.control('secondary.DESCRIPTOR_TABLE_EXITING'),
    (m, insn) => m.cpu.vmx.plain('LTR', insn),
    { length: 3, d: 7, s: 7 },
  );
  assert.equal(register.machine.field('VMX_INSTRUCTION_INFO'), BigInt(((7 << 3) | (1 << 10) | (3 << 28)) >>> 0));
  reports(register.machine, 47, 0n);
});

test('MOV to CR0 and CR4 exits where a host-owned bit differs from the read shadow', () => {
  const setUp = (m: TestMachine): void => {
    m.setField('CR0_GUEST_HOST_MASK', 0x8n);
    m.setField('CR0_READ_SHADOW', 0n);
    m.setField('CR4_GUEST_HOST_MASK', 0x2000n);
    m.setField('CR4_READ_SHADOW', 0n);
  };
  const differs = ask(setUp, (m, insn) => m.cpu.vmx.controlWrite(0, 9, 0x8000_0039n, insn));
  reports(differs.machine, 28, 0x900n);
  assert.equal(ask(setUp, (m, insn) => m.cpu.vmx.controlWrite(0, 9, 0x8000_0031n, insn)).outcome, 'executed');
  const cr4 = ask(setUp, (m, insn) => m.cpu.vmx.controlWrite(4, 2, 0x2020n, insn));
  reports(cr4.machine, 28, 0x204n);
  const { machine } = ask(setUp, nothing);
  assert.equal(machine.cpu.vmx.readControl(4, 0x2020n), 0x20n, 'the shadow hides VMXE');
  assert.equal(machine.cpu.vmx.mergeControl(4, 0x20n, 0x2020n), 0x2020n, 'and it stays');
});

test('MOV to CR3 exits unless the value is one of the CR3 targets in use', () => {
  const setUp = (m: TestMachine): void => {
    m.control('primary.CR3_LOAD_EXITING');
    m.setField('CR3_TARGET_COUNT', 1);
    m.setField('CR3_TARGET_VALUE0', 0x5000n);
    m.setField('CR3_TARGET_VALUE1', 0x6000n);
  };
  assert.equal(ask(setUp, (m, insn) => m.cpu.vmx.controlWrite(3, 1, 0x5000n, insn)).outcome, 'executed');
  reports(ask(setUp, (m, insn) => m.cpu.vmx.controlWrite(3, 1, 0x6000n, insn)).machine, 28, 0x103n);
  const store = ask(
    (m) => m.control('primary.CR3_STORE_EXITING'),
    (m, insn) => m.cpu.vmx.controlRead(3, 15, insn),
  );
  reports(store.machine, 28, 0xf13n);
});

test('MOV to and from CR8 exits by its two controls', () => {
  const load = ask(
    (m) => m.control('primary.CR8_LOAD_EXITING'),
    (m, insn) => m.cpu.vmx.controlWrite(8, 0, 1n, insn),
  );
  reports(load.machine, 28, 0x8n);
  const store = ask(
    (m) => m.control('primary.CR8_STORE_EXITING'),
    (m, insn) => m.cpu.vmx.controlRead(8, 1, insn),
  );
  reports(store.machine, 28, 0x118n);
});

test('CLTS: guest-owned TS executes; host-owned exits where the shadow has TS, else does nothing', () => {
  const run = (mask: bigint, shadow: bigint): string => {
    let result = '';
    const { outcome } = ask(
      (m) => {
        m.setField('CR0_GUEST_HOST_MASK', mask);
        m.setField('CR0_READ_SHADOW', shadow);
      },
      (m, insn) => {
        result = m.cpu.vmx.clts(insn);
      },
    );
    return outcome === 'exit' ? 'exit' : result;
  };
  assert.equal(run(0n, 8n), 'execute');
  assert.equal(run(8n, 0n), 'ignore');
  assert.equal(run(8n, 8n), 'exit');
});

test('LMSW reports its operand; it never exits for clearing PE', () => {
  const setUp =
    (mask: bigint, shadow: bigint) =>
    (m: TestMachine): void => {
      m.setField('CR0_GUEST_HOST_MASK', mask);
      m.setField('CR0_READ_SHADOW', shadow);
    };
  const memory = ask(setUp(8n, 0n), (m, insn) => m.cpu.vmx.lmsw(0xabc9, 0x7000n, insn));
  reports(memory.machine, 28, 0xabc9_0070n);
  assert.equal(memory.machine.field('GUEST_LINEAR_ADDRESS'), 0x7000n);
  reports(ask(setUp(8n, 0n), (m, insn) => m.cpu.vmx.lmsw(9, undefined, insn)).machine, 28, 0x9_0030n);
  assert.equal(ask(setUp(1n, 1n), (m, insn) => m.cpu.vmx.lmsw(0, undefined, insn)).outcome, 'executed');
  assert.equal(ask(setUp(1n, 0n), (m, insn) => m.cpu.vmx.lmsw(1, undefined, insn)).outcome, 'exit');
});

test('MOV DR reports register, direction and general register', () => {
  const setUp = (m: TestMachine): void => m.control('primary.MOV_DR_EXITING');
  reports(ask(setUp, (m, insn) => m.cpu.vmx.debugRegister(7, 12, false, insn)).machine, 29, 0xc07n);
  reports(ask(setUp, (m, insn) => m.cpu.vmx.debugRegister(6, 1, true, insn)).machine, 29, 0x116n);
});

const OUT = { port: 0x3f8, size: 1, input: false, string: false, rep: false, immediate: false } as const;

test('I/O exits unconditionally or by the bitmaps, which win', () => {
  const out = (port: number, size: 1 | 2 | 4) => (m: TestMachine, insn: ReturnType<TestMachine['record']>) =>
    m.cpu.vmx.io({ ...OUT, port, size }, insn);
  assert.equal(ask(nothing, out(0x3f8, 1)).outcome, 'executed');
  assert.equal(ask((m) => m.control('primary.UNCONDITIONAL_IO_EXITING'), out(0x3f8, 1)).outcome, 'exit');
  const bitmaps = (m: TestMachine): void => {
    m.control('primary.UNCONDITIONAL_IO_EXITING');
    m.control('primary.USE_IO_BITMAPS');
    m.setField('IO_BITMAP_A', 0xa000);
    m.setField('IO_BITMAP_B', 0xb000);
    m.memory.u8[m.memory.host(0xa000 + (0x3f8 >> 3))] = 1 << (0x3f8 & 7);
    m.memory.u8[m.memory.host(0xb000)] = 1;
  };
  assert.equal(ask(bitmaps, out(0x3f8, 1)).outcome, 'exit');
  assert.equal(ask(bitmaps, out(0x3f7, 2)).outcome, 'exit', 'the second byte touches it');
  assert.equal(ask(bitmaps, out(0x3f9, 4)).outcome, 'executed');
  assert.equal(ask(bitmaps, out(0x7fff, 2)).outcome, 'exit', 'from bitmap A into B');
  assert.equal(ask(bitmaps, out(0xfffe, 4)).outcome, 'exit', 'wraps around port FFFFH');
  assert.equal(ask(bitmaps, out(0xfffe, 2)).outcome, 'executed');
});

test('the I/O qualification gives size, direction, string, REP, operand and port', () => {
  const setUp = (m: TestMachine): void => m.control('primary.UNCONDITIONAL_IO_EXITING');
  reports(ask(setUp, (m, insn) => m.cpu.vmx.io(OUT, insn)).machine, 30, 0x3f8_0000n);
  const immediate = { ...OUT, port: 0x61, size: 4, input: true, immediate: true } as const;
  reports(ask(setUp, (m, insn) => m.cpu.vmx.io(immediate, insn)).machine, 30, 0x61_004bn);
  const string = { ...OUT, size: 2, string: true, rep: true, linear: 0x9000n, segment: 4, addressSize: 8 } as const;
  const { machine } = ask(setUp, (m, insn) => m.cpu.vmx.io(string, insn));
  reports(machine, 30, 0x3f8_0031n);
  assert.equal(machine.field('GUEST_LINEAR_ADDRESS'), 0x9000n);
  assert.equal(machine.field('VMX_INSTRUCTION_INFO'), BigInt((2 << 7) | (4 << 15)));
});

test('RDMSR and WRMSR exit by four bitmaps, and always outside their ranges', () => {
  const bitmaps = (m: TestMachine): void => {
    m.control('primary.USE_MSR_BITMAPS');
    m.setField('MSR_BITMAP', 0xc000);
    const set = (part: number, index: number): void => {
      m.memory.u8[m.memory.host(0xc000 + part + (index >> 3))] |= 1 << (index & 7);
    };
    set(0, 0x10);
    set(0x400, 0x81);
    set(0x800, 0x11);
    set(0xc00, 0x82);
  };
  const run = (index: number, write: boolean): string =>
    ask(bitmaps, (m, insn) => m.cpu.vmx.msr(index, write, insn)).outcome;
  assert.deepEqual(
    [run(0x10, false), run(0x10, true), run(0x11, false), run(0x11, true)],
    ['exit', 'executed', 'executed', 'exit'],
  );
  assert.deepEqual(
    [run(0xc000_0081, false), run(0xc000_0081, true), run(0xc000_0082, false), run(0xc000_0082, true)],
    ['exit', 'executed', 'executed', 'exit'],
  );
  for (const outside of [0x2000, 0x4000_0000, 0xbfff_ffff, 0xc000_2000, 0xffff_ffff]) {
    assert.equal(run(outside, false), 'exit', outside.toString(16));
  }
  reports(ask(nothing, (m, insn) => m.cpu.vmx.msr(0x10, false, insn)).machine, 31, 0n);
  reports(ask(nothing, (m, insn) => m.cpu.vmx.msr(0x10, true, insn)).machine, 32, 0n);
});

test('exceptions exit by bitmap with vector, type and error code; faults save RF = 1', () => {
  const setUp = (m: TestMachine): void => m.setField('EXCEPTION_BITMAP', (1 << 3) | (1 << 6) | (1 << 13));
  const ud = ask(setUp, (m) => assert.equal(m.cpu.vmx.exception(6, undefined, 0n, false, 0), true)).machine;
  reports(ud, 0, 0n, 0n);
  assert.equal(ud.field('VM_EXIT_INTR_INFO'), 0x8000_0306n);
  assert.equal(ud.field('GUEST_RFLAGS'), 0x1_0002n);
  const gp = ask(setUp, (m) => assert.equal(m.cpu.vmx.exception(13, 0x18, 0n, false, 0), true)).machine;
  assert.equal(gp.field('VM_EXIT_INTR_INFO'), 0x8000_0b0dn);
  assert.equal(gp.field('VM_EXIT_INTR_ERROR_CODE'), 0x18n);
  const bp = ask(setUp, (m) => assert.equal(m.cpu.vmx.exception(3, undefined, 0n, true, 1), true)).machine;
  reports(bp, 0, 0n, 1n);
  assert.equal(bp.field('VM_EXIT_INTR_INFO'), 0x8000_0603n);
  assert.equal(bp.field('GUEST_RFLAGS'), 2n);
  ask(setUp, (m) => assert.equal(m.cpu.vmx.exception(0, undefined, 0n, false, 0), false));
});

test('a page fault exits by bit 14 of the bitmap, inverted where the error code does not match', () => {
  const run = (bit: number, mask: number, match: number, code: number): boolean => {
    let exits = false;
    ask(
      (m) => {
        m.setField('EXCEPTION_BITMAP', bit << 14);
        m.setField('PAGE_FAULT_ERROR_CODE_MASK', mask);
        m.setField('PAGE_FAULT_ERROR_CODE_MATCH', match);
      },
      (m) => {
        exits = m.cpu.vmx.exception(14, code, 0xdead_000n, false, 0);
        if (exits) assert.equal(m.field('EXIT_QUALIFICATION'), 0xdead_000n);
        assert.equal(m.cpu.field(CONTROL.cr2), 0n);
      },
    );
    return exits;
  };
  assert.equal(run(1, 0, 0, 2), true);
  assert.equal(run(0, 0, 0, 2), false);
  assert.equal(run(1, 1, 1, 2), false);
  assert.equal(run(0, 1, 1, 2), true);
  assert.equal(run(1, 0, 0xffff_ffff, 2), false, 'never matches');
});

test('#DB reports the debug condition and leaves nothing pending', () => {
  const { machine } = ask(
    (m) => m.setField('EXCEPTION_BITMAP', 2),
    (m) => {
      m.cpu.setField(BOUNDARY.pendingDebug, 0x4000n);
      m.cpu.vmx.exception(1, undefined, 0x4000n, false, 0);
    },
  );
  reports(machine, 0, 0x4000n, 0n);
  assert.equal(machine.field('GUEST_PENDING_DBG_EXCEPTIONS'), 0n);
});

test('a triple fault exits with reason 2; a task switch with selector and source', () => {
  const triple = ask(nothing, (m) => assert.equal(m.cpu.vmx.tripleFault(), true)).machine;
  reports(triple, 2, 0n, 0n);
  const gate = ask(nothing, (m) => m.cpu.vmx.taskSwitch(0x28, 'gate'));
  assert.equal(gate.outcome, 'exit');
  reports(gate.machine, 9, 0xc000_0028n, 0n);
  reports(ask(nothing, (m) => m.cpu.vmx.taskSwitch(0x28, 'jmp')).machine, 9, 0x8000_0028n, 0n);
});

test('in root operation nothing exits', () => {
  const machine = new TestMachine();
  machine.start();
  const insn = machine.record({});
  const { vmx } = machine.cpu;
  vmx.plain('CPUID', insn);
  vmx.invlpg(0n, insn);
  vmx.controlWrite(0, 0, 0n, insn);
  vmx.msr(0x10, true, insn);
  vmx.io(OUT, insn);
  assert.equal(vmx.exception(14, 0, 0n, false, 0), false);
  assert.equal(vmx.tripleFault(), false);
  assert.equal(vmx.boundary({ interrupt: true, nmi: true, init: true }), false);
  assert.equal(vmx.readControl(0, 5n), 5n);
  assert.deepEqual(vmx.fixedBits(0), { mustBeOne: 0x8000_0021n, mayBeOne: 0xffff_ffffn });
});
