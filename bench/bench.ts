/**
 * `npm run bench`: speed against Debian's Bochs and QEMU's TCG in the same run, latency of a step through the adapter, and memory.
 *
 *   npm run bench -- [--runs N] [--only NAME,...] [--json FILE]     (from the repository's root, by bench/run.ts)
 *
 * Instructions between the marks are counted exactly here, as the whole run less an empty one; all machines execute the
 * same image, so the count holds for the others too.
 */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { residentMemory } from './memory';
import { median } from './median';
import { stepLatency } from './step-latency';
import { timeOnBochs, timeOnQemu, timeOnStrata, type Timing } from './timing';

const GUESTS = join(process.cwd(), 'bench/guests');
const IMAGE = join(GUESTS, 'build/bench.elf');
const IMAGE32 = join(GUESTS, 'build/bench32.elf');
const HELLO = join(process.cwd(), 'samples/hello-vmx');

interface Workload {
  readonly name: string;
  readonly title: string;
  readonly scale: number;
  /** What is counted: instructions, or round trips through an exit or an exception (`scale` thousands of them). */
  readonly unit: 'instructions' | 'trips';
  /** Least ratio to Bochs. */
  readonly target: number;
  /** Needs VMX, which QEMU's TCG does not have. */
  readonly vmx?: boolean;
}

const WORKLOADS: readonly Workload[] = [
  { name: 'alu', title: 'ALU loop', scale: 20, unit: 'instructions', target: 2 },
  { name: 'array', title: 'array walk', scale: 30, unit: 'instructions', target: 2 },
  { name: 'fib', title: 'fib(32)', scale: 1, unit: 'instructions', target: 2 },
  { name: 'mix', title: 'gcc -O2 mix', scale: 60, unit: 'instructions', target: 2 },
  { name: 'matrix', title: 'float matrix product', scale: 40, unit: 'instructions', target: 1 },
  { name: 'matrix-avx', title: 'the same with AVX', scale: 100, unit: 'instructions', target: 1 },
  { name: 'memcpy', title: 'memcpy by SSE', scale: 8000, unit: 'instructions', target: 1 },
  { name: 'checksum', title: 'checksum with AVX2', scale: 2000, unit: 'instructions', target: 1 },
  { name: 'code-16', title: '16-bit code', scale: 20, unit: 'instructions', target: 1 },
  { name: 'exceptions', title: '#UD round trips', scale: 500, unit: 'trips', target: 1 },
  { name: 'exits', title: 'CPUID exit round trips', scale: 500, unit: 'trips', target: 1, vmx: true },
];

const STEP_TARGET = 5;
const MEMORY_TARGET = 800;

interface Row {
  readonly workload: string;
  readonly unit: Workload['unit'];
  /** Instructions or round trips. */
  readonly amount: number;
  /** Millions of instructions, or round trips, a second. */
  readonly strata: number;
  readonly bochs: number;
  readonly qemu: number | undefined;
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
  const options = { image: IMAGE, image32: IMAGE32, cmdline: `work=${workload.name} scale=${workload.scale}` };
  // Once untimed: the engine compiles WebAssembly well only after a while.
  timeOnStrata(options);
  const strata = await medianRun(runs, () => timeOnStrata(options));
  const bochs = await medianRun(runs, () => timeOnBochs(options));
  const qemu = workload.vmx === true ? undefined : await medianRun(runs, () => timeOnQemu(options));
  for (const [peer, result] of [
    ['Bochs', bochs.result],
    ['QEMU', qemu?.result ?? strata.result],
  ]) {
    if (strata.result !== result) {
      throw new Error(`${workload.title}: the result here is ${strata.result}, on ${peer} ${result}`);
    }
  }
  const amount = workload.unit === 'trips' ? workload.scale * 1000 : Number((strata.retired ?? 0n) - emptyInstructions);
  const rate = ({ milliseconds }: Timing): number =>
    workload.unit === 'trips' ? (amount / milliseconds) * 1000 : amount / milliseconds / 1000;
  return {
    workload: workload.title,
    unit: workload.unit,
    amount,
    strata: rate(strata),
    bochs: rate(bochs),
    qemu: qemu === undefined ? undefined : rate(qemu),
    ratio: rate(strata) / rate(bochs),
    target: workload.target,
  };
}

const verdict = (good: boolean): string => (good ? 'PASS' : 'FAIL');
const figure = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: value < 1000 ? 1 : 0 });

function printRow(row: Row): void {
  const unit = row.unit === 'trips' ? 'trips/s' : 'MIPS';
  console.log(
    [
      row.workload.padEnd(24),
      figure(row.strata).padStart(10),
      figure(row.bochs).padStart(10),
      (row.qemu === undefined ? '-' : figure(row.qemu)).padStart(10),
      unit.padEnd(8),
      `${row.ratio.toFixed(2)} x`.padStart(9),
      `(target ${row.target} x)`.padEnd(14),
      verdict(row.ratio >= row.target),
      row.qemu === undefined ? '' : `${(row.strata / row.qemu).toFixed(2)} x QEMU`,
    ].join(' '),
  );
}

async function main(): Promise<void> {
  for (const directory of [GUESTS, HELLO]) execFileSync('make', ['-s'], { cwd: directory, stdio: 'inherit' });
  const workloads = WORKLOADS.filter(({ name }) => only === undefined || only.includes(name));

  console.log(`${cpus()[0]?.model ?? 'unknown processor'}, ${cpus().length} processors, Node ${process.version}`);
  console.log(`median of ${runs} run${runs === 1 ? '' : 's'}\n`);
  console.log([''.padEnd(24), 'Strata'.padStart(10), 'Bochs'.padStart(10), 'QEMU'.padStart(10)].join(' '));
  const empty = timeOnStrata({ image: IMAGE, image32: IMAGE32, cmdline: 'work=none scale=0' }).retired ?? 0n;
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
