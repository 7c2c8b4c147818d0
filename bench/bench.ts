/**
 * `npm run bench`: speed against Debian's Bochs in the same run, latency of a step through the adapter, and memory.
 *
 *   npm run bench -- [--runs N] [--only NAME,...] [--json FILE]     (from the repository's root, by bench/run.ts)
 *
 * Instructions between the marks are counted exactly here, as the whole run less an empty one; both machines execute the
 * same image, so the count holds for Bochs too.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { residentMemory } from './memory';
import { median } from './median';
import { stepLatency } from './step-latency';
import { timeOnBochs, timeOnStrata, type Timing } from './timing';

const GUESTS = join(process.cwd(), 'bench/guests');
const IMAGE = join(GUESTS, 'build/bench.elf');
const HELLO = join(process.cwd(), 'samples/hello-vmx');

interface Workload {
  readonly name: string;
  readonly title: string;
  readonly scale: number;
  /** What is counted: instructions, or VM-exit round trips (`scale` thousands of them). */
  readonly unit: 'instructions' | 'exits';
  /** Least ratio to Bochs. */
  readonly target: number;
}

const WORKLOADS: readonly Workload[] = [
  { name: 'alu', title: 'ALU loop', scale: 20, unit: 'instructions', target: 2 },
  { name: 'array', title: 'array walk', scale: 30, unit: 'instructions', target: 2 },
  { name: 'fib', title: 'fib(32)', scale: 1, unit: 'instructions', target: 2 },
  { name: 'mix', title: 'gcc -O2 mix', scale: 60, unit: 'instructions', target: 2 },
  { name: 'exits', title: 'CPUID exit round trips', scale: 500, unit: 'exits', target: 1 },
];

const STEP_TARGET = 5;
const MEMORY_TARGET = 800;

interface Row {
  readonly workload: string;
  readonly unit: Workload['unit'];
  /** Instructions or exits. */
  readonly amount: number;
  /** Millions of instructions, or exits, a second. */
  readonly strata: number;
  readonly bochs: number;
  readonly ratio: number;
  readonly target: number;
}

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    json: { type: 'string' },
  },
});
const runs = Number(values.runs);
if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs ${values.runs}: give a number from 1 on.`);
const only = values.only?.split(',');

/** The median run of `count`, by time. */
async function medianRun(count: number, run: () => Timing | Promise<Timing>): Promise<Timing> {
  const timings: Timing[] = [];
  for (let i = 0; i < count; i++) timings.push(await run());
  timings.sort((a, b) => a.milliseconds - b.milliseconds);
  return timings[timings.length >> 1];
}

async function measure(workload: Workload, emptyInstructions: bigint): Promise<Row> {
  const options = { image: IMAGE, cmdline: `work=${workload.name} scale=${workload.scale}` };
  // Once untimed: the engine compiles WebAssembly well only after a while.
  timeOnStrata(options);
  const strata = await medianRun(runs, () => timeOnStrata(options));
  const bochs = await medianRun(runs, () => timeOnBochs(options));
  if (strata.result !== bochs.result) {
    throw new Error(`${workload.title}: the result here is ${strata.result}, on Bochs ${bochs.result}`);
  }
  const amount = workload.unit === 'exits' ? workload.scale * 1000 : Number((strata.retired ?? 0n) - emptyInstructions);
  const rate = ({ milliseconds }: Timing): number =>
    workload.unit === 'exits' ? (amount / milliseconds) * 1000 : amount / milliseconds / 1000;
  return {
    workload: workload.title,
    unit: workload.unit,
    amount,
    strata: rate(strata),
    bochs: rate(bochs),
    ratio: rate(strata) / rate(bochs),
    target: workload.target,
  };
}

const verdict = (good: boolean): string => (good ? 'PASS' : 'FAIL');
const figure = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: value < 1000 ? 1 : 0 });

function printRow(row: Row): void {
  const unit = row.unit === 'exits' ? 'exits/s' : 'MIPS';
  console.log(
    [
      row.workload.padEnd(24),
      figure(row.strata).padStart(10),
      figure(row.bochs).padStart(10),
      unit.padEnd(8),
      `${row.ratio.toFixed(2)} x`.padStart(9),
      `(target ${row.target} x)`.padEnd(14),
      verdict(row.ratio >= row.target),
    ].join(' '),
  );
}

async function main(): Promise<void> {
  for (const directory of [GUESTS, HELLO]) execFileSync('make', ['-s'], { cwd: directory, stdio: 'inherit' });
  const workloads = WORKLOADS.filter(({ name }) => only === undefined || only.includes(name));

  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} processors, Node ${process.version}`);
  console.log(`median of ${runs} run${runs === 1 ? '' : 's'}\n`);
  console.log([''.padEnd(24), 'Strata'.padStart(10), 'Bochs'.padStart(10)].join(' '));
  const empty = timeOnStrata({ image: IMAGE, cmdline: 'work=none scale=0' }).retired ?? 0n;
  const rows: Row[] = [];
  for (const workload of workloads) {
    const row = await measure(workload, empty);
    rows.push(row);
    printRow(row);
  }

  let step: number | undefined;
  if (only === undefined || only.includes('step')) {
    step = median(await stepLatency(join(HELLO, 'build/hello-vmx.elf')));
    console.log(
      `\nstep through the adapter  ${step.toFixed(2)} ms (target below ${STEP_TARGET}) ${verdict(step < STEP_TARGET)}`,
    );
  }
  let memory: number | undefined;
  if (only === undefined || only.includes('memory')) {
    // A guest that writes every page: nothing of its RAM stays unbacked.
    memory = residentMemory(IMAGE, 512, 'work=fill scale=512');
    console.log(
      `resident, 512 MB guest    ${memory.toFixed(0)} MB (target below ${MEMORY_TARGET}) ${verdict(memory < MEMORY_TARGET)}`,
    );
  }
  const report = {
    date: new Date().toISOString(),
    node: process.version,
    runs,
    rows,
    stepMilliseconds: step,
    residentMegabytes: memory,
  };
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, undefined, 2)}\n`);
  else console.log(`\n${JSON.stringify(report)}`);
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});
