import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, afterEach, describe, it } from 'node:test';
import { AdapterClient, lineWith, sample, sampleSource } from './test-client';

let image = '';
let client: AdapterClient;

describe('debugging a VMM and its guest', () => {
  before(() => (image = sample('hello-vmx')));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  async function stopAtCpuid(): Promise<void> {
    await client.prepare({ program: image });
    await client.setExceptionBreakpointsRequest({
      filters: [],
      filterOptions: [{ filterId: 'vm-exit', condition: 'exit == CPUID' }],
    });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.body.reason, 'exception');
    assert.equal(pause.body.allThreadsStopped, true);
  }

  it('shows one thread a layer, each with its name and why it rests', async () => {
    await stopAtCpuid();
    const { threads } = (await client.threadsRequest()).body;
    assert.deepEqual(
      threads.map(({ name }) => name.replace(/0x[0-9a-f]+/, 'N')),
      ['CPU0 · L0 VMM · running', 'CPU0 · L1 guest (VMCS N) · exited: CPUID'],
    );
  });

  it('unwinds the stack of the VMM and of its resting guest to their first frames', async () => {
    await stopAtCpuid();
    const vmm = (await client.frames(1)).map(({ name }) => name);
    assert.deepEqual(vmm.slice(0, 4), ['vmx_enter', 'vmm_run_guest', 'vmm_main', 'long_mode']);
    assert.match(vmm[4], /^VM exit \d+: CPUID$/);
    const guest = await client.frames(1000);
    assert.equal(guest[0].presentationHint, 'label');
    assert.deepEqual(
      guest.slice(1).map(({ name }) => name),
      ['cpuid', 'ask_who_runs_us', 'guest_main', 'guest_start'],
    );
    assert.equal(guest[2].source?.name, 'guest.c');
  });

  it('shows the VMCS grouped, with the exit reason named and controls by bit', async () => {
    await stopAtCpuid();
    const exit = await client.children(1000, 'VMCS', 'VM-exit information fields');
    assert.match(exit.variables.find(({ name }) => name === 'VM_EXIT_REASON')?.value ?? '', /0x0000000a {2}CPUID/);
    const controls = await client.children(1000, 'VMCS', 'VM-execution control fields', 'CPU_BASED_VM_EXEC_CONTROL');
    assert.match(controls.variables.find(({ name }) => name === 'HLT exiting')?.value ?? '', /^1 /);
  });

  it('puts words of controls first and decodes access rights', async () => {
    await stopAtCpuid();
    const { variables } = await client.children(1000, 'VMCS', 'VM-execution control fields');
    assert.deepEqual(
      variables.slice(0, 3).map(({ name }) => name),
      ['PIN_BASED_VM_EXEC_CONTROL', 'CPU_BASED_VM_EXEC_CONTROL', 'EXCEPTION_BITMAP'],
    );
    const rights = await client.children(1000, 'VMCS', 'Guest-state area', 'GUEST_CS_AR');
    assert.ok(rights.variables.some(({ name }) => /\bL\b/.test(name)));
  });

  it('changes a register, a part of one, a flag and a VMCS field, and says what cannot be', async () => {
    await stopAtCpuid();
    const registers = await client.children(1, 'Registers');
    const set = async (variablesReference: number, name: string, value: string): Promise<string> =>
      (await client.setVariableRequest({ variablesReference, name, value })).body.value;
    assert.equal(await set(registers.reference, 'RBX', '0x1122334455667788'), '0x1122334455667788');
    const parts = await client.children(1, 'Registers', 'RBX');
    assert.equal(await set(parts.reference, 'BH', '0xff'), '0xff');
    assert.match(await client.evaluate('rbx'), /^0x112233445566ff88/);
    const flags = await client.children(1, 'Registers', 'RFLAGS');
    await set(flags.reference, 'ZF', '1');
    assert.equal(await client.evaluate('rflags.ZF'), '1');
    const guest = await client.children(1000, 'VMCS', 'Guest-state area');
    assert.match(await set(guest.reference, 'GUEST_DR7', '0x401'), /0x0000000000000401/);
    assert.match(await client.evaluate('vmcs.GUEST_DR7'), /^0x401/);
    const exit = await client.children(1000, 'VMCS', 'VM-exit information fields');
    const refused = await client.failure('setVariable', {
      variablesReference: exit.reference,
      name: 'VM_EXIT_REASON',
      value: '1',
    });
    assert.match(refused ?? '', /VM_EXIT_REASON.*cannot be changed/);
    const nonsense = await client.failure('setVariable', {
      variablesReference: registers.reference,
      name: 'RAX',
      value: 'raxx',
    });
    assert.match(nonsense ?? '', /Column 1/);
  });

  it('keeps variable references from stop to stop', async () => {
    await stopAtCpuid();
    const first = await client.children(1000, 'VMCS', 'Guest-state area', 'GUEST_CR0');
    await client.run();
    const second = await client.children(1000, 'VMCS', 'Guest-state area', 'GUEST_CR0');
    assert.equal(second.reference, first.reference);
  });

  it('stops at a source line of the guest, and steps over and out of its functions', async () => {
    const source = sampleSource('hello-vmx', 'guest.c');
    const line = lineWith(source, 'ask_who_runs_us();');
    await client.prepare({ program: image });
    const { breakpoints } = (await client.setBreakpointsRequest({ source: { path: source }, breakpoints: [{ line }] }))
      .body;
    assert.equal(breakpoints[0].verified, true);
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.body.reason, 'breakpoint');
    assert.deepEqual(pause.body.hitBreakpointIds, [breakpoints[0].id]);
    const threadId = pause.body.threadId ?? 0;
    assert.equal(threadId, 1000);
    const lines: number[] = [];
    for (let step = 0; step < 3; step++) {
      const stepped = await client.pauseAfter(() => client.nextRequest({ threadId }));
      assert.equal(stepped.body.reason, 'step');
      // The layer that is stepped is the one that is current again.
      assert.equal(stepped.body.threadId, threadId);
      lines.push((await client.frames(threadId))[0].line);
    }
    assert.equal(new Set(lines).size > 1, true);
  });

  it('steps out of a function that the compiler put in line', async () => {
    await client.prepare({ program: image });
    const source = sampleSource('hello-vmx', 'guest.c');
    const line = lineWith(source, 'cpuid(');
    await client.setBreakpointsRequest({ source: { path: source }, breakpoints: [{ line }] });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    const threadId = pause.body.threadId ?? 0;
    const names = (await client.frames(threadId)).map(({ name }) => name);
    assert.ok(names.length > 3);
    const out = await client.pauseAfter(() => client.stepOutRequest({ threadId }));
    assert.equal(out.body.threadId, threadId);
    const after = (await client.frames(threadId)).map(({ name }) => name);
    assert.notEqual(after[0], names[0]);
    assert.ok(after.includes('guest_main'));
  });

  it('steps a guest over CPUID, running the VMM in between', async () => {
    await stopAtCpuid();
    const before = (await client.frames(1000))[1];
    const address = BigInt((before.instructionPointerReference ?? '').split(':')[1]);
    const pause = await client.pauseAfter(() => client.nextRequest({ threadId: 1000, granularity: 'instruction' }));
    assert.equal(pause.body.reason, 'step');
    assert.equal(pause.body.threadId, 1000);
    const now = (await client.frames(1000))[0];
    assert.equal(BigInt(now.instructionPointerReference ?? 0), address + 2n);
  });

  it('refuses conditions when they are set, with the column and what was expected', async () => {
    await client.prepare({ program: image, stopOnEntry: true });
    const functions = await client.setFunctionBreakpointsRequest({
      breakpoints: [
        { name: 'guest_main', condition: 'rax == ' },
        { name: 'guest_main', hitCondition: 'often' },
      ],
    });
    assert.deepEqual(
      functions.body.breakpoints.map(({ verified }) => verified),
      [false, false],
    );
    assert.match(functions.body.breakpoints[0].message ?? '', /Column 8.*expected/);
    const filters = await client.setExceptionBreakpointsRequest({
      filters: [],
      filterOptions: [{ filterId: 'vm-exit', condition: 'exit == CPUIDD' }, { filterId: 'none' }],
    });
    const [refused, unknown] = filters.body?.breakpoints ?? [];
    assert.match(refused.message ?? '', /Column 9.*CPUID/);
    assert.match(unknown.message ?? '', /no filter "none"/);
  });

  it('logs at log points without stopping, and stops at the hit asked for', async () => {
    await client.prepare({ program: image });
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'vmx_enter', hitCondition: '3' }] });
    const source = sampleSource('hello-vmx', 'guest.c');
    const line = lineWith(source, 'ask_who_runs_us();');
    await client.customRequest('setBreakpoints', {
      source: { path: source },
      breakpoints: [{ line, logMessage: 'guest at {rip} in layer {layer}' }],
    });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.body.reason, 'function breakpoint');
    assert.match(client.outputs, /guest at 0x[0-9a-f]+ in layer 1\n/);
    assert.match(await client.evaluate('stats', 'repl'), /\d VM exits/);
  });

  it('disassembles backwards and forwards as objdump does', async () => {
    await client.prepare({ program: image, stopOnEntry: true });
    await client.pauseAfter(() => client.configurationDoneRequest());
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'vmm_run_guest' }] });
    await client.run();
    const at = (await client.frames(1))[0].instructionPointerReference ?? '';
    const { instructions } = (
      await client.disassembleRequest({ memoryReference: at, instructionOffset: -10, instructionCount: 60 })
    ).body ?? { instructions: [] };
    assert.equal(instructions.length, 60);
    assert.equal(BigInt(instructions[10].address), BigInt(at));
    const text = execFileSync('objdump', ['-d', '--no-show-raw-insn', image], { encoding: 'utf8' });
    const starts = new Set([...text.matchAll(/^ *([0-9a-f]+):\t/gm)].map((match) => BigInt(`0x${match[1]}`)));
    for (const { address } of instructions) assert.ok(starts.has(BigInt(address)), `no instruction at ${address}`);
  });

  it('reads and writes memory, and says how much cannot be read', async () => {
    await client.prepare({ program: image, stopOnEntry: true });
    await client.pauseAfter(() => client.configurationDoneRequest());
    const data = Buffer.from('strata').toString('base64');
    assert.deepEqual((await client.customRequest('writeMemory', { memoryReference: '0x300000', data })).body, {
      bytesWritten: 6,
    });
    const read = await client.customRequest('readMemory', { memoryReference: '0x300000', count: 6 });
    assert.equal((read.body as { data: string }).data, data);
    const beyond = await client.customRequest('readMemory', { memoryReference: '0xe0000000', count: 64 });
    assert.equal((beyond.body as { unreadableBytes: number }).unreadableBytes, 64);
  });

  it('survives bad requests, each with a sentence', async () => {
    await client.prepare({ program: image, stopOnEntry: true });
    await client.pauseAfter(() => client.configurationDoneRequest());
    const bad: readonly (readonly [string, object, RegExp])[] = [
      ['stackTrace', { threadId: 77 }, /no thread 77/],
      ['stackTrace', {}, /"threadId" must be an integer/],
      ['scopes', { frameId: 5 }, /no stack frame 5/],
      ['variables', { variablesReference: 9999 }, /not valid any more/],
      ['readMemory', { memoryReference: 'here', count: 4 }, /not a memory reference/],
      ['readMemory', { memoryReference: '0x0', count: -1 }, /"count"/],
      ['disassemble', { memoryReference: '0x0', instructionCount: 1e9 }, /instructionCount/],
      ['evaluate', { expression: 'rax +' }, /Column/],
      ['evaluate', { expression: 'nosuch' }, /Column 1/],
      ['next', { threadId: 4 }, /no thread 4/],
      ['setBreakpoints', { source: {}, breakpoints: 5 }, /source.path/],
      ['gotoTargets', {}, /source/],
      ['fancy', {}, /no request "fancy"/],
      ['launch', { program: image }, /already/],
      ['__proto__', {}, /no request/],
    ];
    for (const [command, args, expected] of bad)
      assert.match((await client.failure(command, args)) ?? 'no error', expected, command);
    assert.equal((await client.threadsRequest()).body.threads.length, 1);
  });

  it('runs the guest to its end, with its output and exit status', async () => {
    await client.prepare({ program: image });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.event, 'terminated');
    assert.match(client.outputs, /guest: hello from VMX non-root operation/);
    // 0x10 written to isa-debug-exit.
    assert.equal(client.exitCode, 0x10 * 2 + 1);
  });

  it('restarts with the same breakpoints', async () => {
    await stopAtCpuid();
    const pause = await client.pauseAfter(() => client.customRequest('restart', {}));
    assert.equal(pause.body.reason, 'exception');
    assert.match(pause.body.description ?? '', /^VM exit 2: CPUID$/);
  });
});

describe('a VM entry that fails', () => {
  const MISTAKES = {
    control: /PIN_BASED_VM_EXEC_CONTROL/,
    'host-selector': /HOST_\w+_SELECTOR/,
    'guest-cs': /GUEST_CS_\w+/,
    'guest-rflags': /GUEST_RFLAGS/,
    'link-pointer': /VMCS_LINK_POINTER/,
  } as const;
  before(() => (image = sample('broken-entry')));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  for (const [mistake, field] of Object.entries(MISTAKES)) {
    it(`names field, required and actual bits and the remedy of the mistake "${mistake}"`, async () => {
      await client.prepare({ program: image, cmdline: `mistake=${mistake}` });
      const pause = await client.pauseAfter(() => client.configurationDoneRequest());
      assert.equal(pause.body.reason, 'exception');
      const info = (await client.exceptionInfoRequest({ threadId: pause.body.threadId ?? 0 })).body;
      const text = info.description ?? '';
      assert.match(text, field);
      for (const part of ['section:', 'required:', 'actual:', 'remedy:']) assert.ok(text.includes(part), part);
      assert.ok((info.details?.innerException?.length ?? 0) >= 1);
      const [failed] = (await client.children(1, 'VMCS', 'Failed checks')).variables;
      assert.ok(failed !== undefined);
    });
  }
});

describe('a launch that cannot be', () => {
  before(async () => {
    image = sample('hello-vmx');
    client = await AdapterClient.begin();
  });
  after(() => client.stop());

  it('names the key and the remedy', async () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{}, /"program" is missing/],
      [{ program: '/none.elf' }, /"program": \/none\.elf does not exist/],
      [{ program: '/', memory: '5M' }, /"program"|folder/],
      [{ program: image, memory: 'lots' }, /"memory" must be a size such as "512M"/],
      [{ program: image, memory: '4G' }, /"memory" can be at most 3G/],
      [{ program: image, cpus: 9 }, /"cpus"/],
      [{ program: image, progam: 'x' }, /did you mean "program"/],
      [{ program: image, entry: '0x1000' }, /"entry" needs "loadAddress"/],
      [{ program: image, loadAddress: '0x1000' }, /"loadAddress" is for flat binaries/],
      [{ program: image, exitBreakpoints: ['exit == '] }, /"exitBreakpoints\[0\]".*Column/],
      [{ program: image, symbols: [{ file: 'x', layer: 1, cr3: '0x1000' }] }, /both "layer" and "cr3"/],
      [{ program: image, serial: { file: '/no/such/place' } }, /"serial\.file"/],
    ];
    for (const [configuration, expected] of wrong) {
      assert.match((await client.failure('launch', configuration)) ?? 'no error', expected);
    }
  });
});

describe('a guest that does not end by itself', () => {
  let folder = '';
  before(() => (folder = mkdtempSync(join(tmpdir(), 'strata-'))));
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  async function flat(...bytes: number[]): Promise<void> {
    const program = join(folder, 'flat.bin');
    writeFileSync(program, Uint8Array.from(bytes));
    await client.prepare({ program, loadAddress: '0x100000', memory: '16M' });
  }

  it('is paused', async () => {
    // jmp $
    await flat(0xeb, 0xfe);
    await client.configurationDoneRequest();
    const pause = await client.pauseAfter(() => client.pauseRequest({ threadId: 1 }));
    assert.equal(pause.body.reason, 'pause');
    const busy = await client.pauseAfter(() => client.nextRequest({ threadId: 1, granularity: 'instruction' }));
    assert.equal(busy.body.reason, 'step');
  });

  it('is explained when nothing can wake it, and then ends with status 3', async () => {
    // cli; hlt
    await flat(0xfa, 0xf4);
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.match(pause.body.description ?? '', /^Halted/);
    assert.equal((await client.run()).event, 'terminated');
    assert.equal(client.exitCode, 3);
  });

  it('has its triple fault explained by the exceptions that led to it, and ends with status 4', async () => {
    // ud2, without an IDT
    await flat(0x0f, 0x0b);
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.match(pause.body.text ?? '', /1\. #UD.*\n2\. #GP.*\n3\. #DF/);
    assert.equal((await client.run()).event, 'terminated');
    assert.equal(client.exitCode, 4);
  });
});
