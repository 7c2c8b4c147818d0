interface Slot<T> {
  readonly number: number;
  value: T;
  generation: number;
}

/**
 * Numbers for things the client refers to later. A thing is known by its parent's number and its name, and gets the same number
 * when it comes again after the next stop, so trees stay open. Until then the number stands for nothing, as the thing may not be there any more.
 * What was not asked for during two generations is forgotten.
 */
export class HandleTree<T> {
  private generation = 0;
  private next = 1;
  private readonly byKey = new Map<string, Slot<T>>();
  private readonly byNumber = new Map<number, { readonly key: string; readonly slot: Slot<T> }>();

  /** The number of a thing; parent 0 is the root. */
  create(parent: number, name: string, value: T): number {
    const key = `${parent} ${name}`;
    const known = this.byKey.get(key);
    if (known !== undefined) {
      known.value = value;
      known.generation = this.generation;
      return known.number;
    }
    const slot: Slot<T> = { number: this.next++, value, generation: this.generation };
    this.byKey.set(key, slot);
    this.byNumber.set(slot.number, { key, slot });
    return slot.number;
  }

  /** The number of a thing that has one already. */
  find(parent: number, name: string): number | undefined {
    return this.byKey.get(`${parent} ${name}`)?.number;
  }

  /** Undefined for a number not given out since the machine last moved. */
  get(number: number): T | undefined {
    const slot = this.byNumber.get(number)?.slot;
    return slot?.generation === this.generation ? slot.value : undefined;
  }

  /** The machine has moved. */
  nextGeneration(): void {
    this.generation++;
    for (const [number, { key, slot }] of this.byNumber) {
      if (slot.generation < this.generation - 1) {
        this.byNumber.delete(number);
        this.byKey.delete(key);
      }
    }
  }
}
