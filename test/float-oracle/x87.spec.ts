import assert from 'node:assert/strict';
import { test } from 'node:test';
import { X87_ROWS } from '../../emulator/tables/instructions/x87';
import { IS_INTEL_HOST } from '../host-oracle/rows';
import { runOnHost } from './host';
import { Random } from './operands';
import { disagreement, prepare, significant } from './x87-cases';
import { X87Machine } from './x87-machine';

const CASES = Number(process.env.X87_ORACLE_CASES ?? '400');
const SEED = Number(process.env.FLOAT_ORACLE_SEED ?? '1');

/**
 * Results of these may differ by one unit of the last place: the processor's error is below one unit, and not zero. Least share of equal ones,
 * measured on an Intel processor, less a margin.
 */
const APPROXIMATE: Readonly<Record<string, number>> = {
  f2xm1: 0.95,
  fyl2x: 0.95,
  fyl2xp1: 0.95,
  fptan: 0.95,
  fpatan: 0.95,
  fsin: 0.95,
  fcos: 0.95,
  fsincos: 0.95,
};

const machine = new X87Machine();

const KEYS = IS_INTEL_HOST ? [...new Set(X87_ROWS.map(({ semantic }) => semantic.key))] : [];

for (const [i, key] of KEYS.entries()) {
  const rows = X87_ROWS.filter(({ semantic }) => semantic.key === key);
  const random = new Random(SEED * 10_000 + i);
  const exact = !(key in APPROXIMATE);
  const cases = (): ReturnType<typeof prepare>[] =>
    Array.from({ length: CASES }, () => prepare(random, random.pick(rows)));

  if (exact) {
    test(`${key} leaves the x87 as the host does (seed ${SEED}, ${CASES} cases)`, () => {
      const all = cases();
      const outcomes = runOnHost(all);
      const found = all.flatMap((one, n) => disagreement(one, outcomes[n], machine.run(one)) ?? []);
      assert.equal(found.length, 0, `${found.length} differ:\n${found.slice(0, 5).join('\n')}`);
    });
    continue;
  }
  test(`${key} leaves the x87 as the host does, but for the last bit (seed ${SEED}, ${CASES} cases)`, () => {
    const all = cases();
    const outcomes = runOnHost(all);
    const found: string[] = [];
    let equal = 0;
    all.forEach((one, n) => {
      const here = machine.run(one);
      const sentence = disagreement(one, outcomes[n], here);
      if (sentence === undefined) equal++;
      else if (!isNear(significant(outcomes[n]), significant(here))) found.push(sentence);
    });
    console.log(`# ${key}: ${((100 * equal) / CASES).toFixed(1)} % equal`);
    assert.equal(found.length, 0, `${found.length} differ:\n${found.slice(0, 5).join('\n')}`);
    assert.ok(equal >= CASES * APPROXIMATE[key], `${equal} of ${CASES} equal`);
  });
}

/** Place of a number among all of its sign: without the integer bit, encodings are in order. */
function ordinal(text: string): bigint {
  const bits = BigInt(`0x${text}`);
  return ((bits >> 64n) << 63n) | (bits & 0x7fff_ffff_ffff_ffffn);
}

/** Equal but for C1 and a unit of the last place in the results. */
function isNear(wanted: Readonly<Record<string, string>>, found: Readonly<Record<string, string>>): boolean {
  return Object.entries(wanted).every(([name, value]) => {
    if (value === found[name]) return true;
    if (name === 'status') return ((parseInt(value, 16) ^ parseInt(found[name], 16)) & ~0x200) === 0;
    if (!name.startsWith('ST')) return false;
    const distance = ordinal(value) - ordinal(found[name]);
    return distance >= -1n && distance <= 1n;
  });
}
