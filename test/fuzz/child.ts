/** Runs guests one after the other in a process of its own, so that one that hangs can be named and ended from outside. */
import { Finding, Session } from './session';
import type { FuzzMessage } from './run';

const [first, guests, seconds] = process.argv.slice(2).map(Number);
const tell = (message: FuzzMessage): void => void process.send?.(message);
const session = new Session();
const end = performance.now() + seconds * 1000;
const findings: string[] = [];
const kinds = new Map<string, number>();
let run = 0;
let begun = 0;
let retired = 0;
let entered = 0;
let replayed = 0;

for (let seed = first; run < guests && (seconds === 0 || performance.now() < end); seed++, run++) {
  tell({ kind: 'begun', seed });
  try {
    const outcome = session.run(seed);
    if (outcome.end !== 'not begun') begun++;
    if (outcome.entered) entered++;
    if (outcome.replayed) replayed++;
    retired += outcome.retired;
    const kind = `${outcome.plan.kind} ${outcome.plan.mode}`;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  } catch (error) {
    if (!(error instanceof Finding)) throw error;
    findings.push(error.message);
  }
}

tell({ kind: 'report', report: { guests: run, begun, entered, replayed, retired, findings, kinds: [...kinds] } });
