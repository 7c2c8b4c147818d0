import { basename } from 'node:path';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { requestErrors } from '../errors';
import { hex } from '../format';
import { parseReference } from '../references';
import type { RequestTable } from '../session-context';

const MOST_INSTRUCTIONS = 20_000;
const MOST_BYTES = 0x100_0000;
/** Memory is looked at in pieces, so that a hole does not hide what is behind it. */
const PAGE = 0x1000n;
const TOP = 1n << 64n;

/** Memory and code of the stopped layer, or of the layer a reference names. */
export const MEMORY_REQUESTS: RequestTable = {
  readMemory: (session, args) => {
    const { debuggee } = session.requireStopped();
    const { layer, address } = parseReference(debuggee, args.string('memoryReference'));
    const start = BigInt.asUintN(
      64,
      address + BigInt(args.optionalInteger('offset', 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)),
    );
    const wanted = args.integer('count', 0, Number.MAX_SAFE_INTEGER);
    const room = TOP - start;
    const count = Math.min(wanted, MOST_BYTES, room > BigInt(MOST_BYTES) ? MOST_BYTES : Number(room));
    const bytes = count === 0 ? new Uint8Array() : debuggee.state(layer).peek(start, count);
    // How far the hole goes, so that the client can ask for what is behind it.
    let unreadable = wanted - bytes.length;
    if (bytes.length < count) {
      const state = debuggee.state(layer);
      for (let at = nextPage(start + BigInt(bytes.length)); at < start + BigInt(count); at += PAGE) {
        if (state.peek(at, 1).length === 0) continue;
        unreadable = Number(at - start) - bytes.length;
        break;
      }
    }
    return {
      address: hex(start),
      data: Buffer.from(bytes).toString('base64'),
      unreadableBytes: unreadable === 0 ? undefined : unreadable,
    };
  },

  writeMemory: (session, args) => {
    const { debuggee } = session.requireStopped();
    const { layer, address } = parseReference(debuggee, args.string('memoryReference'));
    const offset = args.optionalInteger('offset', 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const start = BigInt.asUintN(64, address + BigInt(offset));
    const data = args.string('data');
    if (!/^[A-Za-z0-9+/]*={0,2}$/.test(data)) throw requestErrors.badArgument('writeMemory', 'data', 'base64');
    const bytes = new Uint8Array(Buffer.from(data, 'base64'));
    const state = debuggee.state(layer);
    const partial = args.boolean('allowPartial', false);
    if (!partial && state.peek(start, bytes.length).length < bytes.length) {
      throw requestErrors.refused(`Not all of the ${bytes.length} bytes at ${hex(start)} are mapped in this layer.`);
    }
    const written = bytes.length === 0 ? 0 : state.poke(start, bytes);
    session.stateChanged();
    if (!partial && written < bytes.length) {
      throw requestErrors.refused(`Only ${written} of ${bytes.length} bytes at ${hex(start)} could be written.`);
    }
    return { bytesWritten: written };
  },

  disassemble: (session, args) => {
    const { debuggee } = session.requireStopped();
    const { layer, address } = parseReference(debuggee, args.string('memoryReference'));
    const count = args.integer('instructionCount', 0, MOST_INSTRUCTIONS);
    const skip = args.optionalInteger('instructionOffset', 0, -MOST_INSTRUCTIONS, MOST_INSTRUCTIONS);
    const offset = args.optionalInteger('offset', 0, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
    const wantsSymbols = args.boolean('resolveSymbols', true);
    const place = debuggee.place(layer);
    const { state } = place;
    const bits = state.codeSize;
    const start = BigInt.asUintN(bits === 64 ? 64 : 32, address + BigInt(offset));
    const read = (at: bigint, length: number): Uint8Array => state.peek(at, length);
    const { disassembler, client } = session;
    const anchor = (below: bigint): bigint | undefined => {
      for (const { table } of debuggee.symbols.at(place, below - 1n)) {
        const symbol = table.symbolAt(below - 1n);
        if (symbol !== undefined && table.isCode(below - 1n)) return below - 1n - symbol.offset;
      }
      return undefined;
    };
    const before = skip >= 0 ? [] : disassembler.backward(bits, start, -skip, read, anchor).slice(0, count);
    const after = Math.max(0, count - before.length);
    const ahead = Math.max(0, skip);
    const forward = after === 0 ? [] : disassembler.forward(bits, start, ahead + after, read).slice(ahead);
    let lastFile: string | undefined;
    const instructions = [...before, ...forward].map((instruction): DebugProtocol.DisassembledInstruction => {
      const bytes = [...instruction.bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
      const body: DebugProtocol.DisassembledInstruction = {
        address: hex(instruction.address, bits === 64 ? 16 : 8),
        instruction: instruction.text,
        instructionBytes: bytes === '' ? undefined : bytes,
        presentationHint: instruction.valid ? 'normal' : 'invalid',
      };
      if (instruction.bytes.length === 0) return body;
      const name = wantsSymbols ? debuggee.symbols.name(place, instruction.address)?.text : undefined;
      if (name !== undefined && !name.includes('+')) body.symbol = name;
      const line = debuggee.symbols.line(place, instruction.address);
      if (line !== undefined) {
        body.line = line.line - (client.linesFromOne ? 0 : 1);
        // The client takes the last location given for those without one.
        if (line.file !== lastFile) body.location = { name: basename(line.file), path: line.file };
        lastFile = line.file;
      }
      return body;
    });
    return { instructions };
  },
};

function nextPage(address: bigint): bigint {
  return (address & ~(PAGE - 1n)) + PAGE;
}
