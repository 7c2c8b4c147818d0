import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium, type Browser } from 'playwright-core';
import { startCodeServer, type RunningServer } from '../../../scripts/code-server/server';
import { Workbench } from './workbench';

const ROOT = join(__dirname, '..', '..', '..');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const WINDOW = { width: 1480, height: 1000 };

const CHROMIUM_ARGUMENTS = [
  ...['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  ...['--disable-component-update', '--disable-sync', '--force-color-profile=srgb', '--font-render-hinting=none'],
  '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1',
];

const THEMES = { light: 'Default Light Modern', dark: 'Default Dark Modern', 'high-contrast': 'Default High Contrast' };

const SETTINGS = {
  'window.autoDetectColorScheme': false,
  'editor.minimap.enabled': false,
  'editor.stickyScroll.enabled': false,
  'editor.fontSize': 13,
  'workbench.editor.enablePreview': false,
  'window.commandCenter': false,
  'workbench.layoutControl.enabled': false,
  'explorer.autoReveal': false,
  'debug.toolBarLocation': 'docked',
  'terminal.integrated.shellIntegration.enabled': false,
};

/** A server with the packaged extension, a browser, and a copy of the samples to debug. */
export class Studio {
  private constructor(
    private readonly folder: string,
    private readonly server: RunningServer,
    private readonly browser: Browser,
  ) {}

  /** STRATA_VSIX names the package to test. */
  static async open(): Promise<Studio> {
    const vsix = process.env.STRATA_VSIX ?? join(ROOT, 'strata.vsix');
    const folder = mkdtempSync(join(tmpdir(), 'strata-ui-'));
    // The samples' own build folders stay behind: their symbols name files of this checkout.
    cpSync(join(ROOT, 'samples'), folder, { recursive: true, filter: (path) => !/[\\/]build$/.test(path) });
    const home = join(folder, '.home');
    const server = await startCodeServer({ home, vsix, settings: SETTINGS, say: (line) => console.log(line) });
    try {
      const browser = await chromium.launch({ executablePath: CHROMIUM, headless: true, args: CHROMIUM_ARGUMENTS });
      return new Studio(folder, server, browser);
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  /** Does `work` in a window of its own on a sample, or on another folder below the samples. A failure leaves a picture. */
  async inWindow(
    sample: string,
    theme: keyof typeof THEMES,
    work: (window: Workbench) => Promise<void>,
  ): Promise<void> {
    this.server.changeSettings({ 'workbench.colorTheme': THEMES[theme] });
    const context = await this.browser.newContext({ viewport: WINDOW });
    context.setDefaultTimeout(20_000);
    const page = await context.newPage();
    const window = new Workbench(page, `${sample}-${theme}`);
    try {
      await window.open(this.server.url, this.path(sample));
      await work(window);
    } catch (error) {
      await window.screenshot('failed');
      throw error;
    } finally {
      await context.close();
    }
  }

  /** Builds a sample. Throws with what make printed. */
  make(sample: string): void {
    execFileSync('make', ['--silent'], { cwd: this.path(sample), stdio: 'pipe' });
  }

  path(...names: readonly string[]): string {
    return join(this.folder, ...names);
  }

  async close(): Promise<void> {
    await this.browser.close();
    await this.server.stop();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}
