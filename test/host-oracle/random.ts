/** A seeded source of random numbers (xorshift128), so that a failing run can be repeated. */
export class Random {
  private readonly state = new Uint32Array(4);

  constructor(seed: number) {
    this.state.set([seed >>> 0, 0x9e37_79b9, 0x243f_6a88, 0xb7e1_5162]);
    for (let i = 0; i < 20; i++) this.u32();
  }

  u32(): number {
    const s = this.state;
    let t = s[0] ^ (s[0] << 11);
    t ^= t >>> 8;
    s[0] = s[1];
    s[1] = s[2];
    s[2] = s[3];
    s[3] = s[3] ^ (s[3] >>> 19) ^ t;
    return s[3];
  }

  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32());
  }

  /** 0 to `count` - 1. */
  below(count: number): number {
    return this.u32() % count;
  }

  /** True once in `n` times. */
  oneIn(n: number): boolean {
    return this.below(n) === 0;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)];
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.u32() & 0xff);
  }

  /** A 64-bit value of the kind that arithmetic goes wrong on. */
  interesting(): bigint {
    switch (this.below(5)) {
      case 0:
        return BigInt.asUintN(64, BigInt(this.below(20) - 10));
      case 1: {
        // Near a power of two.
        const power = 1n << BigInt(this.below(64));
        return BigInt.asUintN(64, (this.oneIn(2) ? power : -power) + BigInt(this.below(3) - 1));
      }
      case 2: {
        // The same value in several widths.
        const byte = BigInt(this.pick([0x7f, 0x80, 0xff, 0x00, 0x01]));
        return BigInt.asUintN(64, this.u64() & ~0xffn) | byte;
      }
      case 3:
        return this.u64() >> BigInt(this.below(64));
      default:
        return this.u64();
    }
  }
}
