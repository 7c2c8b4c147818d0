/** Runs random guests, and looks for what no guest may bring about: an internal error, a hang, an escape, two runs that differ. */
import type { Machine, Stop } from '../../emulator/api';
import type { LoadableMachine } from '../../emulator/machine/machine';
import { createMachine } from '../../emulator/machine/machine';
import { EMPTY_TAG, INLINE, RAM_BASE, STATE_START, type SegmentName } from '../../emulator/state/layout';
import { MachineMemory } from '../../emulator/state/memory';
import { Random } from '../host-oracle/random';
import {
  codeSizeOf,
  imageOf,
  isLong,
  LATE,
  MODES,
  prologue,
  registersOf,
  settingsOf,
  tables,
  type Mode,
  type Settings,
} from './guest';
import { randomCode } from './instructions';
import { MEMORY, PLACE, SELECTOR, VMX_PAGE } from './layout';
import { Prologue } from './prologue';
import { fillVmcs, LAUNCH_AT, stub, vmxPieces } from './vmx';

const MACHINES = [
  { processors: 1, turn: 5000 },
  { processors: 2, turn: 5000 },
  { processors: 2, turn: 37 },
  { processors: 4, turn: 23 },
] as const;

export type Kind = 'plain' | 'vmx-root' | 'vmx-guest';

/** What a seed stands for. */
export interface Plan {
  readonly seed: number;
  readonly mode: Mode;
  readonly kind: Kind;
  readonly machine: number;
  readonly instructions: number;
}

export interface Outcome {
  readonly plan: Plan;
  readonly retired: number;
  readonly end: Stop['kind'] | 'not begun';
  /** In VMX non-root operation something ran. */
  readonly entered: boolean;
  readonly replayed: boolean;
}

/** A guest that broke the machine: which, how, and after how many instructions. */
export class Finding extends Error {}

export function planOf(seed: number): Plan {
  const random = new Random(seed ^ 0x00f0_0d00);
  const kind = random.pick<Kind>(['plain', 'plain', 'plain', 'vmx-root', 'vmx-guest', 'vmx-guest']);
  const mode = random.pick(
    kind === 'vmx-root' ? MODES.filter((name) => name === 'long' || name === 'protected-32') : MODES,
  );
  return {
    seed,
    mode,
    kind,
    machine: random.oneIn(2) ? 0 : random.below(MACHINES.length),
    instructions: random.pick([60, 300, 300, 1000, 3000]),
  };
}

const describePlan = ({ seed, mode, kind, machine }: Plan): string =>
  `seed ${seed} (${kind}, ${mode}, ${MACHINES[machine].processors} processor(s))`;

/** Instructions of a prologue at most. */
const PROLOGUE_STEPS = 600;
/** Calls of `run` without an instruction retiring after which a guest is left alone. */
const STANDSTILL = 40;

interface Seat {
  readonly machine: LoadableMachine;
  readonly memory: MachineMemory;
  readonly fresh: ReturnType<Machine['snapshot']>;
}

/** Machines to run guests in; each goes back to its power-up state for the next guest. */
export class Session {
  private readonly seats = new Map<number, Seat>();

  private seat(index: number): Seat {
    const known = this.seats.get(index);
    if (known !== undefined) return known;
    const machine = createMachine({ memory: MEMORY, cpuModel: 'strata', seed: 1n, ...MACHINES[index] });
    const memory: unknown = Reflect.get(machine, 'memory');
    if (!(memory instanceof MachineMemory)) throw new Error('the machine has no memory');
    const seat = { machine, memory, fresh: machine.snapshot() };
    this.seats.set(index, seat);
    return seat;
  }

  /** @throws Finding */
  run(seed: number): Outcome {
    const plan = planOf(seed);
    const seat = this.seat(plan.machine);
    const { machine, fresh } = seat;
    machine.restore(fresh);
    machine.setBreakpoints([]);
    const from = (): bigint => machine.retired;
    let start = from();
    try {
      if (!prepare(machine, plan)) return { plan, retired: 0, end: 'not begun', entered: false, replayed: false };
      start = from();
      const begin = machine.snapshot();
      const entries = machine.transitions.length;
      const end = machine.time + BigInt(plan.instructions);
      const stop = runTo(machine, end, () => plan.instructions);
      const retired = Number(machine.retired - start);
      checkContainment(seat);
      const replay = stop !== 'livelock' && seed % 2 === 0;
      if (replay) this.replay(seat, plan, begin, end, stop);
      return { plan, retired, end: stop, entered: machine.transitions.length > entries, replayed: replay };
    } catch (error) {
      const after = machine.retired - start;
      const where = located(machine);
      this.seats.delete(plan.machine);
      if (error instanceof Finding) throw error;
      const story = error instanceof Error ? (error.stack ?? error.message) : String(error);
      throw new Finding(`${describePlan(plan)}: internal error after ${after} instructions ${where}: ${story}`);
    }
  }

  /** Runs the guest again in pieces, with breakpoints, steps and snapshots in between: the end has to be the same. */
  private replay(
    seat: Seat,
    plan: Plan,
    begin: ReturnType<Machine['snapshot']>,
    end: bigint,
    stop: Outcome['end'],
  ): void {
    const { machine } = seat;
    const random = new Random(plan.seed ^ 0x5a5a);
    const hash = machine.stateHash();
    machine.restore(begin);
    if (random.oneIn(2)) {
      const linear = (): bigint => BigInt(PLACE.code + random.below(random.pick([0x40, 0x1000])));
      machine.setBreakpoints(
        Array.from({ length: 1 + random.below(20) }, () => ({ linear: linear(), layer: undefined })),
      );
    }
    const longest = random.pick([1, 2, 5, 20, 100, 1000]);
    // A step lets the others have turns of any length, which may go beyond the end.
    const steps = MACHINES[plan.machine].processors === 1 && random.oneIn(3);
    const again = runTo(machine, end, () => {
      if (random.oneIn(30)) {
        const here = machine.snapshot();
        if (random.oneIn(2)) machine.run(1 + random.below(50));
        machine.restore(here);
      }
      return steps && random.oneIn(3) ? 0 : 1 + random.below(longest);
    });
    machine.setBreakpoints([]);
    if (again === 'livelock' || stop === 'livelock') return;
    if (again === stop && machine.stateHash() === hash) return;
    throw new Finding(
      `${describePlan(plan)}: another end (${again} at ${machine.time}, was ${stop}) in pieces of up to ${longest}, steps ${steps}`,
    );
  }
}

/** Runs to a time; a piece of 0 instructions is a step. 'limit' when it is reached, 'livelock' where nothing retires. */
export function runTo(machine: Machine, end: bigint, piece: () => number): Stop['kind'] {
  let stuck = 0;
  while (machine.time < end) {
    const before = machine.time;
    const length = Math.min(piece(), Number(end - before));
    const { kind } = length === 0 ? machine.step() : machine.run(length);
    if (kind !== 'limit' && kind !== 'breakpoint' && kind !== 'transition') return kind;
    stuck = machine.time === before ? stuck + 1 : 0;
    if (stuck > STANDSTILL * 20 || (stuck > STANDSTILL && length > 0)) return 'livelock';
  }
  return 'limit';
}

/** Where the machine stands, in words. */
function located(machine: Machine): string {
  try {
    const state = machine.state(machine.current);
    const linear = state.segment('CS').base + state.rip;
    return `at ${linear.toString(16)}: ${Buffer.from(state.peek(linear, 15)).toString('hex')}`;
  } catch {
    return 'at an unknown place';
  }
}

/** Steps the first processor until RIP is there. */
function reach(machine: Machine, rip: number): boolean {
  for (let steps = 0; steps < PROLOGUE_STEPS; steps++) {
    const root = machine.current;
    if (root.processor === 0 && machine.state(root).rip === BigInt(rip)) return true;
    if (machine.step(0).kind !== 'limit') return false;
  }
  return false;
}

const SEGMENT_NAMES: readonly SegmentName[] = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const GPRS = [
  'RAX',
  'RCX',
  'RDX',
  'RBX',
  'RSP',
  'RBP',
  'RSI',
  'RDI',
  'R8',
  'R9',
  'R10',
  'R11',
  'R12',
  'R13',
  'R14',
  'R15',
];

function enter(machine: Machine, random: Random, mode: Mode): void {
  const { gprs, segments, rflags, rip } = registersOf(random, mode);
  const state = machine.state(machine.current);
  const set = (name: string, value: bigint): void => {
    const refused = state.setRegister(name, value);
    if (refused !== undefined) throw new Error(`${name}: ${refused}`);
  };
  gprs.forEach((value, i) => set(GPRS[i], value));
  for (const name of SEGMENT_NAMES) {
    const segment = segments.get(name);
    if (segment === undefined) continue;
    set(name, BigInt(segment.selector));
    set(`${name}.BASE`, segment.base);
    set(`${name}.LIMIT`, BigInt(segment.limit));
    set(`${name}.ACCESS`, BigInt(segment.access));
  }
  set('RFLAGS', rflags);
  set('RIP', rip);
}

/** Brings a machine to a guest's first instruction; false where the prologue itself did not get there. */
function prepare(machine: LoadableMachine, plan: Plan): boolean {
  const random = new Random(plan.seed);
  const { kind, mode } = plan;
  const vmx = kind !== 'plain';
  const hostMode: Mode = kind === 'vmx-guest' ? random.pick(isLong(mode) ? ['long'] : ['long', 'protected-32']) : mode;
  const host = hostSettings(random, hostMode, vmx);
  const { processors } = MACHINES[plan.machine];
  const first = prologue(random, host, processors, true);
  const second = new Prologue();
  const page = (name: keyof typeof VMX_PAGE): number => PLACE.vmx + VMX_PAGE[name];
  if (vmx) {
    second.store(PLACE.pointers + 0x30, page('vmxon'));
    second.store(PLACE.pointers + 0x34, 0);
    second.store(PLACE.pointers + 0x38, page('vmcs'));
    second.store(PLACE.pointers + 0x3c, 0);
    second.vmxon(PLACE.pointers + 0x30);
    second.vmclear(PLACE.pointers + 0x38);
    second.vmptrld(PLACE.pointers + 0x38);
  }
  const guest = kind === 'vmx-guest' ? settingsOf(random, mode, true) : host;
  const user = random.oneIn(2) || mode.includes('user') || mode === 'virtual-8086';
  const extra = vmx
    ? [...vmxPieces(random), ...(guest === host ? [] : tables(random, guest.paging, user, PLACE.guestTables))]
    : [];
  const code = Uint8Array.from([...first.finish(), ...second.finish()]);
  const handler = Uint8Array.from([...stub(random), ...randomCode(random, 0x100, codeSizeOf(hostMode))]);
  machine.load(imageOf(random, guest === host ? host : { ...host, mode: guest.mode }, code, handler, extra));
  if (!reach(machine, PLACE.prologue + first.length)) return false;
  const state = machine.state(machine.current);
  if (!vmx) {
    state.setRegister('CR4', state.control('CR4') | BigInt(host.cr4 & LATE));
    enter(machine, random, mode);
    return true;
  }
  if (isLong(hostMode)) {
    state.setRegister('CS.ACCESS', 0xa09bn);
    state.setRegister('CS', BigInt(SELECTOR.code64));
  }
  state.setRegister('RIP', BigInt(PLACE.prologue + first.length + 2));
  if (!reach(machine, PLACE.prologue + first.length + 2 + second.length)) return false;
  const vmcs = BigInt(page('vmcs'));
  const target = {
    capabilities: machine.capabilities,
    write: (encoding: number, value: bigint) => void machine.writeVmcs(vmcs, encoding, value),
  };
  fillVmcs(random, target, host, guest, random.oneIn(2));
  if (machine.checkVmcs(vmcs).length > 0 && !random.oneIn(4)) fillVmcs(random, target, host, guest, false);
  if (kind === 'vmx-root') {
    enter(machine, random, mode);
    return true;
  }
  const { gprs } = registersOf(random, mode);
  gprs.forEach((value, i) => i === 4 || state.setRegister(GPRS[i], value));
  state.setRegister('RIP', BigInt(LAUNCH_AT));
  return true;
}

/** VMX operation needs paging and CR0.NE. */
function hostSettings(random: Random, mode: Mode, vmx: boolean): Settings {
  for (;;) {
    const settings = settingsOf(random, mode, vmx);
    if (!vmx || settings.paging !== 'none') return settings;
  }
}

/** Every entry of the inline maps in use leads to guest RAM, and nobody wrote below the machine's state. */
function checkContainment({ memory }: Seat): void {
  for (let at = 0; at < STATE_START >> 2; at++) {
    if (memory.u32[at] !== 0) throw new Error(`a write to host address 0x${(at * 4).toString(16)}`);
  }
  const words = (INLINE.banks * INLINE.entries * INLINE.entrySize) >> 2;
  const empty = Number(EMPTY_TAG & 0xffff_ffffn);
  const { u32, i32, ramSize } = memory;
  for (const map of [INLINE.load, INLINE.store]) {
    for (let at = map >> 2; at < (map >> 2) + words; at += INLINE.entrySize >> 2) {
      if (u32[at] === empty) continue;
      const host = (u32[at] + i32[at + 2]) >>> 0;
      if (host < RAM_BASE || host + 0x1000 > RAM_BASE + ramSize) {
        throw new Error(
          `the inline map leads from page 0x${u32[at].toString(16)} to host address 0x${host.toString(16)}`,
        );
      }
    }
  }
}
