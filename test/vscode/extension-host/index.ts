import { writeFileSync } from 'node:fs';
import Mocha from 'mocha';

/** What the editor calls inside the extension host: runs the tests beside this file and tells the host's log the counts. */
export async function run(): Promise<void> {
  const mocha = new Mocha({ ui: 'bdd', timeout: 40_000, color: false, reporter: 'spec' });
  mocha.suite.emit('pre-require', globalThis as unknown as Mocha.MochaGlobals, '', mocha);
  await import('./debugging');
  const runner = await new Promise<Mocha.Runner>((resolve) => {
    const started: Mocha.Runner = mocha.run(() => resolve(started));
  });
  const { passes = 0, failures = 0 } = runner.stats ?? {};
  const line = `EXTENSION HOST ${passes} passed, ${failures} failed`;
  console.log(line);
  // On a desktop the log of the host is not to be had outside.
  if (process.env.STRATA_REPORT !== undefined) writeFileSync(process.env.STRATA_REPORT, line);
  if (failures > 0) throw new Error(`${failures} failed`);
}
