import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Studio } from './studio';

const GUESTS = join(__dirname, '..', '..');
/** Its linker script lies beside, in `vmx/`. */
const GUEST = 'smp/guest';

let studio: Studio;
before(async () => {
  studio = await Studio.open();
  for (const name of ['smp', 'vmx']) {
    cpSync(join(GUESTS, name, 'guest'), studio.path(name, 'guest'), {
      recursive: true,
      filter: (path) => !/[\\/]build$/.test(path),
    });
  }
  studio.make(GUEST);
  const configuration = {
    name: 'Two processors',
    type: 'vmx',
    request: 'launch',
    program: '${workspaceFolder}/build/smp64.elf',
    cpus: 2,
    cmdline: 'cpus=2',
  };
  mkdirSync(studio.path(GUEST, '.vscode'));
  writeFileSync(
    studio.path(GUEST, '.vscode', 'launch.json'),
    JSON.stringify({ version: '0.2.0', configurations: [configuration] }),
  );
});
after(() => studio.close());

test('two processors are two threads, each is stepped; vector registers are a scope', { timeout: 150_000 }, () =>
  studio.inWindow(GUEST, 'light', async (window) => {
    const { callStack, variables } = window;
    await window.breakAt(studio.path(GUEST, 'tests.c'), 'uint64_t old = wide;');
    await window.launch('Two processors');
    await window.stopped(/Paused on breakpoint/i, 60);
    await window.widenSideBar(560);
    await window.closePane('Watch');
    await window.expand(callStack, /CPU0/);
    await window.expand(callStack, /CPU1/);
    await window.row(callStack, /CPU0/);
    await window.row(callStack, /CPU1/);
    await window.row(callStack, /compare_exchange/);
    await window.screenshot('threads');
    await window.step('F10');
    await window.screenshot('stepped');
    await window.collapse(variables, /^Registers/);
    await window.expand(variables, /^Floating-point and vector registers/);
    await window.expand(variables, /^XMM/);
    await window.edit(/^XMM0/, '0x3ff80000000000004002000000000000');
    await window.expand(variables, /^XMM0/);
    await window.row(variables, /double.*2\.25, 1\.5/);
    await window.screenshot('vectors');
    await window.collapse(variables, /^XMM/);
    await window.expand(variables, /^FPU/);
    await window.row(variables, /^ST0/);
    await window.screenshot('x87');
  }),
);
