/** The main job in the terminal: a VMM and its guest, stopped at their VM exits, seen layer by layer. */
import { readFileSync } from 'node:fs';
import type { DebugProtocol } from '@vscode/debugprotocol';
import pc from 'picocolors';
import { DebugSession, type LayerThread, type Pause } from './debug-session';
import { guestPrinter, heading, line, place, showFrames, showVariables } from './screen';

/** What of the VMCS to show: the names of its groups, and which fields of each (all that are set bits, for a control). */
const VMCS_EXCERPT: readonly { readonly group: string; readonly fields: readonly string[] }[] = [
  {
    group: 'VM-exit information fields',
    fields: ['VM_EXIT_REASON', 'EXIT_QUALIFICATION', 'VM_EXIT_INSTRUCTION_LEN'],
  },
  { group: 'Guest-state area', fields: ['GUEST_RIP', 'GUEST_RSP', 'GUEST_RFLAGS', 'GUEST_CR0', 'GUEST_CR3'] },
  { group: 'Host-state area', fields: ['HOST_RIP', 'HOST_RSP', 'HOST_CR3'] },
];
const CONTROL = 'CPU_BASED_VM_EXEC_CONTROL';
const MOST_STOPS = 200;

class Tour {
  constructor(private readonly session: DebugSession) {}

  private async thread(level: number): Promise<LayerThread> {
    const threads = await this.session.threads();
    const found = threads.find(({ name }) => name.includes(`· L${level} `));
    if (found === undefined)
      throw new Error(`There is no layer ${level} among ${threads.map(({ name }) => name).join(', ')}.`);
    return found;
  }

  /** The innermost frame of a thread that is code rather than a mark. */
  private async top(thread: number): Promise<DebugProtocol.StackFrame> {
    const frame = (await this.session.frames(thread)).find(({ presentationHint }) => presentationHint !== 'label');
    if (frame === undefined) throw new Error(`Thread ${thread} has no frame.`);
    return frame;
  }

  private async where(thread: number): Promise<string> {
    const frame = await this.top(thread);
    const path = frame.source?.path;
    const source = path === undefined ? '' : readFileSync(path, 'utf8').split('\n')[frame.line - 1]?.trim();
    return `${frame.name.padEnd(16)} ${place(frame)}  ${pc.dim(source ?? '')}`;
  }

  async layers(pause: Pause): Promise<void> {
    heading('Threads by layer, each with its own stack');
    line(`Stopped: ${pc.bold(pause.text)}`);
    for (const { id, name } of await this.session.threads()) {
      line(pc.bold(name), 4);
      showFrames(await this.session.frames(id));
    }
  }

  async vmcs(): Promise<void> {
    const { id } = await this.thread(1);
    heading('The VMCS, as the SDM groups it');
    for (const { group, fields } of VMCS_EXCERPT) {
      const variables = await this.session.variables(id, 'VMCS', group);
      line(pc.bold(group), 4);
      showVariables(variables.filter(({ name }) => fields.includes(name)));
    }
    const bits = await this.session.variables(id, 'VMCS', 'VM-execution control fields', CONTROL);
    line(pc.bold(`${CONTROL}: the bits that are set`), 4);
    showVariables(bits.filter(({ value }) => /^1\b/.test(value)));
  }

  async steps(): Promise<void> {
    const vmm = await this.thread(0);
    heading('Stepping: the VMM by line, then the guest by instruction');
    line(`${vmm.name.split(' · ')[1]}: ${await this.where(vmm.id)}`, 4);
    for (let i = 0; i < 3; i++) {
      await this.session.step(vmm.id, 'statement');
      line(`${pc.dim('next →')}  ${await this.where(vmm.id)}`, 4);
    }
    const guest = await this.thread(1);
    line();
    line(`${guest.name.split(' · ')[1]}: ${await this.where(guest.id)}`, 4);
    for (let i = 0; i < 3; i++) {
      await this.session.step(guest.id, 'instruction');
      const { instructionPointerReference } = await this.top(guest.id);
      const [next] =
        instructionPointerReference === undefined ? [] : await this.session.disassemble(instructionPointerReference, 1);
      line(`${pc.dim('stepi →')} ${(next?.instruction ?? '').padEnd(24)} ${await this.where(guest.id)}`, 4);
    }
  }

  /** Runs to the end, stopping at every exit. Gives the statistics as they were at the last. */
  async exits(): Promise<string> {
    heading('Every VM exit from here to the end');
    await this.session.stopAtExits('');
    let statistics = '';
    for (let i = 0; i < MOST_STOPS; i++) {
      const pause = await this.session.continue();
      if (pause.kind === 'terminated') return statistics;
      const guest = await this.thread(1);
      line(`${pc.bold(pause.text.padEnd(52))} ${await this.where(guest.id)}`, 4);
      statistics = await this.session.ask('stats');
    }
    throw new Error(`The sample had not ended after ${MOST_STOPS} more VM exits.`);
  }
}

/** Shows the session and gives the exit status the machine ended with. Throws if the debugger does not do its part. */
export async function tour(program: string): Promise<number> {
  const session = new DebugSession(guestPrinter());
  try {
    heading('F5: boot the sample, stop at  exit == CPUID');
    const pause = await session.launch(program, 'exit == CPUID');
    if (pause.kind === 'terminated') throw new Error('The sample ended without a CPUID exit.');
    const view = new Tour(session);
    await view.layers(pause);
    await view.vmcs();
    await view.steps();
    const statistics = await view.exits();
    heading('Exits by reason, at the last one');
    for (const text of statistics.split('\n')) line(text, 4);
    if (session.exitCode === undefined) throw new Error('The debug adapter did not say how the machine ended.');
    return session.exitCode;
  } finally {
    await session.close();
  }
}
