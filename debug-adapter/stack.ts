/** Stacks of layers, running or at rest. */
import type { LayerState } from '../emulator/api';
import type { Debuggee } from './debuggee';
import type { Layer } from '../emulator/api';
import { littleEndian } from './format';
import type { LayerSymbols, Place, ScopedTable } from './layer-symbols';
import { linearRip, linearStack } from './registers';
import type { UnwindRegisters } from './symbols/unwind';

/** One frame of a stack; several may share one activation where calls were put in line. */
export interface Frame {
  readonly layer: Layer;
  readonly name: string;
  /** Linear address of the instruction, or the return address in outer frames. */
  readonly address: bigint;
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
  readonly module: ScopedTable | undefined;
  /** 0 for the activation that runs. */
  readonly depth: number;
  /** Registers as they will be when the frame runs again; undefined ones are lost. */
  readonly registers: UnwindRegisters;
}

/** Where a frame returns to. */
export interface Caller {
  readonly registers: UnwindRegisters;
  /** Stack pointer after the return. */
  readonly stack: bigint;
  readonly exact: boolean;
}

const MOST_FRAMES = 256;
const RSP = 4;
const RBP = 5;

/** The caller of a frame: by call frame information, else by the chain of frame pointers. */
export function callerOf(
  symbols: LayerSymbols,
  place: Place,
  registers: UnwindRegisters,
  innermost: boolean,
): Caller | undefined {
  const { state } = place;
  const width = state.codeSize === 64 ? 8 : 4;
  const readMemory = (address: bigint, size: number): bigint | undefined => {
    const bytes = state.peek(linearStack(state, address), size);
    return bytes.length < size ? undefined : littleEndian(bytes);
  };
  const address = linearRip(state, registers.rip);
  const lookup = innermost ? address : address - 1n;
  for (const { table } of symbols.at(place, lookup)) {
    const unwound = table.unwind(lookup, registers, readMemory);
    if (unwound === undefined) continue;
    if (unwound.registers.rip === 0n) return undefined;
    return { registers: unwound.registers, stack: unwound.cfa, exact: unwound.isSignalFrame };
  }
  const { gpr } = registers;
  const rsp = gpr[RSP];
  const rbp = gpr[RBP];
  if (rsp === undefined) return undefined;
  const restored = (frame: bigint, base: bigint | undefined, rip: bigint): Caller => {
    const next = [...gpr];
    next[RSP] = frame;
    next[RBP] = base;
    return { registers: { rip, gpr: next }, stack: frame, exact: false };
  };
  const step = BigInt(width);
  // At a function's first instruction the frame pointer is still the caller's.
  const atStart = innermost && symbols.at(place, address).some(({ table }) => table.symbolAt(address)?.offset === 0n);
  if (atStart) {
    const target = readMemory(rsp, width);
    if (target !== undefined && plausible(symbols, place, target)) return restored(rsp + step, rbp, target);
  }
  if (rbp === undefined || rbp < rsp || rbp === 0n || rbp - rsp > 0x10_0000n) return undefined;
  const saved = readMemory(rbp, width);
  const target = readMemory(rbp + step, width);
  if (saved === undefined || target === undefined || !plausible(symbols, place, target)) return undefined;
  return restored(rbp + 2n * step, saved, target);
}

/** Whether an address can be a return address: mapped, and inside known code where any is known. */
function plausible(symbols: LayerSymbols, place: Place, rip: bigint): boolean {
  if (rip === 0n) return false;
  const address = linearRip(place.state, rip);
  if (place.state.peek(address, 1).length === 0) return false;
  const known = symbols.files.length > 0 && symbols.at(place, linearRip(place.state)).length > 0;
  return !known || symbols.at(place, address - 1n).some(({ table }) => table.isCode(address - 1n));
}

export function currentRegisters(state: LayerState): UnwindRegisters {
  return { rip: state.rip, gpr: Array.from({ length: 16 }, (_, number) => state.gpr(number)) };
}

/** The layer's stack, innermost frame first; at most 256 frames. */
export function stackOf(debuggee: Debuggee, layer: Layer): readonly Frame[] {
  const { symbols } = debuggee;
  const place = debuggee.place(layer);
  const frames: Frame[] = [];
  let registers = currentRegisters(place.state);
  let exact = true;
  let lowest: bigint | undefined;
  for (let depth = 0; frames.length < MOST_FRAMES; depth++) {
    frames.push(...framesAt(symbols, place, registers, depth, exact));
    const caller = callerOf(symbols, place, registers, exact);
    // A stack that does not grow is damaged or circular.
    if (caller === undefined || (lowest !== undefined && caller.stack <= lowest)) break;
    lowest = caller.stack;
    registers = caller.registers;
    exact = caller.exact;
  }
  return frames.slice(0, MOST_FRAMES);
}

/** The activation's own frame, after those of calls put in line at the address. */
function framesAt(
  symbols: LayerSymbols,
  place: Place,
  registers: UnwindRegisters,
  depth: number,
  exact: boolean,
): readonly Frame[] {
  const address = linearRip(place.state, registers.rip);
  const lookup = exact ? address : address - 1n;
  const name = symbols.name(place, lookup);
  const module = symbols.at(place, lookup)[0];
  const line = symbols.line(place, lookup);
  const owner = module?.table.functionAt(lookup);
  const base = { layer: place.layer, address, module, depth, registers };
  let position = { file: line?.file, line: line?.line ?? 0, column: line?.column ?? 0 };
  const frames: Frame[] = [];
  for (const call of owner?.inlined ?? []) {
    frames.push({ ...base, name: call.name, ...position });
    position = { file: call.callFile, line: call.callLine, column: call.callColumn };
  }
  const plain = owner?.name ?? name?.text.replace(/\+0x[0-9a-f]+$/, '');
  frames.push({ ...base, name: plain ?? `0x${address.toString(16)}`, ...position });
  return frames;
}
