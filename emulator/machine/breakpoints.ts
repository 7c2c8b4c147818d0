import type { CodeBreakpoint } from '../api';

/** Code breakpoints by linear address: for which layers, or for any. */
export class Breakpoints {
  private readonly byLinear = new Map<bigint, Set<number> | 'any'>();

  replace(breakpoints: readonly CodeBreakpoint[]): void {
    this.byLinear.clear();
    for (const { linear, layer } of breakpoints) {
      const layers = this.byLinear.get(linear);
      if (layer === undefined || layers === 'any') this.byLinear.set(linear, 'any');
      else this.byLinear.set(linear, (layers ?? new Set<number>()).add(layer));
    }
  }

  get isEmpty(): boolean {
    return this.byLinear.size === 0;
  }

  get linears(): Iterable<bigint> {
    return this.byLinear.keys();
  }

  /** True if a breakpoint stands at `linear` for the layer. */
  matches(linear: bigint, layer: () => number): boolean {
    const layers = this.byLinear.get(linear);
    return layers === 'any' || (layers?.has(layer()) ?? false);
  }
}
