import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { Studio } from './studio';

let studio: Studio;
before(async () => {
  studio = await Studio.open();
});
after(() => studio.close());

const some = (rows: readonly string[], pattern: RegExp): void =>
  assert.ok(
    rows.some((row) => pattern.test(row)),
    `${pattern} among:\n${rows.join('\n')}`,
  );

test(
  'hello-vmx: stop at a CPUID exit, see layers and VMCS, step, change a register, run to the end',
  { timeout: 150_000 },
  () =>
    studio.inWindow('hello-vmx', 'light', async (window) => {
      const { callStack, variables } = window;
      await window.openFile('guest.c');
      await window.launch('Debug hello-vmx, stop at its CPUID exits');
      await window.stopped(/VM exit \d+: CPUID/i, 60);
      await window.widenSideBar(560);
      await window.closePane('Watch');
      assert.match(await window.exceptionWidget.innerText(), /VM exit: CPUID/);

      await window.expand(callStack, 'L0 VMM');
      await window.expand(callStack, 'L1 guest');
      await callStack.getByText('ask_who_runs_us').waitFor();
      for (const row of [
        /CPU0 · L0 VMM · running/,
        /CPU0 · L1 guest \(VMCS 0x[0-9a-f]+\) · exited: CPUID/,
        /vmx_\w+\s*world_switch\.S/,
        /ask_who_runs_us\s*guest\.c/,
      ]) {
        await window.row(callStack, row);
      }

      await window.collapse(variables, /^Registers/);
      await window.expand(variables, /^VMCS/);
      await window.expand(variables, 'VM-exit information fields');
      await window.row(variables, /VM_EXIT_REASON.*CPUID/);
      await window.collapse(variables, 'VM-exit information fields');
      await window.expand(variables, 'VM-execution control fields');
      await window.row(variables, /SECONDARY_VM_EXEC_CONTROL.*"enable EPT"/);
      await window.expand(variables, /CPU_BASED_VM_EXEC_CONTROL/);
      await window.row(variables, /HLT exiting.*1/);
      await window.screenshot('vmcs');
      await window.collapse(variables, /^VMCS/);

      const first = await window.currentLine();
      const second = await window.step('F10');
      const third = await window.step('F11');
      assert.notEqual(second, first);
      assert.notEqual(third, second);

      // The guest's RAX, its CPUID leaf, is still in the processor: the VMM is about to save it.
      await window.expand(variables, /^Registers/);
      await window.edit(/^RAX/, '0x40000099');
      await window.row(variables, /^RAX\s*=\s*0x0000000040000099/);
      await window.screenshot('register-changed');

      await window.page.keyboard.press('F5');
      await window.printed('vmm: exit, CPUID: leaf 0x40000099');
      await window.stopped(/VM exit \d+: CPUID/i);
      await window.page.keyboard.press('F5');
      await window.ended();
      await window.printed('guest: timer interrupt number 1');
      await window.printed('vmm: left VMX operation');
      await window.screenshot('end');
    }),
);

test(
  'a breakpoint set with F9 in C and in both assembly languages is reached, without a launch.json',
  { timeout: 120_000 },
  async () => {
    cpSync(studio.path('hello-vmx'), studio.path('bare'), { recursive: true });
    rmSync(studio.path('bare', '.vscode'), { recursive: true });
    rmSync(studio.path('bare', 'build'), { recursive: true, force: true });
    studio.make('bare');
    await studio.inWindow('bare', 'high-contrast', async (window) => {
      const lines = ['call vmm_main', 'vmlaunch', '*cell = 0x1122334455667788;'];
      for (const [index, file] of ['boot.asm', 'world_switch.S', 'guest.c'].entries()) {
        await window.breakAt(studio.path('bare', file), lines[index]);
      }
      await window.page.keyboard.press('F5');
      for (const [index, thread] of ['L0 VMM', 'L0 VMM', 'L1 guest'].entries()) {
        const stoppedThere = async (): Promise<true | undefined> =>
          (await window.currentLine()) === lines[index] ? true : undefined;
        await window.eventually(stoppedThere, `the breakpoint at "${lines[index]}"`);
        // With one thread the editor shows only its frames.
        if (index > 1) some(await window.rows(window.callStack), new RegExp(`${thread}.*breakpoint`, 'i'));
        if (index === 2) await window.screenshot('guest');
        await window.page.keyboard.press('F5');
      }
      await window.ended();
      await window.printed('vmm: left VMX operation');
    });
  },
);
