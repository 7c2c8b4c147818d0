import { fork } from 'node:child_process';
import { join } from 'node:path';

export interface FuzzTask {
  /** Seed of the first guest; the next one has the next number. */
  readonly first: number;
  /** Guests at most. */
  readonly guests: number;
  /** Wall time in seconds after which no further guest begins; 0: no limit. */
  readonly seconds: number;
}

export interface FuzzReport {
  readonly guests: number;
  /** Guests that got past their prologue. */
  readonly begun: number;
  /** Guests during which a VM entry, an exit or an attempt at one was made. */
  readonly entered: number;
  /** Guests that were run again in pieces, to the same end. */
  readonly replayed: number;
  readonly retired: number;
  /** What is wrong, in words with the seed. */
  readonly findings: readonly string[];
  readonly kinds: readonly (readonly [string, number])[];
}

/** What the process with the guests tells. */
export type FuzzMessage =
  { readonly kind: 'begun'; readonly seed: number } | { readonly kind: 'report'; readonly report: FuzzReport };

/** Wall time of one guest after which it is said to hang: many times what the slowest take on a loaded machine. */
const PATIENCE = 120_000;

/** Runs guests from a seed on; rejects with the seed of one that hangs. */
export function fuzz({ first, guests, seconds }: FuzzTask): Promise<FuzzReport> {
  const child = fork(join(__dirname, 'child.ts'), [first, guests, seconds].map(String), {
    execArgv: ['--import', 'tsx'],
  });
  return new Promise((resolve, reject) => {
    let seed = first;
    const hang = (): void => {
      reject(new Error(`the guest of seed ${seed} hangs`));
      child.kill('SIGKILL');
    };
    let watch = setTimeout(hang, PATIENCE);
    child.on('message', (message: FuzzMessage) => {
      clearTimeout(watch);
      if (message.kind === 'report') {
        resolve(message.report);
        return;
      }
      ({ seed } = message);
      watch = setTimeout(hang, PATIENCE);
    });
    child.once('error', reject);
    child.once('exit', () => {
      clearTimeout(watch);
      reject(new Error(`the process with the guests ended at seed ${seed}`));
    });
  });
}
