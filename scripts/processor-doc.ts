/** Writes the tables of docs/processor.md and docs/debugging.md from the data they describe: `npx tsx scripts/processor-doc.ts`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { format } from 'prettier';
import { launchAttributes } from '../debug-adapter/configuration';
import type { Schema } from '../debug-adapter/schema';
import { CPU_MODEL_NAMES, CPU_MODELS, type CpuModel, IMPLEMENTED } from '../emulator/tables/cpu-models';
import { cpuid, type CpuidDynamics, processorSignature } from '../emulator/tables/cpuid';
import { CPU_FEATURES } from '../emulator/tables/cpuid-features';
import type { InstructionRow } from '../emulator/tables/instruction-types';
import { INSTRUCTIONS } from '../emulator/tables/instructions';
import { type Msr, msrsOf } from '../emulator/tables/msrs';
import { ARCHITECTURAL_EVENTS } from '../emulator/tables/performance-events';
import { XSAVE_COMPONENTS } from '../emulator/tables/xsave-components';
import { reasonAgainst } from '../test/host-oracle/tested-rows';
import { DEVIATIONS, QEMU_DEVIATIONS } from '../test/system/deviations';
import { PAGING_SUBJECTS } from '../test/system/paging-subjects';

/** Pages with generated tables. */
export const GENERATED_PAGES: readonly string[] = ['processor.md', 'debugging.md'].map((page) =>
  resolve(import.meta.dirname, '..', 'docs', page),
);

const hex = (value: number | bigint): string => value.toString(16).toUpperCase() + 'H';
const code = (text: string): string => `\`${text}\``;
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
const models = CPU_MODEL_NAMES.map((name) => CPU_MODELS[name]);

const POWER_UP: CpuidDynamics = {
  processor: 0,
  processors: 1,
  cr4: { osxsave: false, pke: false },
  apicEnabled: true,
  is64Bit: true,
  xcr0: 1,
  xss: 0,
  limited: false,
  xdDisabled: false,
  monitorEnabled: true,
};

function modelTable(): string {
  const row = (model: CpuModel): readonly string[] => [
    code(model.name),
    model.title,
    hex(processorSignature(model)),
    String(model.physicalBits),
    hex(model.lastLeaf),
    String(model.features.size),
  ];
  const beyond = models
    .filter((model) => model.beyond.length > 0)
    .map((model) => `- ${code(model.name)} lacks of its part: ${model.beyond.join(', ')}.`);
  const head = ['Name', 'What it is', 'Signature', 'Physical bits', 'Last basic leaf', 'Features'];
  return `${table(head, models.map(row))}\n\n${beyond.join('\n')}`;
}

function featureTable(): string {
  const reported = CPU_FEATURES.filter(({ name }) => IMPLEMENTED.has(name));
  return table(
    ['Feature', 'CPUID', 'Needs', ...models.map(({ name }) => code(name))],
    reported.map(({ name, place, needs }) => [
      name,
      `${hex(place.leaf)}.${place.subleaf}:${place.register.toUpperCase()}[${place.bit}]`,
      needs.join(', '),
      ...models.map(({ features }) => (features.has(name) ? 'yes' : '')),
    ]),
  );
}

function leafTable(): string {
  const { strata } = CPU_MODELS;
  const leaves: readonly (readonly [number, number])[] = [
    ...[0, 1, 2].map((leaf) => [leaf, 0] as const),
    ...strata.caches.map((_, subleaf) => [4, subleaf] as const),
    ...[5, 6].map((leaf) => [leaf, 0] as const),
    ...[0, 1].map((subleaf) => [7, subleaf] as const),
    [0xa, 0],
    ...[0, 1].map((subleaf) => [0xb, subleaf] as const),
    ...[0, 1, ...XSAVE_COMPONENTS.map(({ bit }) => bit).filter((bit) => bit > 1)].map(
      (subleaf) => [0xd, subleaf] as const,
    ),
    ...[0x15, 0x16, 0x8000_0000, 0x8000_0001, 0x8000_0006, 0x8000_0007, 0x8000_0008].map((leaf) => [leaf, 0] as const),
  ];
  return table(
    ['Leaf', 'EAX', 'EBX', 'ECX', 'EDX'],
    leaves.map(([leaf, subleaf]) => {
      const { eax, ebx, ecx, edx } = cpuid(strata, leaf, subleaf, POWER_UP);
      return [`${hex(leaf)}.${subleaf}`, ...[eax, ebx, ecx, edx].map((word) => hex(word))];
    }),
  );
}

function accessOf(msr: Msr): string {
  switch (msr.kind) {
    case 'constant':
      return `reads ${hex(msr.value)}; writes #GP`;
    case 'command':
      return `writes of bits ${hex(msr.writable)} do nothing; reads #GP`;
    case 'computed':
      return 'computed';
    case 'performance':
      return msr.writable === 0n ? 'read-only' : `bits ${hex(msr.writable)}`;
    case 'stored':
      return `bits ${hex(msr.writable)}${msr.readOnly === 0n ? '' : `, of which ${hex(msr.readOnly)} stay`}; ${hex(msr.reset)} after reset`;
  }
}

/** MSRs that differ in a number only stand in one line, by their first. */
function msrTable(): string {
  const groups = new Map<string, Msr[]>();
  for (const msr of [...msrsOf(CPU_MODELS.strata).values()].sort((a, b) => a.index - b.index)) {
    const key = `${msr.name.replace(/\d+(?=$|_)/g, 'n')}: ${accessOf(msr)}`;
    groups.set(key, [...(groups.get(key) ?? []), msr]);
  }
  return table(
    ['MSR', 'Name', 'Access', 'Rule'],
    [...groups.values()].map((msrs) => {
      const [first] = msrs;
      const last = msrs[msrs.length - 1];
      return [
        msrs.length === 1 ? hex(first.index) : `${hex(first.index)} to ${hex(last.index)}`,
        msrs.length === 1 ? first.name : `${first.name} to ${last.name}`,
        accessOf(first),
        first.kind === 'stored' && first.rule !== undefined ? first.rule : '',
      ];
    }),
  );
}

function eventTable(): string {
  return table(
    ['Event', 'Select, umask', 'Counted'],
    ARCHITECTURAL_EVENTS.map(({ name, eventSelect, umask, counts }) => [
      name,
      `${hex(eventSelect)}, ${hex(umask)}`,
      counts ?? 'not available, and CPUID says so',
    ]),
  );
}

/** Rows of the instruction table by the feature that has them: how each is carried out, and how many a processor was asked about. */
function instructionTable(): string {
  const features = [undefined, ...CPU_FEATURES.map(({ name }) => name)];
  const count = (rows: readonly InstructionRow[], is: (row: InstructionRow) => boolean): string => {
    const { length } = rows.filter(is);
    return length === 0 ? '' : String(length);
  };
  const line = (name: string, rows: readonly InstructionRow[]): readonly string[] => [
    name,
    String(rows.length),
    ...(['hot', 'warm', 'cold'] as const).map((kind) => count(rows, ({ semantic }) => semantic.kind === kind)),
    count(rows, (row) => reasonAgainst(row) === undefined),
  ];
  const lines = features.flatMap((feature) => {
    const rows = INSTRUCTIONS.filter((row) => row.feature === feature);
    return rows.length === 0 ? [] : [line(feature ?? '(every processor)', rows)];
  });
  const head = ['Feature', 'Rows', 'Hot', 'Warm', 'Cold', 'Compared with a processor'];
  return table(head, [...lines, line('all', INSTRUCTIONS)]);
}

/** Keys of `entries` with all that each stands beside, in the order of their first. */
function grouped(entries: readonly (readonly [string, string])[]): readonly (readonly [string, readonly string[]])[] {
  const groups = new Map<string, string[]>();
  for (const [key, item] of entries) groups.set(key, [...(groups.get(key) ?? []), item]);
  return [...groups].map(([key, items]) => [key, [...new Set(items)]]);
}

function withoutOracleTable(): string {
  const entries = INSTRUCTIONS.flatMap((row): readonly (readonly [string, string])[] => {
    const reason = reasonAgainst(row);
    return reason === undefined ? [] : [[reason, row.mnemonic]];
  });
  return table(
    ['Why not', 'Instructions'],
    grouped(entries).map(([reason, mnemonics]) => [reason, [...mnemonics].sort().join(', ')]),
  );
}

const componentTable = (): string =>
  table(
    ['Component', 'Bit', 'Offset in the standard format', 'Bytes'],
    XSAVE_COMPONENTS.map(({ name, bit, offset, size }) => [name, String(bit), String(offset), String(size)]),
  );

/** Tests that rightly differ from a peer's, by the reason. */
function deviationTable(
  deviations: readonly { readonly guest: string; readonly test: string; readonly reason: string }[],
): string {
  const byReason = grouped(deviations.map(({ reason, guest }) => [reason, guest]));
  const testsOf = (reason: string, guest: string): string =>
    deviations
      .flatMap((deviation) => (deviation.reason === reason && deviation.guest === guest ? deviation.test : []))
      .join(', ');
  return table(
    ['The difference and its reason', 'Guest: tests'],
    byReason.map(([reason, guests]) => [
      reason,
      guests.map((guest) => `${code(guest)}: ${testsOf(reason, guest)}`).join('; '),
    ]),
  );
}

const pagingDeviations = (peer: 'Bochs' | 'QEMU') =>
  PAGING_SUBJECTS.filter(({ oracle }) => oracle === peer).flatMap(({ guest, deviations }) =>
    Object.entries(deviations).map(([test, reason]) => ({ guest, test, reason })),
  );

const bochsTable = (): string => deviationTable([...DEVIATIONS, ...pagingDeviations('Bochs')]);
const qemuTable = (): string =>
  deviationTable([
    ...QEMU_DEVIATIONS.flatMap(({ guest, tests, reason }) => tests.map((test) => ({ guest, test, reason }))),
    ...pagingDeviations('QEMU'),
  ]);

function settingTable(): string {
  const settings: Readonly<Record<string, Schema>> = launchAttributes.properties;
  return table(
    ['Setting', 'If absent', 'Meaning'],
    Object.entries(settings).map(([name, schema]) => [
      code(name),
      schema.default === undefined ? '' : code(JSON.stringify(schema.default)),
      schema.description ?? '',
    ]),
  );
}

const TABLES: Readonly<Record<string, () => string>> = {
  models: modelTable,
  features: featureTable,
  leaves: leafTable,
  msrs: msrTable,
  events: eventTable,
  instructions: instructionTable,
  withoutOracle: withoutOracleTable,
  components: componentTable,
  bochs: bochsTable,
  qemu: qemuTable,
  settings: settingTable,
};

/** The page with its tables as the data has them now. */
export async function withTables(page: string): Promise<string> {
  const filled = page.replace(
    /(<!-- table: (\w+) -->)[^]*?(<!-- end -->)/g,
    (_whole, begin: string, name: string, end: string) => `${begin}\n\n${TABLES[name]()}\n\n${end}`,
  );
  return format(filled, { parser: 'markdown', printWidth: 120, singleQuote: true });
}

async function main(): Promise<void> {
  for (const page of GENERATED_PAGES) writeFileSync(page, await withTables(readFileSync(page, 'utf8')));
}

if (require.main === module) void main();
