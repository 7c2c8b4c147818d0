/** `npm start`: builds, then debugs samples/hello-vmx through the real adapter and shows what an editor would. */
import { join } from 'node:path';
import pc from 'picocolors';
import { buildBundles } from './build';
import { buildSamples } from './samples';
import { line } from './start/screen';
import { tour } from './start/tour';

const IMAGE = join(__dirname, '..', 'samples', 'hello-vmx', 'build', 'hello-vmx.elf');

/** What the sample writes to isa-debug-exit at its end is 0x10, and (0x10 << 1) | 1 is the status that gives. */
const SUCCESS = 33;

async function main(): Promise<void> {
  await buildBundles();
  console.log(`built samples: ${buildSamples().join(', ')}`);
  const status = await tour(IMAGE);
  if (status !== SUCCESS) throw new Error(`The sample ended with status ${status} rather than ${SUCCESS}.`);
  console.log();
  line(`The sample ended with status ${status}, its way to say that all went well.`);
  line();
  line(`${pc.bold('npm run code')}                 the same in VS Code: open samples/hello-vmx, press F5`);
  line(`${pc.bold('node dist/cli.js run IMAGE')}   without a debugger; --help tells more`);
}

main().catch((error: unknown) => {
  console.error(`\n${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
});
