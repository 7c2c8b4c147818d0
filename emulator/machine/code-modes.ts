import type { CodeMode } from '../codegen/code-cache';
import { type Processor, SEG } from '../cpu/processor';

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
  private readonly long: CodeMode = this.intern(64, 8, true, 0n, undefined);
  /** The mode given last: most look-ups are of the same one. */
  private last = this.long;

  /** The mode the processor is in. */
  current(cpu: Processor): CodeMode {
    const code = cpu.access(SEG.CS);
    if (cpu.longMode && code & LONG) return this.long;
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
      last.csBase === base;
    if (!same) this.last = this.intern(codeSize, stackSize, flat, base, csLimit);
    return this.last;
  }

  private intern(
    codeSize: 16 | 32 | 64,
    stackSize: 2 | 4 | 8,
    flat: boolean,
    csBase: bigint,
    csLimit: number | undefined,
  ): CodeMode {
    const key = `${codeSize} ${stackSize} ${flat} ${csBase} ${csLimit}`;
    let mode = this.known.get(key);
    if (mode === undefined) {
      // A mode that is forgotten and met again gets another number: its code is decoded anew.
      if (this.known.size === MAX_KNOWN) this.known.clear();
      mode = { codeSize, stackSize, flat, csBase, csLimit, index: this.nextIndex++ };
      this.known.set(key, mode);
    }
    return mode;
  }
}
