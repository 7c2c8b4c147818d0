/** QEMU without hardware virtualization as an oracle: boots a Multiboot image, headless, and gives what the guest wrote to COM1. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PACKAGE = 'qemu-system-x86';

export interface QemuOptions {
  readonly image: string;
  /** Given to the guest behind the image's name. */
  readonly cmdline?: string;
  /** RAM in MiB. */
  readonly megabytes?: number;
  readonly processors?: number;
  /** Is given what the guest writes to the debug console as it comes. */
  readonly onConsole?: (text: string) => void;
  /** Kills the run after this many milliseconds. */
  readonly timeout?: number;
}

const argumentsFor = (
  { image, cmdline = '', megabytes = 128, processors = 1, onConsole }: QemuOptions,
  serialFile: string,
): readonly string[] => [
  ...['-accel', 'tcg', '-cpu', 'max', '-smp', String(processors), '-m', String(megabytes)],
  ...['-kernel', image, '-append', cmdline],
  ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', `file:${serialFile}`],
  ...(onConsole === undefined ? [] : ['-debugcon', 'stdio']),
  // The guest ends the run by writing to this port.
  ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
];

/** Runs an image until it writes to port 0xf4, or the machine shuts down. */
export async function runQemu(options: QemuOptions): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'strata-qemu-'));
  const serialFile = join(directory, 'serial');
  try {
    await runToEnd(options, argumentsFor(options, serialFile));
    return readFileSync(serialFile, 'latin1');
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function runToEnd({ image, timeout = 60_000, onConsole }: QemuOptions, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.stdout.on('data', (chunk: Buffer) => onConsole?.(chunk.toString('latin1')));
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const hint = error.code === 'ENOENT' ? `. The QEMU oracle needs the Debian package ${PACKAGE}.` : '';
      reject(new Error(`${error.message}${hint}`, { cause: error }));
    });
    child.on('close', (_code, signal) => {
      clearTimeout(timer);
      if (signal === 'SIGKILL') reject(new Error(`QEMU was still running ${image} after ${timeout} ms`));
      else resolve();
    });
  });
}
