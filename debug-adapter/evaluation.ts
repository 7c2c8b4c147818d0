/** The condition language over the machine under the debugger: conditions, watches and values people type. */
import type { Layer, Transition } from '../emulator/api';
import type { Value } from './conditions/evaluate';
import { evaluate, type ConditionEnvironment } from './conditions/evaluate';
import { layerOfTransition, machineEnvironment } from './conditions/machine-environment';
import type { NameSource } from './conditions/names';
import { parseExpression } from './conditions/parser';
import type { Debuggee } from './debuggee';
import { requestErrors } from './errors';
import type { LayerSymbols, Place } from './layer-symbols';

/** Every symbol of every file: what a name in a condition may mean. */
export function symbolNames(symbols: LayerSymbols): NameSource {
  return {
    isSymbol: (name) => symbols.symbol(name) !== undefined,
    symbolNames: function* () {
      for (const { table } of symbols.files) yield* table.symbolNames();
    },
  };
}

function containsAddress(symbols: LayerSymbols, place: Place, name: string, address: bigint): boolean {
  return symbols.at(place, address).some(({ table }) => {
    if (table.symbolAt(address)?.name === name) return true;
    const owner = table.functionAt(address);
    return owner?.name === name || owner?.inlined.some((call) => call.name === name) === true;
  });
}

/** What breakpoints and watches see in a layer: its own registers, and the last transition of the machine. */
export function environmentOf(debuggee: Debuggee, layer: Layer): ConditionEnvironment {
  // The transition is part of the past here, so `layer` is the one asked about.
  return { ...environment(debuggee, layer, debuggee.machine.lastTransition), layer: layer.level };
}

function environment(debuggee: Debuggee, layer: Layer, transition: Transition | undefined): ConditionEnvironment {
  const { machine, symbols } = debuggee;
  // The state is asked for only if a name needs it.
  let place: Place | undefined;
  const here = (): Place => (place ??= debuggee.place(layer));
  return machineEnvironment(machine, layer, transition, {
    address: (name) => symbols.symbol(name, here()) ?? symbols.symbol(name),
    contains: (name, address) => containsAddress(symbols, here(), name, address),
  });
}

/** What a condition on a transition sees: the guest that exited or was entered. */
export function environmentOfTransition(debuggee: Debuggee, transition: Transition): ConditionEnvironment {
  return environment(debuggee, layerOfTransition(debuggee.machine, transition), transition);
}

/** Evaluates what a person typed, in a layer. Throws a `RequestError` with the column or the reason. */
export function evaluateText(debuggee: Debuggee, layer: Layer, text: string): Value {
  const parsed = parseExpression(text, symbolNames(debuggee.symbols));
  if (!parsed.ok) throw requestErrors.badExpression(parsed.error.message);
  const result = evaluate(parsed.value, environmentOf(debuggee, layer));
  if (!result.ok) throw requestErrors.badExpression(result.error.message);
  return result.value;
}

/** A value as the Variables view shows it: a number, then the symbol, the bits or the words that explain it. */
const SHOWN = /^\s*(-?(?:0[xX][0-9a-fA-F_]+|[0-9][0-9_]*))(?:\s+<[^<>]+>|\s+\[[^[\]]*\]|\s{2,}.*)\s*$/s;

/** The number a person typed as a new value, perhaps over one that was shown with an explanation: the explanation is left out. */
export function evaluateShownNumber(debuggee: Debuggee, layer: Layer, text: string): bigint {
  return evaluateNumber(debuggee, layer, SHOWN.exec(text)?.[1] ?? text);
}

/** The number a person typed: a number, a flag, or an expression. */
export function evaluateNumber(debuggee: Debuggee, layer: Layer, text: string): bigint {
  const value = evaluateText(debuggee, layer, text);
  switch (value.kind) {
    case 'number':
      return value.value;
    case 'boolean':
      return value.value ? 1n : 0n;
    case 'absent':
      throw requestErrors.badValue(text, value.message);
  }
}
