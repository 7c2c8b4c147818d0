/** Builds every sample that has a Makefile. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const SAMPLES = join(__dirname, '..', 'samples');

/** Throws with make's own words if one does not build. */
export function buildSamples(): readonly string[] {
  const names = readdirSync(SAMPLES).filter((name) => existsSync(join(SAMPLES, name, 'Makefile')));
  for (const name of names) {
    execFileSync('make', ['-s', '-C', join(SAMPLES, name)], { stdio: ['ignore', 'inherit', 'inherit'] });
  }
  return names;
}

if (require.main === module) console.log(`built ${buildSamples().join(', ')}`);
