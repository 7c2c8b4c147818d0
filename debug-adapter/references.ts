/**
 * Memory and instruction references. The client hands back what it was given: `0x7c00` is an address of the layer the machine is
 * stopped in, `1000:0x7c00` one of the layer with that thread id.
 */
import type { Layer } from '../emulator/api';
import type { Debuggee } from './debuggee';
import { requestErrors } from './errors';
import { hex, parseNumber } from './format';

export interface Reference {
  readonly layer: Layer;
  readonly address: bigint;
  /** The layer was named. */
  readonly qualified: boolean;
}

/** An address in a layer for as long as the session lasts. */
export function memoryReference(layer: Layer, address: bigint): string {
  return `${layer.id}:${hex(address)}`;
}

/** An instruction: a plain address in the layer that runs, so that clients can compare it with what they disassembled. */
export function instructionReference(debuggee: Debuggee, layer: Layer, address: bigint): string {
  return layer.id === debuggee.current.id ? hex(address) : memoryReference(layer, address);
}

export function parseReference(debuggee: Debuggee, text: string): Reference {
  const match = /^\s*(?:(\d{1,9}):)?\s*([^:]+)$/.exec(text);
  const address = match === null ? undefined : parseNumber(match[2]);
  if (match === null || address === undefined || address < 0n || address > 0xffff_ffff_ffff_ffffn) {
    throw requestErrors.badReference(text);
  }
  if (match[1] === undefined) return { layer: debuggee.current, address, qualified: false };
  const id = Number(match[1]);
  const layer = debuggee.layer(id);
  if (layer === undefined)
    throw requestErrors.unknownThread(
      id,
      debuggee.layers.map((known) => String(known.id)),
    );
  return { layer, address, qualified: true };
}
