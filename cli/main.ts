/** The `strata` command. */
import { closeSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { createMachine } from '../emulator/machine/machine';
import { commandLine } from './command-line';
import { WriteFailure, type CliHost, type Sink } from './host';

function writeFailure(place: string, error: unknown): WriteFailure {
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  return new WriteFailure(`${place}: cannot be written${code === 'ENOSPC' ? ', no space is left' : ''} (${code}).`);
}

/** Whoever reads may go away, as `head` does: the sink is `gone` then, and takes and drops whatever comes. */
interface StreamSink extends Sink {
  readonly gone: boolean;
}

function streamSink(stream: Writable, place: string): StreamSink {
  let gone = false;
  // Each write learns of its own failure; without a listener the process would end.
  stream.on('error', () => undefined);
  return {
    get gone() {
      return gone;
    },
    write: (bytes) =>
      new Promise((resolve, reject) => {
        if (gone) {
          resolve();
          return;
        }
        stream.write(bytes, (error) => {
          if (!error) {
            resolve();
            return;
          }
          gone = true;
          if ('code' in error && (error.code === 'EPIPE' || error.code === 'ERR_STREAM_DESTROYED')) resolve();
          else reject(writeFailure(place, error));
        });
      }),
    end: () => Promise.resolve(),
  };
}

function fileSink(path: string): Sink {
  const file = openSync(path, 'w');
  return {
    write: (bytes) => {
      try {
        writeFileSync(file, bytes);
      } catch (error) {
        return Promise.reject(writeFailure(`--serial ${path}`, error));
      }
      return Promise.resolve();
    },
    end: () => {
      closeSync(file);
      return Promise.resolve();
    },
  };
}

/** Images and modules. A device may have no end. */
function readInput(path: string): Uint8Array {
  if (statSync(path).isCharacterDevice()) throw Object.assign(new Error(path), { code: 'ENODEV' });
  return readFileSync(path);
}

/** What sysexits.h calls EX_SOFTWARE. */
const INTERNAL_ERROR = 70;

let interrupted = false;
process.once('SIGINT', () => {
  interrupted = true;
});

const stdout = streamSink(process.stdout, 'standard output');

const host: CliHost = {
  stdout,
  stderr: streamSink(process.stderr, 'standard error'),
  colors: process.stderr.isTTY && process.env.NO_COLOR === undefined,
  createMachine,
  readFile: readInput,
  openFile: fileSink,
  now: () => performance.now(),
  interrupted: () => interrupted || stdout.gone,
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
