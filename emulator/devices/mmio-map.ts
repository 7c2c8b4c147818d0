/** A device's registers in the physical address space. */
export interface MmioRegion {
  readonly base: number;
  /** Bytes, a multiple of a page. */
  readonly size: number;
  /** @param offset from `base`; the access may end behind the region's last register */
  read(offset: number, size: number): bigint;
  write(offset: number, size: number, value: bigint): void;
}

const PAGE_SIZE = 4096;

/** Which device answers at which fixed physical page. */
export class MmioMap {
  private readonly pages = new Map<number, MmioRegion>();

  add(region: MmioRegion): void {
    for (let at = region.base; at < region.base + region.size; at += PAGE_SIZE) this.pages.set(at / PAGE_SIZE, region);
  }

  at(physical: number): MmioRegion | undefined {
    return this.pages.get(Math.floor(physical / PAGE_SIZE));
  }

  claims(physicalPage: number): boolean {
    return this.pages.has(physicalPage);
  }
}
