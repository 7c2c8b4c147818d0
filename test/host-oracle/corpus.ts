/**
 * The permanent corpus: at least one case of every row that a processor could be asked about, with that processor's answer, so that
 * holding the machine to it needs no particular host. One case a line of JSON, one file a unit, in `corpus/`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { FIELDS, LAYOUT, STATE, STATE_SIZE, viewOf, type Case, type Outcome } from './case';
import { fieldText } from './compare';
import type { GeneratedCase } from './generate';
import { rowName } from './rows';

const DIRECTORY = join(__dirname, 'corpus');

/** Values of fields, as hexadecimal numbers; fields that are not named are plain (inputs) or unchanged (outcomes). */
type FieldValues = Readonly<Record<string, string>>;

/** A line of the corpus. */
interface Line {
  readonly row: string;
  readonly code: string;
  readonly state: FieldValues;
  readonly vector: number;
  /** Relative to the snippet. */
  readonly rip: string;
  readonly errorCode?: number;
  readonly cr2?: string;
  readonly changes: FieldValues;
  readonly undefinedFlags?: number;
}

export interface RecordedCase {
  readonly generated: GeneratedCase;
  readonly outcome: Outcome;
}

/** The state where nothing has been touched: zeros, MXCSR and FCW at their defaults. */
export function plainState(): Uint8Array {
  const state = new Uint8Array(STATE_SIZE);
  viewOf(state).setUint32(STATE.mxcsr, 0x1f80, true);
  viewOf(state).setUint16(STATE.fcw, 0x37f, true);
  return state;
}

/** Fields of `state` that differ from those of `base`. */
function differing(state: Uint8Array, base: Uint8Array): FieldValues {
  return Object.fromEntries(
    FIELDS.map((field) => [field.name, fieldText(state, field)] as const).filter(
      ([, text], i) => text !== fieldText(base, FIELDS[i]),
    ),
  );
}

/** `base` with the fields given. */
function withFields(base: Uint8Array, values: FieldValues): Uint8Array {
  const state = base.slice();
  for (const { name, offset } of FIELDS) {
    if (values[name] !== undefined) state.set(Buffer.from(values[name], 'hex').reverse(), offset);
  }
  return state;
}

function encode({ generated, outcome }: RecordedCase): Line {
  const { input, rows, undefinedFlags } = generated;
  return {
    row: rowName(rows[0]),
    code: Buffer.from(input.code).toString('hex'),
    state: differing(input.state, plainState()),
    vector: outcome.vector,
    rip: (outcome.rip - BigInt(LAYOUT.snippet)).toString(16),
    ...(outcome.errorCode === 0 ? {} : { errorCode: outcome.errorCode }),
    ...(outcome.cr2 === 0n ? {} : { cr2: outcome.cr2.toString(16) }),
    changes: differing(outcome.state, input.state),
    ...(undefinedFlags === 0 ? {} : { undefinedFlags }),
  };
}

const signedHex = (text: string): bigint =>
  text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);

function decode(line: Line, row: InstructionRow): RecordedCase {
  const state = withFields(plainState(), line.state);
  const input: Case = { code: Uint8Array.from(Buffer.from(line.code, 'hex')), state };
  return {
    generated: { input, rows: [row], undefinedFlags: line.undefinedFlags ?? 0 },
    outcome: {
      vector: line.vector,
      errorCode: line.errorCode ?? 0,
      cr2: line.cr2 === undefined ? 0n : BigInt(`0x${line.cr2}`),
      rip: BigInt.asUintN(64, BigInt(LAYOUT.snippet) + signedHex(line.rip)),
      state: withFields(state, line.changes),
    },
  };
}

export const UNIT_NAMES = ['general', 'x87', 'mmx', 'sse', 'avx'] as const;
export type UnitName = (typeof UNIT_NAMES)[number];

/** Under which name a row's cases are filed. */
export function unitNameOf({ unit }: InstructionRow): UnitName {
  if (unit === undefined || unit === 'vex') return 'general';
  return unit === 'wait' ? 'x87' : unit;
}

const fileOf = (unit: UnitName): string => join(DIRECTORY, `${unit}.jsonl`);

/** The recorded cases of a unit's rows; those of rows that the table no longer has are left out. */
export function readCorpus(unit: UnitName, rows: readonly InstructionRow[]): readonly RecordedCase[] {
  if (!existsSync(fileOf(unit))) return [];
  const byName = new Map(rows.map((row) => [rowName(row), row]));
  return readFileSync(fileOf(unit), 'utf8')
    .split('\n')
    .filter((text) => text !== '')
    .flatMap((text) => {
      const line = JSON.parse(text) as Line;
      const row = byName.get(line.row);
      return row === undefined ? [] : [decode(line, row)];
    });
}

export function writeCorpus(unit: UnitName, cases: readonly RecordedCase[]): void {
  writeFileSync(fileOf(unit), cases.map((recorded) => `${JSON.stringify(encode(recorded))}\n`).join(''));
}
