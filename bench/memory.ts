/** Resident memory of a process that runs a guest. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

const RUNNER = join(import.meta.dirname, 'run-for-memory.ts');

/**
 * Runs an image in a process of its own.
 * @param megabytes RAM of the guest
 * @returns the most memory the process held, in MB
 */
export function residentMemory(image: string, megabytes: number): number {
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', RUNNER, image, String(megabytes)],
    { encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`running ${image} ended with status ${status}: ${stderr}`);
  return Number(stdout) / 1024;
}
