import type { Machine, MachineConfig } from '../emulator/api';
import type { LoadedImage } from '../emulator/boot/loaded-image';

/** A machine an image can be put into before its first instruction. */
export interface BootableMachine extends Machine {
  load(image: LoadedImage): void;
}

/** Output cannot be written any more; the message is a sentence that names the place. */
export class WriteFailure extends Error {}

/** A stream the command writes to. */
export interface Sink {
  /** Resolves when there is room again; rejects with a `WriteFailure`. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything is written. */
  end(): Promise<void>;
}

/** What the command takes from the world around it. */
export interface CliHost {
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly colors: boolean;
  createMachine(config: MachineConfig): BootableMachine;
  /** Throws what `fs` throws. */
  readFile(path: string): Uint8Array;
  /** Creates or empties the file; throws what `fs` throws. */
  openFile(path: string): Sink;
  /** Wall-clock milliseconds. */
  now(): number;
  /** True once the person has asked to stop, or nobody reads standard output any more. */
  interrupted(): boolean;
  /** Lets signals and output through. */
  breathe(): Promise<void>;
}
