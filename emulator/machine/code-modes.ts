import type { CodeMode } from '../codegen/code-cache';
import { type Processor, SEG } from '../cpu/processor';
import { unitsOf } from '../decode/units';
import { CONTROL, FLAGS } from '../state/layout';
import { CR0, CR4, RFLAGS } from '../tables/control-registers';

const LONG = 0x2000;
const DEFAULT_BIG = 0x4000;
const UNUSABLE = 0x1_0000;
const FOUR_GIB = 0xffff_ffff;
/** Type bits of a data segment that expands up and can be written: S = 1, code = 0, expand-down = 0, W = 1. */
const WRITABLE_DATA = 0x12;
const WRITABLE_DATA_MASK = 0x1e;

const isFlatData = (cpu: Processor, segment: number): boolean =>
  (cpu.access(segment) & (UNUSABLE | WRITABLE_DATA_MASK)) === WRITABLE_DATA &&
  cpu.limit(segment) === FOUR_GIB &&
  cpu.base(segment) === 0n;

/** Modes remembered; a guest that loads ever new bases and limits of CS must not fill the host's memory. */
const MAX_KNOWN = 1024;

/**
 * The code modes the machine has met, each with a number of its own. A mode is what decoding depends on besides the
 * bytes; non-flat code segments get one mode for each base and limit.
 */
export class CodeModes {
  private readonly known = new Map<string, CodeMode>();
  private nextIndex = 0;
  /** What the units depend on, folded as `unitsNow` does, and the units it made. */
  private controls = -1;
  private units = 0;
  /** The mode given last: most look-ups are of the same one. */
  private last: CodeMode = this.intern(64, 8, true, 0n, undefined, 0);

  private unitsNow({ memory: { u32 } }: Processor): number {
    const cr0 = u32[CONTROL.cr0 >> 2] & (CR0.PE | CR0.MP | CR0.EM | CR0.TS);
    const cr4 = u32[CONTROL.cr4 >> 2] & (CR4.OSFXSR | CR4.OSXSAVE);
    const xcr0 = u32[CONTROL.xcr0 >> 2];
    const flags = u32[FLAGS.system >> 2] & RFLAGS.VM;
    // CR0's bits are 3:0, RFLAGS.VM is 17; XCR0's 7:1 go to 31:25.
    const controls = cr0 | cr4 | flags | (xcr0 << 24);
    if (controls !== this.controls) {
      this.controls = controls;
      this.units = unitsOf(cr0, cr4, xcr0, flags);
    }
    return this.units;
  }

  /** The mode the processor is in. */
  current(cpu: Processor): CodeMode {
    const code = cpu.access(SEG.CS);
    const units = this.unitsNow(cpu);
    if (cpu.longMode && code & LONG) {
      if (this.last.codeSize !== 64 || this.last.units !== units)
        this.last = this.intern(64, 8, true, 0n, undefined, units);
      return this.last;
    }
    const base = cpu.base(SEG.CS);
    const flatCode = base === 0n && cpu.limit(SEG.CS) === FOUR_GIB;
    const flat = flatCode && isFlatData(cpu, SEG.SS) && isFlatData(cpu, SEG.DS) && isFlatData(cpu, SEG.ES);
    const codeSize = code & DEFAULT_BIG ? 32 : 16;
    const stackSize = cpu.access(SEG.SS) & DEFAULT_BIG ? 4 : 2;
    const csLimit = flatCode ? undefined : cpu.limit(SEG.CS);
    const { last } = this;
    const same =
      last.codeSize === codeSize &&
      last.stackSize === stackSize &&
      last.flat === flat &&
      last.csLimit === csLimit &&
      last.csBase === base &&
      last.units === units;
    if (!same) this.last = this.intern(codeSize, stackSize, flat, base, csLimit, units);
    return this.last;
  }

  private intern(
    codeSize: 16 | 32 | 64,
    stackSize: 2 | 4 | 8,
    flat: boolean,
    csBase: bigint,
    csLimit: number | undefined,
    units: number,
  ): CodeMode {
    const key = `${codeSize} ${stackSize} ${flat} ${csBase} ${csLimit} ${units}`;
    let mode = this.known.get(key);
    if (mode === undefined) {
      // A mode that is forgotten and met again gets another number: its code is decoded anew.
      if (this.known.size === MAX_KNOWN) this.known.clear();
      mode = { codeSize, stackSize, flat, csBase, csLimit, units, index: this.nextIndex++ };
      this.known.set(key, mode);
    }
    return mode;
  }
}
