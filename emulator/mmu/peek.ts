import type { EptTranslation } from '../cpu/intercepts';
import type { MachineMemory } from '../state/memory';
import { CR0, CR4, EFER } from '../tables/control-registers';
import { isCanonical } from './canonical';

/** An address space of any layer, at rest or running. */
export interface AddressSpace {
  readonly cr0: bigint;
  readonly cr3: bigint;
  readonly cr4: bigint;
  readonly efer: bigint;
  /** EPT pointer the layer runs under; undefined where its physical addresses are the machine's. */
  readonly eptp: bigint | undefined;
}

/** Guest-physical to physical without side effects: `Intercepts.peekTranslate`. */
export type PeekTranslate = (guestPhysical: bigint, eptp: bigint) => EptTranslation | undefined;

export interface PeekedAddress {
  readonly layerPhysical: bigint;
  readonly physical: bigint;
}

const ADDRESS = 0x000f_ffff_ffff_f000n;
const PRESENT = 1n;
const LARGE = 0x80n;

/** Physical address of a layer's physical one; undefined where EPT maps nothing. */
export function peekPhysical(space: AddressSpace, translate: PeekTranslate, layerPhysical: bigint): bigint | undefined {
  if (space.eptp === undefined) return layerPhysical;
  const mapped = translate(layerPhysical, space.eptp);
  if (!mapped) return undefined;
  const page = BigInt(mapped.physical);
  return page - (page % 4096n) + (layerPhysical & 0xfffn);
}

/**
 * Translates a linear address in any address space, without faults, accessed bits or TLB: what the page tables say now. Access rights
 * are not looked at.
 */
export function peekLinear(
  memory: MachineMemory,
  space: AddressSpace,
  translate: PeekTranslate,
  linear: bigint,
): PeekedAddress | undefined {
  const layerPhysical = walk(memory, space, translate, linear);
  if (layerPhysical === undefined) return undefined;
  const physical = peekPhysical(space, translate, layerPhysical);
  return physical === undefined ? undefined : { layerPhysical, physical };
}

/** Sizes of the levels of a paging mode: shift of the index, its bits, whether an entry may be a page. */
interface Level {
  readonly shift: bigint;
  readonly bits: bigint;
  readonly large: boolean;
}

const LEVELS_LONG: readonly Level[] = [
  { shift: 39n, bits: 9n, large: false },
  { shift: 30n, bits: 9n, large: true },
  { shift: 21n, bits: 9n, large: true },
  { shift: 12n, bits: 9n, large: false },
];
const LEVELS_LA57: readonly Level[] = [{ shift: 48n, bits: 9n, large: false }, ...LEVELS_LONG];
const LEVELS_PAE: readonly Level[] = [{ shift: 30n, bits: 2n, large: false }, ...LEVELS_LONG.slice(2)];

function walk(
  memory: MachineMemory,
  space: AddressSpace,
  translate: PeekTranslate,
  linear: bigint,
): bigint | undefined {
  const long = (space.efer & BigInt(EFER.LMA)) !== 0n;
  const la57 = (space.cr4 & BigInt(CR4.LA57)) !== 0n;
  const address = long ? BigInt.asUintN(64, linear) : linear & 0xffff_ffffn;
  if ((space.cr0 & BigInt(CR0.PG)) === 0n) return address;
  if (long && !isCanonical(address, la57 ? 57 : 48)) return undefined;
  const pae = long || (space.cr4 & BigInt(CR4.PAE)) !== 0n;
  const entrySize = pae ? 8 : 4;
  const large4M = (space.cr4 & BigInt(CR4.PSE)) !== 0n;
  const levels: readonly Level[] = long
    ? la57
      ? LEVELS_LA57
      : LEVELS_LONG
    : pae
      ? LEVELS_PAE
      : [
          { shift: 22n, bits: 10n, large: large4M },
          { shift: 12n, bits: 10n, large: false },
        ];
  let table = space.cr3 & (long ? ADDRESS : pae ? 0xffff_ffe0n : 0xffff_f000n);
  for (const { shift, bits, large } of levels) {
    const index = (address >> shift) & ((1n << bits) - 1n);
    const at = peekPhysical(space, translate, table + index * BigInt(entrySize));
    if (at === undefined || !memory.isRam(Number(at), entrySize)) return undefined;
    const entry = pae ? memory.read64(Number(at)) : BigInt(memory.read32(Number(at)) >>> 0);
    if ((entry & PRESENT) === 0n) return undefined;
    const within = (1n << shift) - 1n;
    if (shift === 12n) return (entry & ADDRESS) | (address & within);
    if (large && (entry & LARGE) !== 0n) {
      const high = pae ? 0n : ((entry >> 13n) & 0xffn) << 32n;
      return (entry & (pae ? ADDRESS : 0xffff_f000n) & ~within) | high | (address & within);
    }
    table = entry & ADDRESS;
  }
  return undefined;
}
