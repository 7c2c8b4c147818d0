import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';

const RESULTS = join(__dirname, '..', '..', '..', 'test-results', 'vscode');

/** The parts of VS Code's window that a person debugs with. */
export class Workbench {
  private constructor(
    readonly page: Page,
    private readonly name: string,
  ) {}

  /** Opens a folder. Screenshots are named after `name`. */
  static async open(page: Page, server: string, folder: string, name: string): Promise<Workbench> {
    mkdirSync(RESULTS, { recursive: true });
    await page.goto(`${server}/?folder=${encodeURIComponent(folder)}`);
    await page
      .locator('.monaco-workbench .explorer-folders-view .monaco-list-row')
      .first()
      .waitFor({ timeout: 60_000 });
    return new Workbench(page, name);
  }

  async screenshot(title: string): Promise<void> {
    // What moves or blinks would make every picture another one.
    await this.page.screenshot({
      path: join(RESULTS, `${this.name}-${title}.png`),
      animations: 'disabled',
      caret: 'hide',
    });
  }

  async openFile(name: string): Promise<void> {
    await this.quickInput(name, 'Control+P');
    await this.page.locator('.tab.active', { hasText: name }).waitFor();
    await this.page.locator('.editor-instance .view-line').first().waitFor();
  }

  /** Runs a command by its title in the command palette. */
  async command(title: string): Promise<void> {
    await this.quickInput(`>${title}`, 'F1', title.split(': ').at(-1));
  }

  private async quickInput(text: string, key: string, row: string = text): Promise<void> {
    await this.page.keyboard.press(key);
    const input = this.page.locator('.quick-input-widget input.input').first();
    await input.waitFor({ state: 'visible' });
    await input.fill(text);
    await this.page.locator('.quick-input-list .monaco-list-row', { hasText: row }).first().waitFor();
    await this.page.keyboard.press('Enter');
    await input.waitFor({ state: 'hidden' });
  }

  /** Picks a launch configuration by name and starts it. */
  async launch(configuration: string): Promise<void> {
    await this.quickInput(`debug ${configuration}`, 'Control+P', configuration);
  }

  get callStack(): Locator {
    return this.page.locator('.debug-call-stack');
  }

  get variables(): Locator {
    return this.page.locator('.debug-variables');
  }

  get console(): Locator {
    return this.page.locator('.repl');
  }

  row(tree: Locator, text: string | RegExp): Locator {
    return tree.locator('.monaco-list-row', { hasText: text }).first();
  }

  /** Waits until the machine has stopped: a thread of it says why. */
  async stopped(why: string | RegExp, seconds = 30): Promise<void> {
    await this.callStack
      .locator('.state.label, .thread .state', { hasText: why })
      .first()
      .waitFor({ timeout: seconds * 1000 });
  }

  async expand(row: Locator): Promise<void> {
    await row.waitFor();
    if ((await row.getAttribute('aria-expanded')) === 'false') await row.locator('.monaco-tl-twistie').click();
  }

  /** The rows of a tree that are drawn, each its text on one line. */
  async rows(tree: Locator): Promise<readonly string[]> {
    const texts = await tree.locator('.monaco-list-row').allInnerTexts();
    return texts.map((text) => text.replace(/\s*\n\s*/g, ' ').trim());
  }

  /** The line the top frame's marker is in. */
  async currentLine(): Promise<string> {
    const marker = this.page.locator(
      '.margin-view-overlays .codicon-debug-stackframe, .margin-view-overlays .codicon-debug-stackframe-focused',
    );
    await marker.first().waitFor();
    const box = await marker.first().boundingBox();
    if (box === null) return '';
    for (const line of await this.page.locator('.editor-instance .view-line').all()) {
      const at = await line.boundingBox();
      if (at !== null && Math.abs(at.y - box.y) < at.height / 2)
        return (await line.innerText()).replace(/\u00a0/g, ' ').trim();
    }
    return '';
  }

  async ended(seconds = 60): Promise<void> {
    await this.page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: seconds * 1000 });
  }
}
