/**
 * Random guests in every mode, with every unit on or off, as VMX root and as guests of VMX: whatever they do, the machine neither fails nor hangs, stays within
 * its memory, and ends the same way when the run is cut into pieces.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzz } from '../fuzz/run';

/** Wall time to spend; 0: a fixed number of guests. */
const SECONDS = Number(process.env.FUZZ_SECONDS ?? 0);
const GUESTS = 100;
/** With a time to spend, guests nobody has seen: their seeds are printed. */
const FIRST = Number(process.env.FUZZ_SEED ?? (SECONDS === 0 ? 0 : Date.now() % 1_000_000_000));

test(`random guests cannot break the machine (from seed ${FIRST})`, async (t) => {
  const guests = SECONDS === 0 ? GUESTS : 0x7fff_ffff;
  const report = await fuzz({ first: FIRST, guests, seconds: SECONDS });
  const { begun, entered, replayed, retired } = report;
  t.diagnostic(
    `${report.guests} guests from seed ${FIRST}: ${begun} begun, ${entered} with VM entries, ${replayed} run again, ${retired} instructions`,
  );
  t.diagnostic(
    report.kinds
      .map(([kind, count]) => `${kind}: ${count}`)
      .sort()
      .join(', '),
  );
  assert.deepEqual(report.findings, []);
  assert.ok(begun > report.guests / 2, `${begun} of ${report.guests} guests got past their prologue`);
});

test('an interrupt is delivered past the data breakpoints of the processor that ran before (seed 40000774)', async () => {
  assert.deepEqual((await fuzz({ first: 40_000_774, guests: 1, seconds: 0 })).findings, []);
});
