/** Debian's Bochs as an oracle: boots a Multiboot image through GRUB, headless, and gives what the guest wrote. */
import { execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

const PACKAGES = 'bochs bochsbios vgabios grub-pc-bin grub-common xorriso tar';

export interface BochsOptions {
  readonly image: string;
  /** Given to the guest behind the image's name. */
  readonly cmdline?: string;
  /** RAM in MiB. */
  readonly megabytes?: number;
  readonly processors?: number;
  /** Kills the run after this many milliseconds. */
  readonly timeout?: number;
  /** Called with what the guest writes to port 0xe9, as it comes, among Bochs's own messages. */
  readonly onConsole?: (text: string) => void;
}

export interface BochsResult {
  readonly serial: string;
  /** Bochs's own messages and the guest's debug console. */
  readonly log: string;
}

/** The processor is the newest Bochs 2.7 knows with VMX and EPT. */
const configuration = (directory: string, { megabytes = 128, processors = 1 }: BochsOptions): string => `
config_interface: textconfig
display_library: rfb, options="timeout=0"
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
cpu: model=corei7_skylake_x, count=${processors}, ips=50000000, reset_on_triple_fault=0, ignore_bad_msrs=0
megs: ${megabytes}
ata0-master: type=cdrom, path=${directory}/boot.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=${directory}/serial.txt
port_e9_hack: enabled=1
log: ${directory}/bochs.log
panic: action=fatal
error: action=ignore
info: action=ignore
debug: action=ignore
`;

const EL_TORITO = ['-no-emul-boot', '-boot-load-size', '4', '-boot-info-table'];

/** A bootable disc that holds GRUB and, in GRUB's own memory disk, the image. */
async function makeDisc(directory: string, image: string, cmdline: string): Promise<void> {
  const at = (name: string): string => join(directory, name);
  await mkdir(at('files'));
  await mkdir(at('disc'));
  await writeFile(at('files/guest.elf'), await readFile(image));
  await writeFile(at('grub.cfg'), `multiboot (memdisk)/guest.elf ${cmdline}\nboot\n`);
  await run('tar', ['-C', at('files'), '-cf', at('files.tar'), 'guest.elf']);
  await run('grub-mkimage', [
    ...['-O', 'i386-pc-eltorito', '-p', '/', '-c', at('grub.cfg'), '-m', at('files.tar'), '-o', at('disc/grub.img')],
    ...['memdisk', 'tar', 'multiboot', 'boot'],
  ]);
  await run('xorriso', ['-as', 'mkisofs', '-quiet', '-b', 'grub.img', ...EL_TORITO, '-o', at('boot.iso'), at('disc')]);
}

/** Runs an image until it writes "Shutdown" to port 0x8900. */
export async function runBochs(options: BochsOptions): Promise<BochsResult> {
  const directory = await mkdtemp(join(tmpdir(), 'strata-bochs-'));
  try {
    await makeDisc(directory, options.image, options.cmdline ?? '');
    await writeFile(join(directory, 'bochsrc'), configuration(directory, options));
    // Debian's build has the internal debugger, which has to be told to continue.
    await writeFile(join(directory, 'commands'), 'c\nq\n');
    const log = await execute(directory, options);
    const serial = await readFile(join(directory, 'serial.txt'), 'latin1');
    return { serial, log };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new Error(`${error.message}. The Bochs oracle needs the Debian packages ${PACKAGES}.`, { cause: error });
    }
    throw error;
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

function execute(directory: string, options: BochsOptions): Promise<string> {
  const timeout = options.timeout ?? 60_000;
  return new Promise((resolve, reject) => {
    let log = '';
    // A long environment overflows a buffer of Bochs 2.7.
    const child = spawn('bochs', ['-q', '-f', join(directory, 'bochsrc'), '-rc', join(directory, 'commands')], {
      env: { PATH: process.env.PATH, HOME: directory },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), timeout);
    const take = (chunk: Buffer): void => {
      const text = chunk.toString('latin1');
      log += text;
      options.onConsole?.(text);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (_code, signal) => {
      clearTimeout(timer);
      if (signal === 'SIGKILL') reject(new Error(`Bochs was still running ${options.image} after ${timeout} ms`));
      else resolve(log);
    });
  });
}
