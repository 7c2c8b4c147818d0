/** Expressions over the machine itself: one environment, made at a stop. */
import type { ContextName, Layer, Machine, Transition } from '../../emulator/api';
import type { ConditionEnvironment } from './evaluate';
import { readRegister } from './registers';

/** Symbols of the layer an expression is evaluated in. */
export interface EnvironmentSymbols {
  address(name: string): bigint | undefined;
  /** Whether an address lies within the symbol. */
  contains(name: string, address: bigint): boolean;
}

export const NO_ENVIRONMENT_SYMBOLS: EnvironmentSymbols = { address: () => undefined, contains: () => false };

/**
 * Registers and memory are those of `layer`. `vmcs` is the one the transition concerns, else the one that the layer runs on,
 * else (in root) the one of the last transition. `layer` in an expression is the level of the guest that a transition leaves
 * or enters, else that of `layer`.
 */
export function machineEnvironment(
  machine: Machine,
  layer: Layer,
  transition: Transition | undefined,
  symbols: EnvironmentSymbols = NO_ENVIRONMENT_SYMBOLS,
): ConditionEnvironment {
  const state = machine.state(layer);
  const lastVmcs = (): bigint | undefined => machine.lastTransition?.vmcs ?? undefined;
  const vmcs = transition?.vmcs ?? layer.vmcs ?? lastVmcs();
  return {
    transition,
    layer: transition === undefined ? layer.level : guestSide(transition).level,
    time: machine.time,
    vmcs,
    register: (register) => readRegister(state, register),
    readVmcs: (encoding) => (vmcs === undefined ? undefined : machine.readVmcs(vmcs, encoding)),
    readMemory: (space, address, size) => {
      switch (space) {
        case 'gva':
          return littleEndian(state.peek(address, size), size);
        case 'gpa':
          return littleEndian(state.peekPhysical(address, size), size);
        case 'hpa':
          if (address > BigInt(Number.MAX_SAFE_INTEGER)) return undefined;
          return littleEndian(machine.peekPhysical(Number(address), size), size);
      }
    },
    exitCount: (reason) => {
      if (reason !== undefined) return BigInt(machine.exitCounts.get(reason) ?? 0);
      let total = 0;
      for (const count of machine.exitCounts.values()) total += count;
      return BigInt(total);
    },
    symbolAddress: (name) => symbols.address(name),
    isInSymbol: (address, name) => symbols.contains(name, address),
  };
}

/** The guest's side of a transition: who exited, or who is entered. */
function guestSide(transition: Transition): ContextName {
  return transition.kind === 'entry' || transition.kind === 'entry-failure' ? transition.to : transition.from;
}

/**
 * Whose registers and memory a condition on a transition speaks of: the guest that exited or was entered, where the machine
 * knows it; otherwise the layer that runs.
 */
export function layerOfTransition(machine: Machine, transition: Transition): Layer {
  return machine.layers.find((l) => l.vmcs !== null && l.vmcs === transition.vmcs) ?? machine.current;
}

function littleEndian(bytes: Uint8Array, size: number): bigint | undefined {
  if (bytes.length < size) return undefined;
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]);
  return value;
}
