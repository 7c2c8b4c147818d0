import { Decoder, DecoderOptions, FlowControl, Formatter, FormatterSyntax, Instruction } from 'iced-x86';

export type Syntax = 'nasm' | 'gas';

export interface DisassembledInstruction {
  readonly address: bigint;
  /** Empty where nothing is mapped. */
  readonly bytes: Uint8Array;
  readonly text: string;
  readonly valid: boolean;
}

/** Reads at most `length` bytes; fewer where the rest is not mapped. */
export type ByteReader = (address: bigint, length: number) => Uint8Array;

export const LONGEST_INSTRUCTION = 15;
/** Bytes one instruction has on average, with plenty to spare. */
const GENEROUS_LENGTH = 8;
const LARGEST_WINDOW = 0x1_0000;

/** What stepping has to know about the instruction at an address. */
export interface FlowInfo {
  readonly length: number;
  readonly kind: 'call' | 'return' | 'repeat' | 'other';
}

/**
 * Instructions as text. One `Instruction` object is decoded into again and again, since its memory is the WebAssembly module's
 * and nothing gives it back.
 */
export class Disassembler {
  private readonly formatter: Formatter;
  private readonly instruction = new Instruction();

  constructor(syntax: Syntax = 'nasm') {
    this.formatter = new Formatter(syntax === 'nasm' ? FormatterSyntax.Nasm : FormatterSyntax.Gas);
    this.formatter.hexPrefix = '0x';
    this.formatter.hexSuffix = '';
    this.formatter.uppercaseHex = false;
    this.formatter.spaceAfterOperandSeparator = true;
    this.formatter.smallHexNumbersInDecimal = true;
  }

  /** Decodes from the start of `bytes`, at most `limit` instructions, until the bytes end in the middle of one. */
  private decodeRun(
    bits: number,
    bytes: Uint8Array,
    start: bigint,
    limit: number,
    mapped: boolean,
  ): DisassembledInstruction[] {
    const found: DisassembledInstruction[] = [];
    const decoder = new Decoder(bits, bytes, DecoderOptions.None);
    try {
      decoder.ip = start;
      while (decoder.canDecode && found.length < limit) {
        const position = decoder.position;
        decoder.decodeOut(this.instruction);
        const address = start + BigInt(position);
        if (this.instruction.isInvalid) {
          // What does not decode is shown byte by byte, so that the next byte gets its chance.
          const cut = bytes.length - position < LONGEST_INSTRUCTION && mapped;
          if (cut) break;
          const byte = bytes.subarray(position, position + 1);
          found.push({ address, bytes: byte, text: `db 0x${byte[0].toString(16).padStart(2, '0')}`, valid: false });
          decoder.position = position + 1;
          decoder.ip = address + 1n;
          continue;
        }
        found.push({
          address,
          bytes: bytes.subarray(position, decoder.position),
          text: this.formatter.format(this.instruction),
          valid: true,
        });
      }
    } finally {
      decoder.free();
    }
    return found;
  }

  /** Exactly `count` instructions from an address; addresses without memory count one by one, as invalid. */
  forward(bits: 16 | 32 | 64, address: bigint, count: number, read: ByteReader): DisassembledInstruction[] {
    const found: DisassembledInstruction[] = [];
    let next = address;
    while (found.length < count) {
      const wanted = Math.min((count - found.length) * GENEROUS_LENGTH + LONGEST_INSTRUCTION, LARGEST_WINDOW);
      const bytes = read(next, wanted);
      if (bytes.length === 0) {
        found.push({ address: next, bytes, text: '(not mapped)', valid: false });
        next = wrap(bits, next + 1n);
        continue;
      }
      const run = this.decodeRun(bits, bytes, next, count - found.length, bytes.length === wanted);
      for (const instruction of run) {
        found.push(instruction);
        next = wrap(bits, instruction.address + BigInt(instruction.bytes.length));
      }
    }
    return found;
  }

  /**
   * Exactly `count` instructions that end right before an address. Code is decoded from an anchor (the start of a symbol, or far
   * enough back for the decoding to fall into step), and instructions that would run past the address are shown as bytes.
   */
  backward(
    bits: 16 | 32 | 64,
    address: bigint,
    count: number,
    read: ByteReader,
    anchor: (below: bigint) => bigint | undefined,
  ): DisassembledInstruction[] {
    let before: DisassembledInstruction[] = [];
    let end = address;
    while (before.length < count && end > 0n) {
      const part = this.stretch(bits, end, count - before.length, read, anchor);
      if (part.length === 0) break;
      before = [...part, ...before];
      end = part[0].address;
    }
    if (before.length >= count) return before.slice(before.length - count);
    // Below address 0 there is nothing; clients count on the number, so it is made up by entries of no length.
    const missing = Array.from({ length: count - before.length }, () => ({
      address: 0n,
      bytes: new Uint8Array(),
      text: '(no address)',
      valid: false,
    }));
    return [...missing, ...before];
  }

  /** Instructions of one stretch that ends at `end`, at least one. */
  private stretch(
    bits: 16 | 32 | 64,
    end: bigint,
    count: number,
    read: ByteReader,
    anchor: (below: bigint) => bigint | undefined,
  ): DisassembledInstruction[] {
    const reach = BigInt(Math.min(count * GENEROUS_LENGTH + 4 * LONGEST_INSTRUCTION, LARGEST_WINDOW));
    const known = anchor(end);
    const start = known !== undefined && end - known <= reach ? known : end > reach ? end - reach : 0n;
    const bytes = read(start, Number(end - start));
    if (BigInt(bytes.length) < end - start) return this.aroundHole(bits, start, end, read);
    const run = this.decodeRun(bits, bytes, start, Number.MAX_SAFE_INTEGER, false);
    // Without an anchor the first instructions may be out of step: they only served to fall into it.
    const trusted = start === known || start === 0n ? run : run.slice(Math.min(run.length >> 1, 12));
    return trusted.slice(-count);
  }

  /** Something below `end` is not mapped: what is mapped right below it, or holes. */
  private aroundHole(bits: 16 | 32 | 64, start: bigint, end: bigint, read: ByteReader): DisassembledInstruction[] {
    if (read(end - 1n, 1).length === 0) {
      return [{ address: end - 1n, bytes: new Uint8Array(), text: '(not mapped)', valid: false }];
    }
    // Holes are whole pages, so the mapped part begins at a page boundary.
    let low = end - 1n - ((end - 1n) & 0xfffn);
    while (low > start && read(low - 1n, 1).length === 1) low -= 0x1000n;
    return this.decodeRun(bits, read(low, Number(end - low)), low, Number.MAX_SAFE_INTEGER, false);
  }

  /** Length and kind of one instruction; undefined where there is none. */
  flow(bits: 16 | 32 | 64, bytes: Uint8Array): FlowInfo | undefined {
    if (bytes.length === 0) return undefined;
    const decoder = new Decoder(bits, bytes, DecoderOptions.None);
    try {
      decoder.decodeOut(this.instruction);
      if (this.instruction.isInvalid) return undefined;
      const flow = this.instruction.flowControl;
      const kind =
        flow === FlowControl.Call || flow === FlowControl.IndirectCall
          ? 'call'
          : flow === FlowControl.Return
            ? 'return'
            : this.instruction.isStringInstruction && (this.instruction.hasRepPrefix || this.instruction.hasRepnePrefix)
              ? 'repeat'
              : 'other';
      return { length: this.instruction.length, kind };
    } finally {
      decoder.free();
    }
  }
}

function wrap(bits: 16 | 32 | 64, address: bigint): bigint {
  return BigInt.asUintN(bits === 64 ? 64 : 32, address);
}
