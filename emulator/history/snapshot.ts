import type { Snapshot } from '../api';
import { MACHINE, RAM_BASE, STATE_END, STATE_START } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { STALE, type DirtyPages } from './dirty-pages';
import { PageTable, type FrozenPage } from './page-table';

const PAGE_SIZE = 4096;
/** Copies are made in slabs of this many pages: fewer, larger allocations. */
const SLAB_PAGES = 64;
const ZEROS = Buffer.alloc(PAGE_SIZE);

/** What a restore makes invalid outside the machine's state. */
export interface RestoreHooks {
  /** Drops everything derived from state: inline maps, decoded blocks' bindings, the MMU's idea of the context. */
  dropCaches(): void;
}

class FrozenMachine implements Snapshot {
  constructor(
    readonly owner: Snapshots,
    readonly state: PageTable,
    readonly ram: PageTable,
    readonly time: bigint,
    readonly transition: number,
    readonly size: number,
  ) {}
}

/** Gives out pages to copy into. */
class Slabs {
  private slab: Uint8Array = ZEROS;
  private used = PAGE_SIZE;
  copied = 0;

  copy(source: Uint8Array): Uint8Array {
    if (this.used === this.slab.length) {
      this.slab = new Uint8Array(SLAB_PAGES * PAGE_SIZE);
      this.used = 0;
    }
    const page = this.slab.subarray(this.used, this.used + PAGE_SIZE);
    page.set(source);
    this.used += PAGE_SIZE;
    this.copied++;
    return page;
  }
}

/**
 * Snapshots of one machine: its state area and its RAM. A snapshot copies the pages that were written since the last one and differ;
 * a restore puts back the pages that differ.
 */
export class Snapshots {
  private readonly host: Buffer;
  /** Contents at the last snapshot or restore. State pages are numbered from STATE_START. */
  private state = PageTable.EMPTY;
  private ram = PageTable.EMPTY;

  constructor(
    private readonly memory: MachineMemory,
    private readonly dirty: DirtyPages,
    private readonly hooks: RestoreHooks,
  ) {
    this.host = Buffer.from(memory.wasm.buffer);
  }

  private at(address: number): Buffer {
    return this.host.subarray(address, address + PAGE_SIZE);
  }

  snapshot(): Snapshot {
    this.dirty.collect();
    const slabs = new Slabs();
    const state = this.freeze(this.state, statePages(), STATE_START, slabs);
    const ram = this.freeze(this.ram, this.dirty.take(STALE.SNAPSHOT), RAM_BASE, slabs);
    this.state = state;
    this.ram = ram;
    return new FrozenMachine(
      this,
      state,
      ram,
      this.memory.u64[MACHINE.time >> 3],
      Number(this.memory.u64[MACHINE.transitions >> 3]),
      slabs.copied * PAGE_SIZE,
    );
  }

  private freeze(table: PageTable, pages: Iterable<number>, base: number, slabs: Slabs): PageTable {
    const changes = new Map<number, FrozenPage>();
    for (const page of pages) {
      const now = this.at(base + page * PAGE_SIZE);
      const before = table.get(page);
      if (now.equals(before ?? ZEROS)) continue;
      changes.set(page, now.equals(ZEROS) ? undefined : slabs.copy(now));
    }
    return table.with(changes);
  }

  /** Puts a snapshot of this machine back. Throws a TypeError for one of another machine. */
  restore(snapshot: Snapshot): void {
    if (!(snapshot instanceof FrozenMachine) || snapshot.owner !== this) {
      throw new TypeError('the snapshot was taken of another machine');
    }
    this.dirty.collect();
    for (const page of statePages()) {
      const content = snapshot.state.get(page) ?? ZEROS;
      const now = this.at(STATE_START + page * PAGE_SIZE);
      if (!now.equals(content)) now.set(content);
    }
    const written = this.dirty.take(STALE.SNAPSHOT);
    for (const page of new Set([...written, ...this.ram.differences(snapshot.ram)])) {
      const content = snapshot.ram.get(page) ?? ZEROS;
      if (this.at(RAM_BASE + page * PAGE_SIZE).equals(content)) continue;
      this.memory.writeBytes(page * PAGE_SIZE, content);
    }
    // What was just put back is what the snapshot holds: stale for the hash, not for the next snapshot.
    this.dirty.collect();
    this.dirty.take(STALE.SNAPSHOT);
    this.state = snapshot.state;
    this.ram = snapshot.ram;
    this.hooks.dropCaches();
  }
}

function* statePages(): Iterable<number> {
  for (let page = 0; page < (STATE_END - STATE_START) / PAGE_SIZE; page++) yield page;
}
