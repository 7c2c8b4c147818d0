import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { AdapterClient, lineWith, sample, sampleSource } from './test-client';

let image = '';
let folder = '';
let client: AdapterClient;

async function instructions(
  breakpoints: readonly DebugProtocol.InstructionBreakpoint[],
): Promise<DebugProtocol.Breakpoint[]> {
  const response = await client.customRequest('setInstructionBreakpoints', { breakpoints });
  return (response.body as { breakpoints: DebugProtocol.Breakpoint[] }).breakpoints;
}

const addressOf = async (name: string): Promise<string> => /^0x[0-9a-f]+/.exec(await client.evaluate(name))?.[0] ?? '';

async function entry(): Promise<void> {
  await client.prepare({ program: image, stopOnEntry: true });
  await client.pauseAfter(() => client.configurationDoneRequest());
}

describe('breakpoints', () => {
  before(() => {
    image = sample('hello-vmx');
    folder = mkdtempSync(join(tmpdir(), 'strata-'));
  });
  after(() => rmSync(folder, { recursive: true }));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  it('stand at functions by symbol, by file and symbol, and by address', async () => {
    await entry();
    const address = await addressOf('guest_main');
    const names = ['vmm_main', 'hello-vmx!vmm_run_guest', address, 'no_such_function', 'other!vmm_main'];
    const { breakpoints } = (
      await client.setFunctionBreakpointsRequest({ breakpoints: names.map((name) => ({ name })) })
    ).body;
    assert.deepEqual(
      breakpoints.map(({ verified }) => verified),
      [true, true, true, false, false],
    );
    assert.equal(breakpoints[3].message, 'No symbol "no_such_function" in hello-vmx.elf.');
    for (const [index, threadId] of [1, 1, 1000].entries()) {
      const pause = await client.run();
      assert.equal(pause.body.reason, 'function breakpoint');
      assert.deepEqual(pause.body.hitBreakpointIds, [breakpoints[index].id]);
      assert.equal(pause.body.threadId, threadId);
    }
  });

  it('stand at instructions, at an offset, in one layer only where the layer is named', async () => {
    await entry();
    const address = await addressOf('vmx_exited');
    const [plain, other] = await instructions([
      { instructionReference: address, offset: 1, condition: 'rsp != 0', hitCondition: '== 2' },
      { instructionReference: `1:${await addressOf('guest_main')}` },
    ]);
    assert.equal(BigInt(plain.instructionReference ?? 0), BigInt(address) + 1n);
    assert.equal(other.verified, true);
    const pause = await client.run();
    assert.equal(pause.body.reason, 'instruction breakpoint');
    assert.deepEqual(pause.body.hitBreakpointIds, [plain.id]);
    assert.equal(await client.evaluate('count(exit)'), '2');
    assert.match(
      (await client.failure('setInstructionBreakpoints', { breakpoints: [{}] })) ?? '',
      /instructionReference/,
    );
    // A list replaces the one before.
    await instructions([]);
    assert.equal((await client.run()).event, 'terminated');
  });

  it('stop at the first instruction of the machine', async () => {
    await client.prepare({ program: image });
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: '_start' }] });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal(pause.body.reason, 'function breakpoint');
    assert.equal(await client.evaluate('time'), '0');
  });

  it('stop where a step makes a transition instead of an instruction', async () => {
    await client.prepare({ program: image });
    const source = sampleSource('hello-vmx', 'cpu.h');
    const line = lineWith(source, '"cpuid"');
    await client.setBreakpointsRequest({ source: { path: source }, breakpoints: [{ line }] });
    let pause = await client.pauseAfter(() => client.configurationDoneRequest());
    while (pause.body.threadId === 1) pause = await client.run();
    await client.setBreakpointsRequest({ source: { path: source }, breakpoints: [] });
    const { breakpoints } = (await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'vmx_exited' }] }))
      .body;
    const step = await client.pauseAfter(() => client.nextRequest({ threadId: 1000 }));
    assert.deepEqual(step.body.hitBreakpointIds, [breakpoints[0].id]);
    assert.equal(step.body.threadId, 1);
  });

  it('may be set and taken away while the machine runs, which answers what needs no rest', async () => {
    const program = join(folder, 'loop.bin');
    // nop; jmp -3
    writeFileSync(program, Uint8Array.of(0x90, 0xeb, 0xfd));
    await client.prepare({ program, loadAddress: '0x100000', memory: '16M' });
    await client.configurationDoneRequest();
    for (const [command, args] of [
      ['evaluate', { expression: 'rax' }],
      ['stackTrace', { threadId: 1 }],
      ['scopes', { frameId: 1024 }],
      ['readMemory', { memoryReference: '0x100000', count: 4 }],
      ['next', { threadId: 1 }],
      ['continue', { threadId: 1 }],
      ['exceptionInfo', { threadId: 1 }],
    ] as const) {
      assert.match(
        (await client.failure(command, args)) ?? 'none',
        /The machine is running: pause it first\./,
        command,
      );
    }
    assert.match(await client.evaluate('stats', 'repl'), /instructions retired/);
    assert.deepEqual(
      (await client.threadsRequest()).body.threads.map(({ name }) => name),
      ['CPU0 · L0 VMM'],
    );
    const [breakpoint] = await client.pauseAfterSetting(() => instructions([{ instructionReference: '0x100001' }]));
    assert.equal(breakpoint.verified, true);
    assert.equal(await client.evaluate('rip'), '0x100001');
  });

  it('are passed over, and exits too, where the machine is run without debugging', async () => {
    await client.prepare({ program: image, noDebug: true, stopOnEntry: true, exitBreakpoints: ['exit == CPUID'] });
    await client.setFunctionBreakpointsRequest({ breakpoints: [{ name: 'vmm_main' }] });
    assert.equal((await client.pauseAfter(() => client.configurationDoneRequest())).event, 'terminated');
    assert.equal(client.exitCode, 33);
  });

  it('are found line by line, and wait for the symbols where they are set before the launch', async () => {
    const source = sampleSource('hello-vmx', 'vmm.c');
    const line = lineWith(source, 'int vmm_run_guest');
    const early = (await client.setBreakpointsRequest({ source: { path: source }, breakpoints: [{ line }] })).body;
    assert.equal(early.breakpoints[0].verified, false);
    assert.match(early.breakpoints[0].message ?? '', /Waits for the machine/);
    const changed = client.waitForEvent('breakpoint');
    await client.prepare({ program: image });
    assert.equal(((await changed) as DebugProtocol.BreakpointEvent).body.breakpoint.verified, true);
    const locations = await client.customRequest('breakpointLocations', {
      source: { path: source },
      line,
      endLine: line + 3,
    });
    const { breakpoints } = locations.body as { breakpoints: { line: number }[] };
    assert.ok(breakpoints.length > 0 && breakpoints.every((place) => place.line >= line && place.line <= line + 3));
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    assert.equal((await client.frames(pause.body.threadId ?? 0))[0].name, 'vmm_run_guest');
  });

  it('tell their log messages in the order in which the guest writes', async () => {
    await client.prepare({ program: image });
    const source = sampleSource('hello-vmx', 'guest.c');
    const line = lineWith(source, 'report_progress(0x42)');
    await client.customRequest('setBreakpoints', {
      source: { path: source },
      breakpoints: [{ line, logMessage: '{{mark}} {layer}' }],
    });
    assert.equal((await client.pauseAfter(() => client.configurationDoneRequest())).event, 'terminated');
    const before = client.outputs.indexOf('guest: CPUID says');
    const mark = client.outputs.indexOf('{mark} 1\n');
    assert.ok(before >= 0 && mark > before && client.outputs.indexOf('guest: wrote to port') > mark);
  });
});
