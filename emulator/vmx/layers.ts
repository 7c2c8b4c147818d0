import { EXIT_REASON } from '../tables/exit-reasons';
import { CONTROL, GPR, LAYER_TABLE, LAYER_TABLE_SIZE, MACHINE, MAX_PROCESSORS, VMX } from '../state/layout';
import type { MachineMemory } from '../state/memory';
import { windowShift } from '../state/windows';
import { NO_VMCS, VMX_MODE } from './vmcs';

/**
 * The layer table: one 192-byte entry for each processor's root, then one for each VMCS that was ever entered.
 *
 *      0  u64 vmcs             physical address; all ones for a root
 *      8  u64 lastTransition   the transition that left the layer, 0 if none has
 *     16  u32 id               as in api.ts; 0: the entry is free
 *     20  u32 level
 *     24  u32 parent           id of the layer that runs it; 0 for roots
 *     28  u32 processor        the processor it last ran on
 *     32  u32 nested           roots only: id of the guest that exited with VMLAUNCH or VMRESUME and has not run since
 *     36  u32 generation       order of last use, to find the entry to give up when the table is full
 *     40  u64 cr2              when it was left
 *     48  u64 gpr[16]          when it was left, in encoding order
 */
const ENTRY_SIZE = 192;
const ENTRY = {
  vmcs: 0,
  lastTransition: 8,
  id: 16,
  level: 20,
  parent: 24,
  processor: 28,
  nested: 32,
  generation: 36,
  cr2: 40,
  gpr: 48,
} as const;
const GPR_BYTES = 128;

/** VM exits so far by basic reason, u64 each, at the end of the table. */
const REASONS = 256;
const EXIT_COUNTS = LAYER_TABLE + LAYER_TABLE_SIZE - REASONS * 8;
/** u32 id of the next guest, u32 generation counter. */
const HEADER = { nextId: LAYER_TABLE, generation: LAYER_TABLE + 4, size: 64 } as const;
const ENTRIES = LAYER_TABLE + HEADER.size;
const CAPACITY = Math.floor((EXIT_COUNTS - ENTRIES) / ENTRY_SIZE);

const FIRST_GUEST_ID = 1000;

export interface LayerEntry {
  readonly id: number;
  /** undefined for a root. */
  readonly vmcs: bigint | undefined;
  readonly level: number;
  readonly parent: number | undefined;
  readonly processor: number;
  /** Number of the transition that left it; 0 if it has never been left. */
  readonly lastTransition: number;
}

/**
 * Who runs whom. The processor knows only root and guest; which guest runs which is inferred: a VMCS that root enters for the first
 * time after another guest exited with VMLAUNCH or VMRESUME, and before that guest runs again, is that guest's child. A VMCS
 * that root entered on its own account never is.
 */
export class LayerTable {
  private readonly u32: Uint32Array;
  /** Entry of the VMCS found last: a hint, checked at each use. */
  private hint = ENTRIES;

  constructor(private readonly memory: MachineMemory) {
    this.u32 = memory.u32;
  }

  /** The table of a machine in which nothing has been entered yet. Looking at layers must not write: roots are there from the start. */
  reset(): void {
    this.memory.u8.fill(0, LAYER_TABLE, LAYER_TABLE + LAYER_TABLE_SIZE);
    for (let processor = 0; processor < MAX_PROCESSORS; processor++) {
      const at = this.root(processor);
      this.memory.u64[at >> 3] = NO_VMCS;
      this.u32[(at + ENTRY.id) >> 2] = 1 + processor;
      this.u32[(at + ENTRY.processor) >> 2] = processor;
    }
  }

  private root(processor: number): number {
    return ENTRIES + processor * ENTRY_SIZE;
  }

  /** Entry of the current VMCS, or 0. */
  private findCurrent(): number {
    return this.find(VMX.currentVmcs);
  }
  /** Entry of the VMCS whose pointer is at an address of the state, or 0. */
  private find(pointer: number): number {
    const low = this.u32[pointer >> 2];
    const high = this.u32[(pointer >> 2) + 1];
    if (this.isGuest(this.hint, low, high)) return this.hint;
    for (let slot = MAX_PROCESSORS; slot < CAPACITY; slot++) {
      const at = ENTRIES + slot * ENTRY_SIZE;
      if (this.isGuest(at, low, high)) return (this.hint = at);
    }
    return 0;
  }
  private isGuest(at: number, low: number, high: number): boolean {
    const { u32 } = this;
    return u32[at >> 2] === low && u32[(at >> 2) + 1] === high && u32[(at + ENTRY.id) >> 2] >= FIRST_GUEST_ID;
  }

  /** A free entry, or the one that was not used for longest. */
  private claim(): number {
    let oldest = ENTRIES + MAX_PROCESSORS * ENTRY_SIZE;
    for (let slot = MAX_PROCESSORS; slot < CAPACITY; slot++) {
      const at = ENTRIES + slot * ENTRY_SIZE;
      if (this.u32[(at + ENTRY.id) >> 2] === 0) return at;
      if (this.u32[(at + ENTRY.generation) >> 2] < this.u32[(oldest + ENTRY.generation) >> 2]) oldest = at;
    }
    this.memory.u8.fill(0, oldest, oldest + ENTRY_SIZE);
    return oldest;
  }

  private create(root: number): number {
    const { u32 } = this;
    const at = this.claim();
    const number = u32[HEADER.nextId >> 2]++;
    this.memory.u64[at >> 3] = this.memory.u64[VMX.currentVmcs >> 3];
    u32[(at + ENTRY.id) >> 2] = FIRST_GUEST_ID + number;
    const nested = u32[(root + ENTRY.nested) >> 2];
    const parent = nested === 0 ? 0 : this.entryOfId(nested);
    u32[(at + ENTRY.level) >> 2] = parent === 0 ? 1 : u32[(parent + ENTRY.level) >> 2] + 1;
    u32[(at + ENTRY.parent) >> 2] = parent === 0 ? u32[(root + ENTRY.id) >> 2] : nested;
    return at;
  }

  private entryOfId(id: number): number {
    for (let slot = 0; slot < CAPACITY; slot++) {
      const at = ENTRIES + slot * ENTRY_SIZE;
      if (this.u32[(at + ENTRY.id) >> 2] === id) return at;
    }
    return 0;
  }

  private saveRegisters(at: number): void {
    this.memory.u8.copyWithin(at + ENTRY.gpr, GPR, GPR + GPR_BYTES);
    this.u32[(at + ENTRY.cr2) >> 2] = this.u32[CONTROL.cr2 >> 2];
    this.u32[(at + ENTRY.cr2 + 4) >> 2] = this.u32[(CONTROL.cr2 >> 2) + 1];
    // The transition that leaves is the next to be logged.
    const counter = MACHINE.transitions >> 2;
    const low = (this.u32[counter] + 1) >>> 0;
    this.u32[(at + ENTRY.lastTransition) >> 2] = low;
    this.u32[(at + ENTRY.lastTransition + 4) >> 2] = this.u32[counter + 1] + (low === 0 ? 1 : 0);
  }

  /** Root enters the guest of the current VMCS. Called before its registers change; returns the guest's level. */
  enter(): number {
    const { u32 } = this;
    const processor = u32[MACHINE.activeProcessor >> 2];
    const root = this.root(processor);
    this.saveRegisters(root);
    const found = this.findCurrent();
    const at = found === 0 ? this.create(root) : found;
    u32[(at + ENTRY.processor) >> 2] = processor;
    u32[(at + ENTRY.generation) >> 2] = ++u32[HEADER.generation >> 2];
    const nested = (root + ENTRY.nested) >> 2;
    if (u32[nested] === u32[(at + ENTRY.id) >> 2]) u32[nested] = 0;
    return u32[(at + ENTRY.level) >> 2];
  }

  /** The guest of the current VMCS exits. Called before root's registers are loaded; returns the guest's level. */
  leave(reason: number): number {
    const { u32 } = this;
    const counter = (EXIT_COUNTS + (reason & (REASONS - 1)) * 8) >> 2;
    if (++u32[counter] === 0) u32[counter + 1]++;
    const at = this.findCurrent();
    if (at === 0) return 1;
    this.saveRegisters(at);
    const root = this.root(u32[MACHINE.activeProcessor >> 2]);
    if (reason === EXIT_REASON.VMLAUNCH || reason === EXIT_REASON.VMRESUME) {
      u32[(root + ENTRY.nested) >> 2] = u32[(at + ENTRY.id) >> 2];
    }
    return u32[(at + ENTRY.level) >> 2];
  }

  /** Level of the current VMCS's guest; 1 where it has never run. */
  get currentLevel(): number {
    const at = this.findCurrent();
    return at === 0 ? 1 : this.u32[(at + ENTRY.level) >> 2];
  }

  private describe(at: number): LayerEntry {
    const { u32, memory } = this;
    const vmcs = memory.u64[at >> 3];
    const parent = u32[(at + ENTRY.parent) >> 2];
    return {
      id: u32[(at + ENTRY.id) >> 2],
      vmcs: vmcs === NO_VMCS ? undefined : vmcs,
      level: u32[(at + ENTRY.level) >> 2],
      parent: parent === 0 ? undefined : parent,
      processor: u32[(at + ENTRY.processor) >> 2],
      lastTransition: Number(memory.u64[(at + ENTRY.lastTransition) >> 3]),
    };
  }

  /** Roots of the first `processors` processors, then guests in the order they were first entered. */
  entries(processors: number): readonly LayerEntry[] {
    const found: LayerEntry[] = [];
    for (let processor = 0; processor < processors; processor++) found.push(this.describe(this.root(processor)));
    for (let slot = MAX_PROCESSORS; slot < CAPACITY; slot++) {
      const at = ENTRIES + slot * ENTRY_SIZE;
      if (this.u32[(at + ENTRY.id) >> 2] !== 0) found.push(this.describe(at));
    }
    return found.sort((one, other) => one.id - other.id);
  }

  /** The layer that executes next on a processor: on the active one if none is named. */
  current(processor = this.u32[MACHINE.activeProcessor >> 2]): LayerEntry {
    const shift = windowShift(this.memory, processor);
    const inGuest = this.u32[(VMX.mode + shift) >> 2] === VMX_MODE.NON_ROOT;
    const guest = inGuest ? this.find(VMX.currentVmcs + shift) : 0;
    return this.describe(guest === 0 ? this.root(processor) : guest);
  }

  /** State address of a general register of a layer at rest (of CR2 with 'cr2'), or undefined where there is no such layer. */
  savedAt(id: number, register: number | 'cr2'): number | undefined {
    const at = this.entryOfId(id);
    if (at === 0) return undefined;
    return register === 'cr2' ? at + ENTRY.cr2 : at + ENTRY.gpr + register * 8;
  }

  /** Exits so far by basic reason; only reasons that have occurred. */
  exitCounts(): ReadonlyMap<number, number> {
    const counts = new Map<number, number>();
    for (let reason = 0; reason < REASONS; reason++) {
      const count = Number(this.memory.u64[(EXIT_COUNTS >> 3) + reason]);
      if (count > 0) counts.set(reason, count);
    }
    return counts;
  }
}
