import { readFile } from 'node:fs/promises';
import type { Machine } from '../emulator/api';
import { loadImage } from '../emulator/boot/load-image';
import { createMachine } from '../emulator/machine/machine';
import type { LaunchConfiguration } from './configuration';
import { requestErrors } from './errors';

/** Makes the machine of a launch configuration. Throws a `RequestError` for what the person got wrong. */
export type Boot = (configuration: LaunchConfiguration) => Promise<Machine>;

async function read(file: string, key: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const why =
      code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a folder' : `cannot be read (${code ?? 'error'})`;
    throw requestErrors.badConfiguration(`Launch configuration: "${key}": ${file} ${why}.`);
  }
}

export const bootMachine: Boot = async (configuration) => {
  const { program, memory, cmdline, loadAddress, entry } = configuration;
  const bytes = await read(program, 'program');
  const modules = await Promise.all(
    configuration.modules.map(async (module, index) => ({
      name: module.file,
      bytes: await read(module.file, `modules[${index}]`),
      cmdline: module.cmdline,
    })),
  );
  const flat =
    loadAddress === undefined
      ? undefined
      : { loadAddress: Number(loadAddress), entry: entry === undefined ? undefined : Number(entry) };
  const isElf = bytes.length > 4 && Buffer.from(bytes.subarray(0, 4)).equals(Buffer.from([0x7f, 0x45, 0x4c, 0x46]));
  if (flat !== undefined && isElf) {
    throw requestErrors.badConfiguration(
      'Launch configuration: "loadAddress" is for flat binaries, but "program" is an ELF file, which has its own addresses: remove it.',
    );
  }
  const loaded = loadImage(bytes, { name: program, memory, cmdline, modules, flat });
  if (!loaded.ok) throw requestErrors.badConfiguration(`Launch configuration: "program": ${loaded.error}`);
  const { cpuModel, seed, cpus } = configuration;
  const machine = createMachine({ memory, cpuModel, seed, processors: cpus });
  machine.load(loaded.image);
  return machine;
};
