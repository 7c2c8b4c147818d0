/**
 * Paging as the SDM's chapter "Paging" tells it, step by step and without regard to speed: the reference that the walker is held to.
 */

export interface ReferenceControls {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  readonly pkru: number;
  readonly pkrs: number;
  readonly ac: boolean;
  readonly pdptes: readonly bigint[];
  readonly physicalBits: number;
}

export interface ReferenceAccess {
  readonly kind: 'read' | 'write' | 'fetch';
  /** CPL = 3. */
  readonly user: boolean;
  /** An implicit supervisor access, whatever CPL is. */
  readonly implicit: boolean;
}

export type ReferenceOutcome =
  | { readonly errorCode: number }
  /** Entries as they are afterwards, by address, and their size. */
  | { readonly physical: bigint; readonly entries: ReadonlyMap<bigint, bigint>; readonly entrySize: 4 | 8 };

const bit = (value: bigint, n: number): boolean => ((value >> BigInt(n)) & 1n) === 1n;
const field = (value: bigint, high: number, low: number): bigint =>
  (value >> BigInt(low)) & ((1n << BigInt(high - low + 1)) - 1n);

interface Level {
  readonly name: 'PML5E' | 'PML4E' | 'PDPTE' | 'PDE' | 'PTE';
  readonly high: number;
  readonly low: number;
}
const LEVELS: Readonly<Record<'5-level' | '4-level' | 'PAE' | '32-bit', readonly Level[]>> = {
  '5-level': [
    { name: 'PML5E', high: 56, low: 48 },
    { name: 'PML4E', high: 47, low: 39 },
    { name: 'PDPTE', high: 38, low: 30 },
    { name: 'PDE', high: 29, low: 21 },
    { name: 'PTE', high: 20, low: 12 },
  ],
  '4-level': [
    { name: 'PML4E', high: 47, low: 39 },
    { name: 'PDPTE', high: 38, low: 30 },
    { name: 'PDE', high: 29, low: 21 },
    { name: 'PTE', high: 20, low: 12 },
  ],
  PAE: [
    { name: 'PDE', high: 29, low: 21 },
    { name: 'PTE', high: 20, low: 12 },
  ],
  '32-bit': [
    { name: 'PDE', high: 31, low: 22 },
    { name: 'PTE', high: 21, low: 12 },
  ],
};
export type PagingMode = keyof typeof LEVELS | 'none';

export function pagingMode({ cr0, cr4, efer }: Pick<ReferenceControls, 'cr0' | 'cr4' | 'efer'>): PagingMode {
  if (!bit(cr0, 31)) return 'none';
  if (!bit(cr4, 5)) return '32-bit';
  if (!bit(efer, 10)) return 'PAE';
  return bit(cr4, 12) ? '5-level' : '4-level';
}

/** Whether an entry with P = 1 has a reserved bit set; `maps` where it maps a page. */
function hasReserved(
  controls: ReferenceControls,
  mode: PagingMode,
  name: Level['name'],
  entry: bigint,
  maps: boolean,
): boolean {
  const { physicalBits: maximum, efer } = controls;
  if (mode === '32-bit') {
    if (name !== 'PDE' || !maps) return false;
    const m = Math.min(40, maximum);
    return field(entry, 21, m - 19) !== 0n;
  }
  if (mode === 'PAE' ? field(entry, 62, maximum) !== 0n : field(entry, 51, maximum) !== 0n) return true;
  if (bit(entry, 63) && !bit(efer, 11)) return true;
  if (name === 'PML5E' || name === 'PML4E') return bit(entry, 7);
  if (maps && name === 'PDPTE') return field(entry, 29, 13) !== 0n;
  return maps && name === 'PDE' && field(entry, 20, 13) !== 0n;
}

/** Translates a linear address of 32, 48 or 57 bits, canonical. `read` gives physical memory. */
export function referenceWalk(
  controls: ReferenceControls,
  access: ReferenceAccess,
  linear: bigint,
  read: (physical: bigint, size: 4 | 8) => bigint,
): ReferenceOutcome {
  const { cr0, cr3, cr4, efer, physicalBits } = controls;
  const mode = pagingMode(controls);
  if (mode === 'none') return { physical: linear, entries: new Map(), entrySize: 8 };
  const supervisor = access.implicit || !access.user;
  const write = access.kind === 'write';
  const fetch = access.kind === 'fetch';
  const [smep, smap, pke, pks, wp] = [bit(cr4, 20), bit(cr4, 21), bit(cr4, 22), bit(cr4, 24), bit(cr0, 16)];
  const errorCode = (present: boolean, reserved: boolean, key: boolean): number =>
    (present ? 1 : 0) |
    (write ? 2 : 0) |
    (supervisor ? 0 : 4) |
    (reserved ? 8 : 0) |
    (fetch && (smep || (bit(cr4, 5) && bit(efer, 11))) ? 0x10 : 0) |
    (key ? 0x20 : 0);
  const fault = (present: boolean, reserved = false, key = false): ReferenceOutcome => ({
    errorCode: errorCode(present, reserved, key),
  });

  const entrySize = mode === '32-bit' ? 4 : 8;
  let table = mode === '32-bit' ? field(cr3, 31, 12) << 12n : field(cr3, physicalBits - 1, 12) << 12n;
  if (mode === 'PAE') {
    const pdpte = controls.pdptes[Number(field(linear, 31, 30))];
    if (!bit(pdpte, 0)) return fault(false);
    table = field(pdpte, physicalBits - 1, 12) << 12n;
  }
  const path: { readonly at: bigint; readonly entry: bigint }[] = [];
  for (const { name, high, low } of LEVELS[mode]) {
    const at = table + field(linear, high, low) * BigInt(entrySize);
    const entry = read(at, entrySize);
    if (!bit(entry, 0)) return fault(false);
    const mayMap = name === 'PTE' || (name === 'PDE' && (mode !== '32-bit' || bit(cr4, 4))) || name === 'PDPTE';
    const maps = mayMap && (name === 'PTE' || bit(entry, 7));
    if (hasReserved(controls, mode, name, entry, maps)) return fault(true, true);
    path.push({ at, entry });
    if (!maps) {
      table = mode === '32-bit' ? field(entry, 31, 12) << 12n : field(entry, physicalBits - 1, 12) << 12n;
      continue;
    }
    const userAddress = path.every((step) => bit(step.entry, 2));
    const writable = path.every((step) => bit(step.entry, 1));
    const executable = mode === '32-bit' || path.every((step) => !bit(step.entry, 63));
    const long = mode === '4-level' || mode === '5-level';
    const key = long ? Number(field(entry, 62, 59)) : 0;
    const keyed = long && (userAddress ? pke : pks && supervisor) && !fetch;
    const rights = (userAddress ? controls.pkru : controls.pkrs) >>> (2 * key);
    const keyWriteDisabled = (rights & 2) !== 0 && write && (wp || !supervisor);
    const keyFault = keyed && ((rights & 1) !== 0 || keyWriteDisabled);
    const allowed = ((): boolean => {
      if (fetch) return executable && (supervisor ? !(userAddress && smep) : userAddress);
      if (!supervisor) return userAddress && (!write || writable);
      if (userAddress && smap && (access.implicit || !controls.ac)) return false;
      return !write || writable || !wp;
    })();
    if (!allowed || keyFault) return fault(true, false, keyFault);
    const base =
      mode === '32-bit' && name === 'PDE'
        ? (field(entry, 20, 13) << 32n) | (field(entry, 31, 22) << 22n)
        : field(entry, mode === '32-bit' ? 31 : physicalBits - 1, low) << BigInt(low);
    const entries = new Map(
      path.map((step, i) => [step.at, step.entry | 0x20n | (write && i === path.length - 1 ? 0x40n : 0n)] as const),
    );
    return { physical: base | field(linear, low - 1, 0), entries, entrySize };
  }
  throw new Error('a PTE always maps');
}
