import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Breakpoint } from '../breakpoints/breakpoint';
import { hex } from '../format';
import type { ClientTraits } from '../session-context';

/** A breakpoint as the client is told of it. */
export function breakpointBody(
  session: { readonly client: ClientTraits },
  breakpoint: Breakpoint,
): DebugProtocol.Breakpoint {
  const { target } = breakpoint.wanted;
  const shift = session.client.linesFromOne ? 0 : -1;
  const body: DebugProtocol.Breakpoint = {
    id: breakpoint.id,
    verified: breakpoint.verified,
    message: breakpoint.message,
  };
  if (!breakpoint.verified) body.reason = breakpoint.refused ? 'failed' : 'pending';
  if (target.kind === 'source') {
    body.line = (breakpoint.line ?? target.line) + shift;
    body.source = { name: basename(target.path), path: target.path };
  }
  const [spot] = breakpoint.spots;
  if (spot !== undefined) body.instructionReference = hex(spot.linear);
  return body;
}
