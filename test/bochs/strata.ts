/** The machine under test, run to its end. */
import { readFileSync } from 'node:fs';
import type { Stop } from '../../emulator/api';
import { loadImage } from '../../emulator/boot/load-image';
import { createMachine, type LoadableMachine } from '../../emulator/machine/machine';

export interface StrataResult {
  readonly serial: string;
  readonly stop: Stop;
  readonly stateHash: string;
  readonly retired: bigint;
}

export interface StrataOptions {
  readonly image: string;
  readonly cmdline?: string;
  /** RAM in MiB. */
  readonly megabytes?: number;
  readonly processors?: number;
  /** Instructions of a turn. */
  readonly turn?: number;
  readonly maxInstructions?: number;
  readonly onConsole?: (text: string) => void;
}

/** A machine with an image in it. */
export function bootStrata(options: StrataOptions): LoadableMachine {
  const memory = (options.megabytes ?? 128) * 0x10_0000;
  const { processors, turn } = options;
  const machine = createMachine({ memory, cpuModel: 'strata', seed: 0n, processors, turn });
  const loaded = loadImage(readFileSync(options.image), {
    name: options.image,
    memory,
    cmdline: options.cmdline ?? '',
    modules: [],
  });
  if (!loaded.ok) throw new Error(loaded.error);
  machine.load(loaded.image);
  return machine;
}

export function runStrata(options: StrataOptions): StrataResult {
  const machine = bootStrata(options);
  let serial = '';
  machine.onOutput = (channel, bytes) => {
    const text = Buffer.from(bytes).toString('latin1');
    if (channel === 'serial') serial += text;
    else options.onConsole?.(text);
  };
  const limit = BigInt(options.maxInstructions ?? 500_000_000);
  let stop: Stop;
  do stop = machine.run(50_000_000);
  while ((stop.kind === 'limit' || stop.kind === 'transition') && machine.time < limit);
  return { serial, stop, stateHash: machine.stateHash(), retired: machine.retired };
}
