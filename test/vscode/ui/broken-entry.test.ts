import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Studio } from './studio';

let studio: Studio;
before(async () => {
  studio = await Studio.open();
});
after(() => studio.close());

test(
  'broken-entry: a VM entry that fails shows the field, the bits required and found, and the remedy',
  { timeout: 120_000 },
  () =>
    studio.inWindow('broken-entry', 'dark', async (window) => {
      await window.openFile('mistakes.c');
      await window.launch('Debug broken-entry, mistake guest-cs');
      await window.exceptionWidget.waitFor({ timeout: 60_000 });
      await window.widenSideBar(420);
      const explanation = await window.exceptionWidget.innerText();
      await window.screenshot('explanation');
      assert.match(explanation, /D\/B \(bit 14\)/);
      assert.match(explanation, /required:.*D\/B \(bit 14\) = 0/);
      assert.match(explanation, /actual:.*GUEST_CS.*D\/B 1/);
      assert.match(explanation, /remedy:.*Clear bit 14/);
      await window.page.keyboard.press('F5');
      await window.ended();
    }),
);
