import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SOURCE = join(__dirname, 'harness.c');
const CACHE = join(__dirname, '..', '..', '.cache', 'float-oracle');
const BINARY = join(CACHE, 'harness');

/*
 * Layout of a case:     0 u8 length | 1 code[31] | 32 rax | 48 state[512] | 560 data[256]
 * Layout of an outcome: 0 u32 signal | 8 rax | 16 flags | 24 rip | 32 state[512] | 544 data[256]
 */
const INPUT_SIZE = 816;
const OUTCOME_SIZE = 800;
const BATCH = 20_000;

/** Where the harness puts a snippet and its data. */
export const CODE_ADDRESS = 0x1765_0000;
export const DATA_ADDRESS = 0x1000_0000;

/** A snippet without its RET, and the state it starts from; `state` is an FXSAVE64 image. */
export interface FloatCase {
  readonly code: readonly number[];
  readonly rax: bigint;
  readonly state: Uint8Array;
  readonly data: Uint8Array;
}

export interface FloatOutcome {
  /** Signal that ended it, or 0. */
  readonly signal: number;
  readonly rax: bigint;
  readonly flags: number;
  /** Where it was interrupted. */
  readonly rip: bigint;
  readonly state: Uint8Array;
  readonly data: Uint8Array;
}

/** Builds the harness if it is older than its source. */
function build(): void {
  if (existsSync(BINARY) && statSync(BINARY).mtimeMs >= statSync(SOURCE).mtimeMs) return;
  mkdirSync(CACHE, { recursive: true });
  execFileSync('gcc', ['-O1', '-Wall', '-Wextra', '-mno-red-zone', '-o', BINARY, SOURCE]);
}

function encode(cases: readonly FloatCase[]): Uint8Array {
  const bytes = new Uint8Array(cases.length * INPUT_SIZE);
  const view = new DataView(bytes.buffer);
  cases.forEach(({ code, rax, state, data }, i) => {
    const at = i * INPUT_SIZE;
    if (code.length > 30) throw new Error(`a snippet of ${code.length} bytes is too long`);
    bytes[at] = code.length;
    bytes.set(code, at + 1);
    view.setBigUint64(at + 32, rax, true);
    bytes.set(state, at + 48);
    bytes.set(data, at + 560);
  });
  return bytes;
}

function decode(bytes: Uint8Array, index: number): FloatOutcome {
  const at = index * OUTCOME_SIZE;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, OUTCOME_SIZE);
  return {
    signal: view.getUint32(0, true),
    rax: view.getBigUint64(8, true),
    flags: view.getUint32(16, true),
    rip: view.getBigUint64(24, true),
    state: bytes.slice(at + 32, at + 544),
    data: bytes.slice(at + 544, at + 800),
  };
}

/** Runs the cases on the processor this runs on; needs Linux on x86-64 and gcc. */
export function runOnHost(cases: readonly FloatCase[]): readonly FloatOutcome[] {
  build();
  const outcomes: FloatOutcome[] = [];
  for (let first = 0; first < cases.length; first += BATCH) {
    const batch = cases.slice(first, first + BATCH);
    const { status, signal, stdout } = spawnSync(BINARY, { input: encode(batch), maxBuffer: BATCH * OUTCOME_SIZE + 1 });
    if (status !== 0 || stdout.length !== batch.length * OUTCOME_SIZE)
      throw new Error(`the harness ended with status ${status}, signal ${signal} and ${stdout.length} bytes`);
    batch.forEach((_, i) => outcomes.push(decode(stdout, i)));
  }
  return outcomes;
}
