/** Guests of this folder, assembled. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const GUESTS = join(import.meta.dirname, 'guests');

/** The guests, by subject. */
export const SUBJECTS = [
  'protected',
  'long',
  'paging',
  'legacy-paging',
  'services',
  'virtual',
  'tasks',
  'debug',
  'modes',
  'descriptors',
] as const;
/** Those whose reports on QEMU say something too: most others go astray there, where it leaves limits unchecked. */
export const QEMU_SUBJECTS = ['virtual', 'tasks'] as const;

export interface GuestImages {
  path(subject: string): string;
  remove(): void;
}

/** Assembles the guests named into a folder of their own. */
export function assembleGuests(subjects: readonly string[]): GuestImages {
  const directory = mkdtempSync(join(tmpdir(), 'strata-system-'));
  const path = (subject: string): string => join(directory, `${subject}.bin`);
  for (const subject of subjects) {
    // Prefixes that change nothing are the subject of some tests.
    const flags = ['-f', 'bin', '-w-prefix-opsize', '-i', `${GUESTS}/`];
    execFileSync('nasm', [...flags, '-o', path(subject), join(GUESTS, `${subject}.asm`)], { stdio: 'inherit' });
  }
  return { path, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
