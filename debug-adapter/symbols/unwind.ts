/** One step up the stack by call frame information. */
import type { CallFrames, RegisterRule } from './call-frames';
import type { Machine } from './elf';
import { evaluateExpression } from './expression';

/** Registers of a frame: RIP and the general registers by their hardware encoding; undefined ones are not known. */
export interface UnwindRegisters {
  readonly rip: bigint;
  readonly gpr: readonly (bigint | undefined)[];
}

export interface UnwoundFrame {
  readonly registers: UnwindRegisters;
  /** Canonical frame address of the frame that was left. */
  readonly cfa: bigint;
  /** The frame that was left interrupted its caller: its RIP is exact and not a return address. */
  readonly isSignalFrame: boolean;
}

/** Little-endian value of `size` bytes at an address of the program's space, or undefined where it cannot be read. */
export type MemoryReader = (address: bigint, size: number) => bigint | undefined;

/** Hardware encoding of DWARF registers 0 to 7 (System V ABI of AMD64: rax rdx rcx rbx rsi rdi rbp rsp; then r8 to r15). */
const X86_64_ENCODINGS = [0, 2, 1, 3, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15] as const;
/** i386 numbers its registers as the hardware does, except in .eh_frame of Darwin. */
const I386_ENCODINGS = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const RSP = 4;
const RETURN_ADDRESS: Readonly<Record<Machine, number>> = { 'x86-64': 16, i386: 8 };
/** Registers a call may destroy: RAX, RCX, RDX, and on x86-64 also RSI, RDI and R8 to R11. */
const VOLATILE: Readonly<Record<Machine, ReadonlySet<number>>> = {
  'x86-64': new Set([0, 1, 2, 6, 7, 8, 9, 10, 11]),
  i386: new Set([0, 1, 2]),
};

export function encodingOf(machine: Machine, dwarfRegister: number): number | undefined {
  return (machine === 'x86-64' ? X86_64_ENCODINGS : I386_ENCODINGS)[dwarfRegister];
}

export function unwindFrame(
  frames: CallFrames,
  fileAddress: bigint,
  loadBias: bigint,
  machine: Machine,
  registers: UnwindRegisters,
  readMemory: MemoryReader,
): UnwoundFrame | undefined {
  const row = frames.rowAt(fileAddress);
  if (row === undefined) return undefined;
  const width = machine === 'x86-64' ? 8 : 4;
  const wrap = (value: bigint): bigint => BigInt.asUintN(width * 8, value);
  const read = (dwarf: number): bigint | undefined => {
    if (dwarf === RETURN_ADDRESS[machine]) return registers.rip;
    const encoding = encodingOf(machine, dwarf);
    return encoding === undefined ? undefined : registers.gpr[encoding];
  };
  const environment = { register: read, readMemory, addressSize: width, loadBias } as const;

  let cfa: bigint | undefined;
  if (row.cfa.kind === 'register') {
    const base = read(row.cfa.register);
    cfa = base === undefined ? undefined : wrap(base + row.cfa.offset);
  } else cfa = evaluateExpression(row.cfa.bytes, environment);
  if (cfa === undefined) return undefined;
  const frame = cfa;

  const apply = (rule: RegisterRule, dwarf: number): bigint | undefined => {
    switch (rule.kind) {
      case 'same':
        return read(dwarf);
      case 'undefined':
        return undefined;
      case 'offset':
        return readMemory(wrap(frame + rule.offset), width);
      case 'value-offset':
        return wrap(frame + rule.offset);
      case 'register':
        return read(rule.register);
      case 'expression': {
        const address = evaluateExpression(rule.bytes, environment, frame);
        return address === undefined ? undefined : readMemory(wrap(address), width);
      }
      case 'value-expression':
        return evaluateExpression(rule.bytes, environment, frame);
    }
  };

  const returnRule = row.rules.get(row.returnRegister);
  // An undefined return address marks the outermost frame.
  const rip = returnRule === undefined ? undefined : apply(returnRule, row.returnRegister);
  if (rip === undefined) return undefined;
  const gpr: (bigint | undefined)[] = Array.from({ length: width === 8 ? 16 : 8 });
  for (let dwarf = 0; dwarf < gpr.length; dwarf++) {
    const encoding = encodingOf(machine, dwarf);
    if (encoding === undefined) continue;
    const rule = row.rules.get(dwarf);
    if (rule !== undefined) gpr[encoding] = apply(rule, dwarf);
    // The CFA is by definition the stack pointer before the call.
    else if (encoding === RSP) gpr[encoding] = frame;
    else if (!VOLATILE[machine].has(encoding) || row.isSignalFrame) gpr[encoding] = read(dwarf);
  }
  return { registers: { rip, gpr }, cfa: frame, isSignalFrame: row.isSignalFrame };
}
