import * as iced from 'iced-x86';
import { FIELDS, LAYOUT, STATE, viewOf, type Case, type Field } from './case';
import { fieldText, type Failure } from './compare';
import { rowName } from './rows';

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Each instruction of a snippet: its address, bytes and text. */
export function disassemble(code: Uint8Array): readonly string[] {
  const decoder = new iced.Decoder(64, code, iced.DecoderOptions.None);
  decoder.ip = BigInt(LAYOUT.snippet);
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  const lines: string[] = [];
  const instruction = new iced.Instruction();
  while (decoder.canDecode) {
    const at = decoder.position;
    decoder.decodeOut(instruction);
    const bytes = toHex(code.subarray(at, decoder.position));
    lines.push(`${(LAYOUT.snippet + at).toString(16)} ${bytes.padEnd(24)} ${formatter.format(instruction)}`);
  }
  instruction.free();
  formatter.free();
  decoder.free();
  return lines;
}

/** Offsets of a snippet's instructions, and of its end. */
export function instructionOffsets(code: Uint8Array): readonly number[] {
  const decoder = new iced.Decoder(64, code, iced.DecoderOptions.None);
  const instruction = new iced.Instruction();
  const offsets: number[] = [];
  while (decoder.canDecode) {
    offsets.push(decoder.position);
    decoder.decodeOut(instruction);
  }
  instruction.free();
  decoder.free();
  return [...offsets, code.length];
}

const isZero = (state: Uint8Array, { offset, size }: Field): boolean =>
  state.subarray(offset, offset + size).every((byte) => byte === 0);

/** The state a case starts from, but for what is zero. */
const stateLines = ({ state }: Case): readonly string[] => {
  const words = FIELDS.filter((field) => !isZero(state, field)).map(
    (field) => `${field.name}=${fieldText(state, field)}`,
  );
  const lines: string[] = [];
  for (const word of words) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + word.length < 110) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
};

const topOf = ({ state }: Case): number => (viewOf(state).getUint16(STATE.fsw, true) >> 11) & 7;

/** A failure for a person to read: rows, instructions, state before, what differs. */
export function describeFailure({ generated, differences, path }: Failure): string {
  const { input, rows } = generated;
  return [
    `${rows.length === 1 ? rowName(rows[0]) : 'a program'}  [${path} accesses]`,
    ...disassemble(input.code)
      .filter((line) => rows.length === 1 || !line.endsWith(' nop'))
      .map((line) => `    ${line}`),
    ...stateLines(input).map((line) => `  in  ${line}`),
    ...(topOf(input) === 0 ? [] : [`  in  top=${topOf(input)}`]),
    ...differences.map(
      ({ what, expected, actual }) => `  ${what}\n      expected ${expected}\n      actual   ${actual}`,
    ),
  ].join('\n');
}
