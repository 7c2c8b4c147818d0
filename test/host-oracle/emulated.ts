import { CodeCache, type CodeMode } from '../../emulator/codegen/code-cache';
import { EXIT } from '../../emulator/codegen/exits';
import { generateInterpreter, instantiateInterpreter, type RunFunction } from '../../emulator/codegen/interpreter';
import type { ColdInstruction } from '../../emulator/cpu/cold';
import { ASSISTS } from '../../emulator/cpu/assists';
import { COLD } from '../../emulator/cpu/cold-table';
import { PENDING_KIND, raise, VECTOR } from '../../emulator/cpu/faults';
import { NO_VMX } from '../../emulator/cpu/no-vmx.fixture';
import { Processor, SEG } from '../../emulator/cpu/processor';
import { resetProcessor } from '../../emulator/cpu/reset';
import { FIRST_WARM_SHAPE, SHAPES } from '../../emulator/decode/shapes';
import { CodeModes } from '../../emulator/machine/code-modes';
import { Host } from '../../emulator/machine/interpreter-host';
import { MemoryAccess } from '../../emulator/mmu/access';
import { SEMANTICS, WARM_SEMANTICS } from '../../emulator/semantics/index';
import { BOUNDARY, CONTROL, GPR, MXCSR, PENDING, RAM_BASE, X87, YMM } from '../../emulator/state/layout';
import { MachineMemory, PAGE } from '../../emulator/state/memory';
import { CPU_FEATURES } from '../../emulator/tables/cpuid-features';
import { CPU_MODELS, type CpuModel } from '../../emulator/tables/cpu-models';
import { INSTRUCTIONS } from '../../emulator/tables/instructions';
import { COMPARED_FLAGS, LAYOUT, RAN, STATE, STATE_SIZE, viewOf, type Case, type Outcome } from './case';

const RAM_SIZE = 0x4_0000;
/** Physical addresses. */
const TABLES = 0x1000;
const DATA = 0x1_0000;
const CODE = 0x2_0000;
const CODE_PAGE = LAYOUT.snippet & ~0xfff;
/** Present, writable, user, accessed and dirty. */
const ENTRY = 0x67n;
const EXECUTE_DISABLE = 1n << 63n;

/** PE, MP, ET, NE, WP, AM and PG. */
const CR0 = 0x8005_0033n;
/** PAE, PGE, OSFXSR, OSXMMEXCPT, UMIP, FSGSBASE and OSXSAVE. */
const CR4 = 0x5_0ea0n;
/** SCE, LME, LMA and NXE. */
const EFER = 0xd01n;
/** x87, SSE and AVX. */
const XCR0 = 7n;

const BUDGET = 200_000;
/** Calls of the interpreter after which a snippet counts as endless. */
const PATIENCE = 1 << 20;

/** Which way data accesses take: the inline map's, or the one through the host. */
export type AccessPath = 'inline' | 'slow';

/** A processor with every feature, whether its instructions have landed or not: a row is tested from the moment it is there. */
const EVERYTHING: CpuModel = {
  ...CPU_MODELS.strata,
  features: new Set(CPU_FEATURES.map(({ name }) => name)),
};

/** INT3 ends a snippet. */
const endSnippet: ColdInstruction = () => raise(VECTOR.BP);
const COLD_BY_ROW = INSTRUCTIONS.map(({ semantic: { kind, key } }) =>
  kind === 'cold' ? (key === 'int3' ? endSnippet : COLD[key]) : ASSISTS[key],
);

/** A processor in 64-bit user mode, as an operating system would have set it up, in an address space that holds only what the harness maps. */
export class EmulatedProcessor {
  private readonly memory = new MachineMemory(RAM_SIZE);
  private readonly cpu = new Processor(this.memory, EVERYTHING);
  private readonly access = new MemoryAccess(this.cpu);
  private readonly code = new CodeCache(this.memory, this.access, (feature) => this.cpu.model.features.has(feature));
  private readonly modes = new CodeModes();
  private readonly host: Host;
  private readonly run: RunFunction;

  constructor() {
    const { cpu, memory, access, code } = this;
    memory.observer = code;
    cpu.mmu = access;
    cpu.vmx = NO_VMX;
    cpu.ports = { readPort: () => 0xffff_ffff, writePort: () => undefined };
    cpu.bus = { read: () => 0xffn, write: () => undefined, claims: () => false };
    cpu.interrupts = { interruptPending: () => false, acknowledge: () => 0, initialize: () => undefined };
    this.host = new Host({
      cpu,
      access,
      cold: COLD_BY_ROW,
      boundaryChanged: () => false,
      crossingHolds: (record) => code.crossingHolds(record, this.mode),
      enterMode: () => undefined,
    });
    this.run = instantiateInterpreter(
      new WebAssembly.Module(
        generateInterpreter({ shapes: SHAPES, firstWarm: FIRST_WARM_SHAPE, hot: SEMANTICS, warm: WARM_SEMANTICS }),
      ),
      memory,
      this.host,
    );
    resetProcessor(cpu);
    this.mapPages();
    this.enterUserMode();
    access.dropInline();
    code.clear();
  }

  private get mode(): CodeMode {
    return this.modes.current(this.cpu);
  }

  private mapPages(): void {
    const { memory } = this;
    let next = TABLES + 0x1000;
    const map = (linear: number, physical: number, attributes: bigint): void => {
      let table = TABLES;
      for (const shift of [39, 30, 21]) {
        const at = table + (Math.floor(linear / 2 ** shift) % 512) * 8;
        if (memory.read64(at) === 0n) {
          memory.write64(at, BigInt(next) | ENTRY);
          next += 0x1000;
        }
        table = Number(memory.read64(at) & ~0xfffn);
      }
      memory.write64(table + (Math.floor(linear / 4096) % 512) * 8, BigInt(physical) | attributes);
    };
    for (let page = 0; page < LAYOUT.dataSize; page += 4096) {
      map(LAYOUT.data + page, DATA + page, ENTRY | EXECUTE_DISABLE);
    }
    map(CODE_PAGE, CODE, ENTRY);
  }

  private enterUserMode(): void {
    const { cpu } = this;
    cpu.setField(CONTROL.cr0, CR0);
    cpu.setField(CONTROL.cr3, BigInt(TABLES));
    cpu.setField(CONTROL.cr4, CR4);
    cpu.setField(CONTROL.efer, EFER);
    cpu.setField(CONTROL.xcr0, XCR0);
    cpu.setField32(BOUNDARY.activity, 0);
    cpu.setSegment(SEG.CS, 0x33, 0n, 0xffff_ffff, 0xa0fb);
    for (const segment of [SEG.ES, SEG.DS, SEG.FS]) cpu.setSegment(segment, 0, 0n, 0, 0x1_0000);
    cpu.setSegment(SEG.SS, 0x2b, 0n, 0xffff_ffff, 0xc0f3);
    cpu.setSegment(SEG.GS, 0, BigInt(LAYOUT.data), 0, 0x1_0000);
    cpu.mmu.contextChanged();
  }

  /** Lets accesses to the data's pages be inline from the first on, or never. */
  private preparePath(path: AccessPath): void {
    const { memory, access } = this;
    for (let page = DATA; page < DATA + LAYOUT.dataSize; page += 4096) {
      memory.pages[page >>> 12] = PAGE.DIRTY | (path === 'slow' ? PAGE.WATCHED : 0);
      const linear = BigInt(page - DATA + LAYOUT.data);
      access.invalidatePage(linear);
      if (path === 'inline') access.write(linear, 1, access.read(linear, 1));
    }
  }

  private load({ code, state }: Case): void {
    const { cpu, memory } = this;
    const { u8, view } = memory;
    const from = viewOf(state);
    const page = new Uint8Array(4096).fill(0xcc);
    page.set(code, LAYOUT.snippet & 0xfff);
    memory.writeBytes(CODE, page);
    u8.fill(0, RAM_BASE + DATA, RAM_BASE + DATA + LAYOUT.dataSize);
    for (const { at, offset, size } of WINDOWS) u8.set(state.subarray(offset, offset + size), at);
    u8.set(state.subarray(STATE.gpr, STATE.gpr + 128), GPR);
    cpu.rflags = (from.getUint32(STATE.flags, true) & COMPARED_FLAGS) | 0x202;
    cpu.rip = BigInt(LAYOUT.snippet);
    view.setUint32(MXCSR, from.getUint32(STATE.mxcsr, true), true);
    u8.set(state.subarray(STATE.ymm, STATE.ymm + 512), YMM);
    const status = from.getUint16(STATE.fsw, true);
    view.setUint16(X87.control, from.getUint16(STATE.fcw, true), true);
    view.setUint16(X87.status, status, true);
    view.setUint16(X87.tag, state[STATE.ftw], true);
    view.setUint16(X87.opcode, from.getUint16(STATE.fop, true), true);
    view.setBigUint64(X87.instructionPointer, from.getBigUint64(STATE.fip, true), true);
    view.setBigUint64(X87.dataPointer, from.getBigUint64(STATE.fdp, true), true);
    for (let i = 0; i < 8; i++) {
      const register = X87.registers + (((status >> 11) + i) & 7) * 16;
      u8.fill(0, register, register + 16);
      u8.set(state.subarray(STATE.st + i * 16, STATE.st + i * 16 + 10), register);
    }
  }

  private save(): Uint8Array {
    const { cpu, memory } = this;
    const { u8, view } = memory;
    const state = new Uint8Array(STATE_SIZE);
    const to = viewOf(state);
    for (const { at, offset, size } of WINDOWS) state.set(u8.subarray(at, at + size), offset);
    state.set(u8.subarray(GPR, GPR + 128), STATE.gpr);
    to.setUint32(STATE.flags, cpu.rflags & COMPARED_FLAGS, true);
    to.setUint32(STATE.mxcsr, view.getUint32(MXCSR, true), true);
    state.set(u8.subarray(YMM, YMM + 512), STATE.ymm);
    const status = view.getUint16(X87.status, true);
    to.setUint16(STATE.fcw, view.getUint16(X87.control, true), true);
    to.setUint16(STATE.fsw, status, true);
    state[STATE.ftw] = view.getUint16(X87.tag, true);
    to.setUint16(STATE.fop, view.getUint16(X87.opcode, true), true);
    to.setBigUint64(STATE.fip, view.getBigUint64(X87.instructionPointer, true), true);
    to.setBigUint64(STATE.fdp, view.getBigUint64(X87.dataPointer, true), true);
    for (let i = 0; i < 8; i++) {
      const register = X87.registers + (((status >> 11) + i) & 7) * 16;
      state.set(u8.subarray(register, register + 10), STATE.st + i * 16);
    }
    return state;
  }

  /** Runs until something is to be delivered: at the latest an INT3. */
  private runToFault(): void {
    const { cpu, code, host } = this;
    for (let calls = 0; calls < PATIENCE; calls++) {
      code.enterMode(this.mode);
      let record: number | undefined;
      try {
        record = code.lookup(cpu.rip, this.mode);
      } catch (thrown) {
        host.noteFault(thrown);
        return;
      }
      if (record === undefined) throw new Error('code was fetched from where no memory is');
      cpu.sliceBudget = BUDGET;
      const exit = this.run(record, BUDGET);
      host.restoreMark();
      if (exit === EXIT.FAULT) return;
    }
    throw new Error('a snippet does not end');
  }

  execute(input: Case, path: AccessPath): Outcome {
    const { cpu } = this;
    this.load(input);
    cpu.setField32(PENDING.kind, PENDING_KIND.NONE);
    cpu.mmu.contextChanged();
    this.preparePath(path);
    this.runToFault();
    const vector = cpu.field32(PENDING.vector);
    const hasErrorCode = cpu.field32(PENDING.hasErrorCode) !== 0 && vector !== VECTOR.SS && vector !== VECTOR.AC;
    return {
      vector: vector === VECTOR.BP ? RAN : vector,
      errorCode: hasErrorCode ? cpu.field32(PENDING.errorCode) : 0,
      cr2: vector === VECTOR.PF ? cpu.field(PENDING.address) : 0n,
      rip: cpu.rip,
      state: this.save(),
    };
  }
}

/** The parts of a state that are memory, and their host addresses. */
const WINDOWS = [
  { at: RAM_BASE + DATA + LAYOUT.area - LAYOUT.data, offset: STATE.area, size: LAYOUT.areaSize },
  { at: RAM_BASE + DATA + LAYOUT.crossing - LAYOUT.data, offset: STATE.crossing, size: LAYOUT.crossingSize },
  { at: RAM_BASE + DATA + LAYOUT.edge - LAYOUT.data, offset: STATE.edge, size: LAYOUT.edgeSize },
] as const;
