import assert from 'node:assert/strict';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { AdapterClient, lineWith, sample, sampleSource, type Pause } from './test-client';

const VMM = sampleSource('hello-vmx', 'vmm.c');
const GUEST = sampleSource('hello-vmx', 'guest.c');
const ROOT = 1;
const FIRST_GUEST = 1000;
let image = '';
let client: AdapterClient;

/** Runs to a line of a source. */
async function runTo(path: string, text: string): Promise<Pause> {
  await client.prepare({ program: image });
  await client.setExceptionBreakpointsRequest({ filters: [] });
  await client.setBreakpointsRequest({ source: { path }, breakpoints: [{ line: lineWith(path, text) }] });
  const pause = await client.pauseAfter(() => client.configurationDoneRequest());
  await client.setBreakpointsRequest({ source: { path }, breakpoints: [] });
  return pause;
}

type Kind = 'next' | 'stepIn' | 'stepOut';

async function step(kind: Kind, threadId: number, granularity?: 'instruction' | 'statement'): Promise<Pause> {
  return client.pauseAfter(() => client.customRequest(kind, { threadId, granularity }));
}

async function top(threadId: number): Promise<{ name: string; line: number; rip: bigint; names: readonly string[] }> {
  const frames = (await client.frames(threadId)).filter(({ presentationHint }) => presentationHint !== 'label');
  const [{ name, line, instructionPointerReference }] = frames;
  const rip = BigInt((instructionPointerReference ?? '0').split(':').at(-1) ?? 0);
  return { name, line, rip, names: frames.map((frame) => frame.name) };
}

describe('stepping', () => {
  before(() => (image = sample('hello-vmx')));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  it('goes over, into and out of the functions of the VMM by lines', async () => {
    await runTo(VMM, 'if (!vmx_allowed())');
    assert.deepEqual((await top(ROOT)).name, 'vmm_start');
    const over = await step('next', ROOT);
    assert.equal(over.body.reason, 'step');
    assert.equal(over.body.description, 'Step');
    const after = await top(ROOT);
    assert.equal(after.names.at(-1), 'long_mode');
    assert.ok(after.line > lineWith(VMM, 'if (!vmx_allowed())'), `at line ${after.line}`);
    // Into print(), which has lines, and out again.
    let depth = after.names.length;
    for (let steps = 0; steps < 20 && (await top(ROOT)).names.length <= depth; steps++) await step('stepIn', ROOT);
    const inside = (await top(ROOT)).names;
    assert.ok(inside.length > depth, inside.join(' < '));
    depth = inside.length;
    await step('stepOut', ROOT);
    assert.ok((await top(ROOT)).names.length < depth);
  });

  it('goes over a call of the VMM in which its whole guest runs', async () => {
    await runTo(sampleSource('hello-vmx', 'main.c'), 'vmm_run_guest()');
    const before = await top(ROOT);
    const pause = await step('next', ROOT);
    assert.equal(pause.body.threadId, ROOT);
    const now = await top(ROOT);
    assert.notEqual(now.line, before.line);
    assert.match(client.outputs, /guest: nothing left to do, HLT/);
    assert.notEqual(await client.evaluate('count(exit.HLT)'), '0');
  });

  it('goes over and into calls by instructions', async () => {
    await runTo(sampleSource('hello-vmx', 'main.c'), 'vmm_run_guest()');
    const next = async (): Promise<string> => {
      const { rip } = await top(ROOT);
      const args = { memoryReference: `0x${rip.toString(16)}`, instructionCount: 1 };
      return (await client.disassembleRequest(args)).body?.instructions[0].instruction ?? '';
    };
    while (!(await next()).startsWith('call')) await step('next', ROOT, 'instruction');
    const call = await top(ROOT);
    await step('stepIn', ROOT, 'instruction');
    const inside = await top(ROOT);
    assert.equal(inside.names.length, call.names.length + 1);
    const out = await step('stepOut', ROOT, 'instruction');
    assert.equal(out.body.reason, 'step');
    assert.equal((await top(ROOT)).rip > call.rip, true);
    assert.equal((await top(ROOT)).names.length, call.names.length);
  });

  it('follows a guest by lines and instructions over its VM exits', async () => {
    const pause = await runTo(GUEST, 'report_progress(0x42)');
    assert.equal(pause.body.threadId, FIRST_GUEST);
    const exits = Number.parseInt(await client.evaluate('count(exit)'), 10);
    const lines = new Set<number>();
    for (let steps = 0; steps < 4; steps++) {
      assert.equal((await step('next', FIRST_GUEST)).body.threadId, FIRST_GUEST);
      lines.add((await top(FIRST_GUEST)).line);
    }
    assert.ok(lines.size >= 3, [...lines].join(' '));
    assert.ok(Number.parseInt(await client.evaluate('count(exit)'), 10) > exits);
    for (let steps = 0; steps < 5; steps++) {
      const before = (await top(FIRST_GUEST)).rip;
      assert.equal((await step('stepIn', FIRST_GUEST, 'instruction')).body.threadId, FIRST_GUEST);
      assert.notEqual((await top(FIRST_GUEST)).rip, before);
    }
  });

  it('goes out of a function of the guest in which the VMM runs', async () => {
    await client.prepare({ program: image });
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'print_hex', condition: 'layer == 1' }] });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.body.threadId, FIRST_GUEST);
    await client.setFunctionBreakpointsRequest({ breakpoints: [] });
    const { names } = await top(FIRST_GUEST);
    const out = await step('stepOut', FIRST_GUEST);
    assert.equal(out.body.threadId, FIRST_GUEST);
    const after = (await top(FIRST_GUEST)).names;
    assert.ok(!after.includes('print_hex'), after.join(' < '));
    assert.deepEqual(after.slice(-names.length + 1), names.slice(1));
  });

  it('of the VMM, asked for while its guest runs, waits for the VM exit', async () => {
    await runTo(GUEST, 'report_progress(0x42)');
    const pause = await step('next', ROOT, 'instruction');
    assert.equal(pause.body.threadId, ROOT);
    assert.equal((await top(ROOT)).names.at(-1), 'long_mode');
  });

  it('of a guest that never runs again ends with the machine', async () => {
    await runTo(GUEST, 'asm volatile("hlt")');
    for (let steps = 0; steps < 3; steps++) {
      const pause = await step('next', FIRST_GUEST);
      if (pause.event === 'terminated') return;
    }
    assert.fail('the machine goes on');
  });

  it('of a layer that has no caller says so', async () => {
    await client.prepare({ program: image, stopOnEntry: true });
    await client.pauseAfter(() => client.configurationDoneRequest());
    assert.match((await client.failure('stepOut', { threadId: ROOT })) ?? '', /outermost frame/);
    assert.match(
      (await client.failure('stepIn', { threadId: FIRST_GUEST })) ?? '',
      /no thread 1000; the threads are 1\./,
    );
  });

  it('is given up by a pause, and by a breakpoint on the way', async () => {
    await runTo(GUEST, 'ask_who_runs_us();');
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'vmx_exited' }] });
    const pause = await step('next', FIRST_GUEST);
    assert.equal(pause.body.reason, 'function breakpoint');
    assert.equal(pause.body.threadId, ROOT);
  });
});

describe('jumping', () => {
  before(() => (image = sample('hello-vmx')));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  it('goes to a line of the function that runs, and tells where the machine stands', async () => {
    await runTo(GUEST, 'ask_who_runs_us();');
    const line = lineWith(GUEST, 'read_feature_control();');
    const response = await client.customRequest('gotoTargets', { source: { path: GUEST }, line });
    const { targets } = response.body as { targets: { id: number; line: number; label: string }[] };
    assert.ok(targets.length >= 1);
    assert.equal(targets[0].line, line);
    assert.match(targets[0].label, new RegExp(`^line ${line} at 0x[0-9a-f]+$`));
    const pause = await client.pauseAfter(() =>
      client.customRequest('goto', { threadId: FIRST_GUEST, targetId: targets[0].id }),
    );
    assert.equal(pause.body.reason, 'goto');
    assert.equal(
      (await client.frames(FIRST_GUEST)).some((frame) => frame.line === line),
      true,
    );
    assert.equal((await client.run()).event, 'terminated');
    assert.doesNotMatch(client.outputs, /guest: CPUID says/);
    assert.match(client.outputs, /guest: IA32_FEATURE_CONTROL reads/);
  });

  it('refuses what is no target', async () => {
    await runTo(GUEST, 'ask_who_runs_us();');
    assert.match((await client.failure('goto', { threadId: 1000, targetId: 99 })) ?? '', /target is not known/);
    const none = await client.customRequest('gotoTargets', { source: { path: '/none.c' }, line: 1 });
    assert.deepEqual((none.body as { targets: unknown[] }).targets, []);
  });
});
