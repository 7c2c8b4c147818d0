import assert from 'node:assert/strict';
import test from 'node:test';
import { CPU_MODELS } from '../../tables/cpu-models';
import { capabilities } from '../../tables/vmx-capabilities';
import { VALID_VMCS, validRegion, writeFields } from './baseline';
import type { FieldValues } from './baseline';
import type { CheckGroup } from './check';
import { ChecksMemo, ENTRY_CHECKS, evaluateChecks, explain, firstFailure } from './evaluate';
import { FAILING } from './failing-cases.fixture';
import { entryLimits } from './reader';
import type { EntryLimits, Mask, RegionReader } from './reader';

const REAL = entryLimits(CPU_MODELS.strata, capabilities(CPU_MODELS.strata));
const EVERYTHING: Mask = { low: 0xffff_ffff, high: 0xffff_ffff };
/** A processor that allows every control, for rules about controls this machine does not advertise. */
const WIDE: EntryLimits = {
  ...REAL,
  controls: Object.fromEntries(
    Object.entries(REAL.controls).map(([word, { mustBeOne }]) => [word, { mustBeOne, mayBeOne: EVERYTHING }]),
  ) as EntryLimits['controls'],
  cr4: { mustBeOne: REAL.cr4.mustBeOne, mayBeOne: EVERYTHING },
};
const GROUPS: readonly CheckGroup[] = ['controls', 'host', 'guest'];

function region(id: string): { readonly good: RegionReader; readonly bad: RegionReader } {
  const row = FAILING[id];
  const limits = { ...(row.wide === true ? WIDE : REAL), ...row.limits };
  const good = validRegion(limits);
  const bad = validRegion(limits, row.change);
  bad.longMode = row.longMode ?? true;
  bad.pointer = row.pointer;
  if (row.memory === undefined) return { good, bad };
  const { memory } = row;
  const reader = validRegion(limits, row.change);
  const withMemory = new (reader.constructor as typeof RegionReader)(reader.words, 0, limits, (at) => memory[at]);
  return { good, bad: withMemory };
}

test('the baseline VMCS passes every check', () => {
  for (const limits of [REAL, WIDE]) {
    for (const group of GROUPS) assert.deepEqual(evaluateChecks(validRegion(limits), group, true), []);
  }
});

test('check ids are unique, and each has a failing case', () => {
  const ids = GROUPS.flatMap((group) => ENTRY_CHECKS[group].map((check) => check.id));
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual(
    ids.filter((id) => FAILING[id] === undefined),
    [],
  );
  assert.deepEqual(
    Object.keys(FAILING).filter((id) => !ids.includes(id)),
    [],
  );
});

for (const group of GROUPS) {
  for (const check of ENTRY_CHECKS[group]) {
    test(`${group}: ${check.id} holds in the baseline and fails when broken`, () => {
      assert.ok(FAILING[check.id], 'no failing case');
      const { good, bad } = region(check.id);
      assert.equal(check.holds(good), true);
      assert.equal(check.holds(bad), false);
      const failure = explain(check, bad);
      for (const words of [failure.rule, failure.required, failure.actual, failure.remedy, failure.section]) {
        assert.ok(words.length > 0);
        assert.doesNotMatch(words, /undefined|NaN/);
      }
      const memo = new ChecksMemo();
      assert.equal(memo.firstFailure(good, group), undefined);
      assert.equal(memo.firstFailure(bad, group), firstFailure(bad, group));
      assert.equal(memo.firstFailure(good, group), undefined);
    });
  }
}

test('a check reads no field it does not name', () => {
  for (const group of GROUPS) {
    for (const check of ENTRY_CHECKS[group]) {
      for (const limits of [REAL, WIDE]) {
        const reader = validRegion(limits, FAILING[check.id]?.change);
        const spy = {
          limits,
          longMode: true,
          pointer: undefined,
          physical32: () => undefined,
          field: (at: number) => (
            assert.ok(check.fields.includes(at), `${check.id} reads ${at.toString(16)}`),
            reader.field(at)
          ),
          u32: (at: number) => (
            assert.ok(check.fields.includes(at), `${check.id} reads ${at.toString(16)}`),
            reader.u32(at)
          ),
          high32: (at: number) => (
            assert.ok(check.fields.includes(at), `${check.id} reads ${at.toString(16)}`),
            reader.high32(at)
          ),
        };
        check.holds(spy);
      }
    }
  }
});

test('all failures are listed, the one hardware reports first', () => {
  const bad = validRegion(REAL, { GUEST_RFLAGS: 0n, GUEST_CR0: 0n, GUEST_TR_AR: 0x1_0000n });
  const all = evaluateChecks(bad, 'guest', true);
  assert.equal(all[0].id, 'guest-cr0-fixed');
  assert.ok(all.some(({ id }) => id === 'guest-rflags-reserved'));
  assert.ok(all.some(({ id }) => id === 'guest-tr-usable'));
  assert.deepEqual(evaluateChecks(bad, 'guest', false), [all[0]]);
  assert.match(all[0].required, /PE, NE, PG = 1/);
});

test('an unrestricted guest enters real-address mode', () => {
  const real: Record<string, bigint> = {
    SECONDARY_VM_EXEC_CONTROL: 0xa2n,
    VM_ENTRY_CONTROLS: 0xd1fbn,
    GUEST_CR0: 0x20n,
    GUEST_CR4: 0x2000n,
    GUEST_IA32_EFER: 0n,
    GUEST_RIP: 0xfff0n,
  };
  for (const segment of ['CS', 'SS', 'DS', 'ES', 'FS', 'GS']) {
    real[`GUEST_${segment}_AR`] = segment === 'CS' ? 0x9bn : 0x93n;
    real[`GUEST_${segment}_LIMIT`] = 0xffffn;
    real[`GUEST_${segment}_SELECTOR`] = 0n;
  }
  for (const group of GROUPS) assert.deepEqual(evaluateChecks(validRegion(REAL, real), group, true), []);
});

test('a memo answers as the full evaluation along a chain of changes', () => {
  const memo = new ChecksMemo();
  const reader = validRegion(REAL);
  for (const row of Object.values(FAILING)) {
    const undo: FieldValues = Object.fromEntries(
      Object.keys(row.change).map((name) => [name, (VALID_VMCS as Record<string, bigint>)[name] ?? 0n]),
    );
    for (const change of [row.change, undo]) {
      writeFields(reader, change);
      for (const group of GROUPS) assert.equal(memo.firstFailure(reader, group), firstFailure(reader, group));
    }
  }
});

test('a VMCS link pointer to where there is no RAM fails: there is no revision identifier', () => {
  const reader = validRegion(REAL, { VMCS_LINK_POINTER: 0x7f_ffff_f000n });
  assert.equal(firstFailure(reader, 'guest')?.id, 'guest-link-pointer-revision');
});
