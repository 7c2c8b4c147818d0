/** The `strata` command. */
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { createMachine } from '../emulator/machine/machine';
import { commandLine } from './command-line';
import type { CliHost, Sink } from './host';

function streamSink(stream: Writable): Sink {
  // Whoever reads may go away, as `head` does: what comes after that is dropped.
  let gone = false;
  stream.on('error', () => {
    gone = true;
  });
  return {
    write: (bytes) =>
      new Promise((resolve) => {
        if (gone) resolve();
        else stream.write(bytes, () => resolve());
      }),
    end: () => Promise.resolve(),
  };
}

function fileSink(path: string): Sink {
  const file = openSync(path, 'w');
  return {
    write: (bytes) => {
      writeSync(file, bytes);
      return Promise.resolve();
    },
    end: () => {
      closeSync(file);
      return Promise.resolve();
    },
  };
}

/** What sysexits.h calls EX_SOFTWARE. */
const INTERNAL_ERROR = 70;

let interrupted = false;
process.once('SIGINT', () => {
  interrupted = true;
});

const host: CliHost = {
  stdout: streamSink(process.stdout),
  stderr: streamSink(process.stderr),
  colors: process.stderr.isTTY && process.env.NO_COLOR === undefined,
  createMachine,
  readFile: (path) => readFileSync(path),
  openFile: fileSink,
  now: () => performance.now(),
  interrupted: () => interrupted,
  breathe: () => new Promise((resolve) => setImmediate(resolve)),
};

commandLine(process.argv.slice(2), host).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    process.stderr.write(`strata: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exitCode = INTERNAL_ERROR;
  },
);
