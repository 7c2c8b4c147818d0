import type { WarmSemantic } from './context';
import { assisted } from './vectors';

const KEYS = [
  ...['aesenc', 'aesenclast', 'aesdec', 'aesdeclast', 'aesimc', 'aeskeygenassist'],
  'pclmulqdq',
  ...['sha1rnds4', 'sha1nexte', 'sha1msg1', 'sha1msg2', 'sha256rnds2', 'sha256msg1', 'sha256msg2'],
] as const;

/** AES, carry-less multiplication and SHA: their arithmetic is in the assists of `vector/`. */
export const CRYPTOGRAPHY_SEMANTICS: Readonly<Record<string, WarmSemantic>> = Object.fromEntries(
  KEYS.map((key) => [key, assisted()]),
);
