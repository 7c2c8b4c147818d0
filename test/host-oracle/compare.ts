/**
 * Runs generated cases on the host and on the machine, and describes the differences. The host is taken to be an Intel
 * processor, as the machine is: makers differ in what the SDM leaves to them.
 */
import { LAYOUT, type Outcome } from './case';
import { EmulatedProcessor, type AccessPath } from './emulated';
import { generateCase, TESTED_ROWS, type GeneratedCase } from './generate';
import { runOnHost } from './host';
import { Random } from './random';

const NAMES = [
  'rax',
  'rcx',
  'rdx',
  'rbx',
  'rsp',
  'rbp',
  'rsi',
  'rdi',
  'r8',
  'r9',
  'r10',
  'r11',
  'r12',
  'r13',
  'r14',
  'r15',
];

/** Cases of one process of the harness. */
const BATCH = 4096;

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const hexBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/**
 * Endings as far as they can be told apart: a transfer to where nothing is mapped has run, whatever the fetch there does.
 */
function normalised({ ending, rip, ...rest }: Outcome, { input }: GeneratedCase): Outcome {
  const start = BigInt(LAYOUT.snippet);
  const isInside = rip >= start && rip < start + BigInt(input.code.length);
  return { ending: ending === 'access fault' && !isInside ? 'ran' : ending, rip, ...rest };
}

function differences(host: Outcome, machine: Outcome, generated: GeneratedCase): readonly string[] {
  const found: string[] = [];
  const say = (what: string, expected: string, actual: string): void => {
    if (expected !== actual) found.push(`${what}: host ${expected}, machine ${actual}`);
  };
  say('ending', host.ending, machine.ending);
  say('rip', hex(host.rip), hex(machine.rip));
  NAMES.forEach((name, n) => say(name, hex(host.gpr[n]), hex(machine.gpr[n])));
  // An instruction that does not complete changes no flag.
  const compared = host.ending === 'ran' ? ~generated.undefinedFlags : ~0;
  say('flags', hex(host.flags & compared), hex(machine.flags & compared));
  // Processors may have pushed the return address when a CALL's target turns out not to be canonical.
  if (host.ending === 'access fault' && generated.mnemonic.startsWith('CALL')) return found;
  say('memory across pages', hexBytes(host.crossing), hexBytes(machine.crossing));
  say('memory at the end', hexBytes(host.edge), hexBytes(machine.edge));
  return found;
}

function describe({ input, mnemonic }: GeneratedCase, found: readonly string[]): string {
  const registers = NAMES.map((name, n) => `${name}=${hex(input.gpr[n])}`).join(' ');
  return `${mnemonic} ${hexBytes(input.code)} flags=${hex(input.flags)} ${registers}\n    ${found.join('\n    ')}`;
}

export interface Comparison {
  readonly cases: number;
  /** One description a case that differs. */
  readonly failures: readonly string[];
  /** How often each ending came. */
  readonly endings: Readonly<Record<string, number>>;
}

/** Compares about `count` cases, the same number of every row of the instruction table. */
export function compareWithHost(seed: number, count: number): Comparison {
  const random = new Random(seed);
  const processor = new EmulatedProcessor();
  const rounds = Math.ceil(count / TESTED_ROWS.length);
  const failures: string[] = [];
  const endings: Record<string, number> = {};
  let cases = 0;
  let batch: GeneratedCase[] = [];
  const flush = (): void => {
    runOnHost(batch.map(({ input }) => input)).forEach((outcome, i) => {
      const generated = batch[i];
      const path: AccessPath = i % 2 === 0 ? 'inline' : 'slow';
      const host = normalised(outcome, generated);
      const machine = normalised(processor.execute(generated.input, path), generated);
      const found = differences(host, machine, generated);
      endings[host.ending] = (endings[host.ending] ?? 0) + 1;
      if (found.length > 0) failures.push(describe(generated, found));
    });
    cases += batch.length;
    batch = [];
  };
  for (let round = 0; round < rounds; round++) {
    for (const row of TESTED_ROWS) {
      batch.push(generateCase(random, row));
      if (batch.length === BATCH) flush();
    }
  }
  if (batch.length > 0) flush();
  return { cases, failures, endings };
}
