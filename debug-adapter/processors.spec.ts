import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, it } from 'node:test';
import { AdapterClient, lineWith, type Pause } from './test-client';

const GUEST = join(__dirname, '../test/smp/guest');
const SOURCE = join(GUEST, 'tests.c');
const IMAGE = join(GUEST, 'build/smp64.elf');
let client: AdapterClient;

const resume = (threadId: number): Promise<Pause> => client.pauseAfter(() => client.continueRequest({ threadId }));

describe('several processors', () => {
  before(() => execFileSync('make', ['-s', '-C', GUEST], { stdio: 'pipe' }));
  beforeEach(async () => (client = await AdapterClient.begin()));
  afterEach(() => client.stop());

  it('are threads of their own, each with its stack, and a breakpoint stops whichever comes to it', async () => {
    await client.prepare({ program: IMAGE, cpus: 3, cmdline: 'cpus=3' });
    const line = lineWith(SOURCE, 'apic_ids[number] = ');
    await client.setBreakpointsRequest({ source: { path: SOURCE }, breakpoints: [{ line }] });
    let pause = await client.pauseAfter(() => client.configurationDoneRequest());
    const stopped: number[] = [];
    for (let i = 0; i < 3; i++) {
      const threadId = pause.body.threadId ?? 0;
      stopped.push(threadId);
      const [{ name }] = await client.frames(threadId);
      assert.equal(name, 'identify');
      if (i < 2) pause = await resume(threadId);
    }
    assert.deepEqual([...stopped].sort(), [1, 2, 3]);
    const { threads } = (await client.threadsRequest()).body;
    assert.deepEqual(
      threads.map(({ name }) => name.slice(0, 4)),
      ['CPU0', 'CPU1', 'CPU2'],
    );
    // The first has done its part and waits for the others.
    const [{ name }] = await client.frames(1);
    assert.match(name, /everywhere|identify|apic_read/);
  });

  it('are stepped one at a time while the others have their turns', async () => {
    await client.prepare({ program: IMAGE, cpus: 2, cmdline: 'cpus=2' });
    const line = lineWith(SOURCE, 'uint64_t old = wide;');
    await client.setBreakpointsRequest({ source: { path: SOURCE }, breakpoints: [{ line }] });
    const pause = await client.pauseAfter(() => client.configurationDoneRequest());
    const threadId = pause.body.threadId ?? 0;
    await client.setBreakpointsRequest({ source: { path: SOURCE }, breakpoints: [] });
    for (let i = 0; i < 20; i++) {
      const stepped = await client.pauseAfter(() => client.customRequest('next', { threadId }));
      assert.deepEqual([stepped.body.reason, stepped.body.threadId], ['step', threadId]);
    }
    // The other one can be stepped as well.
    const other = 3 - threadId;
    const stepped = await client.pauseAfter(() =>
      client.customRequest('next', { threadId: other, granularity: 'instruction' }),
    );
    assert.deepEqual([stepped.body.reason, stepped.body.threadId], ['step', other]);
  });
});
