/** Time a guest takes between its marks on the debug console. */
import { runBochs } from '../test/bochs/bochs';
import { runStrata } from '../test/bochs/strata';
import { runQemu } from '../test/qemu/qemu';

const START = '<<start>>';
const END = '<<end>>';
const PEER_TIMEOUT = 120_000;
const INSTRUCTION_LIMIT = 5_000_000_000;

export interface Guest {
  readonly image: string;
  /** The same for QEMU, as a 32-bit ELF file. */
  readonly image32: string;
  readonly cmdline: string;
}

export interface Timing {
  readonly milliseconds: number;
  /** What the guest says it computed. */
  readonly result: string;
  /** Instructions of the whole run, where the machine counts them. */
  readonly retired?: bigint;
}

/** Notes when the marks come by. */
class Stopwatch {
  private text = '';
  private start: number | undefined;
  private end: number | undefined;

  readonly take = (text: string): void => {
    const now = performance.now();
    this.text += text;
    if (this.start === undefined && this.text.includes(START)) this.start = now;
    if (this.end === undefined && this.text.includes(END)) this.end = now;
  };

  get milliseconds(): number {
    if (this.start === undefined || this.end === undefined)
      throw new Error(`the guest has not run through: ${this.text}`);
    return this.end - this.start;
  }
}

function resultIn(serial: string): string {
  return /result (0x[0-9a-f]+)/.exec(serial)?.[1] ?? `none in "${serial}"`;
}

export function timeOnStrata(guest: Guest): Timing {
  const watch = new Stopwatch();
  const { serial, retired } = runStrata({ ...guest, maxInstructions: INSTRUCTION_LIMIT, onConsole: watch.take });
  return { milliseconds: watch.milliseconds, result: resultIn(serial), retired };
}

export async function timeOnBochs(guest: Guest): Promise<Timing> {
  const watch = new Stopwatch();
  const { serial } = await runBochs({ ...guest, timeout: PEER_TIMEOUT, onConsole: watch.take });
  return { milliseconds: watch.milliseconds, result: resultIn(serial) };
}

/** QEMU without hardware virtualization. */
export async function timeOnQemu(guest: Guest): Promise<Timing> {
  const watch = new Stopwatch();
  const serial = await runQemu({ ...guest, image: guest.image32, timeout: PEER_TIMEOUT, onConsole: watch.take });
  return { milliseconds: watch.milliseconds, result: resultIn(serial) };
}
