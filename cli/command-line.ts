import { Command, CommanderError } from 'commander';
import { MAX_PROCESSORS } from '../emulator/state/layout';
import { CPU_MODEL_NAMES } from '../emulator/tables/cpu-models';
import { EXIT_STATUS } from './exit-status';
import type { CliHost } from './host';
import { refuse, runCommand, type RunOptions } from './run-command';

const RUN_HELP = `
IMAGE is a Multiboot 1 image (ELF32, ELF64, or with load addresses in its header), or with
--load-address a flat binary, started in 32-bit protected mode.

The guest's serial port and debug console (port 0xe9) go to standard output, the summary to standard error.

Examples:
  strata run hello-vmx.elf
  strata run hello-vmx.elf --cmdline "verbose=1" --module "initrd.img root" --memory 1G
  strata run hello-vmx.elf --break 'exit == CPUID && rax == 0'
  strata run kernel.elf --max-instructions 100M --serial serial.log --json 2> summary.json
  strata run boot.bin --load-address 0x100000 --entry 0x100020

--break stops at the first VM exit, VM entry, failed entry or VMfail for which the condition holds:
  exit == EPT_VIOLATION && gpa in 0xfee00000..0xfee00fff
  exit in (CPUID, RDMSR) && vmcs.GUEST_RIP == 0x200010

Exit status:
  the guest's own  written to isa-debug-exit (port 0xf4): (value << 1) | 1, always odd
  ${EXIT_STATUS.powerOff}    the guest powered off (ACPI port 0x604, or "Shutdown" to port 0x8900) or reset itself
  ${EXIT_STATUS.badInput}    the image, a file or an option is not usable; one sentence says why
  ${EXIT_STATUS.halted}    HLT, and nothing can wake the processor
  ${EXIT_STATUS.shutdown}    shutdown: triple fault or VMX abort; the summary tells how it came to that
  ${EXIT_STATUS.break}    stopped by --break
  ${EXIT_STATUS.livelock}    no instruction retires any more: exceptions lead to exceptions without end
  ${EXIT_STATUS.limit}  stopped by --max-instructions
  ${EXIT_STATUS.interrupted}  interrupted (Ctrl+C), or nobody reads the output any more
`;

/** Carries out a command line (without program and script names); gives the exit status. */
export async function commandLine(words: readonly string[], host: CliHost): Promise<number> {
  let status = 0;
  let pending: Promise<void> = Promise.resolve();
  const write = (sink: CliHost['stdout'], text: string): void => {
    pending = pending.then(() => sink.write(Buffer.from(text)));
  };
  const program = new Command('strata')
    .description('An emulated x86-64 machine with Intel VMX, for hypervisors and the guests inside them.')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => write(host.stdout, text),
      writeErr: (text) => write(host.stderr, text),
      // Said in the form of every other refusal, below.
      outputError: () => undefined,
    });
  program
    .command('run')
    .description('run an image without a debugger')
    .argument('<image>', 'the image to boot')
    .option('--cmdline <text>', 'command line given to the image', '')
    .option('--module <file>', 'file loaded beside the image, with arguments after a space; repeatable', append, [])
    .option('--memory <size>', 'RAM: multiple of 64K, at most 3G', '512M')
    .option('--break <condition>', 'stop at the first transition for which the condition holds')
    .option('--max-instructions <count>', 'stop after so many instructions')
    .option('--serial <file>', 'where the serial port writes: stdout or a file', 'stdout')
    .option('--stats', 'more figures: speed, idle time, state hash', false)
    .option('--json', 'summary as one line of JSON', false)
    .option('--load-address <address>', 'load the file as a flat binary at this physical address')
    .option('--entry <address>', 'first instruction of a flat binary (default: the load address)')
    .option('--cpu <model>', `processor: ${CPU_MODEL_NAMES.join(', ')}`, 'strata')
    .option('--cpus <count>', `number of processors, 1 to ${MAX_PROCESSORS}`, '1')
    .option('--seed <number>', "seed of the machine's random source", '0')
    .addHelpText('after', RUN_HELP)
    .action(async (image: string, options: RunOptions) => {
      status = await runCommand(image, options, host);
    });
  try {
    await program.parseAsync(words, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    status = error.exitCode === 0 ? 0 : EXIT_STATUS.badInput;
    if (status !== 0 && error.code !== 'commander.help') {
      const problem = error.message
        .replace(/^error: /, '')
        .replaceAll('\n', ' ')
        .replace(/\.$/, '');
      await refuse(`${problem}; see strata run --help.`, words.includes('--json'), host);
    }
  }
  await pending;
  return status;
}

function append(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
