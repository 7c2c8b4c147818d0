import { BOUNDARY, CONTROL } from '../state/layout';
import { CR4 } from '../tables/control-registers';
import { DR7, PENDING_DEBUG } from '../tables/debug-bits';
import type { LinearWatch } from '../mmu/data-watch';
import { REDO_ALONE } from './faults';
import type { Processor } from './processor';

const DR7_FIELD = CONTROL.dr + 7 * 8;
const COUNT = 4;

/** R/W fields of DR7. */
const CONDITION = { EXECUTE: 0, WRITE: 1, IO: 2, ACCESS: 3 } as const;
/** Bytes by LEN field. */
const LENGTHS = [1n, 2n, 8n, 4n] as const;

interface Breakpoint {
  /** Its bit in DR6. */
  readonly bit: number;
  readonly condition: number;
  /** First byte, aligned to the length. */
  readonly start: bigint;
  readonly length: bigint;
}

const NONE: readonly Breakpoint[] = [];

/** The breakpoints of the active processor's debug registers, SDM "Debug Registers". */
export class DebugRegisters implements LinearWatch {
  /** The registers as they were when `sync` last looked; meaningless while nothing is enabled. */
  private readonly seen = new BigUint64Array(COUNT + 1);
  private seenProcessor = -1;
  private code = NONE;
  private data = NONE;
  private ports = NONE;
  /** Code breakpoints of each processor, whose instructions the code cache marks. */
  private readonly codeOf = new Map<number, readonly bigint[]>();
  /**
   * Whether the instruction under way may be abandoned and done again alone, so that a data breakpoint it meets is reported right behind
   * it: true while emitted code runs in blocks.
   */
  inBlock = false;

  constructor(private readonly cpu: Processor) {}

  /** Nothing is enabled, and nothing was when `sync` last looked. */
  get isOff(): boolean {
    return this.seenProcessor < 0 && (this.cpu.field32(DR7_FIELD) & DR7.ENABLES) === 0;
  }

  /** Whether an instruction breakpoint is enabled. */
  get hasCode(): boolean {
    return this.code.length > 0;
  }

  /** Whether a data breakpoint is enabled. */
  get hasData(): boolean {
    return this.data.length > 0;
  }

  /** Linear addresses of all processors' instruction breakpoints. */
  get codeLinears(): readonly bigint[] {
    return [...this.codeOf.values()].flat();
  }

  /**
   * Takes note of what the registers say now; to be called before instructions are executed.
   * @returns true where `codeLinears` has changed
   */
  sync(): boolean {
    const { cpu } = this;
    const enables = cpu.field32(DR7_FIELD) & DR7.ENABLES;
    if (enables === 0 && this.seenProcessor < 0) return false;
    if (enables !== 0 && this.isSeen()) return false;
    return this.take(enables !== 0);
  }

  private isSeen(): boolean {
    const { cpu, seen } = this;
    if (cpu.number !== this.seenProcessor || seen[COUNT] !== cpu.field(DR7_FIELD)) return false;
    for (let n = 0; n < COUNT; n++) if (seen[n] !== cpu.field(CONTROL.dr + n * 8)) return false;
    return true;
  }

  private take(enabled: boolean): boolean {
    const { cpu, seen } = this;
    const all = enabled ? this.enabled() : NONE;
    for (let n = 0; n < COUNT; n++) seen[n] = cpu.field(CONTROL.dr + n * 8);
    seen[COUNT] = cpu.field(DR7_FIELD);
    this.seenProcessor = enabled ? cpu.number : -1;
    this.code = all.filter(({ condition }) => condition === CONDITION.EXECUTE);
    this.data = all.filter(({ condition }) => condition === CONDITION.WRITE || condition === CONDITION.ACCESS);
    this.ports = all.filter(({ condition }) => condition === CONDITION.IO);
    cpu.mmu.contextChanged();
    const linears = this.code.map(({ start }) => start);
    const before = this.codeOf.get(cpu.number) ?? [];
    this.codeOf.set(cpu.number, linears);
    return linears.length !== before.length || linears.some((linear, i) => linear !== before[i]);
  }

  private enabled(): readonly Breakpoint[] {
    const { cpu } = this;
    const dr7 = cpu.field32(DR7_FIELD);
    const found: Breakpoint[] = [];
    for (let n = 0; n < COUNT; n++) {
      if (((dr7 >> (2 * n)) & 3) === 0) continue;
      const condition = (dr7 >> (16 + 4 * n)) & 3;
      const length = condition === CONDITION.EXECUTE ? 1n : LENGTHS[(dr7 >> (18 + 4 * n)) & 3];
      const address = cpu.field(CONTROL.dr + n * 8);
      found.push({ bit: 1 << n, condition, start: address - (address % length), length });
    }
    return found;
  }

  /** DR6 bits of the instruction breakpoints at a linear address. */
  codeHits(linear: bigint): number {
    let bits = 0;
    for (const { start, bit } of this.code) if (start === linear) bits |= bit;
    return bits;
  }

  /** @throws REDO_ALONE where the instruction has to be done again by itself, so that the trap follows it at once */
  accessed(linear: bigint, size: number, write: boolean): void {
    const bits = this.hits(this.data, linear, size, write);
    if (bits === 0) return;
    if (this.inBlock) throw REDO_ALONE;
    this.pend(bits);
  }

  /** An access to I/O ports has been made. */
  portAccessed(port: number, size: number): void {
    if (this.ports.length === 0 || (this.cpu.field32(CONTROL.cr4) & CR4.DE) === 0) return;
    this.pend(this.hits(this.ports, BigInt(port), size, true));
  }

  private hits(among: readonly Breakpoint[], first: bigint, size: number, write: boolean): number {
    let bits = 0;
    for (const { bit, condition, start, length } of among) {
      if (condition === CONDITION.WRITE && !write) continue;
      if (first < start + length && start < first + BigInt(size)) bits |= bit;
    }
    return bits;
  }

  private pend(bits: number): void {
    const { cpu } = this;
    if (bits === 0) return;
    cpu.setField(
      BOUNDARY.pendingDebug,
      cpu.field(BOUNDARY.pendingDebug) | BigInt(bits | PENDING_DEBUG.ENABLED_BREAKPOINT),
    );
  }
}
