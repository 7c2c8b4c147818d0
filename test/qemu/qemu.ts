/** QEMU without hardware virtualization as an oracle: boots a Multiboot image, headless, and gives what the guest wrote to COM1. */
import { spawn } from 'node:child_process';

const PACKAGE = 'qemu-system-x86';

export interface QemuOptions {
  readonly image: string;
  /** Given to the guest behind the image's name. */
  readonly cmdline?: string;
  /** RAM in MiB. */
  readonly megabytes?: number;
  readonly processors?: number;
  /** Kills the run after this many milliseconds. */
  readonly timeout?: number;
}

const argumentsFor = ({ image, cmdline = '', megabytes = 128, processors = 1 }: QemuOptions): readonly string[] => [
  ...['-accel', 'tcg', '-cpu', 'max', '-smp', String(processors), '-m', String(megabytes)],
  ...['-kernel', image, '-append', cmdline],
  ...['-nodefaults', '-no-reboot', '-display', 'none', '-serial', 'stdio'],
  // The guest ends the run by writing to this port.
  ...['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'],
];

/** Runs an image until it writes to port 0xf4, or the machine shuts down. */
export function runQemu(options: QemuOptions): Promise<string> {
  const timeout = options.timeout ?? 60_000;
  return new Promise((resolve, reject) => {
    let serial = '';
    const child = spawn('qemu-system-x86_64', argumentsFor(options), { stdio: ['ignore', 'pipe', 'inherit'] });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    child.stdout.on('data', (chunk: Buffer) => (serial += chunk.toString('latin1')));
    child.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(timer);
      const hint = error.code === 'ENOENT' ? `. The QEMU oracle needs the Debian package ${PACKAGE}.` : '';
      reject(new Error(`${error.message}${hint}`, { cause: error }));
    });
    child.on('close', (_code, signal) => {
      clearTimeout(timer);
      if (signal === 'SIGKILL') reject(new Error(`QEMU was still running ${options.image} after ${timeout} ms`));
      else resolve(serial);
    });
  });
}
