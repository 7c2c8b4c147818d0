import { mkdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Locator, Page } from 'playwright-core';

const RESULTS = join(__dirname, '..', '..', '..', 'test-results', 'vscode');

/** Evaluated in the page: the text of the drawn line at the height of the marker, or nothing. */
const LINE_AT_MARKER = `(() => {
  const marker = document.querySelector('.view-overlays .debug-top-stack-frame-line')?.getBoundingClientRect();
  const isThere = (line) => Math.abs(line.getBoundingClientRect().y - marker.y) < marker.height / 2;
  return marker && [...document.querySelectorAll('.editor-instance .view-line')].find(isThere)?.textContent || '';
})()`;

/** Text as it is read: the editor draws spaces as no-break spaces and puts icons into it, and parts of a row below each other. */
const oneLine = (text: string): string =>
  text
    .replace(/[\p{Cf}\p{Co}]/gu, '')
    .replace(/[\s\u00a0]+/g, ' ')
    .trim();

/** The parts of VS Code's window that a person debugs with. */
export class Workbench {
  /** Screenshots are named after `name`. */
  constructor(
    readonly page: Page,
    private readonly name: string,
  ) {
    mkdirSync(RESULTS, { recursive: true });
  }

  async open(server: string, folder: string): Promise<void> {
    await this.page.goto(`${server}/?folder=${encodeURIComponent(folder)}`);
    await this.page
      .locator('.monaco-workbench .explorer-folders-view .monaco-list-row')
      .first()
      .waitFor({ timeout: 60_000 });
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
    const { page } = this;
    await page.keyboard.press(key);
    const input = page.locator('.quick-input-widget input.input').first();
    await input.waitFor({ state: 'visible' });
    await input.fill(text);
    await page.locator('.quick-input-list .monaco-list-row', { hasText: row }).first().click();
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

  /** The row of a tree that holds a text; scrolls down to it, because only the rows in view exist. */
  async row(tree: Locator, text: string | RegExp): Promise<Locator> {
    const row = tree.locator('.monaco-list-row', { hasText: text }).first();
    const list = tree.locator('.monaco-list').first();
    await list.waitFor();
    await list.hover({ position: { x: 5, y: 5 } });
    await this.page.mouse.wheel(0, -100_000);
    for (let turn = 0; turn < 60; turn++) {
      await this.page.waitForTimeout(turn === 0 ? 150 : 60);
      if ((await row.count()) > 0) {
        await row.scrollIntoViewIfNeeded();
        return row;
      }
      await this.page.mouse.wheel(0, 100);
    }
    throw new Error(`no row with "${String(text)}" among:\n${(await this.rows(tree)).join('\n')}`);
  }

  /** Waits until the machine has stopped: a thread of it says why. */
  async stopped(why: string | RegExp, seconds = 30): Promise<void> {
    await this.callStack
      .locator('.state.label, .thread .state', { hasText: why })
      .first()
      .waitFor({ timeout: seconds * 1000 });
  }

  async expand(tree: Locator, text: string | RegExp): Promise<void> {
    await this.setExpanded(tree, text, 'true');
  }

  async collapse(tree: Locator, text: string | RegExp): Promise<void> {
    await this.setExpanded(tree, text, 'false');
  }

  private async setExpanded(tree: Locator, text: string | RegExp, wanted: 'true' | 'false'): Promise<void> {
    // A tree that is drawn anew between the look and the click swallows the click.
    await this.eventually(
      async () => {
        const row = await this.row(tree, text);
        if ((await row.getAttribute('aria-expanded')) === wanted) return true;
        await row.locator('.monaco-tl-twistie').click();
        await this.page.waitForTimeout(400);
        return undefined;
      },
      `"${String(text)}" ${wanted === 'true' ? 'open' : 'closed'}`,
    );
  }

  /** The rows of a tree that are drawn, each its text on one line. */
  async rows(tree: Locator): Promise<readonly string[]> {
    const texts = await tree.locator('.monaco-list-row').allInnerTexts();
    return texts.map(oneLine);
  }

  /** The text of the line that the innermost frame stands on, in the editor that shows it. */
  async currentLine(): Promise<string> {
    const marker = this.page.locator('.view-overlays .debug-top-stack-frame-line').first();
    await marker.waitFor();
    // In one go: between two questions the editor may scroll.
    return this.eventually(async () => {
      const text = await this.page.evaluate<string>(LINE_AT_MARKER);
      return text === '' ? undefined : oneLine(text);
    }, 'a line under the marker of the current frame');
  }

  /** Presses a key that moves the machine, and waits until the current line is another one. */
  async step(key: 'F10' | 'F11'): Promise<string> {
    const before = await this.currentLine();
    await this.page.keyboard.press(key);
    return this.eventually(async () => {
      const now = await this.currentLine();
      return now === before ? undefined : now;
    }, `${key} leaves "${before}"`);
  }

  /** Changes a variable where it is shown. */
  async edit(name: RegExp, value: string): Promise<void> {
    const row = await this.row(this.variables, name);
    await row.locator('.value').first().dblclick();
    const input = this.variables.locator('.monaco-list-row input').first();
    await input.fill(value);
    await input.press('Enter');
    await input.waitFor({ state: 'hidden' });
  }

  /** Opens a file and sets a breakpoint in the first line that holds a text. */
  async breakAt(file: string, text: string): Promise<void> {
    const number =
      readFileSync(file, 'utf8')
        .split('\n')
        .findIndex((line) => oneLine(line).includes(text)) + 1;
    if (number === 0) throw new Error(`${file} has no "${text}"`);
    const dots = this.page.locator(
      '.margin .codicon-debug-breakpoint, .glyph-margin-widgets .codicon-debug-breakpoint',
    );
    await this.openFile(basename(file));
    await this.page.keyboard.press('Control+G');
    const input = this.page.locator('.quick-input-widget input.input').first();
    await input.waitFor({ state: 'visible' });
    await input.fill(`:${number}`);
    await this.page.keyboard.press('Enter');
    await input.waitFor({ state: 'hidden' });
    await this.page.keyboard.press('F9');
    await dots.first().waitFor();
  }

  /** Makes room for the names in the trees of the side bar. */
  async widenSideBar(pixels: number): Promise<void> {
    const box = await this.page.locator('.part.sidebar').boundingBox();
    if (box === null) throw new Error('no side bar');
    await this.page.mouse.move(box.x + box.width, box.y + 400);
    await this.page.mouse.down();
    await this.page.mouse.move(box.x + pixels, box.y + 400, { steps: 4 });
    await this.page.mouse.up();
  }

  /** Folds a part of the side bar away, which leaves its room to the others. */
  async closePane(title: string): Promise<void> {
    const header = this.page.locator('.pane-header', { hasText: title }).first();
    if ((await header.getAttribute('aria-expanded')) === 'true') await header.click();
  }

  get exceptionWidget(): Locator {
    return this.page.locator('.exception-widget');
  }

  /** Polls until `look` finds something. */
  async eventually<T>(look: () => Promise<T | undefined>, what: string, seconds = 20): Promise<T> {
    for (const limit = Date.now() + seconds * 1000; Date.now() < limit; await this.page.waitForTimeout(100)) {
      const found = await look();
      if (found !== undefined) return found;
    }
    throw new Error(`not within ${seconds} s: ${what}`);
  }

  /** Waits until the debug console holds a line. */
  async printed(line: string, seconds = 30): Promise<void> {
    await this.eventually(
      async () => ((await this.rows(this.console)).some((row) => row.includes(line)) ? true : undefined),
      `"${line}" in the debug console`,
      seconds,
    );
  }

  async ended(seconds = 60): Promise<void> {
    await this.page.locator('.debug-toolbar').waitFor({ state: 'hidden', timeout: seconds * 1000 });
  }
}
