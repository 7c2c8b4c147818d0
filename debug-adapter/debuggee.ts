import type { Layer, LayerState, Machine } from '../emulator/api';
import type { LaunchConfiguration } from './configuration';
import type { LayerSymbols, Place } from './layer-symbols';

/** The machine under the debugger, with what is known about the software in it. */
export class Debuggee {
  private readonly states = new Map<number, LayerState>();
  private layersNow: readonly Layer[] | undefined;

  constructor(
    readonly machine: Machine,
    readonly symbols: LayerSymbols,
    readonly configuration: LaunchConfiguration,
  ) {}

  /** The layers where the machine is now; asked for once per stop, as it is not free. */
  get layers(): readonly Layer[] {
    this.layersNow ??= this.machine.layers;
    return this.layersNow;
  }

  /** Undefined where there is no such layer. */
  layer(id: number): Layer | undefined {
    return this.layers.find((layer) => layer.id === id);
  }

  get current(): Layer {
    return this.machine.current;
  }

  state(layer: Layer): LayerState {
    let state = this.states.get(layer.id);
    if (state === undefined) {
      state = this.machine.state(layer);
      this.states.set(layer.id, state);
    }
    return state;
  }

  place(layer: Layer): Place {
    return { layer, state: this.state(layer) };
  }

  /** The machine has moved, or somebody wrote to it. */
  invalidate(): void {
    this.states.clear();
    this.layersNow = undefined;
  }
}
