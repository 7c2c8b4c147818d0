/** How long a step takes, from the request to the stopped event, through the real adapter in its own process. */
import { join } from 'node:path';
import { DebugClient } from '@vscode/debugadapter-testsupport';

const ROOT = process.cwd();
const STEPS = 60;
/** Steps before the first that counts: code is loaded, symbols are read. */
const WARM_UP = 10;

/** Times of instruction steps in the VMM of a sample, in milliseconds. */
export async function stepLatency(program: string): Promise<number[]> {
  const env = { ...process.env, NODE_OPTIONS: '--import tsx' };
  const client = new DebugClient(process.execPath, join(ROOT, 'debug-adapter/main.ts'), 'vmx', { cwd: ROOT, env });
  client.defaultTimeout = 20_000;
  await client.start();
  try {
    await client.initializeRequest();
    const initialized = client.waitForEvent('initialized');
    await client.launchRequest({ program, stopOnEntry: true } as never);
    await initialized;
    const entry = client.waitForEvent('stopped');
    await client.configurationDoneRequest();
    await entry;
    const { body } = await client.threadsRequest();
    const threadId = body.threads[0].id;
    const times: number[] = [];
    for (let i = 0; i < WARM_UP + STEPS; i++) {
      const stopped = client.waitForEvent('stopped');
      const start = performance.now();
      await client.stepInRequest({ threadId, granularity: 'instruction' });
      await stopped;
      if (i >= WARM_UP) times.push(performance.now() - start);
    }
    return times;
  } finally {
    await client.stop();
  }
}
