/**
 * Compares rows of the instruction table with the processor this runs on, and shows what differs, shrunk:
 *
 *     npx tsx test/host-oracle/run.ts [--rows REGEX] [--count N] [--seed S] [--programs] [--shown N] [--list]
 *
 * --rows      rows whose name, opcode, unit, feature or key matches, e.g. '^V?ADDP', '^66 0F', 'unit:x87', 'feature:avx2', 'key:bsf';
 *             default: all
 * --count     cases, default 200 a row
 * --seed      default 1; the same seed gives the same cases
 * --programs  sequences of up to 20 instructions of these rows instead of single ones; a failing one is cut to the shortest that fails
 * --shown     failures shown in full, default 5, one a row
 * --list      names the rows and whether this processor has them, and runs nothing
 */
import { parseArgs } from 'node:util';
import { compareCases, type Failure } from './compare';
import { describeFailure } from './describe';
import { generateCase } from './generate';
import { generateProgram, isFitForPrograms } from './programs';
import { Random } from './random';
import { hostHas, matchesRow, rowName, TESTED_ROWS } from './rows';
import { shrink } from './shrink';

const { values } = parseArgs({
  options: {
    rows: { type: 'string', default: '' },
    count: { type: 'string' },
    seed: { type: 'string', default: '1' },
    shown: { type: 'string', default: '5' },
    programs: { type: 'boolean', default: false },
    list: { type: 'boolean', default: false },
  },
});

const pattern = new RegExp(values.rows);
const named = TESTED_ROWS.filter((row) => matchesRow(row, pattern));
const rows = named.filter(hostHas);

/** Failures by the row they show, the rows with most first. */
function byRow(failures: readonly Failure[]): readonly (readonly [string, readonly Failure[]])[] {
  const groups = new Map<string, Failure[]>();
  for (const failure of failures) {
    const name = values.programs ? 'programs' : rowName(failure.generated.rows[0]);
    groups.set(name, [...(groups.get(name) ?? []), failure]);
  }
  return [...groups].sort((a, b) => b[1].length - a[1].length);
}

function main(): number {
  if (values.list) {
    for (const row of named) console.log(`${hostHas(row) ? '  ' : 'no'} ${rowName(row)}`);
    return 0;
  }
  const without = named.filter((row) => !hostHas(row));
  if (without.length > 0) console.log(`This processor lacks: ${without.map(rowName).join('; ')}`);
  const usable = values.programs ? rows.filter(isFitForPrograms) : rows;
  if (usable.length === 0) {
    console.error(`No tested row that this processor has matches /${values.rows}/; --list names them all.`);
    return 2;
  }
  const seed = Number(values.seed);
  const random = new Random(seed);
  const count = values.count === undefined ? usable.length * 200 : Number(values.count);
  const endings: Record<string, number> = {};
  const failures: Failure[] = [];
  for (let done = 0; done < count; done += 4096) {
    const cases = Array.from({ length: Math.min(4096, count - done) }, (_, i) =>
      values.programs ? generateProgram(random, usable) : generateCase(random, usable[(done + i) % usable.length]),
    );
    failures.push(...compareCases(cases, (ending) => (endings[ending] = (endings[ending] ?? 0) + 1)));
  }
  const groups = byRow(failures);
  const shown = Number(values.shown);
  for (const [, [failure]] of groups.slice(0, shown)) console.log(`\n${describeFailure(shrink(failure))}`);
  if (groups.length > 0) console.log('\nCases that differ, by row:');
  for (const [name, { length }] of groups) console.log(`${String(length).padStart(6)}  ${name}`);
  console.log(`\nseed ${seed}: ${count} cases of ${usable.length} rows, ended ${JSON.stringify(endings)}`);
  console.log(`${failures.length} differ`);
  return failures.length === 0 ? 0 : 1;
}

process.exitCode = main();
