/** Copy of a page, never modified; undefined stands for zeros. */
export type FrozenPage = Uint8Array | undefined;

const LEAF = 256;

/**
 * Contents of all pages at one moment. Tables made from one another share what did not change, down to the copies of pages, so that
 * a table costs little more than the pages written since the one before it, and what two tables differ in is found by comparing
 * references.
 */
export class PageTable {
  private constructor(private readonly leaves: readonly (readonly FrozenPage[] | undefined)[]) {}

  static readonly EMPTY = new PageTable([]);

  get(page: number): FrozenPage {
    return this.leaves[Math.floor(page / LEAF)]?.[page % LEAF];
  }

  with(changes: ReadonlyMap<number, FrozenPage>): PageTable {
    if (changes.size === 0) return this;
    const leaves = [...this.leaves];
    const own = new Map<number, FrozenPage[]>();
    for (const [page, content] of changes) {
      const index = Math.floor(page / LEAF);
      let leaf = own.get(index);
      if (!leaf) {
        leaf = this.leaves[index] ? [...this.leaves[index]] : new Array<FrozenPage>(LEAF).fill(undefined);
        own.set(index, leaf);
        while (leaves.length <= index) leaves.push(undefined);
        leaves[index] = leaf;
      }
      leaf[page % LEAF] = content;
    }
    return new PageTable(leaves);
  }

  /** Pages whose contents may differ between the two: those that do not share a copy. */
  differences(other: PageTable): number[] {
    const pages: number[] = [];
    const count = Math.max(this.leaves.length, other.leaves.length);
    for (let index = 0; index < count; index++) {
      const a = this.leaves[index];
      const b = other.leaves[index];
      if (a === b) continue;
      for (let i = 0; i < LEAF; i++) if (a?.[i] !== b?.[i]) pages.push(index * LEAF + i);
    }
    return pages;
  }
}
