/** Resident memory of a process that runs a guest. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Bundled beside this. */
const RUNNER = new URL('./run-for-memory.mjs', import.meta.url);

/**
 * Runs an image in a process of its own.
 * @param megabytes RAM of the guest
 * @returns the most memory the process held, in MB
 */
export function residentMemory(image: string, megabytes: number, cmdline: string): number {
  const words = [fileURLToPath(RUNNER), image, String(megabytes), cmdline];
  const { stdout, stderr, status } = spawnSync(process.execPath, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`running ${image} ended with status ${status}: ${stderr}`);
  return Number(stdout) / 1024;
}
