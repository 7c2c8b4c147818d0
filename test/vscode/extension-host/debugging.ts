import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import * as vscode from 'vscode';

interface Stopped {
  readonly reason: string;
  readonly threadId: number;
}

const SAMPLES = vscode.workspace.workspaceFolders?.[0].uri;
const at = (...names: readonly string[]): vscode.Uri => {
  assert.ok(SAMPLES !== undefined, 'the samples are open');
  return vscode.Uri.joinPath(SAMPLES, ...names);
};

/** Starts a session, hands it over once it stopped, and ends it. */
async function debug(
  settings: Readonly<Record<string, unknown>>,
  work: (session: vscode.DebugSession, stopped: Stopped) => Promise<void>,
): Promise<void> {
  const stops: ((stopped: Stopped) => void)[] = [];
  const stopped = new Promise<Stopped>((resolve) => stops.push(resolve));
  let current: vscode.DebugSession | undefined;
  const tracker = vscode.debug.registerDebugAdapterTrackerFactory('vmx', {
    createDebugAdapterTracker: (session) => ({
      onDidSendMessage: (message: { type: string; event?: string; body?: Stopped }) => {
        if (message.type !== 'event' || message.event !== 'stopped' || message.body === undefined) return;
        current = session;
        stops[0](message.body);
      },
    }),
  });
  const ended = new Promise<void>((resolve) => {
    const listener = vscode.debug.onDidTerminateDebugSession(() => {
      listener.dispose();
      resolve();
    });
  });
  try {
    const configuration = { type: 'vmx', request: 'launch', name: 'test', ...settings };
    assert.ok(
      await vscode.debug.startDebugging(vscode.workspace.workspaceFolders?.[0], configuration),
      'the session starts',
    );
    const stop = await stopped;
    assert.ok(current !== undefined);
    await work(current, stop);
    await vscode.debug.stopDebugging(current);
    await ended;
  } finally {
    tracker.dispose();
  }
}

describe('the packaged extension', () => {
  it('is installed, and gives assembly files a language that breakpoints know', async () => {
    assert.ok(vscode.extensions.getExtension('strata.strata') !== undefined);
    for (const [file, language] of [
      ['boot.asm', 'nasm'],
      ['world_switch.S', 'gas'],
      ['guest.c', 'c'],
    ]) {
      assert.equal((await vscode.workspace.openTextDocument(at('hello-vmx', file))).languageId, language);
    }
  });

  it('stops at a VM exit, and lists the machine by layers', () =>
    debug(
      { program: at('hello-vmx', 'build', 'hello-vmx.elf').fsPath, exitBreakpoints: ['exit == CPUID'] },
      async (session, stopped) => {
        assert.equal(stopped.reason, 'exception');
        const { threads } = (await session.customRequest('threads')) as { threads: { name: string }[] };
        assert.match(threads[0].name, /^CPU0 · L0 VMM/);
        assert.match(threads[1].name, /^CPU0 · L1 guest \(VMCS 0x[0-9a-f]+\) · exited: CPUID$/);
      },
    ));

  for (const mistake of ['control', 'host-selector', 'guest-cs', 'guest-rflags', 'link-pointer']) {
    it(`explains the planted mistake "${mistake}" with fields, required and actual bits, and the remedy`, () =>
      debug(
        { program: at('broken-entry', 'build', 'broken-entry.elf').fsPath, cmdline: `mistake=${mistake}` },
        async (session, { threadId }) => {
          const { description } = (await session.customRequest('exceptionInfo', { threadId })) as {
            description: string;
          };
          for (const part of [/fields: +\S/, /required: +\S/, /actual: +\S/, /remedy: +\S/])
            assert.match(description, part);
        },
      ));
  }
});
