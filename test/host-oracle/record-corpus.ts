/**
 * Records the processor this runs on into `corpus/`: cases for the rows that have none yet, or with --all for every row.
 *
 *     npx tsx test/host-oracle/record-corpus.ts [--all] [--seed S]
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { InstructionRow } from '../../emulator/tables/instruction-types';
import { FIELDS, RAN, type Outcome } from './case';
import { plainState, readCorpus, UNIT_NAMES, unitNameOf, writeCorpus, type RecordedCase } from './corpus';
import { generateCase, type GeneratedCase } from './generate';
import { runOnHost } from './host';
import { Random } from './random';
import { hostHas, TESTED_ROWS } from './rows';

const { values } = parseArgs({
  options: { all: { type: 'boolean', default: false }, seed: { type: 'string', default: '20261122' } },
});

/** Cases a row is chosen from. */
const CANDIDATES = 10;

const isMemory = ({ input: { code }, rows: [row] }: GeneratedCase): boolean =>
  row.opcode.includes('/') && code.length > 6;

/** One case of a register and one of memory that ran, and one that did not: what there is of them. */
function choose(cases: readonly GeneratedCase[], outcomes: readonly Outcome[]): readonly GeneratedCase[] {
  const ran = cases.filter((_, i) => outcomes[i].vector === RAN);
  const chosen = [ran.find((generated) => !isMemory(generated)), ran.find(isMemory)].filter(
    (generated) => generated !== undefined,
  );
  const faulting = cases.find((_, i) => outcomes[i].vector !== RAN && outcomes[i].vector !== 6);
  return faulting === undefined && chosen.length > 0 ? chosen : [...chosen, faulting ?? cases[0]];
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Makes plain the fields that make no difference, so that a line holds what matters. */
function simplify(generated: GeneratedCase, outcome: Outcome): GeneratedCase {
  const { state, code } = generated.input;
  const base = plainState();
  const touched = FIELDS.filter(
    ({ offset, size }) => !sameBytes(state.subarray(offset, offset + size), base.subarray(offset, offset + size)),
  );
  const plainWith = (fields: readonly (typeof FIELDS)[number][]): Uint8Array => {
    const simpler = state.slice();
    for (const { offset, size } of fields) simpler.set(base.subarray(offset, offset + size), offset);
    return simpler;
  };
  const probes = runOnHost(touched.map((field) => ({ code, state: plainWith([field]) })));
  const idle = touched.filter(({ offset, size }, i) => {
    const probe = probes[i];
    if (probe.vector !== outcome.vector || probe.rip !== outcome.rip || probe.cr2 !== outcome.cr2) return false;
    const masked = [probe.state.slice(), outcome.state.slice()];
    for (const each of masked) each.fill(0, offset, offset + size);
    return sameBytes(masked[0], masked[1]);
  });
  return { ...generated, input: { code, state: plainWith(idle) } };
}

function record(row: InstructionRow, random: Random): readonly RecordedCase[] {
  const cases = Array.from({ length: CANDIDATES }, () => generateCase(random, row));
  const outcomes = runOnHost(cases.map(({ input }) => input));
  return choose(cases, outcomes).map((generated) => {
    const simple = simplify(generated, outcomes[cases.indexOf(generated)]);
    return { generated: simple, outcome: runOnHost([simple.input])[0] };
  });
}

mkdirSync(join(__dirname, 'corpus'), { recursive: true });
const random = new Random(Number(values.seed));
for (const unit of UNIT_NAMES) {
  const rows = TESTED_ROWS.filter((row) => unitNameOf(row) === unit);
  const kept = values.all ? [] : readCorpus(unit, rows);
  const have = new Set(kept.map(({ generated }) => generated.rows[0]));
  const missing = rows.filter((row) => !have.has(row) && hostHas(row));
  const cases = [...kept, ...missing.flatMap((row) => record(row, random))];
  writeCorpus(unit, cases);
  console.log(`${unit}: ${cases.length} cases, ${missing.length} rows recorded now`);
}
