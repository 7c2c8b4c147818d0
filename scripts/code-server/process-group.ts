import type { ChildProcess } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-leader, signal);
  } catch {
    return false;
  }
}

/** Ends a process that was spawned `detached` and every process it started, gently first. Resolves when all are gone. */
export async function endGroup(leader: ChildProcess): Promise<void> {
  if (leader.pid === undefined) return;
  for (const [signal, milliseconds] of [
    ['SIGTERM', 3000],
    ['SIGKILL', 2000],
  ] as const) {
    if (!signalGroup(leader.pid, signal)) return;
    for (const limit = Date.now() + milliseconds; Date.now() < limit; await sleep(50)) {
      if (!signalGroup(leader.pid, 0)) return;
    }
  }
}
