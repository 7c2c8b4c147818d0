import type {
  CheckFailure,
  CodeBreakpoint,
  Layer,
  LayerState,
  Machine,
  MachineConfig,
  OutputChannel,
  Snapshot,
  Stop,
  StopMask,
  Transition,
} from '../api';
import { enterWakingVector, type LoadedImage, placeImage } from '../boot/loaded-image';
import { CodeCache } from '../codegen/code-cache';
import { generateInterpreter, instantiateInterpreter } from '../codegen/interpreter';
import { COLD } from '../cpu/cold-table';
import { ASSISTS } from '../cpu/assists';
import { Processor } from '../cpu/processor';
import { connectApic } from './apic-registers';
import { resetProcessor } from '../cpu/reset';
import { FIRST_WARM_SHAPE, SHAPES } from '../decode/shapes';
import { Platform } from '../devices/platform';
import { DirtyPages } from '../history/dirty-pages';
import { StateHash } from '../history/hash';
import { Snapshots } from '../history/snapshot';
import { MemoryAccess } from '../mmu/access';
import { SEMANTICS, WARM_SEMANTICS } from '../semantics';
import { BOUNDARY, MACHINE, MAX_PROCESSORS } from '../state/layout';
import { MachineMemory } from '../state/memory';
import { windowShift } from '../state/windows';
import { seedRandom } from '../state/random';
import { CPU_MODELS } from '../tables/cpu-models';
import { INSTRUCTIONS } from '../tables/instructions';
import { VMX_COLD } from '../vmx/instructions';
import type { LayerEntry } from '../vmx/layers';
import { createVmx, type VmxUnit } from '../vmx/vmx-unit';
import { Breakpoints } from './breakpoints';
import { Host } from './interpreter-host';
import { ImageState } from './layer-state';
import {
  RestingGuestImage,
  RestingRootImage,
  type RegisterImage,
  RunningImage,
  type VmcsAccess,
} from './register-image';
import { ParkedImage } from './parked-image';
import { Runner } from './runner';
import { DEFAULT_TURN, MAX_TURN, Turns } from './turns';

/** The machine with what only its loader needs. */
export interface LoadableMachine extends Machine {
  /** Puts a planned image into a machine that has not run yet, or that has been reset by this. */
  load(image: LoadedImage): void;
}

/** Builds a machine in its power-up state. */
export function createMachine(config: MachineConfig): LoadableMachine {
  return new EmulatedMachine(config);
}

/** The interpreter is the same for every machine: generated once a process, and a later machine starts with what the engine has optimised. */
let interpreterModule: WebAssembly.Module | undefined;

/** What a row does in TypeScript: all of it, or of an emitted one what it leaves to its assist. */
const COLD_BY_ROW = INSTRUCTIONS.map(({ semantic: { kind, key } }) =>
  kind === 'cold' ? (COLD[key] ?? VMX_COLD[key]) : ASSISTS[key],
);

/** By ACTIVITY. */
const ACTIVITIES: readonly Layer['activity'][] = ['active', 'halted', 'shutdown', 'wait-for-SIPI', 'waiting'];

function requireWhole(what: string, value: number, most: number): void {
  if (Number.isInteger(value) && value >= 1 && value <= most) return;
  throw new RangeError(`The ${what} must be a whole number from 1 to ${most}; ${value} is not.`);
}

/** Connects the parts; what they do is theirs. */
class EmulatedMachine implements LoadableMachine {
  onOutput: (channel: OutputChannel, bytes: Uint8Array) => void = () => undefined;
  readonly stopMask: StopMask = {
    exit: false,
    entry: false,
    entryFailure: false,
    vmfail: false,
    tripleFault: false,
  };
  private readonly memory: MachineMemory;
  private readonly cpu: Processor;
  private readonly access: MemoryAccess;
  private readonly platform: Platform;
  private readonly vmx: VmxUnit;
  private readonly code: CodeCache;
  private readonly turns: Turns;
  private readonly runner: Runner;
  private readonly breakpoints = new Breakpoints();
  private readonly snapshots: Snapshots;
  private readonly hash: StateHash;

  constructor(readonly config: MachineConfig) {
    this.memory = new MachineMemory(config.memory);
    const { processors = 1, turn = DEFAULT_TURN } = config;
    requireWhole('number of processors', processors, MAX_PROCESSORS);
    requireWhole('length of a turn', turn, MAX_TURN);
    const cpu = new Processor(this.memory, CPU_MODELS[config.cpuModel], processors);
    this.cpu = cpu;
    this.access = new MemoryAccess(cpu);
    cpu.mmu = this.access;
    this.access.watch = cpu.debug;
    const output = (channel: OutputChannel, byte: number): void => this.onOutput(channel, Uint8Array.of(byte));
    this.platform = new Platform(this.memory, () => this.runner.now(), { output }, processors);
    cpu.ports = this.platform;
    cpu.bus = this.platform;
    cpu.interrupts = this.platform;
    connectApic(cpu, this.platform);
    this.vmx = createVmx(cpu, this.stopMask);
    this.code = new CodeCache(this.memory, this.access, (feature) => cpu.model.features.has(feature));
    this.memory.observer = this.code;
    this.turns = new Turns(cpu, this.platform, turn);
    const host = new Host({
      cpu,
      access: this.access,
      cold: COLD_BY_ROW,
      boundaryChanged: () => this.platform.changed || this.vmx.log.stopRequested,
      crossingHolds: (record) => this.code.crossingHolds(record, this.runner.mode),
      enterMode: () => this.code.enterMode(this.runner.mode),
    });
    interpreterModule ??= new WebAssembly.Module(
      generateInterpreter({ shapes: SHAPES, firstWarm: FIRST_WARM_SHAPE, hot: SEMANTICS, warm: WARM_SEMANTICS }),
    );
    this.runner = new Runner({
      cpu,
      platform: this.platform,
      code: this.code,
      host,
      interpret: instantiateInterpreter(interpreterModule, this.memory, host),
      vmx: this.vmx,
      breakpoints: this.breakpoints,
      turns: this.turns,
      currentLayer: () => this.vmx.layers.current().id,
      wake: () => this.wake(),
    });
    const dirty = new DirtyPages(this.memory, () => this.access.evictAllStores());
    this.snapshots = new Snapshots(this.memory, dirty, { dropCaches: () => this.dropCaches() });
    this.hash = new StateHash(this.memory, dirty);
    seedRandom(this.memory, config.seed);
    this.resetProcessors();
    this.dropCaches();
  }

  /** The first one is the active one then. */
  private resetProcessors(): void {
    for (let processor = this.cpu.processors - 1; processor >= 0; processor--) {
      this.turns.activate(processor);
      resetProcessor(this.cpu);
    }
    this.vmx.reset();
  }

  private wake(): void {
    this.platform.apics.reset();
    this.resetProcessors();
    enterWakingVector(this.cpu);
  }

  private dropCaches(): void {
    // The story of a shutdown is the story of the run that led to it.
    this.cpu.faultChain.length = 0;
    this.cpu.nmiUnblockedBy = undefined;
    this.runner.forget();
    this.access.dropInline();
    this.code.clear();
  }

  load(image: LoadedImage): void {
    placeImage(this.cpu, image, this.cpu.processors);
    if (image.bootLoader === true) this.platform.handOver();
    this.access.flush(true);
    this.access.contextChanged();
  }

  get time(): bigint {
    return this.cpu.field(MACHINE.time);
  }
  get retired(): bigint {
    return this.cpu.field(MACHINE.retired);
  }
  run(instructions: number): Stop {
    return this.runner.run(instructions);
  }
  step(processor?: number): Stop {
    return this.runner.step(processor);
  }
  setBreakpoints(breakpoints: readonly CodeBreakpoint[]): void {
    this.breakpoints.replace(breakpoints);
    this.runner.markBreakpoints();
  }

  get layers(): readonly Layer[] {
    return this.vmx.layers.entries(this.cpu.processors).map((entry) => this.describe(entry));
  }
  get current(): Layer {
    return this.describe(this.vmx.layers.current());
  }
  private describe(entry: LayerEntry): Layer {
    return {
      id: entry.id,
      processor: entry.processor,
      level: entry.level,
      vmcs: entry.vmcs ?? null,
      parent: entry.parent,
      running: entry.id === this.vmx.layers.current(entry.processor).id,
      activity: ACTIVITIES[this.memory.u32[(BOUNDARY.activity + windowShift(this.memory, entry.processor)) >> 2]],
      left: this.vmx.log.at(entry.lastTransition),
    };
  }
  state(layer: Layer): LayerState {
    return new ImageState(this.memory, this.imageOf(layer), (physical, eptp) =>
      this.cpu.vmx.peekTranslate(physical, eptp),
    );
  }
  private imageOf(layer: Layer): RegisterImage {
    const image = this.processorImage(layer);
    return this.turns.several ? new ParkedImage(image, (act) => this.turns.withProcessor(layer.processor, act)) : image;
  }
  private processorImage({ id, vmcs, processor }: Layer): RegisterImage {
    const current = this.vmx.layers.current(processor);
    if (id === current.id) return new RunningImage(this.cpu);
    const saved = { at: (register: number | 'cr2') => this.vmx.layers.savedAt(id, register) };
    // A root rests while its guest runs; that guest's VMCS says where it will go on.
    const of = vmcs ?? current.vmcs ?? 0n;
    const access = this.vmcsOf(of);
    if (vmcs === null) return new RestingRootImage(this.cpu, access, saved);
    return new RestingGuestImage(this.cpu, access, saved);
  }
  private vmcsOf(pointer: bigint): VmcsAccess {
    return {
      read: (encoding) => this.vmx.readVmcs(pointer, encoding) ?? 0n,
      write: (encoding, value) => void this.vmx.writeVmcs(pointer, encoding, value),
    };
  }

  get transitions(): readonly Transition[] {
    return this.vmx.transitions;
  }
  get lastTransition(): Transition | undefined {
    return this.vmx.lastTransition;
  }
  get exitCounts(): ReadonlyMap<number, number> {
    return this.vmx.exitCounts;
  }
  readVmcs(vmcs: bigint, encoding: number): bigint | undefined {
    return this.vmx.readVmcs(vmcs, encoding);
  }
  writeVmcs(vmcs: bigint, encoding: number, value: bigint): string | undefined {
    const write = (): string | undefined => this.vmx.writeVmcs(vmcs, encoding, value);
    const processor = this.layers.find((layer) => layer.vmcs === vmcs)?.processor;
    return processor === undefined ? write() : this.turns.withProcessor(processor, write);
  }
  checkVmcs(vmcs: bigint): readonly CheckFailure[] {
    return this.vmx.checkVmcs(vmcs);
  }
  get capabilities(): ReadonlyMap<number, bigint> {
    return this.vmx.capabilities;
  }
  peekPhysical(physical: number, length: number): Uint8Array {
    const available = Math.max(0, Math.min(length, this.memory.ramSize - physical));
    return this.memory.isRam(physical) ? this.memory.readBytes(physical, available) : new Uint8Array(0);
  }
  input(bytes: Uint8Array): void {
    this.platform.input(bytes);
  }
  snapshot(): Snapshot {
    return this.snapshots.snapshot();
  }
  restore(snapshot: Snapshot): void {
    this.snapshots.restore(snapshot);
  }
  stateHash(): string {
    return this.hash.digest();
  }
}
