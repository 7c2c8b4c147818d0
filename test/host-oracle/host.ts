import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { COMPARED_FLAGS, LAYOUT, type Case, type Ending, type Outcome } from './case';

const SOURCE = join(__dirname, 'harness.c');
const CACHE = join(__dirname, '..', '..', '.cache', 'host-oracle');
const BINARY = join(CACHE, 'harness');

/*
 * Layout of a case:     0 u8 length | 1 code[31] | 32 gpr[16] | 160 flags | 168 crossing[256] | 424 edge[128]
 * Layout of an outcome: 0 u32 signal | 8 rip | 16 gpr[16] | 144 flags | 152 crossing[256] | 408 edge[128]
 */
const INPUT_SIZE = 552;
const OUTCOME_SIZE = 536;

const SIGNALS: Readonly<Record<number, Ending>> = {
  0: 'ran',
  4: '#UD',
  7: 'access fault',
  8: '#DE',
  11: 'access fault',
};

/** Builds the harness if it is older than its source. */
function build(): void {
  if (existsSync(BINARY) && statSync(BINARY).mtimeMs >= statSync(SOURCE).mtimeMs) return;
  mkdirSync(CACHE, { recursive: true });
  execFileSync('gcc', ['-O2', '-Wall', '-Wextra', '-o', BINARY, SOURCE]);
}

function encode(cases: readonly Case[]): Uint8Array {
  const bytes = new Uint8Array(cases.length * INPUT_SIZE);
  const view = new DataView(bytes.buffer);
  cases.forEach(({ code, gpr, flags, crossing, edge }, i) => {
    const at = i * INPUT_SIZE;
    if (code.length > LAYOUT.maxCode) throw new Error(`a snippet of ${code.length} bytes is too long`);
    bytes[at] = code.length;
    bytes.set(code, at + 1);
    gpr.forEach((value, n) => view.setBigUint64(at + 32 + n * 8, value, true));
    view.setBigUint64(at + 160, BigInt(flags | 0x202), true);
    bytes.set(crossing, at + 168);
    bytes.set(edge, at + 424);
  });
  return bytes;
}

function decode(bytes: Uint8Array, index: number): Outcome {
  const view = new DataView(bytes.buffer, bytes.byteOffset + index * OUTCOME_SIZE, OUTCOME_SIZE);
  const part = (offset: number, size: number): Uint8Array =>
    bytes.slice(index * OUTCOME_SIZE + offset, index * OUTCOME_SIZE + offset + size);
  const signal = view.getUint32(0, true);
  const ending = SIGNALS[signal];
  if (ending === undefined) throw new Error(`the harness met signal ${signal}`);
  return {
    ending,
    rip: view.getBigUint64(8, true),
    gpr: BigUint64Array.from({ length: 16 }, (_, n) => view.getBigUint64(16 + n * 8, true)),
    flags: view.getUint32(144, true) & COMPARED_FLAGS,
    crossing: part(152, LAYOUT.crossingSize),
    edge: part(408, LAYOUT.edgeSize),
  };
}

/** Runs the cases on the processor this runs on; needs Linux on x86-64 and gcc. */
export function runOnHost(cases: readonly Case[]): readonly Outcome[] {
  build();
  const { status, signal, stdout } = spawnSync(BINARY, {
    input: encode(cases),
    maxBuffer: cases.length * OUTCOME_SIZE + 1024,
  });
  if (status !== 0 || stdout.length !== cases.length * OUTCOME_SIZE) {
    throw new Error(`the harness ended with status ${status}, signal ${signal} and ${stdout.length} bytes`);
  }
  return cases.map((_, i) => decode(stdout, i));
}
