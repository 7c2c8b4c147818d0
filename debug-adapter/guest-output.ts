import { closeSync, openSync, writeSync } from 'node:fs';
import { messageOf, requestErrors } from './errors';

/** Longest run of output kept before it is passed on. */
const LARGEST_CHUNK = 0x1_0000;
/** Slices of the machine's running (of some milliseconds each) that a line may stay unfinished before it is taken for a prompt. */
const PATIENCE = 25;

/** The guest's serial output on its way to the console or a file; gathered, because guests write byte by byte. */
export class GuestOutput {
  private readonly decoder = new TextDecoder();
  private pending = '';
  private waited = 0;
  private file: number | undefined;

  constructor(
    serial: 'console' | { readonly file: string },
    private readonly send: (text: string) => void,
  ) {
    if (serial === 'console') return;
    try {
      this.file = openSync(serial.file, 'w');
    } catch (error) {
      throw requestErrors.badConfiguration(`Launch configuration: "serial.file": ${messageOf(error)}.`);
    }
  }

  write(bytes: Uint8Array): void {
    if (this.file !== undefined) {
      try {
        writeSync(this.file, bytes);
      } catch (error) {
        this.send(`Serial output goes to the console from here: ${messageOf(error)}.\n`);
        this.close();
      }
      return;
    }
    this.pending += this.decoder.decode(bytes, { stream: true });
    if (this.pending.length >= LARGEST_CHUNK) this.flush();
  }

  /** Passes whole lines on; the rest of the last one may follow soon. */
  sliceEnded(): void {
    const end = this.pending.lastIndexOf('\n') + 1;
    if (end > 0) {
      this.send(this.pending.slice(0, end));
      this.pending = this.pending.slice(end);
      this.waited = 0;
    } else if (this.pending !== '' && ++this.waited >= PATIENCE) this.flush();
  }

  /** Passes everything on. */
  flush(): void {
    this.waited = 0;
    if (this.pending === '') return;
    this.send(this.pending);
    this.pending = '';
  }

  close(): void {
    this.flush();
    if (this.file !== undefined) closeSync(this.file);
    this.file = undefined;
  }
}
