import { createHash } from 'node:crypto';
import { readArithmeticFlags } from '../semantics/flags';
import {
  CPU_WINDOW,
  CPU_WINDOW_SIZE,
  FLAGS,
  MACHINE,
  MAX_PROCESSORS,
  PARKED_WINDOWS,
  PENDING,
  PSEUDO,
  RAM_BASE,
  STATE_END,
  STATE_START,
} from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { STALE, type DirtyPages } from './dirty-pages';

const PAGE_SIZE = 4096;
const DIGEST_SIZE = 32;
const ZEROS = Buffer.alloc(PAGE_SIZE);

/** Fields of a processor's window that say nothing about the machine: what is meaningful only inside the interpreter or right behind it. */
const TRANSIENT: readonly { readonly from: number; readonly length: number }[] = [
  { from: PENDING.kind, length: PENDING.address + 8 - PENDING.kind },
  { from: PSEUDO.RIP_PAGE, length: 8 },
  { from: PSEUDO.EA, length: 8 },
];

/** Digest of everything the machine is. Hashes of pages are kept until the page is written. */
export class StateHash {
  private readonly host: Buffer;
  /** Digest of each page that is not zero; allocated with the first. */
  private readonly digests = new Map<number, Buffer>();

  constructor(
    private readonly memory: MachineMemory,
    private readonly dirty: DirtyPages,
  ) {
    this.host = Buffer.from(memory.wasm.buffer);
  }

  /** SHA-256, in hexadecimal, of the RAM size, the state area, and the number and digest of every RAM page that is not zero. */
  digest(): string {
    this.dirty.collect();
    for (const page of this.dirty.take(STALE.HASH)) this.rehash(page);

    const hash = createHash('sha256');
    hash.update(`${this.memory.ramSize}\n`);
    hash.update(this.stateArea());
    const pages = [...this.digests.keys()].sort((a, b) => a - b);
    const list = Buffer.allocUnsafe(pages.length * (4 + DIGEST_SIZE));
    pages.forEach((page, index) => {
      const at = index * (4 + DIGEST_SIZE);
      list.writeUInt32LE(page, at);
      this.digests.get(page)?.copy(list, at + 4);
    });
    return hash.update(list).digest('hex');
  }

  private rehash(page: number): void {
    const at = RAM_BASE + page * PAGE_SIZE;
    const content = this.host.subarray(at, at + PAGE_SIZE);
    if (content.equals(ZEROS)) this.digests.delete(page);
    else this.digests.set(page, createHash('sha256').update(content).digest());
  }

  /** A copy of the state area in which equal machines are equal byte for byte. */
  private stateArea(): Buffer {
    const copy = Buffer.from(this.host.subarray(STATE_START, STATE_END));
    const windows = [CPU_WINDOW];
    for (let i = 0; i < MAX_PROCESSORS; i++) windows.push(PARKED_WINDOWS + i * CPU_WINDOW_SIZE);
    for (const window of windows) {
      for (const { from, length } of TRANSIENT) {
        const at = window - CPU_WINDOW + from - STATE_START;
        copy.fill(0, at, at + length);
      }
    }
    // What was parked when the active processor last was not.
    const stale = PARKED_WINDOWS + this.memory.u32[MACHINE.activeProcessor >> 2] * CPU_WINDOW_SIZE - STATE_START;
    copy.fill(0, stale, stale + CPU_WINDOW_SIZE);
    // The same six flags can be kept as different operands and results.
    const at = (address: number): number => address - STATE_START;
    copy.writeUInt32LE(readArithmeticFlags(this.memory), at(FLAGS.kind));
    copy.fill(0, at(FLAGS.a), at(FLAGS.r) + 8);
    return copy;
  }
}
