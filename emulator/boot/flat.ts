import type { LoadResult } from './loaded-image';
import { MemoryPlan } from './memory-plan';

export interface FlatOptions {
  readonly name: string;
  /** RAM in bytes. */
  readonly memory: number;
  /** Physical address of the file's first byte. */
  readonly loadAddress: number;
  /** Physical address of the first instruction; the load address if left out. */
  readonly entry?: number;
  /** Code size at the entry; 32 if left out. 64 comes with the first 4 GiB identity-mapped. */
  readonly mode?: 16 | 32 | 64;
}

const STACK = 0x7c00;
const PRESENT_WRITABLE = 0x3n;
const LARGE = 0x80n;
const GIB = 0x4000_0000n;
const REAL_MODE_END = 0x10_0000;

/** Plans the load of a file without any format, to run with flat segments and interrupts off. */
export function loadFlat(bytes: Uint8Array, options: FlatOptions): LoadResult {
  const { name, loadAddress } = options;
  const entry = options.entry ?? loadAddress;
  const mode = options.mode ?? 32;
  if (bytes.length === 0) return { ok: false, error: `${name}: the file is empty.` };
  if (!Number.isSafeInteger(loadAddress) || loadAddress < 0) {
    return { ok: false, error: `${name}: the load address ${loadAddress} is not a physical address.` };
  }
  const end = loadAddress + bytes.length;
  if (!Number.isSafeInteger(entry) || entry < loadAddress || entry >= end) {
    return {
      ok: false,
      error: `${name}: the entry 0x${entry.toString(16)} lies outside the loaded range [0x${loadAddress.toString(16)}, 0x${end.toString(16)}).`,
    };
  }
  if (mode === 16 && entry >= REAL_MODE_END) {
    return {
      ok: false,
      error: `${name}: 16-bit code cannot start at 0x${entry.toString(16)}, above the first megabyte.`,
    };
  }
  const plan = new MemoryPlan(name, options.memory);
  const error = plan.place('the file', BigInt(loadAddress), BigInt(bytes.length), bytes);
  if (error !== undefined) return { ok: false, error };
  const gdt = plan.putGdt();
  const cr3 = mode === 64 ? putIdentityMap(plan) : 0;
  if (!gdt || cr3 === undefined) {
    return { ok: false, error: `${name}: no room left in RAM for the boot tables; give the machine more memory.` };
  }
  return {
    ok: true,
    image: {
      format: 'flat binary',
      pieces: plan.pieces,
      entry: { mode, rip: entry, rax: 0, rbx: 0, rsp: STACK, gdt, cr3 },
    },
  };
}

/** A PML4 and one PDPT with four 1 GiB pages. */
function putIdentityMap(plan: MemoryPlan): number | undefined {
  const base = plan.findLow(0x2000, 0x1000);
  if (base === undefined) return undefined;
  const tables = new BigUint64Array(1024);
  tables[0] = BigInt(base + 0x1000) | PRESENT_WRITABLE;
  for (let i = 0; i < 4; i++) tables[512 + i] = (BigInt(i) * GIB) | LARGE | PRESENT_WRITABLE;
  plan.put('boot page tables', base, new Uint8Array(tables.buffer));
  return base;
}
