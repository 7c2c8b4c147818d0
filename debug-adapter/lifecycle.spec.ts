import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { ADAPTER_MAIN, ADAPTER_PROCESS, AdapterClient, sample } from './test-client';

let folder = '';
let image = '';
let loop: Readonly<Record<string, unknown>> = {};

describe('a session', () => {
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'strata-'));
    image = sample('hello-vmx');
    const program = join(folder, 'loop.bin');
    // jmp $
    writeFileSync(program, Uint8Array.of(0xeb, 0xfe));
    loop = { program, loadAddress: '0x100000', memory: '16M' };
  });
  after(() => rmSync(folder, { recursive: true }));

  it('asks for a launch before what needs a machine', async () => {
    const client = await AdapterClient.begin();
    for (const command of ['threads', 'continue', 'pause', 'evaluate', 'restart', 'readMemory', 'exceptionInfo']) {
      const message = await client.failure(command, { threadId: 1, expression: 'rax' });
      assert.match(message ?? 'none', /There is no machine yet: send "launch" first/, command);
    }
    assert.equal(await client.failure('launch', { program: image }), undefined);
    assert.match((await client.failure('launch', { program: image })) ?? '', /already/);
    await client.stop();
  });

  it('goes on with its machine where a restart is refused', async () => {
    const client = await AdapterClient.begin();
    await client.prepare(loop);
    await client.configurationDoneRequest();
    const refused = await client.failure('restart', { arguments: { ...loop, memory: 'lots' } });
    assert.match(refused ?? '', /"memory" must be a size/);
    const pause = await client.pauseAfter(() => client.pauseRequest({ threadId: 1 }));
    assert.equal(pause.body.reason, 'pause');
    await client.stop();
  });

  it('ends its machine when asked to, running or at rest, and can start it anew', async () => {
    const client = await AdapterClient.begin();
    await client.prepare(loop);
    await client.configurationDoneRequest();
    assert.equal((await client.pauseAfter(() => client.terminateRequest({}))).event, 'terminated');
    const again = await client.pauseAfter(() =>
      client.customRequest('restart', { arguments: { ...loop, stopOnEntry: true } }),
    );
    assert.equal(again.body.reason, 'entry');
    await client.stop();
  });

  it('on a port leaves the others alone when its client goes while the machine runs', async () => {
    const [gone, other] = [await AdapterClient.begin(), await AdapterClient.begin()];
    await gone.prepare(loop);
    await gone.configurationDoneRequest();
    await gone.stop();
    await other.prepare({ program: image });
    assert.equal((await other.pauseAfter(() => other.configurationDoneRequest())).event, 'terminated');
    await other.stop();
  });

  it('on stdio runs a guest to its end, and leaves with its client', async () => {
    const client = await AdapterClient.beginProcess();
    await client.prepare({ program: image });
    assert.equal((await client.pauseAfter(() => client.configurationDoneRequest())).event, 'terminated');
    assert.equal(client.exitCode, 33);
    await client.stop();
  });

  it('on stdio ends its process when the client disconnects or closes the pipe while the machine runs', async () => {
    for (const farewell of ['disconnect', undefined]) {
      const adapter = spawn(process.execPath, [ADAPTER_MAIN], { ...ADAPTER_PROCESS, stdio: 'pipe' });
      let seq = 1;
      const send = (command: string, args: object): void => {
        const text = JSON.stringify({ seq: seq++, type: 'request', command, arguments: args });
        adapter.stdin.write(`Content-Length: ${text.length}\r\n\r\n${text}`);
      };
      const left = new Promise((resolve) => adapter.on('exit', resolve));
      const launched = new Promise<void>((resolve) => {
        adapter.stdout.on('data', (data: Buffer) => data.includes('configurationDone') && resolve());
      });
      send('initialize', {});
      send('nonsense', { program: null });
      adapter.stdin.write('Content-Length: 3\r\n\r\n{]}');
      send('launch', loop);
      send('configurationDone', {});
      await launched;
      if (farewell !== undefined) send(farewell, {});
      else adapter.stdin.end();
      assert.equal(await left, 0);
    }
  });

  it('says what is wrong with a port', async () => {
    const adapter = spawn(process.execPath, [ADAPTER_MAIN, '--port', 'x'], { ...ADAPTER_PROCESS, stdio: 'pipe' });
    let said = '';
    adapter.stderr.on('data', (data: Buffer) => (said += data.toString()));
    assert.equal(await new Promise((resolve) => adapter.on('close', resolve)), 2);
    assert.match(said, /--port needs a number from 0 to 65535, not "x"\./);
  });
});
