import { basename } from 'node:path';
import { parseCondition, type Condition } from '../debug-adapter/conditions/condition';
import { loadImage } from '../emulator/boot/load-image';
import type { LoadedImage } from '../emulator/boot/loaded-image';
import type { BootModule } from '../emulator/boot/multiboot';
import type { CpuModelName } from '../emulator/tables/cpu-models';
import { EXIT_STATUS } from './exit-status';
import { WriteFailure, type CliHost, type Sink } from './host';
import { runGuest } from './run-guest';
import { parseAddress, parseCount, parseCpuModel, parseMemory, parseProcessors, parseSeed, type Parsed } from './size';
import { exitStatus, humanSummary, jsonSummary } from './summary';

/** Options of `strata run` as typed. */
export interface RunOptions {
  readonly cmdline: string;
  readonly module: readonly string[];
  readonly memory: string;
  readonly break?: string;
  readonly maxInstructions?: string;
  readonly serial: string;
  readonly stats: boolean;
  readonly json: boolean;
  readonly loadAddress?: string;
  readonly entry?: string;
  readonly cpu: string;
  readonly cpus: string;
  readonly seed: string;
}

/** Options checked, files read. */
interface Plan {
  readonly image: LoadedImage;
  readonly memory: number;
  readonly cpuModel: CpuModelName;
  readonly processors: number;
  readonly seed: bigint;
  readonly maxInstructions: number | undefined;
  readonly condition: Condition | undefined;
}

/** Ends the checking of input; caught in `runCommand`. */
class BadInput {
  constructor(readonly sentence: string) {}
}

/** Runs an image to its end; gives the exit status. */
export async function runCommand(path: string, options: RunOptions, host: CliHost): Promise<number> {
  let plan: Plan;
  let serial: Sink;
  try {
    plan = prepare(path, options, host);
    serial = options.serial === 'stdout' ? host.stdout : open(options.serial, host);
  } catch (error) {
    if (!(error instanceof BadInput)) throw error;
    return refuse(error.sentence, options.json, host);
  }
  try {
    return await run(plan, serial, options, host);
  } catch (error) {
    if (!(error instanceof WriteFailure)) throw error;
    return refuse(error.message, options.json, host);
  }
}

/** Says why the command cannot do what it is asked to; gives the exit status. */
export async function refuse(sentence: string, json: boolean, host: CliHost): Promise<number> {
  const status = EXIT_STATUS.badInput;
  await say(
    host,
    json ? `${JSON.stringify({ ended: 'bad-input', status, error: sentence })}\n` : `strata: ${sentence}\n`,
  );
  return status;
}

async function run(plan: Plan, serial: Sink, options: RunOptions, host: CliHost): Promise<number> {
  const { memory, cpuModel, processors, seed } = plan;
  const machine = host.createMachine({ memory, cpuModel, processors, seed });
  machine.load(plan.image);
  let waiting: Uint8Array[] = [];
  // The debug console shares the terminal with the serial port, or takes it over when that goes to a file.
  let waitingConsole: Uint8Array[] = [];
  machine.onOutput = (channel, bytes) => (channel === 'serial' ? waiting : waitingConsole).push(bytes.slice());
  const flush = async (): Promise<void> => {
    const ready = Buffer.concat(waiting);
    const readyConsole = Buffer.concat(waitingConsole);
    waiting = [];
    waitingConsole = [];
    if (ready.length > 0) await serial.write(ready);
    if (readyConsole.length > 0) await host.stdout.write(readyConsole);
  };

  const start = host.now();
  const ending = await runGuest(
    machine,
    plan,
    async () => {
      await flush();
      await host.breathe();
    },
    () => host.interrupted(),
    () => host.now(),
  );
  const figures = { milliseconds: host.now() - start, stats: options.stats };
  await flush();
  await serial.end();
  await say(
    host,
    options.json ? jsonSummary(machine, ending, figures) : humanSummary(machine, ending, figures, host.colors),
  );
  return exitStatus(ending);
}

function say(host: CliHost, text: string): Promise<void> {
  return host.stderr.write(Buffer.from(text));
}

function must<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw new BadInput(parsed.error);
  return parsed.value;
}

function prepare(path: string, options: RunOptions, host: CliHost): Plan {
  const memory = must(parseMemory(options.memory));
  const maxInstructions =
    options.maxInstructions === undefined ? undefined : must(parseCount('--max-instructions', options.maxInstructions));
  if (options.entry !== undefined && options.loadAddress === undefined) {
    throw new BadInput('--entry is for flat binaries; give --load-address with it.');
  }
  const flat =
    options.loadAddress === undefined
      ? undefined
      : {
          loadAddress: must(parseAddress('--load-address', options.loadAddress)),
          entry: options.entry === undefined ? undefined : must(parseAddress('--entry', options.entry)),
        };
  const result = loadImage(read(path, host), {
    name: path,
    memory,
    cmdline: options.cmdline,
    modules: options.module.map((text) => readModule(text, host)),
    flat,
  });
  if (!result.ok) throw new BadInput(result.error);
  return {
    image: result.image,
    memory,
    cpuModel: must(parseCpuModel('--cpu', options.cpu)),
    processors: must(parseProcessors('--cpus', options.cpus)),
    seed: must(parseSeed('--seed', options.seed)),
    maxInstructions,
    condition: options.break === undefined ? undefined : condition(options.break),
  };
}

function condition(text: string): Condition {
  const parsed = parseCondition(text);
  if (parsed.ok) return parsed.condition;
  throw new BadInput(`--break: ${parsed.error.message}`);
}

/** `FILE`, or `FILE ARGUMENTS` in one word of the shell; the guest sees the whole, with the file's name without its folder. */
function readModule(text: string, host: CliHost): BootModule {
  const space = text.indexOf(' ');
  const file = space < 0 ? text : text.slice(0, space);
  const rest = space < 0 ? '' : text.slice(space);
  return { name: file, bytes: read(file, host), cmdline: basename(file) + rest };
}

function read(path: string, host: CliHost): Uint8Array {
  try {
    return host.readFile(path);
  } catch (error) {
    throw new BadInput(`${path}: ${systemReason(error, 'read')}`);
  }
}

function open(path: string, host: CliHost): Sink {
  try {
    return host.openFile(path);
  } catch (error) {
    throw new BadInput(`--serial ${path}: ${systemReason(error, 'written')}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file; check the path.',
  ENODEV: 'this is a device, not a file.',
  EISDIR: 'this is a folder, not a file.',
  EACCES: 'permission denied.',
  ERR_FS_FILE_TOO_LARGE: 'larger than 2 GiB; no machine has room for it.',
};

function systemReason(error: unknown, verb: string): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
  return REASONS[code] ?? `cannot be ${verb} (${code}).`;
}
